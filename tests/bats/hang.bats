#!/usr/bin/env bats
# It never hangs: while an endpoint does not answer, everything else answers at once, and a signal ends a wait at once. What is
# timed is the calls and not the start of processes, several times each. waits.bats has what needs no clock.
# alone
# deadline: 240 s
load lib

# What is promised, for the median of the turns; and what no turn may take, though the machine was busy with something else. Each
# of some twenty times that a call has to wait for a processor, the machine is as late as it is.
PROMISED_US=100000
LONGEST_US=1000000
WAKES=20

setup() {
  setup_base
  watch_lateness
}

# at_once TIMES OPERATION... : tests/bats/timed.c makes it so often; each succeeds, and as soon as promised.
at_once() {
  local median longest took mean worst
  took=$(timeout -s KILL 60 "$TIMED" "$@" 2>&1) || fail "failed: $*: $took"
  read -r median longest <<<"$took"
  read -r mean worst <"$T/late"
  echo "$median $longest us, the machine $mean $worst us: ${*:1:4}"
  ((median <= PROMISED_US + WAKES * mean)) || fail "the median is $median us: $*"
  ((longest <= LONGEST_US + WAKES * worst)) || fail "the longest took $longest us: $*"
}

# The emulator first, so that nobody waits for what is stalled.
teardown() {
  stop_emulator
  teardown_base
}

