#!/usr/bin/env bats
# The process that serves dies, or is told twice to end, in the worst moment: nothing that uses the mount is stuck.
load lib

keeper_of() { pgrep -f -x "cfcfs-keeper ${1:-$MNT}"; }

# prepare OPTIONS : a mount on which changes can be answered late.
prepare() {
  start_emulator
  web_json "$T/web.json"
  mount_cfcfs -o "cache_ttl=0.2,timeout=30,delete_grace=0,retries=0,loglevel=info${1:+,$1}"
  cp "$T/web.json" "$APPS/web.json"
  cp "$T/web.json" "$APPS/other.json"
  ls "$APPS"
  cat "$APPS/other.json" >/dev/null
}
# change COMMAND... : in the background, with an answer that does not come; USER_PID is its process.
change() {
  fault '{"method":"PATCH","stall":true,"times":1}'
  fault '{"method":"DELETE","stall":true,"times":1}'
  clear_requests
  "$@" >/dev/null 2>&1 </dev/null 3>&- &
  USER_PID=$!
  record_pid "$T/pids" "$USER_PID"
  wait_until 10 "the change to be sent" eval '[ "$(count_writes)" -gt 0 ]'
  echo / >"$MNT/.cfcfs/refresh"
}

# nothing_stuck : server and user end, the mount is gone, and can be made again.
nothing_stuck() {
  wait_until 10 "the process to end" gone "$MOUNT_PID"
  wait "$MOUNT_PID" 2>/dev/null || true
  kill -9 "$USER_PID" 2>/dev/null || true
  wait_until 5 "the user of the mount to end" gone "$USER_PID"
  wait_until 5 "the mount to go" not_mounted
  wait_until 5 "the keeper to end" eval '[ -z "$(keeper_of)" ]'
  clear_faults
  mount_cfcfs
  timeout 10 ls "$APPS"
}

@test "killed during a rename while the directory is told of: everything ends" {
  prepare
  change mv "$APPS/web.json" "$APPS/web2.json"
  kill -9 "$MOUNT_PID"
  nothing_stuck
}

@test "killed during a delete: everything ends" {
  prepare
  change rm "$APPS/web.json"
  kill -9 "$MOUNT_PID"
  nothing_stuck
}

@test "told twice to end during a rename: everything ends" {
  prepare
  change mv "$APPS/web.json" "$APPS/web2.json"
  kill -TERM "$MOUNT_PID"
  wait_until 5 "the first to be heard" grep -q 'ending: sending' "$T/cfcfs.log"
  kill -TERM "$MOUNT_PID"
  nothing_stuck
}

@test "an ordinary user, without fusectl: names are told of by epochs, seen at once, and nothing is stuck" {
  as_ordinary_user && return
  prepare
  # A name that another client made is seen although the kernel knew it to be missing.
  [ ! -e "$APPS/third.json" ]
  api POST /applications "$(jq '.name = "third"' "$T/web.json")" >/dev/null
  echo / >"$MNT/.cfcfs/refresh"
  wait_until 5 "the new name" test -e "$APPS/third.json"
  change mv "$APPS/web.json" "$APPS/web2.json"
  kill -9 "$MOUNT_PID"
  nothing_stuck
}

@test "the keeper dies too: the mount is dead, a new one says so and what clears it" {
  start
  kill -9 "$(keeper_of)"
  ls "$APPS"
  kill -9 "$MOUNT_PID"
  wait "$MOUNT_PID" 2>/dev/null || true
  is_mounted "$MNT"
  "$CFCFS" -f -o "url=$URL,token_file=$T/token,state_dir=$T/state" "$ACCOUNT" "$MNT" 2>"$T/stderr" 3>&- && fail "it mounted"
  grep -q 'a mount whose process died stands there; run: umount' "$T/stderr" || fail "$(cat "$T/stderr")"
  umount -f "$MNT"
  mount_cfcfs
}

@test "an ending mount leaves its successor alone" {
  prepare delete_grace=60
  # What is pending keeps the first process busy for a while after its mount is gone.
  rm "$APPS/other.json"
  fault '{"method":"DELETE","latency_ms":3000,"times":1}'
  local first=$MOUNT_PID
  fusermount3 -u -z "$MNT"
  mount_cfcfs
  wait_until 20 "the first process to end" gone "$first"
  is_mounted "$MNT" || fail "the second mount was taken away"
  ls "$APPS"
}

@test "the server has no capability, no new privileges, a filter of system calls; the keeper no device and no token" {
  start
  local keeper
  keeper=$(keeper_of)
  grep -qE '^NoNewPrivs:\s+1$' "/proc/$MOUNT_PID/status"
  grep -qE '^Seccomp:\s+2$' "/proc/$MOUNT_PID/status" || [ -n "${CFCFS_SANITIZE-}" ]
  for set in CapInh CapPrm CapEff CapAmb; do grep -qE "^$set:\s+0+$" "/proc/$MOUNT_PID/status" || fail "$set is not empty"; done
  for task in /proc/"$MOUNT_PID"/task/*/status; do grep -qE '^CapEff:\s+0+$' "$task" || fail "a thread kept capabilities"; done
  [ "$(id -u)" != 0 ] || ! readlink /proc/"$keeper"/fd/* | grep -q /dev/fuse || fail "the keeper holds the device"
  ! tr '\0' '\n' <"/proc/$keeper/environ" | grep -F "$TOKEN" || fail "the keeper has the token"
}

@test "the end names what could not be sent, by one deadline, and its status tells" {
  start_emulator
  web_json "$T/web.json"
  mount_cfcfs -o "delete_grace=60,timeout=6,retries=0"
  local name began took status=0
  for name in refused stalled fine; do cp "$T/web.json" "$APPS/$name.json"; done
  fault "{\"method\":\"DELETE\",\"path\":\"/applications/$(app_id refused)\",\"status\":403}"
  fault "{\"method\":\"DELETE\",\"path\":\"/applications/$(app_id stalled)\",\"stall\":true}"
  rm "$APPS"/{refused,stalled,fine}.json
  began=$SECONDS
  kill -TERM "$MOUNT_PID"
  wait "$MOUNT_PID" || status=$?
  took=$((SECONDS - began))
  assert_equal "$status" 1
  ((took < 40)) || fail "it took $took s to end, with a timeout of 6 s"
  grep -q '/applications/refused.json was not deleted: ' "$T/cfcfs.log"
  grep -q '/applications/stalled.json' "$T/cfcfs.log"
  ! grep -q '/applications/fine.json' "$T/cfcfs.log"
}
