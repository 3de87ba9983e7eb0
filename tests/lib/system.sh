# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2153
#
# Booted test systems: starting, entering and ending them. Sourced by testbed.
#
# A running system is a directory $STATE/NAME that its keeper (see there) owns and removes:
#   alive      locked for as long as the keeper lives, which cannot go stale as a PID file can
#   keeper     the keeper's PID
#   leader     the PID, out here, of the system's PID 1
#   suite out  what it was booted from, and its /out
#   console    what the keeper, nspawn and the system's console said

# How long a system may take to boot.
BOOT_SECONDS=${CRUXD_TESTBED_BOOT_SECONDS:-120}

# Less memory than this, in KiB, and systems live on disk.
MEMORY_FOR_TMPFS=$((6 * 1024 * 1024))

system_is_alive() {
    [[ -e $STATE/$1/alive ]] && ! flock --nonblock "$STATE/$1/alive" true
}

system_names() {
    local path
    for path in "$STATE"/*/; do
        path=${path%/}
        if system_is_alive "${path##*/}"; then
            printf '%s\n' "${path##*/}"
        fi
    done
}

system_list() {
    local name
    for name in $(system_names); do
        printf '%-20s %-8s leader %-8s out %s\n' "$name" "$(<"$STATE/$name/suite")" \
            "$(cat "$STATE/$name/leader" 2>/dev/null || echo -)" "$(<"$STATE/$name/out")"
    done
}

# Removes what a keeper that was killed outright left: its cgroup and its directory. With the state's lock held.
system_sweep() {
    local path name
    for path in "$STATE"/*/; do
        path=${path%/} name=${path##*/}
        [[ -d $path ]] || continue
        ! system_is_alive "$name" || continue
        say "sweeping up after $name, whose keeper died"
        if [[ -d /run/systemd/system ]]; then
            systemctl stop "cruxd-testbed-$name.scope" 2>/dev/null || true
        fi
        # shellcheck disable=SC2016 # for that shell to expand
        unshare --mount --propagation private bash -c '
            [[ $(stat -f -c %T /sys/fs/cgroup) = cgroup2fs ]] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
            find /sys/fs/cgroup -type d -name "cruxd-testbed-$1" | while read -r group; do
                echo 1 >"$group/cgroup.kill"
                sleep 0.5
                find "$group" -depth -type d -exec rmdir {} +
            done' - "$name" || true
        rm -rf --one-file-system "$path" "$CACHE/scratch/$name"
    done
}

# Chooses between memory and disk for the overlay's upper directory, where everything that is written goes.
system_scratch() {
    local name=$1 available
    case ${CRUXD_TESTBED_SCRATCH:-} in
    tmpfs) echo tmpfs && return ;;
    disk) mkdir -p "$CACHE/scratch" && echo "$CACHE/scratch/$name" && return ;;
    esac
    available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    if [[ $available -ge $MEMORY_FOR_TMPFS ]]; then
        echo tmpfs
    else
        mkdir -p "$CACHE/scratch"
        echo "$CACHE/scratch/$name"
    fi
}

# Takes a name: $NAME, or one that is free. The lock on "alive" is left open as $ALIVE, for the keeper to inherit.
system_reserve() {
    local lock n=1 wanted=$NAME
    mkdir -p "$STATE"
    exec {lock}>"$STATE/.lock"
    flock "$lock"
    system_sweep
    if [[ -z $wanted ]]; then
        while [[ -d $STATE/$SUITE-$n ]]; do n=$((n + 1)); done
        NAME=$SUITE-$n
    fi
    [[ $NAME =~ ^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$ ]] || die "a name is of a-z, 0-9 and -, and short: not $NAME"
    mkdir "$STATE/$NAME" 2>/dev/null || die "$NAME is running already"
    exec {ALIVE}>"$STATE/$NAME/alive"
    flock --nonblock "$ALIVE"
    exec {lock}>&-
}

# system_boot: boots $SUITE as $NAME with $OUT and $BOOT_OPTIONS (see testbed). With an $OWNER it ends when that process
# does, however that ends.
system_boot() {
    local tree start=(setsid) launcher scratch
    need_commands systemd-nspawn=systemd-container setpriv=util-linux nsenter=util-linux
    tree=$(tree_path "$SUITE")
    system_reserve
    OUT=${OUT:-$CACHE/out/$NAME}
    mkdir -p "$OUT"
    OUT=$(cd "$OUT" && pwd)
    echo "$SUITE" >"$STATE/$NAME/suite"
    echo "$OUT" >"$STATE/$NAME/out"
    : >"$STATE/$NAME/console"
    scratch=$(system_scratch "$NAME")

    if [[ -d /run/systemd/system ]]; then
        # systemd owns the cgroups here: this is how one of them is asked for.
        start+=(systemd-run --quiet --scope --property=Delegate=yes --unit="cruxd-testbed-$NAME" --)
    fi
    start+=(unshare --mount --propagation private)
    RUNNING=$NAME
    "${start[@]}" "$PROJECT/tests/lib/keeper" "$NAME" "$tree" "$scratch" "${OWNER:-0}" \
        --bind-ro="$PROJECT:/src" --bind="$OUT:/out" "${BOOT_OPTIONS[@]}" \
        </dev/null >>"$STATE/$NAME/console" 2>&1 &
    launcher=$!
    exec {ALIVE}>&-
    if ! interruptible system_wait "$NAME"; then
        # The keeper removes its directory when it ends, but an open file stays readable.
        say "$NAME did not boot within $BOOT_SECONDS s"
        die "see above"
    fi
    disown "$launcher"
}

