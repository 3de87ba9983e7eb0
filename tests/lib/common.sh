# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
#
# What the test system's scripts share. Sourced, never run.

# Where the Debian trees and the output of runs lie: outside of the source tree, so that a checkout stays clean
# and several checkouts share the trees.
CACHE=${CRUXD_TESTBED_CACHE:-/var/cache/cruxd-testbed}

# One directory for each booted system.
STATE=/run/cruxd-testbed

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

need_root() {
    [[ $EUID -eq 0 ]] || die "needs root: try sudo $0"
}

# need_commands COMMAND=PACKAGE...: installs the packages of those commands that this machine lacks. Nothing is
# asked of the network when all are there.
need_commands() {
    local pair packages=()
    for pair; do
        command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
    done
    [[ ${#packages[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || die "this machine lacks ${packages[*]}, and has no apt-get to install them"
    say "installing on this machine: ${packages[*]}"
    {
        apt-get -q update || say "apt-get update failed, trying with the lists that are there"
        DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install "${packages[@]}"
    } </dev/null >&2 || die "could not install ${packages[*]}"
}

# interruptible COMMAND...: runs it so that a signal to this script is answered at once. bash runs traps only
# between foreground commands, which may take minutes; while it waits for a background job it does not delay.
interruptible() {
    local pid status=0
    "$@" <&0 &
    pid=$!
    CHILDREN[$pid]=1
    wait "$pid" || status=$?
    unset "CHILDREN[$pid]"
    return "$status"
}
declare -A CHILDREN=()

# The other half of the above, for a script's EXIT trap.
end_children() {
    local pid
    for pid in "${!CHILDREN[@]}"; do
        kill -s TERM "$pid" 2>/dev/null || continue
        wait "$pid" || true
    done
    CHILDREN=()
}

# Makes a script's EXIT trap run on signals as well, and the script end by the customary status.
exit_on_signals() {
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}
