/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's program: a service as small as one can be. It says what it does on its standard output, which
 * cruxd takes to the journal, and ends when it is told to. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t told_to_end;

static void on_signal(int signal) {
        (void) signal;
        told_to_end = 1;
}

int main(void) {
        const char *whom = getenv("WHOM");
        struct sigaction action = { .sa_handler = on_signal };

        sigaction(SIGTERM, &action, NULL);
        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("process %d greets %s\n", (int) getpid(), whom ? whom : "nobody");
        for (unsigned n = 1; !told_to_end; n++) {
                printf("greeting number %u\n", n);
                sleep(1);
        }
        printf("told to end\n");
        return 0;
}
