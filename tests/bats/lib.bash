# shellcheck shell=bash
# What the tests share: an emulator and a mount of its own for each test, and looks at what reached the API.
# Every test file starts with:  load lib
# and may have lines for the whole file: "# deadline: N s"; "# alone", where nothing else may run beside it; "# profiles: ideal
# live", where tools/test runs it once with each of the emulator's profiles (CFCFS_PROFILE says which it is).

bats_require_minimum_version 1.5.0

SOURCE_DIR=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# shellcheck source=tools/lib/sweep.sh
. "$SOURCE_DIR/tools/lib/sweep.sh"

ACCOUNT=0123456789abcdef0123456789abcdef
BUILD=${CFCFS_BUILD_DIR:-$SOURCE_DIR/build}
CFCFS=${CFCFS_BIN:-$BUILD/fs/cfcfs}
EMULATOR=${CFCFS_EMULATOR_BIN:-$BUILD/emulator/cfcfs-emulator}
SYS=$BUILD/tests/sys
HAMMER=$BUILD/tests/hammer
TIMED=$BUILD/tests/timed
SIGNALS=$BUILD/tests/signals
export LC_ALL=C.UTF-8
unset CLOUDFLARE_ACCOUNT_ID CLOUDFLARE_API_TOKEN CLOUDFLARE_API_KEY CLOUDFLARE_EMAIL CLOUDFLARE_API_BASE_URL \
  CREDENTIALS_DIRECTORY XDG_STATE_HOME XDG_CONFIG_HOME
: "${BATS_TEST_TIMEOUT:=120}"

# ---- before and after each test

setup_base() {
  T=$(mktemp -d "${CFCFS_TEST_DIR:-${TMPDIR:-/tmp}}/t.XXXXXX")
  T=$(cd "$T" && pwd -P)
  export HOME=$T/home
  mkdir "$HOME" "$T/mnt"
  MNT=$T/mnt
  APPS=$MNT/applications
  TOKEN=token-$BATS_TEST_NUMBER-$RANDOM$RANDOM
  (umask 077 && printf '%s\n' "$TOKEN" >"$T/token")
  MOUNT_PIDS=()
  if [ -n "${CFCFS_SANITIZE-}" ]; then
    export ASAN_OPTIONS=log_path=$T/report:exitcode=99:detect_leaks=1:halt_on_error=0:abort_on_error=0:verify_asan_link_order=0
    export UBSAN_OPTIONS=log_path=$T/report:print_stacktrace=1
    export TSAN_OPTIONS=log_path=$T/report:exitcode=99:halt_on_error=0:second_deadlock_stack=1:history_size=4
  fi
}

# A sanitizer's report (tools/test --sanitize) is a failure of the test that it came in.
sanitizer_is_silent() {
  compgen -G "$T/report.*" >/dev/null || return 0
  echo "the sanitizer reports:"
  head -n 60 "$T"/report.*
  return 1
}

