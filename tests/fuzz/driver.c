/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over files, and over those in directories, where no fuzzer is at hand: what once was
 * found stays a test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned n_runs;

static int run_file(const char *path) {
        uint8_t *data = NULL;
        size_t n = 0;
        FILE *f = fopen(path, "re");
        struct stat st;

        if (!f || fstat(fileno(f), &st) < 0 || !(data = malloc((size_t) st.st_size + 1))) {
                perror(path);
                if (f)
                        fclose(f);
                return -1;
        }
        n = fread(data, 1, (size_t) st.st_size, f);
        fclose(f);
        fprintf(stderr, "%s\n", path);
        (void) LLVMFuzzerTestOneInput(data, n);
        free(data);
        n_runs++;
        return 0;
}

static int run_directory(const char *path) {
        struct dirent **entries;
        int r = 0, n = scandir(path, &entries, NULL, alphasort);

        if (n < 0) {
                perror(path);
                return -1;
        }
        for (int i = 0; i < n; i++) {
                char name[4096];

                snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
                if (entries[i]->d_name[0] != '.' && run_file(name) < 0)
                        r = -1;
                free(entries[i]);
        }
        free(entries);
        return r;
}

int main(int argc, char **argv) {
        int r = 0;

        for (int i = 1; i < argc; i++) {
                struct stat st;

                if (stat(argv[i], &st) >= 0 && S_ISDIR(st.st_mode) ? run_directory(argv[i]) < 0
                                                                   : run_file(argv[i]) < 0)
                        r = 1;
        }
        fprintf(stderr, "%u runs\n", n_runs);
        return n_runs == 0 ? 1 : r;
}
