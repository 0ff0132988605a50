#!/usr/bin/env bats
# /.cfcfs/changes.jsonl: what a second client does shows once each, and looking costs a share of the budget, or nothing.
load lib

FEED=.cfcfs/changes.jsonl

# follow : tail -f of the feed into $T/feed, from when all lists are known.
follow() {
  : >"$T/feed"
  tail -n +1 -s 0.1 -f "$MNT/$FEED" >"$T/feed" 2>"$T/tail.err" 3>&- &
  TAIL_PID=$!
  record_pid "$T/pids" "$TAIL_PID"
  wait_until 60 "the lists to be known" begun
}
# A secret of its own for each try: once one shows, and another one after it, every first look is over.
begun() {
  MARKS=$((${MARKS-0} + 1))
  api POST /secrets "{\"name\": \"mark-$MARKS\", \"value\": \"x\"}" >/dev/null
  [ "$(shown '.path | startswith("/secrets/mark-")' | wc -l)" -ge 2 ]
}
unfollow() {
  kill "$TAIL_PID"
  wait "$TAIL_PID" 2>/dev/null || true
}
# shown FILTER : the lines, of which the filter is true.
shown() { sed '$!b; /}$/!d' "$T/feed" | jq -c "select($1)"; }
shows() { [ -n "$(shown "$1")" ]; }
see() { wait_until 60 "a line with $1" shows "$1"; }
once() { [ "$(shown "$1" | wc -l)" = 1 ] || fail "not once: $1: $(shown "$1")"; }

@test "what a second client makes, changes, rolls out, breaks and deletes shows once each, with its fields" {
  start_emulator
  api POST /applications "$(web_json /dev/stdout '.name = "web"')" >/dev/null
  advance 60
  mount_cfcfs -o cache_ttl=0.5,status_ttl=0.5,rps=1000,burst=1000
  follow
  local web=/applications/web.json id
  id=$(app_id web)
  api POST /secrets '{"name": "key", "value": "one"}' >/dev/null
  see '.path == "/secrets/key" and .change == "appeared"'
  api PATCH /secrets/key '{"value": "two"}' >/dev/null
  see '.path == "/secrets/key" and .change == "changed" and (.fields | index("version"))'
  api DELETE /secrets/key >/dev/null
  see '.path == "/secrets/key" and .change == "vanished"'
  api PATCH "/applications/$id" '{"max_instances": 9}' >/dev/null
  see ".path == \"$web\" and .change == \"changed\" and (.fields | index(\"max_instances\"))"
  api PATCH "/applications/$id" '{"configuration": {"image": "registry.cloudflare.com/bad-image:v1"}}' >/dev/null
  see ".path == \"$web\" and .change == \"changed\" and (.fields | index(\"configuration.image\"))"
  api POST "/applications/$id/rollouts" '{"description": "broken", "strategy": "rolling", "kind": "full_auto", "step_percentage": 100,
    "target_configuration": {"image": "registry.cloudflare.com/bad-image:v1"}}' >/dev/null
  see ".path == \"$web\" and (.fields // [] | index(\"active_rollout_id\"))"
  advance 120
  see ".path == \"$web\" and .health.to.failed == 2 and (.health.reason | contains(\"could not be pulled\"))"
  see '.path | startswith("/applications/web/deployments/")'
  api DELETE "/applications/$id" >/dev/null
  advance 60
  see ".path == \"$web\" and .change == \"vanished\""
  once '.path == "/secrets/key" and .change == "appeared"'
  once '.path == "/secrets/key" and .change == "changed"'
  once '.path == "/secrets/key" and .change == "vanished"'
  once ".path == \"$web\" and (.fields // [] | index(\"max_instances\"))"
  once ".path == \"$web\" and (.fields // [] | index(\"configuration.image\"))"
  once ".path == \"$web\" and .change == \"vanished\""
  # A value of a secret, and of anything else, is no part of a line.
  run ! grep -Eq '"(one|two)"|bad-image' "$T/feed"
  jq -se 'all(.time and .path and .kind and .id and (.change | IN("appeared", "changed", "health", "vanished")))' <(shown true)
  unfollow
}