# The end of every test: no mount, no process, no folder stays. Shows the logs of a test that failed.
teardown_base() {
  [ -n "${T-}" ] || return 0
  if [ -z "${BATS_TEST_COMPLETED-}" ]; then
    tail -n 25 "$T"/*.log "$T"/emulator.err 2>/dev/null
    [ -e "$MNT/.cfcfs/errors.jsonl" ] && timeout 5 tail -n 5 "$MNT/.cfcfs/errors.jsonl"
  fi
  sweep "$T"
  local status=0
  sanitizer_is_silent || status=1
  keeps_contract || status=1
  rm -rf --one-file-system "$T"
  return "$status"
}

setup() { setup_base; }
teardown() { teardown_base; }

# ---- the emulator

# start_emulator [ARGUMENT...] : sets URL (the base address) and CONTROL. No rate limit unless --rate is given.
# Tests that are about something else get the service without its delays and surprises, and kind to what is sent. One that
# is about the service as it is asks for it: "--profile live" (with it --patch and --null are the emulator's own defaults),
# "--surface official|wrangler", "--patch merge", "--null refuse|ignore". CFCFS_EMULATOR_ARGS does so for every emulator of
# of a run; what a test itself asks for comes after it, and the last one holds. With CFCFS_PROFILE=live the service is, where
# a test asks for nothing, as people saw it: live, merging, and refusing null.
start_emulator() {
  local base=(--rate 0/1) asked tries=600
  read -ra asked <<<"${CFCFS_EMULATOR_ARGS-}"
  [[ " ${asked[*]} $* " == *" --rate "* ]] && base=()
  # null clears until everything that the tests write is what the contract has by now.
  if [ "${CFCFS_PROFILE-}" = live ]; then
    base+=(--profile live --patch merge --null refuse)
  elif [[ " ${asked[*]} $* " != *" --profile live "* ]]; then
    base+=(--profile ideal --null clear)
  fi
  rm -f "$T/emulator.out"
  # stdbuf is not needed: the first line is printed when it is ready.
  "$EMULATOR" --listen "${EMULATOR_LISTEN:-127.0.0.1:0}" --token "$TOKEN" "${base[@]}" "${asked[@]}" "$@" \
    >"$T/emulator.out" 2>>"$T/emulator.err" </dev/null 3>&- &
  EMULATOR_PID=$!
  record_pid "$T/pids" "$EMULATOR_PID"
  URL=''
  while ((tries-- > 0)); do
    if [ -s "$T/emulator.out" ] && read -r URL <"$T/emulator.out"; then break; fi
    kill -0 "$EMULATOR_PID" 2>/dev/null || break
    sleep 0.05 # poll
  done
  [[ $URL == http*://*/client/v4 ]] || fail "the emulator did not start: $(cat "$T/emulator.err")"
  CONTROL=${URL%/client/v4}/__emulator
  [ -z "${CFCFS_CONTRACT-}" ] || [[ $URL == https* ]] || start_contract
}

is_live() { [ "${CFCFS_PROFILE-}" = live ]; }
# assumes_ideal REASON : this test is about what only the ideal service does, so there is nothing to see under live.
assumes_ideal() { ! is_live || skip "assumes ideal: $1"; }
# not_live REASON : this test holds under ideal and should under live: a fault that is known.
not_live() { ! is_live || skip "NOT_LIVE: $1"; }

