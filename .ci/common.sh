# shellcheck shell=sh
# What the scripts beside this one share. Each sources it from the repository's root.

# Ends the script; the message says what was expected and what to do.
die() {
    printf '\n%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

part_name=
part_start=0
part_times=

# Opens part $1: its heading now, its time in the table that `report` prints.
part() {
    close_part
    part_name=$1
    part_start=$(date +%s)
    printf '\n== %s\n' "$part_name"
}

close_part() {
    [ -n "$part_name" ] || return 0
    part_times=$part_times$(printf '  %-12s %5d s' "$part_name" "$(($(date +%s) - part_start))")'
'
    part_name=
}

# Prints the time of every part, and in which one the script ended with status $1 if not 0. For `trap 'report $?' EXIT`.
report() {
    last_part=$part_name
    close_part
    printf '\n== time\n%s' "$part_times"
    case $1 in
        0) ;;
        130) printf '\n== interrupted in: %s\n' "$last_part" >&2 ;;
        *) printf '\n== FAILED in: %s (exit code %s)\n' "${last_part:-the last lines above}" "$1" >&2 ;;
    esac
}
