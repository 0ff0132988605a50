#!/usr/bin/env bats
# Waits on an endpoint that does not answer end by their deadline or a signal, and by nothing else. How soon is measured in
# hang.bats.
# deadline: 300 s
load lib

# The reader's own process: its exit is what it told its parent.
spawn() { "$@" >/dev/null 2>>"$T/readers.err" 3>&- & SPAWNED=$!; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
stalled() { requests "select(.path | test(\"$1\"))" | grep -q .; }
ended() { gone "$1"; }

@test "200 readers of a stalled endpoint end by their deadline, and not before" {
  start_emulator
  seed '{"applications":20}'
  mount_with_clock -o "timeout=600,cache_ttl=3000,status_ttl=3000,retries=0,rps=1000,burst=1000"
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications/*/rollouts","stall":true}'
  local i pid pids=()
  for i in {1..200}; do
    spawn ls "$APPS/app-$(printf %05d $((i % 20 + 1)))/rollouts"
    pids+=("$SPAWNED")
  done
  for pid in "${pids[@]}"; do wait_until 30 "the reader to wait" in_the_mount "$pid"; done
  # What it took to begin them comes on top.
  pass 400
  df "$MNT" >/dev/null
  for pid in "${pids[@]}"; do ! gone "$pid" || fail "a reader ended before its deadline"; done
  pass 200
  for pid in "${pids[@]}"; do wait_until 30 "the reader to end" ended "$pid"; done
  wait "${pids[0]}" && fail "a reader of a stalled endpoint succeeded"
  wait "${pids[@]}" || true
}

@test "a caught SIGINT makes the call fail with EINTR" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=30,retries=0"
  fault '{"method":"GET","path":"/applications","stall":true}'
  spawn "$SIGNALS" INT "$APPS/app-00001.json"
  wait "$SPAWNED" || true
  assert_match "$(cat "$T/readers.err")" 'EINTR'
}

@test "SIGALRM, SIGWINCH, SIGURG, SIGUSR1 do not end a wait" {
  start_emulator
  seed '{"applications":5}'
  mount_with_clock -o "timeout=30,cache_ttl=0.2,stale_ttl=0"
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications","latency_ms":2500}'
  local signal
  for signal in ALRM WINCH URG USR1; do
    : >"$T/readers.err"
    pass 1
    spawn "$SIGNALS" "$signal" "$APPS/app-00001.json"
    wait "$SPAWNED" || fail "SIG$signal: $(cat "$T/readers.err")"
    assert_match "$(cat "$T/readers.err")" "[1-9][0-9]* signals"
  done
}

@test "a change in flight is never cut off: the process that is killed waits, and the change happens once" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=30,rollout=none"
  web_json "$T/web.json"
  cat "$APPS/app-00001.json" >/dev/null
  fault '{"method":"POST","path":"/applications","latency_ms":2000,"times":1}'
  clear_requests
  local signal n=0 writer
  for signal in INT TERM KILL; do
    n=$((n + 1))
    clear_faults
    clear_requests
    fault '{"method":"POST","path":"/applications","latency_ms":2000}'
    spawn cp "$T/web.json" "$APPS/web$n.json"
    writer=$SPAWNED
    wait_until 10 "the create to be sent" posted
    kill -"$signal" "$writer"
    wait "$writer" || true
    clear_faults
    assert_calls 1 POST /applications
    assert_equal "$(app_names | grep -c "^web$n\$")" 1
    assert_same_json "$T/web.json" "$APPS/web$n.json"
  done
}
posted() { [ "$(count_calls POST /applications)" = 1 ]; }

@test "a signal while a write waits for the budget: EINTR, and nothing was sent" {
  start_emulator
  mount_with_clock -o "timeout=3600,rps=0.02,burst=2,rollout=none"
  web_json "$T/web.json"
  ls "$APPS" >/dev/null
  wait_until 30 "the budget to be used up" spent
  clear_requests
  spawn cp "$T/web.json" "$APPS/late.json"
  wait_until 30 "the write to wait" in_the_mount "$SPAWNED"
  kill -TERM "$SPAWNED"
  wait "$SPAWNED" && fail "the write succeeded"
  # The next one that asks gets what the budget has by then.
  pass 120
  refresh
  ls "$APPS" >/dev/null
  assert_calls 1 GET /applications
  assert_writes 0
  assert_equal "$(app_names | grep -c late)" 0
}
spent() {
  (($(budget_left) == 0)) && return 0
  refresh
  ls "$APPS" >/dev/null
  return 1
}

@test "unmounting while requests wait does not hang" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=20,retries=0"
  fault '{"stall":true}'
  spawn ls "$APPS"
  local reader=$SPAWNED began took
  wait_until 30 "the call" stalled '^/applications$'
  began=$(now_ms)
  kill -TERM "$MOUNT_PID"
  wait_until 30 "the process to end" gone "$MOUNT_PID"
  took=$(($(now_ms) - began))
  ((took <= 45000)) || fail "it took $took ms to end"
  wait_until 5 "the reader to end" ended "$reader"
  assert_equal "$(mounts_under "$T")" ''
}

@test "a read whose first call is never answered gets its answer by a second one, well before the deadline" {
  start_emulator
  seed '{"applications":5}'
  mount_with_clock -o "timeout=240,connect_timeout=2,cache_ttl=6000"
  fault '{"method":"GET","path":"/applications","stall":true,"times":1}'
  clear_requests
  local reader
  # One who gives up, and one who joins the call that he leaves behind.
  spawn cat "$APPS/app-00001.json"
  reader=$SPAWNED
  wait_until 30 "the call" stalled '^/applications$'
  kill -INT "$reader"
  spawn cat "$APPS/app-00001.json"
  wait_until 30 "the second to wait" in_the_mount "$SPAWNED"
  pass 30
  df "$MNT" >/dev/null
  in_the_mount "$SPAWNED" || fail "no call was waited for for a quarter of the deadline"
  assert_calls 1 GET /applications
  wait_until 60 "the second call" hastens_calls 2
  wait "$SPAWNED"
  assert_calls 2 GET /applications
}

@test "an API that is slow but alive is not asked twice, and a change that is slow never" {
  start_emulator
  seed '{"applications":5}'
  mount_with_clock -o "timeout=300,connect_timeout=10,cache_ttl=6000,rollout=none"
  fault '{"method":"GET","path":"/applications","latency_ms":3000,"times":1}'
  clear_requests
  cat "$APPS/app-00001.json" >"$T/known.json"
  assert_calls 1 GET /applications
  # Slower than that costs one more call, and no more.
  echo / >"$MNT/.cfcfs/refresh"
  fault '{"method":"GET","path":"/applications","latency_ms":20000,"times":1}'
  fault '{"method":"GET","path":"/applications","latency_ms":2000,"times":1}'
  clear_requests
  spawn cat "$APPS/app-00001.json"
  wait_until 30 "the call" stalled '^/applications$'
  wait_until 60 "the second call" hastens_calls 2
  wait "$SPAWNED"
  assert_calls 2 GET /applications
  fault '{"method":"PATCH","path":"/applications/*","latency_ms":3000,"times":1}'
  clear_requests
  jq '.max_instances = 17' "$T/known.json" >"$T/changed.json"
  spawn cp "$T/changed.json" "$APPS/app-00001.json"
  wait_until 30 "the call" stalled '^/applications/'
  pass 50
  df "$MNT" >/dev/null
  pass 50
  wait "$SPAWNED"
  assert_calls 1 PATCH '/applications/*'
  assert_equal "$(app app-00001 | jq .max_instances)" 17
}
# hastens_calls N : N lists were asked for; if not, some seconds go by.
hastens_calls() {
  [ "$(count_calls GET /applications)" = "$1" ] || { pass 15 && return 1; }
}

@test "a reader that was interrupted is no failure to be told of" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=30,retries=0"
  fault '{"method":"GET","path":"/applications","stall":true}'
  spawn cat "$APPS/app-00001.json"
  wait_until 5 "the call" stalled '^/applications$'
  kill -TERM "$SPAWNED"
  wait_until 5 "the reader to end" ended "$SPAWNED"
  assert_equal "$(cat "$MNT/.cfcfs/errors.jsonl")" ''
}

@test "a write that waits for the account's answer before anything is sent ends by a signal" {
  start_emulator
  seed '{"applications":5}'
  mount_with_clock -o "timeout=60,connect_timeout=2,cache_ttl=0.5,retries=0,rollout=none"
  jq '.max_instances = 9' "$APPS/app-00003.json" >"$T/changed.json"
  pass 1
  fault '{"method":"GET","path":"/applications","stall":true}'
  hasten cat "$APPS/app-00003.json" >/dev/null # the old one
  clear_requests
  spawn cp "$T/changed.json" "$APPS/app-00003.json"
  wait_until 30 "the write to wait" in_the_mount "$SPAWNED"
  # Readers have the old answer by now.
  hasten cat "$APPS/app-00004.json" >/dev/null
  in_the_mount "$SPAWNED" || fail "the write did not wait"
  kill -TERM "$SPAWNED"
  wait_until 5 "the writer to end" ended "$SPAWNED"
  assert_writes 0
  clear_faults
  # It may join the call that is never answered, until that one's deadline.
  hasten cp "$T/changed.json" "$APPS/app-00003.json"
  assert_writes 1
}

@test "a signal ends a wait in a directory in which another waits for another name" {
  start_emulator
  mount_cfcfs -o "timeout=60,retries=0"
  fault '{"method":"GET","path":"/registries","stall":true}'
  local first
  spawn stat "$MNT/registries/x.json"
  first=$SPAWNED
  wait_until 30 "the first to wait" in_the_mount "$first"
  spawn stat "$MNT/registries/y.json"
  wait_until 30 "the second to wait" in_the_mount "$SPAWNED"
  kill -KILL "$SPAWNED"
  wait_until 30 "the second to end" ended "$SPAWNED"
  in_the_mount "$first" || fail "the first was to wait on"
  kill -KILL "$first"
  wait_until 30 "the first to end" ended "$first"
}

@test "an unmount does not wait for a read that nobody waits for any more" {
  start_emulator
  seed '{"applications":2}'
  mount_cfcfs -o "timeout=600,retries=0"
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications/*/rollouts","stall":true}'
  spawn ls "$APPS/app-00001/rollouts"
  wait_until 30 "the request to be out" stalled '/rollouts$'
  kill -KILL "$SPAWNED"
  wait "$SPAWNED" 2>/dev/null || true
  umount_cfcfs
  assert_equal "$MOUNT_STATUS" 0
}
