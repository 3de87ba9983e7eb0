# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The Debian trees that test systems are booted from. Sourced by testbed.
#
# A tree is made once and kept, read-only by agreement: every boot puts a fresh overlay over it. Its name carries a
# hash of all that it is made from, so that a change to the lists below makes a new one and nothing stale is used.

MIRROR=${CRUXD_TESTBED_MIRROR:-http://deb.debian.org/debian}

# What it takes to compile cruxd. README names these, too.
BUILD_PACKAGES=(
    gcc libc6-dev meson ninja-build pkg-config
    libsystemd-dev libgrpc-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
    libjson-c-dev libarchive-dev libisal-dev libzstd-dev nettle-dev
)

# What cruxd lives among.
RUN_PACKAGES=(
    systemd systemd-sysv systemd-container passwd mount libpam-systemd dbus polkitd containerd runc crun
)

# What checks it: other compilers and checkers, other readers of what it writes, and tools to look around with.
TEST_PACKAGES=(
    clang libclang-rt-dev clang-format clang-tidy libasan8 libubsan1 valgrind gdb strace shellcheck
    python3 jq socat netcat-openbsd curl skopeo podman docker-registry busybox-static
    attr libcap2-bin iproute2 procps less man-db zstd git ca-certificates
)

# containerd's .proto files, which cruxd's are checked against. Only unpacked: what these packages depend on is most
# of Go's world, gigabytes that nothing here reads.
proto_packages() {
    case $1 in
    trixie) echo golang-github-containerd-containerd-dev ;;
    *) echo golang-github-containerd-containerd-api-dev ;;
    esac
}

# Services that would only make noise, or that a test starts itself when it wants them.
MASKED_UNITS=(
    docker-registry.service console-getty.service
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer man-db.timer
    podman.service podman.socket podman-auto-update.service podman-auto-update.timer podman-restart.service
    podman-clean-transient.service netavark-dhcp-proxy.service netavark-dhcp-proxy.socket
    dev-hugepages.mount
)

tree_mmdebstrap_options() {
    local suite=$1
    # No files of documentation, and no fsync for what can be made again: a third of the time and space.
    printf '%s\n' --variant=apt --format=directory \
        --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*'
    # A mirror that is not refreshed every week still has a usable testing; its signatures are checked all the same.
    if [[ $suite != trixie ]]; then
        printf '%s\n' --aptopt='Acquire::Check-Valid-Until "false"'
    fi
    # shellcheck disable=SC2016 # $1 is for the hook's shell: the tree.
    printf '%s\n' --customize-hook='chroot "$1" sh -ec "cd /tmp; apt-get download $PROTOS; dpkg -x *.deb /; rm *.deb"'
    local IFS=,
    printf '%s\n' "--include=${BUILD_PACKAGES[*]},${RUN_PACKAGES[*]},${TEST_PACKAGES[*]}"
}

# tree_finish ROOT: what packages do not bring.
tree_finish() {
    local root=$1 unit

    # Empty, not absent or "uninitialized": an identity is made at each boot, without that being a "first boot" on
    # which systemd would enable everything that has a preset.
    : >"$root/etc/machine-id"
    # No network in there, but runtimes bind-mount this file into containers.
    rm -f "$root/etc/resolv.conf"
    printf '# There is no name server in the test system.\n' >"$root/etc/resolv.conf"
    printf 'cruxd-test\n' >"$root/etc/hostname"
    printf '127.0.0.1 localhost cruxd-test\n::1 localhost\n' >"$root/etc/hosts"

    for unit in "${MASKED_UNITS[@]}"; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done

    # A member of group cruxd and a stranger. The group comes with cruxd's installation, and so does membership.
    chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 alice
    chroot "$root" useradd --create-home --shell /bin/bash --uid 1001 bob

    mkdir -p "$root/src" "$root/out" "$root/build"
}

# tree_path SUITE: the directory of SUITE's tree, there or not.
tree_path() {
    local suite=$1 hash
    hash=$({
        printf '%s\n' "$suite" "$MIRROR" "$(proto_packages "$suite")" "${MASKED_UNITS[@]}"
        tree_mmdebstrap_options "$suite"
        declare -f tree_finish
    } | sha256sum)
    printf '%s/trees/%s-%s\n' "$CACHE" "$suite" "${hash:0:12}"
}

# The status of a testbed that could not get a suite's packages, as sysexits.h has it. Not our fault, perhaps.
EX_TEMPFAIL=75

# tree_make SUITE: makes the tree unless it is there. It is made aside and renamed, so that what has the name is
# whole; what an earlier run left unfinished is swept, which the lock makes safe.
tree_make() {
    local suite=$1 path aside lock options
    path=$(tree_path "$suite")
    [[ ! -d $path ]] || return 0

    mkdir -p "$CACHE/trees"
    exec {lock}>"$CACHE/trees/.lock-$suite"
    if ! flock --nonblock "$lock"; then
        say "another run is making the tree of $suite: waiting for it"
        interruptible flock "$lock"
    fi
    if [[ -d $path ]]; then
        exec {lock}>&-
        return 0
    fi

    need_commands mmdebstrap=mmdebstrap
    rm -rf --one-file-system "$CACHE/trees/.new-$suite"
    aside=$CACHE/trees/.new-$suite
    SWEEP+=("$aside")
    say "making the Debian tree of $suite in $path (once; some minutes)"
    mapfile -t options < <(tree_mmdebstrap_options "$suite")
    # In a mount namespace of its own: whatever way it ends, its mounts of /proc and /sys end with it.
    PROTOS=$(proto_packages "$suite") interruptible unshare --mount --propagation private \
        mmdebstrap "${options[@]}" "$suite" "$aside" "$MIRROR" >&2 </dev/null ||
        { say "could not make the tree of $suite"; exit "$EX_TEMPFAIL"; }
    tree_finish "$aside"
    mv -T "$aside" "$path"
    tree_drop_others "$suite" "$path"
    exec {lock}>&-
    say "the tree of $suite takes $(du -sh "$path" | cut -f1) and was made in $SECONDS s"
}

# Removes SUITE's trees of former package lists, except where a system is booted from them.
tree_drop_others() {
    local suite=$1 keep=$2 path
    for path in "$CACHE/trees/$suite-"*; do
        [[ -d $path && $path != "$keep" ]] || continue
        flock --exclusive --nonblock "$path" rm -rf --one-file-system "$path" ||
            say "$path is in use and stays"
    done
}
