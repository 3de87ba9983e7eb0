/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <string.h>

#include "base/string-util.h"
#include "oci/image.h"
#include "oci/spec.h"

static void try_index(const char *text, size_t n) {
        _cleanup_(image_index_clear) ImageIndex parsed = {}, again = {};
        _cleanup_(buffer_clear) Buffer out = {};

        if (image_index_parse(text, n, &parsed, NULL) < 0)
                return;
        FUZZ_ASSERT(image_index_write(&parsed, &out, NULL) >= 0);
        FUZZ_ASSERT(image_index_parse(out.data, out.length, &again, NULL) >= 0);
        FUZZ_ASSERT(parsed.n_manifests == again.n_manifests);
}

static void try_manifest(const char *text, size_t n) {
        _cleanup_(image_manifest_clear) ImageManifest parsed = {}, copy = {}, again = {};
        _cleanup_(buffer_clear) Buffer out = {};

        if (image_manifest_parse(text, n, &parsed, NULL) < 0)
                return;
        FUZZ_ASSERT(image_manifest_copy(&parsed, &copy) >= 0);
        if (image_manifest_write(&copy, &out, NULL) < 0)
                return;
        FUZZ_ASSERT(image_manifest_parse(out.data, out.length, &again, NULL) >= 0);
        FUZZ_ASSERT(parsed.n_layers == again.n_layers);
}

/* Every edit, and what was edited reads back so. */
static void try_config(const char *text, size_t n) {
        _cleanup_(image_config_clear) ImageConfig config = {}, again = {};
        _cleanup_(buffer_clear) Buffer out = {};
        char *const words[] = { (char *) "A=1", NULL };
        Digest digest;

        if (image_config_parse(text, n, &config, NULL) < 0 || config.n_diff_ids >= MANIFEST_LAYERS_MAX)
                return;
        digest_of("", 0, &digest);
        FUZZ_ASSERT(image_config_set_env(&config, words) >= 0);
        FUZZ_ASSERT(image_config_set_workdir(&config, "/w") >= 0);
        FUZZ_ASSERT(image_config_set_entrypoint(&config, words) >= 0);
        FUZZ_ASSERT(image_config_append_empty(&config, 0, "x") >= 0);
        FUZZ_ASSERT(image_config_append_layer(&config, &digest, 0, NULL) >= 0);
        FUZZ_ASSERT(image_config_write(&config, &out) >= 0);
        if (out.length > DOCUMENT_SIZE_MAX)
                return;
        FUZZ_ASSERT(image_config_parse(out.data, out.length, &again, NULL) >= 0);
        FUZZ_ASSERT(strv_length(again.env) == 1 && streq(again.env[0], "A=1"));
        FUZZ_ASSERT(streq(again.workdir, "/w") && streq(again.entrypoint[0], "A=1") && !again.cmd);
        FUZZ_ASSERT(again.n_diff_ids == config.n_diff_ids);
        FUZZ_ASSERT(digest_equal(&again.diff_ids[again.n_diff_ids - 1], &digest));
}

static void try_exec(const char *text, size_t n) {
        _cleanup_(buffer_clear) Buffer out = {};
        char *const args[] = { (char *) "true", NULL };
        SpecExec exec = { .args = args };

        (void) spec_write_exec(text, n, &exec, &out, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;

        try_index(text, size);
        try_manifest(text, size);
        try_config(text, size);
        try_exec(text, size);
        (void) image_document_kind(text, size);
        return 0;
}