system_wait() {
    local name=$1 deadline=$((SECONDS + BOOT_SECONDS)) console state
    exec {console}<"$STATE/$name/console"
    while [[ $SECONDS -lt $deadline ]] && system_is_alive "$name"; do
        # Waits for the boot to end once PID 1 can be asked, and fails at once until then.
        state=$(system_enter "$name" timeout "$BOOT_SECONDS" systemctl is-system-running --wait 2>/dev/null) || true
        case $state in
        running) return 0 ;;
        degraded)
            say "$name runs, but some of its units failed:"
            system_enter "$name" systemctl --no-pager --failed >&2 || true
            return 0
            ;;
        esac
        sleep 0.05
    done
    sed 's/^/    /' <&"$console" >&2
    return 1
}

# system_enter NAME CMD…: runs a command in the system's namespaces, but in our cgroup, known to nobody there.
system_enter() {
    local name=$1 leader
    shift
    leader=$(cat "$STATE/$name/leader" 2>/dev/null) || return 1
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
}

# system_exec NAME [--user USER] CMD…: runs a command as a unit of the system, so that it is in a cgroup, an
# environment and a set of limits that are the system's and not ours; its input and output are ours.
system_exec() {
    local name=$1 options=() unit status=0
    shift
    system_is_alive "$name" || die "no system is called $name"
    if [[ $1 = --user ]]; then
        options+=(--uid="$2")
        shift 2
    else
        options+=(--setenv=HOME=/root)
    fi
    [[ $# -ne 1 ]] || set -- /bin/bash -c "$1"
    unit=testbed-$$-$RANDOM
    interruptible system_run_unit "$name" "$unit" "${options[@]}" -- "$@" || status=$?
    return "$status"
}

system_run_unit() {
    local name=$1 unit=$2 status=0
    shift 2
    # systemd-run itself, when it is ended, leaves the unit running.
    trap 'system_enter "$name" systemctl stop "$unit.service"; exit 143' TERM
    interruptible system_enter "$name" systemd-run --quiet --wait --pipe --unit="$unit" \
        --service-type=exec --expand-environment=no --working-directory=/src \
        --setenv=LANG=C.UTF-8 --setenv=CI="${CI:-}" "$@" || status=$?
    interruptible system_await_unit "$name" "$unit" "$status" && status=0 || status=$?
    system_enter "$name" systemctl reset-failed "$unit.service" 2>/dev/null || true
    return "$status"
}

# system_await_unit NAME UNIT STATUS: what the unit has ended with; STATUS is what systemd-run says. Where a test ends the
# bus, systemd-run ends as well, and not what it has started: that is waited for. systemctl needs no bus.
system_await_unit() {
    local show=(system_enter "$1" systemctl show --value "$2.service") status=$3 state
    while state=$("${show[@]}" --property=ActiveState); do
        case $state in
        active | activating | deactivating)
            status=0
            sleep 0.2
            ;;
        failed)
            status=$("${show[@]}" --property=ExecMainStatus)
            # Not CLD_EXITED, but a signal.
            [[ $("${show[@]}" --property=ExecMainCode) = 1 ]] || status=$((128 + status))
            break
            ;;
        *) break ;;
        esac
    done
    return "$status"
}

system_shell() {
    # Not its business: the terminal's colour and title.
    system_enter "$1" env SYSTEMD_TINT_BACKGROUND=0 SYSTEMD_ADJUST_TERMINAL_TITLE=0 \
        systemd-run --quiet --wait --pty --collect --service-type=exec --working-directory=/src \
        --property=PAMName=login --setenv=HOME=/root --setenv=LANG=C.UTF-8 --setenv=TERM="${TERM:-dumb}" /bin/bash -l
}

system_stop() {
    local name=$1 keeper
    system_is_alive "$name" || die "no system is called $name"
    keeper=$(cat "$STATE/$name/keeper" 2>/dev/null || true)
    [[ -z $keeper ]] || kill -s TERM "$keeper" 2>/dev/null || true
    # The lock is free when the keeper has cleaned up.
    flock --timeout 60 "$STATE/$name/alive" true 2>/dev/null || [[ ! -e $STATE/$name/alive ]] ||
        die "$name has not ended: its keeper is process $keeper"
}
