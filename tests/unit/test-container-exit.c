/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container-exit.h"
#include "test.h"

TEST(what_labels_say_of_an_end) {
        static const struct {
                const char *code, *time;
                bool known;
                uint32_t status;
                uint64_t usec;
        } table[] = {
                { "3", "1795766798075018", true, 3, UINT64_C(1795766798075018) },
                { "4294967295", "0", true, UINT32_MAX, 0 },
                { "4294967296", "0", false, 0, 0 },
                { "-1", "0", false, 0, 0 },
                { "", "0", false, 0, 0 },
                { "3", "soon", false, 0, 0 },
                { "3", NULL, false, 0, 0 },
                { NULL, "3", false, 0, 0 },
                { NULL, NULL, false, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                CtrLabels labels = {};
                CtrExit end = {};

                if (table[i].code)
                        ASSERT_OK(ctr_labels_set(&labels, LABEL_EXIT_CODE, table[i].code));
                if (table[i].time)
                        ASSERT_OK(ctr_labels_set(&labels, LABEL_EXIT_TIME, table[i].time));
                ASSERT_EQ(container_read_exit(&labels, &end), table[i].known);
                ASSERT_EQ(end.status, table[i].status);
                ASSERT_EQ(end.exited_usec, table[i].usec);
                ctr_labels_clear(&labels);
        }
}

TEST(whose_a_container_is) {
        const Runtime runtime = { .instance = (char *) "ci" };
        CtrLabels labels = {};

        ASSERT_FALSE(container_is_service(&runtime, &labels));
        ASSERT_OK(ctr_labels_set(&labels, LABEL_INSTANCE, "default"));
        ASSERT_FALSE(container_is_service(&runtime, &labels));
        ASSERT_OK(ctr_labels_set(&labels, LABEL_INSTANCE, "ci"));
        ASSERT_TRUE(container_is_service(&runtime, &labels));
        ASSERT_OK(ctr_labels_set(&labels, LABEL_OWNER, "boot:1:2")); /* a build's */
        ASSERT_FALSE(container_is_service(&runtime, &labels));
        ctr_labels_clear(&labels);
}
