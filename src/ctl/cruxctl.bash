# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# bash completion for cruxctl(1)

# The words on the line that are no options and no values of such: the verb and its arguments.
__cruxctl_words() {
    local i word skip=
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $skip ]]; then
            # "=" is a word of its own to bash, and so is what follows it.
            [[ $word = "=" ]] || skip=
            continue
        fi
        case $word in
        -s | --socket | --instance | --resource | --root | --output | --platform | --entrypoint) skip=1 ;;
        -*) ;;
        *) printf '%s\n' "$word" ;;
        esac
    done
}

# Instances whose sockets are there.
__cruxctl_instances() {
    local path
    for path in /run/cruxd/instances/*/cruxd.sock; do
        if [[ -S $path ]]; then
            path=${path%/cruxd.sock}
            printf '%s\n' "${path##*/}"
        fi
    done
}

__cruxctl_containers() {
    local id
    cruxctl --quiet list 2>/dev/null | while read -r id _; do
        printf '%s\n' "$id"
    done
}

_cruxctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
    local verbs='status list images jobs build import start destroy-image stop destroy state exec update log'
    local options='-h --help --version -s --socket --instance -q --quiet --json'
    local build_options='--resource --root --output --platform --entrypoint'

    COMPREPLY=()
    if [[ $current = "=" ]]; then
        current=
    elif [[ $previous = "=" ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    mapfile -t words < <(__cruxctl_words)

    case $previous in
    -s | --socket)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --root | --output)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --instance)
        mapfile -t COMPREPLY < <(compgen -W "$(__cruxctl_instances)" -- "$current")
        return
        ;;
    --platform)
        mapfile -t COMPREPLY < <(compgen -W 'linux/amd64 linux/arm64' -- "$current")
        return
        ;;
    --resource | --entrypoint)
        return
        ;;
    esac

    # What follows the container is the other program's.
    case ${words[0]-} in
    exec | log) [[ ${#words[@]} -lt 2 ]] || return ;;
    build) options+=" $build_options" ;;
    esac

    if [[ $current = -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    elif [[ ${#words[@]} -eq 0 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current")
    else
        case ${words[0]}-${#words[@]} in
        stop-1 | destroy-1 | state-1 | exec-1 | update-1 | log-1)
            mapfile -t COMPREPLY < <(compgen -W "$(__cruxctl_containers)" -- "$current")
            ;;
        build-1 | import-3 | update-4)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        esac
    fi
}

complete -F _cruxctl cruxctl