# Not a job of the shell, which would tell of each that is killed.
spawn() {
  "$@" >/dev/null 2>&1 3>&- &
  READERS+=("$!")
  disown "$!"
}
# What was timed was timed beside the readers: none of them has ended.
still_waiting() {
  local pid
  for pid in "${READERS[@]}"; do [ -n "$(start_time "$pid")" ] || fail "a reader ended while the others were timed"; done
}
all_wait() {
  local pid
  for pid in "${READERS[@]}"; do wait_until 30 "a reader to wait" in_the_mount "$pid"; done
}
# all_threads_wait PID N : where the kernel does not say for what they wait, they are there.
all_threads_wait() {
  local there
  there=$(cat "/proc/$1"/task/*/wchan 2>/dev/null | grep -oE 'request_wait_answer|fuse_lock_inode|d_alloc_parallel|rwsem_down' | wc -l)
  ((there >= $2)) || { [ "$(cat "/proc/$1/wchan")" = 0 ] && (($(ls "/proc/$1/task" | wc -l) == $2)); }
}
end_readers() {
  local pid
  kill -KILL "${READERS[@]}"
  for pid in "${READERS[@]}"; do wait_until 10 "a reader to end" gone "$pid"; done
}
asked() { requests "select(.path | test(\"$1\"))" | grep -q .; }
documents() {
  printf 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxOLcN8IuNPwzpyRg0Ho4R4uDStVhmkRzG3E1D7WJyO me\n' >"$T/key.pub"
  web_json "$T/web2.json"
  web_json "$T/web3.json" '.instances = 3'
}

@test "one endpoint stalled with 200 readers on it: everything else answers within 100 ms" {
  start_emulator
  seed '{"applications":20,"secrets":3,"ssh_keys":3,"deployments":3}'
  mount_cfcfs -o "timeout=60,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=1000"
  documents
  cat "$APPS/app-00001.json" "$MNT"/deployments/*.json >/dev/null
  ls "$MNT/secrets" "$APPS/app-00002" >/dev/null
  fault '{"method":"GET","path":"/applications/*/rollouts","stall":true}'
  local i
  READERS=()
  for i in {1..200}; do spawn ls "$APPS/app-$(printf %05d $((i % 20 + 1)))/rollouts"; done
  wait_until 10 "the readers to be at it" asked rollouts
  # What is known.
  at_once 20 cat "$APPS/app-00001.json"
  at_once 20 cat "$MNT"/deployments/*.json
  at_once 20 ls "$MNT"
  at_once 20 lsl "$MNT"
  at_once 20 ls "$APPS" "$APPS/app-00002" "$MNT/secrets" "$MNT/deployments"
  at_once 20 lsl "$APPS"
  at_once 20 df "$MNT"
  at_once 20 stat "$APPS"/*.json
  at_once 20 cat "$MNT/.cfcfs/metrics"
  # What is not: other endpoints, each look the first.
  at_once 20 ls "$APPS"/*/instances
  at_once 3 ls "$MNT/ssh-keys" "$MNT/registries" "$MNT/ips"
  # Writes, to other kinds and to the same.
  at_once 20 write "$MNT/ssh-keys/me-@.pub" "$T/key.pub"
  at_once 20 write "$MNT/secrets/value-@" "$T/key.pub"
  at_once 20 write "$APPS/web-@.json" "$T/web2.json"
  at_once 20 rename "$APPS/moved-@.json" "$T/web2.json"
  at_once 20 write "$APPS/web-0.json" "$T/web3.json" "$T/web2.json"
  still_waiting
  end_readers
  # They were sent.
  assert_calls 40 POST /applications
  assert_calls 20 POST /ssh-public-keys
  assert_calls 20 POST /secrets
}

@test "more readers of a stalled endpoint than there are threads to fetch: the rest answers within 100 ms" {
  start_emulator
  seed '{"applications":300,"secrets":3}'
  mount_cfcfs -o "timeout=60,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=2000"
  documents
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications/*","stall":true}'
  local i
  READERS=()
  for i in {1..300}; do spawn cat "$APPS/app-$(printf %05d "$i")/versions.json"; done
  all_wait
  at_once 20 cat "$APPS"/app-0020?.json
  at_once 20 ls "$MNT" "$APPS"
  at_once 20 df "$MNT"
  at_once 20 write "$APPS/web-@.json" "$T/web2.json"
  still_waiting
  end_readers
}

@test "512 waiting readers and more leave room for one more, of what is cached" {
  start_emulator
  seed '{"applications":10,"secrets":2}'
  mount_cfcfs -o "timeout=60,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=2000"
  cat "$APPS"/*.json >/dev/null
  fault '{"method":"GET","path":"/ips","stall":true}'
  fault '{"method":"GET","path":"/registries","stall":true}'
  READERS=()
  spawn "$SIGNALS" many 600 "$MNT/registries/x-@.json"
  wait_until 30 "the readers to be at it" all_threads_wait "${READERS[0]}" 600
  at_once 20 cat "$APPS"/*.json
  at_once 20 ls "$MNT" "$APPS"
  at_once 20 df "$MNT"
  assert_equal "$(ls "/proc/${READERS[0]}/task" | wc -l)" 600 "those who still wait"
  end_readers
}

@test "statfs and the root answer within 100 ms, whatever is stalled" {
  start_emulator
  seed '{"applications":5}'
  mount_with_clock -o "timeout=3600,cache_ttl=0.1,status_ttl=0.1,stale_ttl=0"
  fault '{"stall":true}'
  pass 1 # nothing is known any more
  local i
  READERS=()
  for i in {1..20}; do
    spawn ls "$APPS"
    spawn cat "$MNT/account/limits.json"
  done
  all_wait
  at_once 20 df "$MNT"
  at_once 20 stat "$MNT"
  at_once 20 ls "$MNT"
  at_once 20 lsl "$MNT"
  at_once 20 cat "$MNT/.cfcfs/version"
  still_waiting
  end_readers
}

@test "SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGKILL end a waiting read within 100 ms; after a refresh the next gets its answer" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=60,retries=0"
  ls "$APPS" >/dev/null
  local signal
  refresh
  clear_requests
  fault '{"method":"GET","path":"/applications","stall":true}'
  for signal in INT TERM HUP QUIT KILL; do at_once 10 signal "$signal" cat "$APPS/app-00001.json"; done
  at_once 10 signal INT ls "$APPS"
  at_once 10 signal INT stat "$APPS/app-00001.json"
  # A handler: the call fails with EINTR.
  at_once 10 caught INT cat "$APPS/app-00001.json"
  asked '/applications$' || fail "nobody asked"
  clear_faults
  refresh
  at_once 1 cat "$APPS/app-00001.json"
  jq -e .configuration.image "$APPS/app-00001.json"
}

@test "a signal ends one wait of 200 for the same thing within 100 ms, and the others wait on" {
  start_emulator
  seed '{"applications":20}'
  mount_cfcfs -o "timeout=60,cache_ttl=300,status_ttl=300,retries=0,rps=1000,burst=1000"
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications/*/rollouts","stall":true}'
  local i
  READERS=()
  for i in {1..200}; do spawn ls "$APPS/app-$(printf %05d $((i % 20 + 1)))/rollouts"; done
  wait_until 10 "the readers to be at it" asked rollouts
  at_once 10 signal INT ls "$APPS"/*/rollouts
  at_once 10 signal KILL ls "$APPS"/*/rollouts
  still_waiting
  end_readers
}

@test "Ctrl-C while a command waits for the budget ends it within 100 ms, and nothing was sent" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "timeout=60,rps=0.02,burst=5,rollout=none"
  ls "$APPS" >/dev/null
  # Uses up what is left for reads.
  wait_until 30 "the budget to be used up" spent
  clear_requests
  at_once 10 signal INT ls "$MNT/registry-protocols"
  assert_equal "$(requests | wc -l)" 0 "calls"
  at_once 20 ls "$MNT"
}
# Reads leave a fifth of the burst to writes. One list again and again: of several, the mount would fetch more.
spent() {
  (($(budget_left) <= 1)) && return 0
  refresh
  ls "$APPS" >/dev/null
  return 1
}
