/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

int samples_add(Samples *samples, double value) {
        if (samples->length == samples->allocated) {
                size_t n = samples->allocated ? samples->allocated * 2 : 64;
                double *values = reallocarray(samples->values, n, sizeof(*values));
                if (!values)
                        return -ENOMEM;
                samples->values = values;
                samples->allocated = n;
        }
        samples->values[samples->length++] = value;
        return 0;
}

void samples_clear(Samples *samples) {
        free(samples->values);
        *samples = (Samples) {};
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

Summary samples_summary(Samples *samples) {
        const size_t n = samples->length;

        if (n == 0)
                return (Summary) {};
        qsort(samples->values, n, sizeof(double), compare);
        const double low = samples->values[(n - 1) / 2], high = samples->values[n / 2];
        return (Summary) {
                .n = n,
                .min = samples->values[0],
                .median = (low + high) / 2,
                .p99 = samples->values[MIN(n * 99 / 100, n - 1)],
        };
}
