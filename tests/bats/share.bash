# shellcheck shell=bash
# A Valkey or Redis server of the test's own, on a Unix socket, and mounts that share by it.
# shellcheck source=tests/bats/lib.bash
load lib

SERVER=$(command -v valkey-server || command -v redis-server || true)
SERVER_CLI=$(command -v valkey-cli || command -v redis-cli || true)

# start_server [OPTION...] : a server without a port, whose memory can be dumped into $T.
start_server() {
  local tries=400
  [ -n "$SERVER" ] || fail "neither valkey-server nor redis-server is here"
  SOCKET=$T/share.sock
  rm -f "$SOCKET"
  "$SERVER" --port 0 --unixsocket "$SOCKET" --save '' --appendonly no --rdbcompression no --dir "$T" "$@" \
    >>"$T/server.log" 2>&1 </dev/null 3>&- &
  SERVER_PID=$!
  record_pid "$T/pids" "$SERVER_PID"
  until [ "$(cli ping 2>/dev/null)" = PONG ] || cli ping 2>&1 | grep -q NOAUTH; do
    kill -0 "$SERVER_PID" || fail "the server ended: $(tail -n 3 "$T/server.log")"
    ((tries-- > 0)) || fail "the server does not start"
    sleep 0.05 # poll
  done
}
stop_server() {
  kill -CONT "$SERVER_PID" 2>/dev/null || true
  kill -9 "$SERVER_PID"
  wait "$SERVER_PID" 2>/dev/null || true
}
# As the server's operator.
cli() { "$SERVER_CLI" -s "$SOCKET" "$@"; }

at() { echo "$T/m$1"; }
# mount_member N [ARGUMENT...] : the Nth mount, at $(at N), with a state folder of its own.
mount_member() {
  local n=$1
  shift
  MOUNT_AT=$(at "$n") mount_cfcfs -o "share=unix:$SOCKET,state_dir=$T/state$n" "$@"
  # shellcheck disable=SC2034  # for the tests
  MEMBER[n]=$MOUNT_PID
}
# mount_members N [ARGUMENT...] : so many, which know of each other.
mount_members() {
  local n count=$1
  shift
  for ((n = 1; n <= count; n++)); do mount_member "$n" "$@"; done
  for ((n = 1; n <= count; n++)); do wait_until 30 "mount $n to share" shares "$n"; done
}
# share_metric N NAME : a figure of the Nth mount.
share_metric() { sed -n "s/^cfcfs_share_$2\({[^}]*}\)\? //p" "$(at "$1")/.cfcfs/metrics"; }
shares() { [ "$(share_metric "$1" up)" = 1 ]; }
alone() { [ "$(share_metric "$1" up)" = 0 ]; }
