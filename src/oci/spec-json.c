/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec-json.h"

#include <string.h>

/* docker's and containerd's default set. */
static const char *const capabilities[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
        NULL,
};

#define RLIMIT_NOFILE_DEFAULT 1024

#define OPTIONS(...) ((const char *const[]) { __VA_ARGS__, NULL })
static const SpecMount default_mounts[] = {
        { "/proc", "proc", "proc", OPTIONS("nosuid", "noexec", "nodev") },
        { "/dev", "tmpfs", "tmpfs", OPTIONS("nosuid", "strictatime", "mode=755", "size=65536k") },
        { "/dev/pts", "devpts", "devpts",
          OPTIONS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5") },
        { "/dev/shm", "tmpfs", "shm", OPTIONS("nosuid", "noexec", "nodev", "mode=1777", "size=65536k") },
        { "/dev/mqueue", "mqueue", "mqueue", OPTIONS("nosuid", "noexec", "nodev") },
        { "/sys", "sysfs", "sysfs", OPTIONS("nosuid", "noexec", "nodev", "ro") },
        { "/run", "tmpfs", "tmpfs", OPTIONS("nosuid", "strictatime", "mode=755", "size=65536k") },
};
static const SpecMount resolv_conf_mount = { SPEC_RESOLV_CONF, "bind", SPEC_RESOLV_CONF,
                                             OPTIONS("rbind", "ro") };

/* What lies below /dev is on the tmpfs there, not in the image. */
const char *const spec_default_mount_points[] = { "/proc", "/dev", "/sys", "/run", NULL };

/* The network is the host's. */
static const char *const namespaces[] = { "pid", "ipc", "uts", "mount" };

static const char *const masked_paths[] = {
        "/proc/acpi",          "/proc/asound",
        "/proc/kcore",         "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats",   "/proc/sched_debug",
        "/sys/firmware",       "/sys/devices/virtual/powercap",
        "/proc/scsi",          NULL,
};
static const char *const readonly_paths[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static json_object *strings_to_json(const char *const *strings) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (; strings && *strings; strings++)
                if (json_append(array, json_new_string(*strings, strlen(*strings))) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

json_object *spec_json_capabilities(void) {
        static const char *const sets[] = { "bounding", "effective", "permitted" };
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(sets); i++)
                if (json_add(object, sets[i], strings_to_json(capabilities)) < 0)
                        return NULL;
        return TAKE_PTR(object);
}

json_object *spec_json_rlimits(void) {
        _cleanup_json_ json_object *array = json_object_new_array(), *limit = json_object_new_object();

        if (!array || !limit || json_add_string(limit, "type", "RLIMIT_NOFILE") < 0 ||
            json_add(limit, "hard", json_object_new_int64(RLIMIT_NOFILE_DEFAULT)) < 0 ||
            json_add(limit, "soft", json_object_new_int64(RLIMIT_NOFILE_DEFAULT)) < 0 ||
            json_append(array, TAKE_PTR(limit)) < 0)
                return NULL;
        return TAKE_PTR(array);
}

static json_object *mount_to_json(const SpecMount *mount) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add_string(object, "destination", mount->destination) < 0 ||
            json_add_string(object, "type", mount->type) < 0 ||
            json_add_string(object, "source", mount->source) < 0 ||
            json_add(object, "options", strings_to_json(mount->options)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

static int append_mounts(json_object *array, const SpecMount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (json_append(array, mount_to_json(&mounts[i])) < 0)
                        return -ENOMEM;
        return 0;
}

json_object *spec_json_mounts(bool resolv_conf, const SpecMount *extra, size_t n_extra) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array || append_mounts(array, default_mounts, ELEMENTSOF(default_mounts)) < 0 ||
            append_mounts(array, &resolv_conf_mount, resolv_conf ? 1 : 0) < 0 ||
            append_mounts(array, extra, n_extra) < 0)
                return NULL;
        return TAKE_PTR(array);
}

/* No device but those that the runtime itself adds; no other limit, as a missing controller would be an
 * error. */
static json_object *resources_to_json(void) {
        _cleanup_json_ json_object *object = json_object_new_object(), *devices = json_object_new_array(),
                                   *rule = json_object_new_object();

        if (!object || !devices || !rule || json_add(rule, "allow", json_object_new_boolean(false)) < 0 ||
            json_add_string(rule, "access", "rwm") < 0 || json_append(devices, TAKE_PTR(rule)) < 0 ||
            json_add(object, "devices", TAKE_PTR(devices)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

static json_object *namespaces_to_json(void) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(namespaces); i++) {
                _cleanup_json_ json_object *object = json_object_new_object();
                if (!object || json_add_string(object, "type", namespaces[i]) < 0 ||
                    json_append(array, TAKE_PTR(object)) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

json_object *spec_json_linux(const char *cgroups_path) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add(object, "resources", resources_to_json()) < 0 ||
            json_add_string(object, "cgroupsPath", cgroups_path) < 0 ||
            json_add(object, "namespaces", namespaces_to_json()) < 0 ||
            json_add(object, "maskedPaths", strings_to_json(masked_paths)) < 0 ||
            json_add(object, "readonlyPaths", strings_to_json(readonly_paths)) < 0)
                return NULL;
        return TAKE_PTR(object);
}