@test "own writes show too, once" {
  start_emulator
  mount_cfcfs -o cache_ttl=0.5,status_ttl=0.5,rps=1000,burst=1000,delete_grace=0
  follow
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  see '.path == "/applications/web.json" and .change == "appeared"'
  rm "$APPS/web.json"
  see '.path == "/applications/web.json" and .change == "vanished"'
  once '.path == "/applications/web.json" and .change == "appeared"'
  once '.path == "/applications/web.json" and .change == "vanished"'
  unfollow
}

@test "1,000 changes: none is lost, none is doubled" {
  start_emulator
  mount_cfcfs -o cache_ttl=0.5,status_ttl=0.5,rps=1000,burst=1000
  follow
  local n
  for ((n = 0; n < 500; n++)); do
    ((n == 0)) || echo next
    printf 'url = "%s/accounts/%s/containers/secrets"\nheader = "authorization: Bearer %s"\noutput = /dev/null\n' "$URL" "$ACCOUNT" "$TOKEN"
    printf 'data = "{\\"name\\": \\"n-%d\\", \\"value\\": \\"x\\"}"\n' "$n"
  done >"$T/make"
  for ((n = 0; n < 500; n++)); do
    ((n == 0)) || echo next
    printf 'url = "%s/accounts/%s/containers/secrets/n-%d"\nheader = "authorization: Bearer %s"\noutput = /dev/null\n' "$URL" "$ACCOUNT" "$n" "$TOKEN"
    printf 'request = DELETE\n'
  done >"$T/unmake"
  many() { [ "$(shown "(.path | startswith(\"/secrets/n-\")) and .change == \"$1\"" | wc -l)" -ge 500 ]; }
  curl -sS -K "$T/make"
  wait_until 60 "500 to appear" many appeared
  curl -sS -K "$T/unmake"
  wait_until 60 "500 to vanish" many vanished
  shown '.path | startswith("/secrets/n-")' | jq -r '[.path, .change] | @tsv' | sort >"$T/got"
  assert_equal "$(wc -l <"$T/got")" 1000
  assert_equal "$(uniq "$T/got" | wc -l)" 1000
  unfollow
}

@test "with it open the calls stay within a quarter of the budget; nobody reading means no call" {
  start_emulator
  # Eight a second: two of them.
  mount_cfcfs -o cache_ttl=0.1,status_ttl=0.1,rps=8,burst=100
  clear_requests
  local from now calls
  from=$(date +%s%N)
  tail -n +1 -s 0.1 -f "$MNT/$FEED" >"$T/feed" 3>&- &
  TAIL_PID=$!
  record_pid "$T/pids" "$TAIL_PID"
  enough() { [ "$(requests .method | wc -l)" -ge 16 ]; }
  wait_until 60 "it to ask" enough
  calls=$(requests .method | wc -l)
  now=$(date +%s%N)
  # The first look at each of seven lists, and two a second from then on.
  ((calls <= 8 + (now - from) * 2 / 1000000000 + 1)) || fail "$calls calls in $(((now - from) / 1000000)) ms"
  unfollow
  # What was on its way when it was closed may still come.
  quiet() {
    clear_requests
    stat "$MNT/$FEED" >/dev/null
    lived 1
    [ "$(requests .method | wc -l)" = 0 ]
  }
  wait_until 30 "silence" quiet
}

@test "what changed while nobody had it open shows at the next open" {
  start_emulator
  mount_cfcfs -o cache_ttl=0.5,status_ttl=0.5,rps=1000,burst=1000
  follow
  unfollow
  api POST /secrets '{"name": "between", "value": "x"}' >/dev/null
  follow
  see '.path == "/secrets/between" and .change == "appeared"'
  once '.path == "/secrets/between"'
  unfollow
}
