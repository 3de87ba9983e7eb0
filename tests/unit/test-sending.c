/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/output.h"
#include "test.h"

TEST(what_does_not_go_is_kept_in_order) {
        static char data[1 << 20], received[1 << 20];
        Output output = {};
        int pair[2];
        size_t n = 0;

        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (char) (i * 7 + i / 251);
        for (size_t i = 0; i < sizeof(data); i += 4096)
                ASSERT_OK(output_write(&output, pair[0], data + i, 4096));
        ASSERT_GT(output_pending(&output), 0);
        ASSERT_EQ(output_flush(&output, pair[0]), 0); /* nobody has read yet */

        while (n < sizeof(data)) {
                ssize_t k = read(pair[1], received + n, MIN(sizeof(received) - n, (size_t) 30000));
                if (k > 0)
                        n += (size_t) k;
                else
                        ASSERT_EQ(output_flush(&output, pair[0]), 1);
        }
        ASSERT_EQ(output_pending(&output), 0);
        ASSERT_EQ(memcmp(data, received, sizeof(data)), 0);
        output_clear(&output);
        close(pair[0]);
        close(pair[1]);
}

TEST(nobody_reads) {
        Output output = {};
        int pair[2];

        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
        close(pair[1]);
        ASSERT_EQ(output_write(&output, pair[0], "x", 1), -EPIPE);
        output_clear(&output);
        close(pair[0]);
}
