#!/usr/bin/env bats
# What looking costs below the API: requests of the kernel to the daemon, by the daemon's own count.
# deadline: 240 s
load lib

HOT=$BUILD/tests/bench-hot
# Nothing expires while requests are counted.
LONG=cache_ttl=3600,status_ttl=3600,negative_ttl=3600,rps=10000,burst=100000
# bench-hot makes so many calls a round, over the files in turn.
CALLS=2000

begin() {
  start_emulator
  seed '{"applications":500}'
  mount_cfcfs -o "$LONG"
  ls -l "$APPS" >/dev/null
  clear_requests
}
# reach [-c] OPERATION [ARGUMENT] : the requests that CALLS of these made, "getxattr 2000", sorted, on one line; nothing where
# none reached the daemon. None of them makes a call of the API.
reach() {
  local cold=()
  [ "$1" != -c ] || { cold=(-c) && shift; }
  timeout 60 "$HOT" "${cold[@]}" -m "$MNT/.cfcfs/metrics" "$APPS" 1 "$@" >"$T/hot" || fail "failed: $*"
  assert_equal "$(sed -n 2p "$T/hot")" "calls $CALLS" >&2
  assert_equal "$(requests | wc -l)" 0 "calls of the API" >&2
  sed 1,2d "$T/hot" | settled | sort | paste -sd' '
}
# Who looks at the counters opens, reads and closes their file, which may be counted a look late: two more or fewer are the
# looks'. One in each call would be 2,000.
settled() {
  awk -v calls="$CALLS" '$1 ~ /^(open|read|release)$/ { for (n = 0; n <= calls; n += calls) if ($2 >= n - 2 && $2 <= n + 2) $2 = n }
    $2 != 0 { print $1, $2 }'
}

@test "hot stat reaches the daemon never" {
  begin
  assert_equal "$(reach stat)" ''
}

@test "a missing name reaches the daemon once, and then never" {
  begin
  assert_equal "$(reach -c missing)" 'lookup 1'
  assert_equal "$(reach -c missing)" ''
}

@test "a new missing name in a listed directory: one request, and no call of the API" {
  begin
  assert_equal "$(reach newmissing)" "lookup $CALLS"
}

@test "getxattr: one request" {
  begin
  assert_equal "$(reach getxattr user.cfcfs.id)" "getxattr $CALLS"
  assert_equal "$(reach getxattr user.cfcfs.unknown)" "getxattr $CALLS"
}

@test "hot open, read, close: one request that is waited for, and the release, which nobody waits for" {
  begin
  # The kernel may let go of a page when memory is short, and then reads it again: not so in each of three turns.
  local got
  for _ in 1 2 3; do
    got=$(reach open)
    [ "$got" != "open $CALLS release $CALLS" ] || return 0
  done
  assert_equal "$got" "open $CALLS release $CALLS"
}

@test "a hot listing, with lstat of each: opendir and its release alone, however many entries" {
  begin
  timeout 60 "$HOT" -m "$MNT/.cfcfs/metrics" "$APPS" 3 listlstat >"$T/hot"
  assert_equal "$(sed -n 2p "$T/hot")" "calls $((3 * 1002))"
  assert_equal "$(sed 1,2d "$T/hot" | settled | grep -v releasedir)" 'opendir 3'
}
