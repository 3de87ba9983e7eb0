/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "oci/spec.h"
#include "test.h"

/* What the published daemon gives a container. */
static const char reference[] =
        "{\"ociVersion\":\"1.3.0\",\"process\":{\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[0]},"
        "\"args\":[\"/b"
        "in/sh\",\"-c\",\"echo up; sleep "
        "infinity\"],\"env\":[\"PATH=/bin:/usr/bin\"],\"cwd\":\"/\",\"capabilitie"
        "s\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\","
        "\"CAP_"
        "NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\","
        "\"CAP"
        "_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"],\"effective\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\","
        "\"CA"
        "P_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_"
        "SETFCAP\",\""
        "CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"],\"permit"
        "ted\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_"
        "RAW\",\""
        "CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROO"
        "T\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,"
        "\"soft\":10"
        "24}],\"noNewPrivileges\":true},\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/"
        "proc\",\"ty"
        "pe\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},{\"destination\":"
        "\"/dev\",\"t"
        "ype\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size="
        "65536k\"]}"
        ",{\"destination\":\"/dev/"
        "pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\",\"noexec\","
        "\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},{\"destination\":\"/dev/"
        "shm\",\"type\":\"tmpf"
        "s\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
        "{\"desti"
        "nation\":\"/dev/"
        "mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"node"
        "v\"]},{\"destination\":\"/"
        "sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"n"
        "odev\",\"ro\"]},{\"destination\":\"/"
        "run\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"st"
        "rictatime\",\"mode=755\",\"size=65536k\"]},{\"destination\":\"/etc/"
        "resolv.conf\",\"type\":\"bind\",\"sou"
        "rce\":\"/etc/"
        "resolv.conf\",\"options\":[\"rbind\",\"ro\"]}],\"linux\":{\"resources\":{\"devices\":[{\"allo"
        "w\":false,\"access\":\"rwm\"}]},\"cgroupsPath\":\"/cruxd/"
        "acme-hello\",\"namespaces\":[{\"type\":\"pid\"},"
        "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}],\"maskedPaths\":[\"/proc/acpi\",\"/proc/"
        "asound\""
        ",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/"
        "timer_stats\",\""
        "/proc/sched_debug\",\"/sys/firmware\",\"/sys/devices/virtual/powercap\",\"/proc/scsi\"],\"readonly"
        "Paths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

#define ARGS(...) ((char *const *) (const char *const[]) { __VA_ARGS__, NULL })
static uint32_t gids[] = { 0 };
static const ImageUser root = { .groups = gids, .n_groups = 1 };

static json_object *parse(const Buffer *text) {
        json_object *object = NULL;
        ASSERT_OK(json_parse(text->data, text->length, SPEC_DEPTH_MAX, &object, NULL));
        return object;
}

static json_object *write_spec(const SpecInputs *inputs) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(error_clear) Error error = {};

        if (spec_write(inputs, &text, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        return parse(&text);
}

TEST(equals_the_reference) {
        SpecInputs inputs = {
                .args = ARGS("/bin/sh", "-c", "echo up; sleep infinity"),
                .env = ARGS("PATH=/bin:/usr/bin"),
                .user = &root,
                .cgroups_path = "/cruxd/acme-hello",
        };
        _cleanup_json_ json_object *expected = NULL, *spec = write_spec(&inputs);

        ASSERT_OK(json_parse(reference, strlen(reference), SPEC_DEPTH_MAX, &expected, NULL));
        if (!json_object_equal(expected, spec))
                test_fail(__FILE__, __LINE__, "the spec is %s", json_object_to_json_string(spec));
}

TEST(inputs) {
        static const char *const options[] = { "bind", "ro", NULL };
        uint32_t groups[] = { 5, 7 };
        ImageUser user = { .uid = 1000, .gid = 5, .groups = groups, .n_groups = 2 };
        SpecMount mount = { "/run/init", "bind", "/usr/libexec/init", options };
        SpecAnnotation annotation = { "org.systemd.property.TimeoutStopUSec", "uint64 1000000" };
        SpecInputs inputs = {
                .args = ARGS("true"),
                .env = ARGS("noequals", "=noname", "A=", "B=c=d"),
                .cwd = "/srv",
                .user = &user,
                .cgroups_path = "a.slice:cruxd:x",
                .hostname = "builder",
                .no_resolv_conf = true,
                .mounts = &mount,
                .n_mounts = 1,
                .annotations = &annotation,
                .n_annotations = 1,
        };
        _cleanup_json_ json_object *spec = write_spec(&inputs);
        json_object *process = json_member(spec, "process"), *mounts = json_member(spec, "mounts");

        ASSERT_STREQ(json_object_to_json_string_ext(json_member(process, "env"), 0), "[\"A=\",\"B=c=d\"]");
        ASSERT_STREQ(json_object_get_string(json_member(process, "cwd")), "/srv");
        ASSERT_STREQ(json_object_to_json_string_ext(json_member(process, "user"), 0),
                     "{\"uid\":1000,\"gid\":5,\"additionalGids\":[5,7]}");
        ASSERT_EQ(json_object_array_length(mounts), 8);
        ASSERT_STREQ(json_object_get_string(json_member(json_object_array_get_idx(mounts, 7), "destination")),
                     "/run/init");
        ASSERT_STREQ(json_object_get_string(json_member(json_member(spec, "annotations"), annotation.name)),
                     annotation.value);
        ASSERT_STREQ(json_object_get_string(json_member(spec, "hostname")), "builder");
        ASSERT_STREQ(json_object_get_string(json_member(json_member(spec, "linux"), "cgroupsPath")),
                     "a.slice:cruxd:x");
}

TEST(default_environment) {
        SpecInputs inputs = { .args = ARGS("true"), .user = &root, .cgroups_path = "/x" };
        _cleanup_json_ json_object *spec = write_spec(&inputs);
        json_object *env = json_member(json_member(spec, "process"), "env");

        ASSERT_EQ(json_object_array_length(env), 1);
        ASSERT_STREQ(json_object_get_string(json_object_array_get_idx(env, 0)), SPEC_DEFAULT_PATH);
}

static void refuse(SpecInputs inputs, const char *words) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(error_clear) Error error = {};

        inputs.user = &root;
        inputs.cgroups_path = "/x";
        ASSERT_EQ(spec_write(&inputs, &text, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), words);
        ASSERT_EQ(text.length, 0);
}

