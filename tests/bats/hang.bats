#!/usr/bin/env bats
# It never hangs: with an endpoint that does not answer, everything else goes on, and a wait ends by its deadline or a signal.
# deadline: 420 s
load lib

# "At once" on a machine that has other work: what is promised is 100 ms.
SOON_MS=1000

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# soon COMMAND... : it succeeds, and at once.
soon() {
  local began took
  began=$(now_ms)
  timeout 20 "$@" >/dev/null || fail "failed: $*"
  took=$(($(now_ms) - began))
  ((took <= SOON_MS)) || fail "$took ms for: $*"
}
# The reader's own process: its exit is what it told its parent.
spawn() { "$@" >/dev/null 2>>"$T/readers.err" 3>&- & SPAWNED=$!; }
stalled() { requests "select(.path | test(\"$1\"))" | grep -q .; }

ended() { gone "$1"; }

@test "one endpoint stalled with 200 readers on it: everything else answers at once; the readers end by their deadline" {
  start_emulator
  seed '{"applications":20,"secrets":3,"ssh_keys":3,"deployments":3}'
  mount_cfcfs -o "timeout=12,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=1000"
  cat "$APPS/app-00001.json" "$MNT"/deployments/*.json >/dev/null
  ls "$MNT/secrets" "$APPS/app-00002" >/dev/null
  fault '{"method":"GET","path":"/applications/*/rollouts","stall":true}'
  local i pids=() began took
  began=$(now_ms)
  for i in {1..200}; do
    spawn ls "$APPS/app-$(printf %05d $((i % 20 + 1)))/rollouts"
    pids+=("$SPAWNED")
  done
  wait_until 10 "the readers to be at it" stalled rollouts
  soon cat "$APPS/app-00001.json"
  soon ls "$MNT"
  soon ls -l "$APPS"
  soon ls "$APPS/app-00002"
  soon df "$MNT"
  soon stat "$APPS/app-00009.json"
  soon cat "$MNT/.cfcfs/metrics"
  # Not cached yet: another endpoint.
  soon ls "$MNT/ssh-keys"
  soon ls "$APPS/app-00003/instances"
  # Writes, to the same kind and to others.
  printf 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxOLcN8IuNPwzpyRg0Ho4R4uDStVhmkRzG3E1D7WJyO me\n' >"$T/key.pub"
  web_json "$T/web.json"
  soon cp "$T/web.json" "$APPS/web.json"
  soon cp "$T/key.pub" "$MNT/ssh-keys/me.pub"
  sed 's/"instances": 2/"instances": 3/' "$T/web.json" >"$T/web2.json"
  soon cp "$T/web2.json" "$APPS/web.json"
  wait "${pids[@]}" || true
  took=$(($(now_ms) - began))
  ((took <= 12000 + 5000)) || fail "the readers took $took ms; the deadline is 12 s"
  ((took >= 9000)) || fail "the readers ended after $took ms, before the deadline"
}

