/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/reference.h"
#include "test.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DIGEST "sha256:" HEX

TEST(normalised) {
        static const struct {
                const char *text, *domain, *path, *tag, *digest, *canonical;
        } cases[] = {
                { "alpine", "docker.io", "library/alpine", "latest", "", "docker.io/library/alpine:latest" },
                { "alpine:3.20", "docker.io", "library/alpine", "3.20", "", "docker.io/library/alpine:3.20" },
                { "acme/hello", "docker.io", "acme/hello", "latest", "", "docker.io/acme/hello:latest" },
                { "docker.io/alpine", "docker.io", "library/alpine", "latest", "",
                  "docker.io/library/alpine:latest" },
                { "index.docker.io/a/b:c", "docker.io", "a/b", "c", "", "docker.io/a/b:c" },
                { "quay.io/x/y/z:T_1.2-3", "quay.io", "x/y/z", "T_1.2-3", "", "quay.io/x/y/z:T_1.2-3" },
                { "localhost/x", "localhost", "x", "latest", "", "localhost/x:latest" },
                { "localhost:5000/x:y", "localhost:5000", "x", "y", "", "localhost:5000/x:y" },
                { "registry:5000/x", "registry:5000", "x", "latest", "", "registry:5000/x:latest" },
                { "[::1]:5000/x", "[::1]:5000", "x", "latest", "", "[::1]:5000/x:latest" },
                { "UPPER/x", "UPPER", "x", "latest", "", "UPPER/x:latest" },
                { "alpine@" DIGEST, "docker.io", "library/alpine", NULL, DIGEST,
                  "docker.io/library/alpine@" DIGEST },
                { "r.io/a:t@" DIGEST, "r.io", "a", "t", DIGEST, "r.io/a:t@" DIGEST },
                { "a__b/c-----d.e_f", "docker.io", "a__b/c-----d.e_f", "latest", "",
                  "docker.io/a__b/c-----d.e_f:latest" },
                { "library/alpine", "docker.io", "library/alpine", "latest", "",
                  "docker.io/library/alpine:latest" },
                { "localhosts/x", "docker.io", "localhosts/x", "latest", "",
                  "docker.io/localhosts/x:latest" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(error_clear) Error error = {};
                Reference reference = {};

                if (reference_parse(cases[i].text, &reference, &error) < 0)
                        test_fail(__FILE__, __LINE__, "%s: %s", cases[i].text, error_message(&error));
                ASSERT_STREQ(reference.domain, cases[i].domain);
                ASSERT_STREQ(reference.path, cases[i].path);
                if (cases[i].tag)
                        ASSERT_STREQ(reference.tag, cases[i].tag);
                else
                        ASSERT_NULL(reference.tag);
                ASSERT_STREQ(reference.digest.string, cases[i].digest);
                ASSERT_STREQ(reference.canonical, cases[i].canonical);

                /* What is canonical stays as it is. */
                Reference again = {};
                ASSERT_OK(reference_parse(reference.canonical, &again, NULL));
                ASSERT_STREQ(again.canonical, cases[i].canonical);
                reference_clear(&again);
                reference_clear(&reference);
        }
}

static void refuse(const char *text, const char *words) {
        _cleanup_(error_clear) Error error = {};
        Reference reference = {};

        ASSERT_LT(reference_parse(text, &reference, &error), 0);
        ASSERT_CONTAINS(error_message(&error), words);
        ASSERT_NULL(reference.canonical);
}

TEST(refused) {
        static const char *const malformed[] = {
                "",           ":tag",       "/x",
                "x/",         "a//b",       "-a",
                "a-",         "a.",         "a..b",
                "a___b",      "a._b",       "a b",
                " a",         "a\n",        "a:",
                "a:-t",       "a:.t",       "a:b:c",
                "a@",         "a@sha256:1", "a@b@" DIGEST,
                "a:t u",      "http://a/b", "a.io:/x",
                "a.io:80x/y", "-a.io/x",    "a-.io/x",
                "a..io/x",    "[::1/x",     "[]/x",
                "\xc3\xa9/x", "a:\xc3\xa9", "../etc/passwd",
                "a/../b",     "a.io/./b",   "a@" DIGEST ":tag",
        };

        for (size_t i = 0; i < ELEMENTSOF(malformed); i++) {
                Reference reference = {};
                if (reference_parse(malformed[i], &reference, NULL) >= 0)
                        test_fail(__FILE__, __LINE__, "\"%s\" was taken as %s", malformed[i],
                                  reference.canonical);
        }
        refuse("Alpine", "must be lower-case");
        refuse("docker.io/Alpine:x", "must be lower-case");
        refuse("a/B", "must be lower-case");
        refuse(HEX, "image id");
        refuse("a@sha512:00", "only sha256");
        refuse("a:t:", "not valid");
}

TEST(lengths) {
        char text[REFERENCE_MAX + 8] = "a:";
        Reference reference = {};

        memset(text + 2, 't', REFERENCE_TAG_MAX);
        ASSERT_OK(reference_parse(text, &reference, NULL));
        reference_clear(&reference);
        text[2 + REFERENCE_TAG_MAX] = 't';
        refuse(text, "tag");

        memset(text, 0, sizeof(text));
        memcpy(text, "r.io/", 5);
        memset(text + 5, 'a', REFERENCE_PATH_MAX);
        ASSERT_OK(reference_parse(text, &reference, NULL));
        reference_clear(&reference);
        text[5 + REFERENCE_PATH_MAX] = 'a';
        refuse(text, "longer than");

        memset(text, 'a', REFERENCE_MAX + 1);
        refuse(text, "longer than");
}