TEST(refused) {
        refuse((SpecInputs) {}, "no command");
        refuse((SpecInputs) { .args = ARGS("") }, "no command");
        refuse((SpecInputs) { .args = ARGS("x"), .cwd = "srv" }, "not absolute");

        static char just_fits[SPEC_STRING_MAX] = "A=", too_long[SPEC_STRING_MAX + 1] = "B=";
        static char *many[SPEC_STRINGS_MAX / sizeof(just_fits) + 1];
        memset(just_fits + 2, 'x', sizeof(just_fits) - 3);
        memset(too_long + 2, 'x', sizeof(too_long) - 3);
        refuse((SpecInputs) { .args = ARGS("x"), .env = ARGS("A=b", too_long) },
               "environment variable \"B=xxx");
        refuse((SpecInputs) { .args = ARGS("x", too_long) }, "argument \"B=xxx");
        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++)
                many[i] = just_fits;
        refuse((SpecInputs) { .args = ARGS("x"), .env = many }, "more than");

        _cleanup_(buffer_clear) Buffer text = {};
        many[ELEMENTSOF(many) - 2] = NULL;
        const ImageUser user = {};
        ASSERT_OK(spec_write(
                &(SpecInputs) { .args = ARGS("x"), .env = many, .user = &user, .cgroups_path = "/x" }, &text,
                NULL));
}

TEST(exec) {
        _cleanup_(buffer_clear) Buffer text = {};
        SpecExec exec = { .args = ARGS("id", "-u") };

        ASSERT_OK(spec_write_exec(reference, strlen(reference), &exec, &text, NULL));
        _cleanup_json_ json_object *process = parse(&text), *expected = NULL;
        ASSERT_OK(json_parse(reference, strlen(reference), SPEC_DEPTH_MAX, &expected, NULL));
        json_object *own = json_member(expected, "process");
        ASSERT_OK(json_add(own, "args", json_new_strv(exec.args)));
        ASSERT_TRUE(json_object_equal(own, process));
}

TEST(exec_with_all) {
        static const char spec[] =
                "{\"process\":{\"terminal\":true,\"consoleSize\":{\"width\":1},\"args\":[\"a\"],"
                "\"env\":[\"X=1\"],\"cwd\":\"/\",\"future\":[1]}}";
        _cleanup_(buffer_clear) Buffer text = {};
        SpecExec exec = { .args = ARGS("b"), .env = ARGS("Y=2"), .cwd = "/tmp" };

        ASSERT_OK(spec_write_exec(spec, strlen(spec), &exec, &text, NULL));
        ASSERT_OK(buffer_append(&text, "", 1));
        ASSERT_STREQ(text.data, "{\"args\":[\"b\"],\"env\":[\"Y=2\"],\"cwd\":\"/tmp\",\"future\":[1]}");

        _cleanup_(buffer_clear) Buffer tty = {};
        exec.terminal = true;
        ASSERT_OK(spec_write_exec(spec, strlen(spec), &exec, &tty, NULL));
        ASSERT_OK(buffer_append(&tty, "", 1));
        ASSERT_CONTAINS(tty.data, "\"terminal\":true");
}

TEST(exec_refused) {
        _cleanup_(buffer_clear) Buffer text = {};
        SpecExec exec = { .args = ARGS("b") };

        ASSERT_EQ(spec_write_exec("{}", 2, &exec, &text, NULL), -EINVAL);
        ASSERT_EQ(spec_write_exec("null", 4, &exec, &text, NULL), -EINVAL);
        ASSERT_EQ(spec_write_exec("{", 1, &exec, &text, NULL), -EINVAL);
        exec.cwd = "x";
        ASSERT_EQ(spec_write_exec(reference, strlen(reference), &exec, &text, NULL), -EINVAL);
        exec = (SpecExec) {};
        ASSERT_EQ(spec_write_exec(reference, strlen(reference), &exec, &text, NULL), -EINVAL);
}
