#!/usr/bin/env bats
# The budget of API calls: what reached the emulator, by the times of its own log.
# deadline: 420 s
load lib

now_ms() { echo $(($(date +%s%N) / 1000000)); }
log() { control GET requests; }

setup() {
  setup_base
  watch_lateness
}

# within RPS BURST : in no window of the log are there more calls than the burst and what the rate gives meanwhile.
# The clock of the log is not that of the mount: one call, 50 ms, and some times what this machine was late by, are allowed for.
within() {
  log | python3 -c '
import json, sys
rps, burst, late = float(sys.argv[1]), float(sys.argv[2]), float((open(sys.argv[3]).read() or "0 0").split()[1]) / 1e6
times = sorted(call["time_ms"] for call in json.load(sys.stdin))
level, last, worst = burst, None, 0
# The bucket, as the mount should have kept it.
for at in times:
    if last is not None:
        level = min(burst, level + (at - last) * rps / 1000)
    last = at
    level -= 1
    worst = min(worst, level)
print(len(times), "calls, bucket at worst", worst)
sys.exit(worst < -1 - rps * (0.05 + 4 * late))
' "$1" "$2" "$T/late" || fail "more calls than the budget allows: $(log | jq -c '[.[].time_ms]' | head -c 3000)"
}

# Reads leave a fifth of the burst to writes.
spent() { (($(budget_left) <= 5)); }
spawn() { "$@" >/dev/null 2>>"$T/background.err" 3>&- & SPAWNED=$!; }

@test "rps=20,burst=10: no window of a crawl exceeds the budget" {
  start_emulator
  seed '{"applications":60,"deployments":5}'
  clear_requests
  mount_cfcfs -o "rps=20,burst=10,cache_ttl=300,status_ttl=300"
  timeout 110 find "$MNT" >/dev/null
  (($(log | jq length) >= 150)) || fail "only $(log | jq length) calls"
  within 20 10
}

@test "rps=20,burst=10: 40 crawls at once stay within it too" {
  start_emulator
  seed '{"applications":40}'
  clear_requests
  mount_cfcfs -o "rps=20,burst=10,cache_ttl=300,status_ttl=300"
  local i pids=()
  for i in {1..40}; do
    spawn ls "$APPS/app-$(printf %05d "$i")/rollouts" "$APPS/app-$(printf %05d "$i")/instances"
    pids+=("$SPAWNED")
  done
  wait "${pids[@]}"
  within 20 10
  assert_equal "$(requests 'select(.path | test("rollouts|instances"))' | wc -l)" 80
}

@test "writes are not starved by a crawl" {
  start_emulator
  seed '{"applications":200}'
  mount_cfcfs -o "rps=10,burst=20,cache_ttl=300,status_ttl=300,rollout=none"
  ls "$APPS" >/dev/null
  spawn find "$MNT"
  local crawl=$SPAWNED i before
  web_json "$T/web.json"
  cp "$T/web.json" "$T/n.json"
  for i in 1 2 3 4; do
    wait_until 30 "the crawl to have used up the budget" spent
    before=$(requests .path | wc -l)
    timeout 60 cp "$T/n.json" "$APPS/new$i.json"
    # What the crawl sends of the ten a second while the write waits; what was in flight comes on top.
    requests .method | tail -n +$((before + 1)) | grep -n POST >"$T/place" || fail "write $i is not in the log"
    (($(head -n 1 "$T/place" | cut -d: -f1) <= 15)) || fail "write $i waited for too many calls of a crawl: $(<"$T/place")"
  done
  kill -0 "$crawl" || fail "the crawl ended before the writes"
  kill -KILL "$crawl"
  wait "$crawl" || true
  within 10 20
}

