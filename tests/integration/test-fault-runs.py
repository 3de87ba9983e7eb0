#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything at random: clients of all kinds, and a machine that fails under them. See faults.py.

$CRUXD_FAULTS_SECONDS is how long, $CRUXD_FAULTS_SEED which: a number, or NUMBER:ROUND to begin with that round."""

import os
import random

import crux
import workshop
from faults import Faults

SECONDS = int(os.environ.get("CRUXD_FAULTS_SECONDS", "60"))
SEED, _, ROUND = os.environ.get("CRUXD_FAULTS_SEED", str(random.randrange(1 << 32))).partition(":")


@crux.timeout(600 + SECONDS)
def test_random_faults():
    crux.diagnose(f"seed {SEED}, {SECONDS} s")
    # Idle workers are not what is looked for, so they need not be waited for.
    with workshop.settings(WorkerIdleSec="500ms"):
        run = Faults(SEED, int(ROUND or 0))
        try:
            run.open()
            run.run_for(SECONDS)
            crux.diagnose(f"{run.round} rounds\n{run.summary()}")
        finally:
            run.close()


if __name__ == "__main__":
    crux.main()
