/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Values of MESSAGE_ID= for what src/broker/cruxd.catalog explains, see sd-id128(3) and journalctl(1), -x. */

#define MESSAGE_JOB_STARTED "58c68a3a79d84bc98eb4d40fd32207d5"
#define MESSAGE_JOB_FINISHED "6d957be1825d458aa345b9ebb11f2607"
#define MESSAGE_JOB_FAILED "ece912a2cb7845a58b6acebcfc72100c"
#define MESSAGE_JOB_CANCELLED "f5eceed43dfb418bb166c41db186250f"
#define MESSAGE_WORKER_DIED "1be802d8f66143fdad5902845f16732a"
#define MESSAGE_WORKER_KILLED "174d42094f9345e7987fcd5594d58d35"
#define MESSAGE_START_FAILED "2f1d1d53d5864042958252f01da63358"
#define MESSAGE_LINES_LOST "0731627b1850448b9e18ce8990accb5f"