@test "more readers of stalled endpoints than there are threads to fetch: the rest goes on" {
  start_emulator
  seed '{"applications":300,"secrets":3}'
  mount_cfcfs -o "timeout=10,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=2000"
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications/*","stall":true}'
  local i pids=()
  for i in {1..300}; do
    spawn cat "$APPS/app-$(printf %05d "$i")/versions.json"
    pids+=("$SPAWNED")
  done
  wait_until 10 "the readers to be at it" stalled versions
  sleep 1
  soon cat "$APPS/app-00200.json"
  soon ls "$MNT"
  soon df "$MNT"
  web_json "$T/web.json"
  soon cp "$T/web.json" "$APPS/web.json"
  clear_faults
  wait "${pids[@]}" || true
}

@test "SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGKILL end a waiting read; the next reader gets its answer" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=30,retries=0"
  ls "$APPS" >/dev/null
  local signal began took
  for signal in INT TERM HUP QUIT KILL; do
    refresh
    clear_requests
    fault '{"method":"GET","path":"/applications","stall":true,"times":1}'
    # An asynchronous job of the shell ignores SIGINT: python does not.
    spawn python3 -c 'import signal,os,sys
for s in (signal.SIGINT, signal.SIGQUIT): signal.signal(s, signal.SIG_DFL)
os.execvp("cat", ["cat", sys.argv[1]])' "$APPS/app-00001.json"
    wait_until 10 "the read to wait" stalled '/applications$'
    began=$(now_ms)
    kill -"$signal" "$SPAWNED"
    wait "$SPAWNED" || true
    took=$(($(now_ms) - began))
    ((took <= SOON_MS)) || fail "SIG$signal ended the read after $took ms"
    clear_faults
  done
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
  mount_cfcfs -o "timeout=30,cache_ttl=0.2,stale_ttl=0"
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications","latency_ms":2500}'
  local signal
  for signal in ALRM WINCH URG USR1; do
    : >"$T/readers.err"
    sleep 0.3
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

@test "Ctrl-C while a command waits for the budget ends it, and nothing was sent" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=60,rps=0.02,burst=5,rollout=none"
  ls "$APPS" >/dev/null
  # Uses up what is left for reads.
  timeout 2 ls "$MNT/secrets" "$MNT/ssh-keys" "$MNT/registries" "$MNT/ips" "$MNT/deployments" >/dev/null 2>&1 3>&- || true
  clear_requests
  local began took
  began=$(now_ms)
  timeout -s INT 1 ls "$MNT/registry-protocols" >/dev/null 2>&1 3>&- || true
  took=$(($(now_ms) - began))
  ((took <= 1000 + SOON_MS)) || fail "it took $took ms"
  soon ls "$MNT"
  soon cat "$APPS/app-00002.json"
}

@test "a signal while a write waits for the budget: EINTR, and nothing was sent" {
  start_emulator
  mount_cfcfs -o "timeout=60,rps=0.02,burst=2,rollout=none"
  web_json "$T/web.json"
  local i
  ls "$APPS" >/dev/null
  for i in 1 2 3; do timeout -s INT 1 cp "$T/web.json" "$APPS/use$i.json" 2>/dev/null || true; done
  clear_requests
  run timeout -s INT 1 cp "$T/web.json" "$APPS/late.json"
  [ "$status" != 0 ]
  sleep 1
  assert_writes 0
  assert_equal "$(app_names | grep -c late)" 0
}

@test "statfs and the root never wait, whatever is stalled" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=20,cache_ttl=0.1,status_ttl=0.1,stale_ttl=0"
  fault '{"stall":true}'
  local i pids=()
  for i in {1..20}; do
    spawn ls "$APPS"
    pids+=("$SPAWNED")
    spawn cat "$MNT/account/limits.json"
    pids+=("$SPAWNED")
  done
  sleep 0.5
  soon df "$MNT"
  soon stat "$MNT"
  soon ls "$MNT"
  soon ls -la "$MNT"
  soon cat "$MNT/.cfcfs/version"
  kill -KILL "${pids[@]}"
  wait "${pids[@]}" || true
}

@test "a listing of 512 waiting readers leaves room for one more reader of what is cached" {
  start_emulator
  seed '{"applications":10,"secrets":2}'
  mount_cfcfs -o "timeout=15,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=2000"
  cat "$APPS/app-00001.json" >/dev/null
  fault '{"method":"GET","path":"/ips","stall":true}'
  fault '{"method":"GET","path":"/registries","stall":true}'
  "$SIGNALS" many 600 "$MNT/registries/x.json" >/dev/null 2>&1 3>&- &
  local pid=$!
  wait_until 10 "the readers to be at it" stalled registries
  sleep 1
  soon cat "$APPS/app-00001.json"
  soon cat "$APPS/app-00005.json"
  soon ls "$MNT"
  soon df "$MNT"
  kill -KILL "$pid"
  wait "$pid" || true
}

@test "unmounting while requests wait does not hang" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=20,retries=0"
  fault '{"stall":true}'
  spawn ls "$APPS"
  local reader=$SPAWNED began took
  sleep 0.5
  began=$(now_ms)
  kill -TERM "$MOUNT_PID"
  wait_until 30 "the process to end" gone "$MOUNT_PID"
  took=$(($(now_ms) - began))
  ((took <= 25000)) || fail "it took $took ms to end"
  wait_until 5 "the reader to end" ended "$reader"
  assert_equal "$(mounts_under "$T")" ''
}
