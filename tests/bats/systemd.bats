#!/usr/bin/env bats
# What the service manager is told, by the protocol of sd_notify(3).
load lib

listen() {
  python3 - "$T/notify" "$T/messages" >"$T/listen.out" 2>&1 3>&- <<'P' &
import socket, sys
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.bind(sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as out:
    while True:
        out.write(end.recv(4096).decode().replace("\n", " | ") + "\n")
P
  record_pid "$T/pids" $!
  wait_until 10 "the socket" test -S "$T/notify"
  export NOTIFY_SOCKET=$T/notify
}
told() { grep -q -- "$1" "$T/messages"; }

@test "ready once it serves, reloading and ready again at SIGHUP, stopping with the time that it takes" {
  listen
  start
  wait_until 5 "READY" told "^READY=1 | STATUS=Serving account $ACCOUNT at $MNT$"
  kill -HUP "$MOUNT_PID"
  wait_until 5 "RELOADING" told '^RELOADING=1 | MONOTONIC_USEC=[0-9]*$'
  wait_until 5 "READY again" eval '[ "$(grep -c "^READY=1" "$T/messages")" = 2 ]'
  kill -TERM "$MOUNT_PID"
  wait_until 10 "STOPPING" told '^STOPPING=1 | EXTEND_TIMEOUT_USEC=6[0-9]*000 | STATUS='
  wait_until 10 "the process to end" gone "$MOUNT_PID"
}

@test "a refused token: no READY, and exit status 3, which the unit does not restart on" {
  listen
  start_emulator
  echo wrong-token-of-nobody >"$T/token"
  run "$CFCFS" -f -o "url=$URL,token_file=$T/token,state_dir=$T/state" "$ACCOUNT" "$MNT"
  assert_status 3
  ! told READY
  grep -qE '^RestartPreventExitStatus=.*\b2\b.*\b3\b' "$SOURCE_DIR"/packaging/systemd/cfcfs@.service*
}
