# shellcheck shell=bash
# Ends what a test started and left: by recorded pid and start time, so that a pid used again is not touched.

# start_time PID : the process's start time in clock ticks since boot; nothing where there is no such process, or where
# it has ended and nobody has asked for its status yet.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) } # the name may hold spaces and brackets
  # shellcheck disable=SC2086
  set -- $stat
  [ "$1" = Z ] || echo "${20}"
}

# record_pid FILE PID
record_pid() { echo "$2 $(start_time "$2")" >>"$1"; }

# end_pid PID START [SECONDS] : TERM, and after so long KILL.
end_pid() {
  local pid=$1 start=$2 tries=$((${3:-5} * 20))
  [ -n "$start" ] && [ "$(start_time "$pid")" = "$start" ] || return 0
  kill "$pid" 2>/dev/null
  while ((tries-- > 0)); do
    [ "$(start_time "$pid")" = "$start" ] || return 0
    sleep 0.05
  done
  kill -9 "$pid" 2>/dev/null
}

# mounts_under DIR : mount points at and below DIR, deepest first.
mounts_under() {
  local dir=$1 point
  cut -d' ' -f5 /proc/self/mountinfo | while read -r point; do
    printf -v point '%b' "${point//\\/\\0}"
    case $point in "$dir" | "$dir"/*) printf '%s\n' "$point" ;; esac
  done | sort -r
}

# sweep DIR : lets go of every mount below DIR and ends every process recorded in a file named "pids" below it.
sweep() {
  local dir=$1 point pid start
  mounts_under "$dir" | while read -r point; do
    fusermount3 -u -z -- "$point" 2>/dev/null || umount -l -- "$point" 2>/dev/null
  done
  find "$dir" -xdev -name pids -type f -exec cat {} + 2>/dev/null | while read -r pid start; do
    end_pid "$pid" "$start" 3
  done
}
