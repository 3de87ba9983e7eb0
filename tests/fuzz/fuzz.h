/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What each target defines: the fuzzer's entry. Gives 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for any input. */
#define FUZZ_ASSERT(expression) \
        do { \
                if (!(expression)) { \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #expression); \
                        abort(); \
                } \
        } while (0)