@test "a 429 with Retry-After: 2 is waited out by one sleep, not by a storm" {
  start_emulator
  seed '{"applications":20}'
  mount_cfcfs -o "rps=1000,burst=1000,timeout=30"
  ls "$APPS" >/dev/null
  clear_requests
  fault '{"method":"GET","path":"/applications/*","times":1,"status":429,"retry_after":2}'
  local i pids=() took began
  began=$(now_ms)
  for i in {1..20}; do
    spawn ls "$APPS/app-$(printf %05d "$i")/rollouts"
    pids+=("$SPAWNED")
  done
  wait "${pids[@]}"
  took=$(($(now_ms) - began))
  ((took >= 1900)) || fail "it went on after $took ms"
  ((took <= 20000)) || fail "it took $took ms"
  log | python3 -c '
import json, sys
calls = json.load(sys.stdin)
stop = next(call for call in calls if call["status"] == 429)
# Those in flight beside it may still arrive; then nothing until the time is over.
early = [call for call in calls if stop["time_ms"] + 1000 < call["time_ms"] < stop["time_ms"] + 1950]
twice = [path for path in {call["path"] for call in calls} if sum(call["path"] == path and call["status"] == 200 for call in calls) > 1]
print(len(calls), "calls,", len(early), "too early")
sys.exit(bool(early or twice or len(calls) > 29))
' || fail "a storm: $(requests '[.time_ms, .status, .path]')"
}

@test "429 with Retry-After for a write: it waits and succeeds, once" {
  start_emulator
  mount_cfcfs -o "timeout=30,rollout=none"
  web_json "$T/web.json"
  fault '{"method":"POST","path":"/applications","times":2,"status":429,"retry_after":1}'
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  assert_calls 3 POST /applications
  assert_equal "$(app_names)" web
}

@test "429 past the deadline: EAGAIN, at its time" {
  start_emulator
  mount_cfcfs -o "timeout=3,rollout=none"
  web_json "$T/web.json"
  fault '{"method":"POST","path":"/applications","status":429,"retry_after":60}'
  local began took
  began=$(now_ms)
  assert_sys 'write EAGAIN' write "$APPS/web.json" "$T/web.json"
  took=$(($(now_ms) - began))
  ((took <= 20000)) || fail "it took $took ms"
}

@test "the service's own limit: no 429 once its headers are known" {
  # 40 calls in 5 seconds.
  start_emulator --rate 40/5
  seed '{"applications":60}'
  mount_cfcfs -o "rps=1000,burst=1000,timeout=60,cache_ttl=300,status_ttl=300"
  clear_requests
  timeout 100 find "$APPS" >/dev/null
  local refused
  refused=$(requests 'select(.status == 429)' | wc -l)
  ((refused <= 8)) || fail "$refused calls were refused: more than were in flight when the limit was first met"
  (($(requests 'select(.status == 200)' | wc -l) >= 120)) || fail "$(requests 'select(.status == 200)' | wc -l) calls"
}

@test "5xx: retried with pauses that grow, up to retries and then the error" {
  start_emulator
  mount_cfcfs -o "timeout=30,retries=3"
  fault '{"method":"GET","path":"/applications","times":2,"status":503}'
  clear_requests
  ls "$APPS" >/dev/null
  assert_calls 3 GET /applications
  refresh
  fault '{"method":"GET","path":"/applications","status":502}'
  clear_requests
  assert_fails ls "$APPS"
  assert_calls 4 GET /applications
  # A failure is remembered for a moment: a loop of readers is no storm.
  local i
  for i in {1..30}; do ls "$APPS" >/dev/null 2>&1 || true; done
  assert_calls 4 GET /applications
}

@test "a find over a cold mount with the defaults never has more than max_conns calls in flight" {
  start_emulator --latency 50
  seed '{"applications":40}'
  mount_cfcfs -o "max_conns=4,rps=1000,burst=1000"
  clear_requests
  local i pids=()
  for i in {1..40}; do
    spawn ls "$APPS/app-$(printf %05d "$i")/rollouts"
    pids+=("$SPAWNED")
  done
  wait "${pids[@]}"
  log | python3 -c '
import json, sys
calls = json.load(sys.stdin)
# Arrivals within the latency of each other were in flight together.
times = sorted(call["time_ms"] for call in calls)
most = max(sum(at <= other < at + 48 for other in times) for at in times)
print(most, "in flight")
sys.exit(most > 4)
' || fail "more than 4 calls in flight"
}