# start_recorder : from now on URL leads through a recorder; what was sent is in $T/sent, byte for byte.
start_recorder() {
  local port=${URL#http://*:}
  : >"$T/sent"
  python3 "$SOURCE_DIR/tests/bats/recorder.py" "${port%%/*}" "$T/sent" >"$T/recorder.out" 2>>"$T/emulator.err" </dev/null 3>&- &
  record_pid "$T/pids" $!
  wait_until 30 "the recorder to start" test -s "$T/recorder.out"
  URL=http://127.0.0.1:$(cat "$T/recorder.out")/client/v4
}

# start_contract : from now on URL leads through a proxy that holds every request and every answer against the contract, but what
# a fault made; its report is in $T/report. With CFCFS_CONTRACT set every test's does, and a violation fails the test.
start_contract() {
  local port=${URL#http://*:}
  : >"$T/contract.out"
  python3 "$SOURCE_DIR/tests/bats/contract.py" "$SOURCE_DIR/docs/openapi.yaml" "${port%%/*}" "$T/report" \
    >"$T/contract.out" 2>>"$T/emulator.err" </dev/null 3>&- &
  record_pid "$T/pids" $!
  wait_until 30 "the checker to start" test -s "$T/contract.out"
  URL=http://127.0.0.1:$(cat "$T/contract.out")/client/v4
}

# no_violations : of the contract, in what was checked, which is something.
no_violations() {
  local found
  found=$(jq -c 'select(.violations != [])' "$T/report" | sort | uniq -c | sort -rn | head -n 20)
  [ -z "$found" ] || fail "violations of the contract: $found"
  [ -s "$T/report" ] || fail "nothing was checked"
}
keeps_contract() { [ -z "${CFCFS_CONTRACT-}" ] || [ ! -s "$T/report" ] || no_violations; }

stop_emulator() {
  kill "$EMULATOR_PID"
  wait "$EMULATOR_PID" 2>/dev/null || true
}

# control METHOD NAME [JSON] : the emulator's test interface. Prints the answer.
control() {
  curl -sS --fail-with-body -k -X "$1" ${3:+-H 'content-type: application/json' --data-binary "$3"} "$CONTROL/$2" ||
    fail "control $1 $2 ${3-}"
}
fault() { control POST faults "$1" >/dev/null; }
clear_faults() { control DELETE faults >/dev/null; }
seed() { control POST seed "$1" >/dev/null; }
advance() { control POST clock "{\"advance_seconds\":$1}" >/dev/null; }
clear_requests() { control DELETE requests >/dev/null; }

# requests [FILTER] : the requests since the start (or clear_requests), one a line: {method, path, query, status, body …};
# path is what follows "/containers". FILTER is jq's, over one request ("select(.method == \"PATCH\")").
requests() { control GET requests | jq -c ".[] | ${1:-.}"; }

# count_calls METHOD PATHGLOB : how many; "*" is any method.
count_calls() {
  local method path n=0
  while IFS=$'\t' read -r method path; do
    # shellcheck disable=SC2053  # a glob is meant
    [[ $1 = '*' || $method = "$1" ]] && [[ $path == $2 ]] && n=$((n + 1))
  done < <(requests '[.method, .path] | @tsv' | jq -r .)
  echo "$n"
}
count_writes() { requests 'select(.method != "GET" and .method != "HEAD") | .method' | wc -l; }

# api METHOD PATH [BODY] : a call of the API, past the mount; prints the result.
api() {
  curl -sS --fail-with-body -k -X "$1" -H "authorization: Bearer $TOKEN" \
    ${3:+-H 'content-type: application/json' --data-binary "$3"} "$URL/accounts/$ACCOUNT/containers$2" >"$T/api.out" ||
    fail "api $1 $2: $(cat "$T/api.out")"
  jq '.result // empty' "$T/api.out" 2>/dev/null
}
# The application of this name, as the API has it; nothing where there is none. Under live the list is behind what a GET says.
app() {
  local id
  if is_live; then
    for id in $(app_id "$1"); do api GET "/applications/$id" 2>/dev/null || true; done
  else
    api GET /applications | jq --arg name "$1" '.[] | select(.name == $name)'
  fi
}
app_id() { api GET /applications | jq -r --arg name "$1" '.[] | select(.name == $name) | .id'; }
# Names of the applications in the account, sorted, one a line.
app_names() { api GET /applications | jq -r '.[].name' | sort; }

# ---- the mount

# mount_cfcfs [-o OPTIONS] [ARGUMENT...] : mounts at $MNT in the foreground, logs to $T/cfcfs.log, and waits until it
# serves. With MOUNT_AT=DIR elsewhere.
mount_cfcfs() {
  local at=${MOUNT_AT:-$MNT} tries=800 options="url=$URL,token_file=$T/token,state_dir=$T/state" run=()
  while (($#)); do
    case $1 in
    -o) options+=,$2 && shift ;;
    *) run+=("$1") ;;
    esac
    shift
  done
  mkdir -p "$at"
  ${CFCFS_WRAP-} "$CFCFS" -f -o "$options" "${run[@]}" "$ACCOUNT" "$at" >>"$T/cfcfs.log" 2>&1 </dev/null 3>&- &
  MOUNT_PID=$!
  MOUNT_PIDS+=("$MOUNT_PID")
  record_pid "$T/pids" "$MOUNT_PID"
  while ! is_mounted "$at"; do
    kill -0 "$MOUNT_PID" 2>/dev/null || fail "cfcfs ended: $(tail -n 5 "$T/cfcfs.log")"
    ((tries-- > 0)) || fail "cfcfs does not mount"
    sleep 0.05 # poll
  done
  timeout 20 stat "$at" >/dev/null || fail "the mount does not answer"
}

# mount_with_clock [ARGUMENT...] : as mount_cfcfs; this mount has a clock of its own (tests/bats/clock.c).
mount_with_clock() {
  [ -n "${CLOCK-}" ] || { CLOCK=$T/clock && PASSED_MS=0 && head -c 4 /dev/zero >"$CLOCK"; }
  CFCFS_WRAP="env LD_PRELOAD=$BUILD/tests/clock.so${PRELOAD:+:$PRELOAD} CFCFS_TEST_CLOCK=$CLOCK ${CFCFS_WRAP-}" mount_cfcfs "$@"
}
# pass SECONDS : so much time goes by for that mount, at once. What the kernel keeps is kept.
pass() {
  PASSED_MS=$((PASSED_MS + $1 * 1000))
  # In one piece, in place: nobody sees half a number.
  printf '%b' "$(printf '\\x%02x' $((PASSED_MS & 255)) $((PASSED_MS >> 8 & 255)) $((PASSED_MS >> 16 & 255)) $((PASSED_MS >> 24)))" 1<>"$CLOCK"
}

is_mounted() { [[ -n $(mounts_under "$1" | grep -Fx -- "$1") ]]; }

# tell_threads PID : what each of its threads does, for a failure's report.
tell_threads() {
  local task
  for task in /proc/"$1"/task/*; do
    echo "$(cat "$task/comm" 2>/dev/null): system call $(cat "$task/syscall" 2>/dev/null)"
  done
  ! command -v gdb >/dev/null || timeout 60 gdb -p "$1" -batch -ex 'thread apply all backtrace 14' 2>/dev/null | grep -E '^(Thread|#)'
}
# umount_cfcfs : as a user does it; then waits for the process to end. Its status is in MOUNT_STATUS.
umount_cfcfs() {
  local at=${MOUNT_AT:-$MNT} pid=${MOUNT_PID-}
  fusermount3 -u -- "$at" || fail "cannot unmount $at"
  [ -n "$pid" ] || return 0
  comes_true 30 gone "$pid" || { tell_threads "$pid"; fail "it does not end after its unmount"; }
  MOUNT_STATUS=0
  wait "$pid" 2>/dev/null || MOUNT_STATUS=$?
}
# in_the_mount PID : the process waits for an answer of the mount, or behind one that does. Where the kernel does not say for what
# one waits: it waits.
in_the_mount() {
  case $(cat "/proc/$1/wchan" 2>/dev/null) in
  request_wait_answer | fuse_lock_inode | d_alloc_parallel | rwsem_down_*) ;;
  '' | 0) grep -q '^State:[[:space:]]*[SD]' "/proc/$1/status" 2>/dev/null ;;
  *) false ;;
  esac
}
gone() { [ -z "$(start_time "$1")" ]; }
not_mounted() { ! is_mounted "${1:-$MNT}"; }

# crash_mount : the process dies without a word. Nothing of it is left: its keeper unmounts.
crash_mount() {
  kill -9 "$MOUNT_PID"
  wait "$MOUNT_PID" 2>/dev/null || true
  wait_until 10 "the mount to go" not_mounted
}

# What is cached is dropped: everything, or what is under a path.
refresh() { echo "${1:-/}" >"$MNT/.cfcfs/refresh"; }

start() {
  start_emulator
  mount_cfcfs "$@"
}

# ---- checks

fail() {
  printf '%s\n' "$*" >&2
  return 1
}

# wait_until SECONDS WHAT COMMAND... : until the command succeeds. It is given half a minute in any case: the machine may have
# other work. Nothing but the helpers that poll sleeps in a test (tests/sleeps.sh).
wait_until() { comes_true $(($1 < 30 ? 30 : $1)) "${@:3}" || fail "waited in vain for $2"; }
# comes_true SECONDS COMMAND... : whether it does, within so many seconds.
comes_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1 # poll
  done
}

# past_ttl COMMAND... : what is known when it is called is past its time to live afterwards: the command, which looks, is run until
# the mount asks the account anew. With ASKS=PATHGLOB until it asks for that.
past_ttl() {
  local before
  before=$(count_calls GET "${ASKS:-*}")
  wait_until 30 "the account to be asked anew by: $*" looks_anew "$before" "$@"
}
looks_anew() {
  "${@:2}" >/dev/null 2>&1 || true
  (($(count_calls GET "${ASKS:-*}") > $1))
}

# lived SECONDS : by then a time to live of less is over for the kernel too, whose time no test can set: what came before must show
# now. That is a bound that is promised, not a wait for something.
lived() { sleep "$1"; } # poll

# budget_left : calls that the mount could send at once.
budget_left() { sed -n 's/^cfcfs_budget_left[^ ]* \([0-9]*\).*/\1/p' "$MNT/.cfcfs/metrics" | grep .; }

# watch_lateness : from now on $T/late says by how much this machine is late, in microseconds: on average of late, and at worst. A
# process that sleeps a little, again and again, measures it. What a test allows for beside what is promised is some times that.
watch_lateness() {
  echo "0 0" >"$T/late"
  python3 -c '
import os, sys, time
mean, worst, count = 0.0, 0.0, 0
while True:
    began = time.monotonic()
    time.sleep(0.005)  # poll
    late = (time.monotonic() - began - 0.005) * 1e6
    mean, worst, count = mean * 0.98 + late * 0.02, max(worst, late), count + 1
    if count % 20 == 0:
        with open(sys.argv[1] + ".new", "w") as f:
            print(int(mean), int(worst), file=f)
        os.rename(sys.argv[1] + ".new", sys.argv[1])
' "$T/late" </dev/null >/dev/null 2>&1 3>&- &
  record_pid "$T/pids" $!
}

# hasten COMMAND... : ten seconds go by in one for a mount with a clock of its own, until the command ends.
hasten() {
  local pid
  "$@" 3>&- &
  pid=$!
  wait_until 90 "$1 to end" in_haste "$pid"
  wait "$pid"
}
in_haste() {
  pass 1
  gone "$1"
}

# times_out : by a mount with a clock of its own: the default time to live of what is known of applications goes by, there, at
# the account, and for the kernel, which is made to ask.
times_out() {
  advance 6
  pass 6
  ASKS=/applications past_ttl ls "$APPS"
  stat --cached=never "$APPS"/* >/dev/null
}

# flush_deletes [DIR] : each DELETE that would be sent when its delete_grace is over is sent now, and answered. What no DELETE
# shows of after that, none was owed for.
flush_deletes() { sync "${1:-$APPS}"; }

assert_equal() { [ "$1" = "$2" ] || fail "${3:-not equal}:"$'\n'"  got  $1"$'\n'"  want $2"; }
assert_status() {
  # shellcheck disable=SC2154  # bats sets them
  [ "$status" = "$1" ] || fail "status $status, wanted $1; output: $output"
}
assert_fails() {
  run "$@"
  # shellcheck disable=SC2154
  [ "$status" != 0 ] || fail "succeeded: $*"
}
assert_match() { [[ $1 =~ $2 ]] || fail "no match for $2 in: $1"; }
assert_exists() { [ -e "$1" ] || fail "there is no $1"; }
assert_absent() { ! stat "$1" >/dev/null 2>&1 || fail "there is still $1"; }

# assert_sys OUTCOME OPERATION ARGUMENT... : one system call (tests/bats/sys.c) and its outcome: "ok", "EPERM", or which
# call it came from: "write EINVAL".
assert_sys() {
  local want=$1 got
  shift
  got=$("$SYS" "$@" 2>&1) || true
  case $want in
  *' '* | ok) ;;
  *) got=${got##* } ;;
  esac
  [ "$got" = "$want" ] || fail "$1 ${2##*/} ${3-}: got $got, wanted $want"
}

# assert_same_json FILE FILE : the same document; order, spacing, and defaults that the service shows do not count.
assert_same_json() {
  local a b rule='if .jobs == false then del(.jobs) else . end
    | if .rollout_active_grace_period == 0 then del(.rollout_active_grace_period) else . end'
  a=$(jq -S "$rule" "$1") && b=$(jq -S "$rule" "$2") && [ "$a" = "$b" ] || fail "$1 and $2 differ: $a :: $b"
}

# assert_calls N METHOD PATHGLOB
assert_calls() {
  local got
  got=$(count_calls "$2" "$3")
  [ "$got" = "$1" ] || fail "$got calls of $2 $3, wanted $1:"$'\n'"$(requests '[.method, .path, .status, .body] | @tsv')"
}
assert_writes() {
  local got
  got=$(count_writes)
  [ "$got" = "$1" ] || fail "$got writes, wanted $1:"$'\n'"$(requests 'select(.method != "GET") | [.method, .path, .body] | @tsv')"
}

# last_error [FILTER] : the newest line of errors.jsonl, or what jq's filter makes of it.
last_error() { tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r "${1:-.}"; }
# assert_error REGEX... : each matches somewhere in the newest failure.
assert_error() {
  local line re
  line=$(last_error '. | tojson')
  for re in "$@"; do
    [[ $line =~ $re ]] || fail "no match for $re in the newest failure: $line"
  done
}
xattr() { getfattr -h --only-values -n "user.cfcfs.$2" -- "$1" 2>/dev/null; }

needs_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
# needs_own_free : what is freed is wiped, by the program's own free(3).
needs_own_free() { nm -D "$CFCFS" | grep -qw 'T free' || skip "a sanitizer brings an allocator of its own"; }

# as_ordinary_user : runs this very test once more, as a user who is not root, in a mount namespace where everybody may open the
# device (and fusectl is not mounted, so that the connection cannot be aborted). Status 1: we are there already.
as_ordinary_user() {
  [ -z "${CFCFS_ORDINARY-}" ] || return 1
  needs_root
  cat >"$T/inside" <<'SH'
set -e
# Where the sources are in a folder that is closed to him, such as /root, he sees a folder with nothing but them in it.
may_enter() { setpriv --reuid=65534 --regid=65534 --clear-groups -- test -x "$1"; }
for dir in "$SOURCE_DIR" "$BUILD"; do
  mkdir -p "$1/open$dir"
  mount --bind "$dir" "$1/open$dir"
done
for dir in "$SOURCE_DIR" "$BUILD"; do
  at=$dir closed=
  while [ "$at" != / ]; do
    at=$(dirname "$at")
    may_enter "$at" || closed=$at
  done
  [ -z "$closed" ] || mount -t tmpfs -o mode=755 none "$closed"
  [ -e "$dir" ] || { mkdir -p "$dir" && mount --bind "$1/open$dir" "$dir"; }
done
mknod -m 666 "$1/fuse" c 10 229
mount --bind "$1/fuse" /dev/fuse
! mountpoint -q /sys/fs/fuse/connections || umount /sys/fs/fuse/connections
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
SH
  local dir=$T
  while [ "$dir" != / ]; do
    chmod o+x "$dir"
    dir=$(dirname "$dir")
  done
  chown 65534:65534 "$T" "$T"/*
  export SOURCE_DIR BUILD
  alone timeout 100 bash "$T/inside" "$T" env HOME="$T" TMPDIR="$T" CFCFS_TEST_DIR="$T" \
    CFCFS_ORDINARY=1 bats --tap --filter "^$BATS_TEST_DESCRIPTION\$" "$BATS_TEST_FILENAME" >"$T/inside.tap" 2>&1 3>&- || true
  # Not a status: that would mean that we are there already.
  grep -q '^ok 1' "$T/inside.tap" || { fail "$(cat "$T/inside.tap")" || exit 1; }
}

# alone COMMAND... : in a mount namespace of its own, without the mounts of other tests, which their copies would keep alive.
alone() {
  # shellcheck disable=SC2016
  unshare -m --propagation private bash -c '
    own=$1/
    shift
    while read -r _ at type _; do
      [[ $type != fuse* || $at == "$own"* ]] || umount -l "$(printf %b "$at")"
    done </proc/self/mounts
    exec "$@"' alone "$T" "$@"
}

# refused_till_killed WORD FILE : who writes it there one after another without end, while another's is on its way, is refused; and
# whatever he is at when he is killed, he dies.
refused_till_killed() {
  local writer
  bash -c 'while :; do echo "$1" >"$2"; done' bash "$1" "$2" >/dev/null 2>&1 3>&- &
  writer=$!
  record_pid "$T/pids" "$writer"
  wait_until 30 "it to be refused" refused_more
  kill -KILL "$writer"
  wait_until 30 "it to end" gone "$writer"
}
refused_more() { (($(grep -c '"errno":"EBUSY"' "$MNT/.cfcfs/errors.jsonl") > 5)); }

# ---- documents

# web_json FILE [JQ-FILTER] : a sample application.
web_json() {
  jq --indent 2 "${2:-.}" >"$1" <<'JSON'
{
  "scheduling_policy": "default",
  "instances": 2,
  "max_instances": 5,
  "configuration": {
    "image": "registry.cloudflare.com/app:v1",
    "instance_type": "lite",
    "environment_variables": [
      { "name": "MODE", "value": "production" },
      { "name": "LEVEL", "value": "3" }
    ]
  }
}
JSON
}
