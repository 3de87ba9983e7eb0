/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "runtime/owner.h"
#include "test.h"

TEST(this_process_is_alive) {
        _cleanup_free_ char *owner = NULL;

        ASSERT_OK(owner_self(&owner, NULL));
        ASSERT_TRUE(owner_is_alive(owner));
}

TEST(a_child_that_ended_is_not) {
        _cleanup_close_pair_ int fds[2] = { -EBADF, -EBADF };
        char word[256] = {};

        ASSERT_OK(pipe(fds));
        pid_t pid = fork();
        ASSERT_OK(pid);
        if (pid == 0) {
                char *owner = NULL;

                _exit(owner_self(&owner, NULL) < 0 || write_all(fds[1], owner, strlen(owner) + 1) < 0);
        }
        ASSERT_GT(read(fds[0], word, sizeof(word) - 1), 40);
        ASSERT_EQ(waitpid(pid, NULL, 0), pid);
        ASSERT_FALSE(owner_is_alive(word));
}

TEST(the_pid_of_another_start_or_boot_is_not) {
        _cleanup_free_ char *owner = NULL;

        ASSERT_OK(owner_self(&owner, NULL));
        _cleanup_free_ char *later = format_string("%s1", owner);
        ASSERT_FALSE(owner_is_alive(later));
        owner[0] = owner[0] == 'a' ? 'b' : 'a';
        ASSERT_FALSE(owner_is_alive(owner));
}

TEST(what_is_no_owner_counts_as_alive) {
        ASSERT_TRUE(owner_is_alive(""));
        ASSERT_TRUE(owner_is_alive("nonsense"));
        ASSERT_TRUE(owner_is_alive("01234567-0123-0123-0123-0123456789ab"));
        ASSERT_TRUE(owner_is_alive("01234567-0123-0123-0123-0123456789ab:x:y"));
}
