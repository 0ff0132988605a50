#!/usr/bin/env bats
# Lists of several pages, and a service that refuses their size.
load lib

lists() { requests 'select(.method == "GET" and .path == "/applications") | .query' | tr -d \"; }

start_1200() {
  start_emulator
  seed '{"applications":1200}'
  mount_cfcfs -o view=spec,cache_ttl=0.1 "$@"
  clear_requests
}

@test "1,200 applications are three calls" {
  start_1200
  assert_equal "$(ls "$APPS" | grep -c '\.json$')" 1200
  assert_equal "$(lists | wc -l)" 3
  assert_equal "$(lists | head -n 1)" per_page=500
}

@test "a refused page size is halved, then left to the service, and remembered until SIGHUP" {
  start_1200
  fault '{"method":"GET","path":"/applications","times":2,"status":400,"body":"{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"per_page must be at most 100\"}]}"}'
  assert_equal "$(ls "$APPS" | grep -c '\.json$')" 1200
  lists >"$T/lists"
  assert_equal "$(sed -n 1,2p "$T/lists" | paste -sd' ')" 'per_page=500 per_page=250'
  assert_equal "$(sed 1,2d "$T/lists" | grep -c per_page)" 0
  clear_requests
  refresh
  assert_equal "$(ls "$APPS" | grep -c '\.json$')" 1200
  assert_equal "$(lists | grep -c per_page)" 0 "the refusal was forgotten"
  clear_requests
  kill -HUP "${MOUNT_PIDS[0]}"
  again() { refresh; ls "$APPS" >/dev/null; lists | grep -q per_page=500; }
  wait_until 10 "a first list with the full size" again
}

# start_small_pages N : from now on URL leads through a service that takes at most N a page, and gives no more unasked.
start_small_pages() {
  local port=${URL#http://*:}
  : >"$T/small.out"
  python3 "$SOURCE_DIR/tests/bats/small_pages.py" "$1" "${port%%/*}" >"$T/small.out" 2>>"$T/emulator.err" </dev/null 3>&- &
  record_pid "$T/pids" $!
  wait_until 30 "the proxy to start" test -s "$T/small.out"
  URL=http://127.0.0.1:$(cat "$T/small.out")/client/v4
}

@test "1,200 applications of a service that takes at most 100 a page: all of them, once" {
  start_emulator
  seed '{"applications":1200}'
  start_small_pages 100
  mount_cfcfs -o view=spec,cache_ttl=60
  clear_requests
  assert_equal "$(ls "$APPS" | grep -c '\.json$')" 1200
  # Those that were refused did not come through.
  assert_equal "$(lists | wc -l)" 12
  assert_equal "$(lists | grep -c per_page=100)" 12
  find "$APPS" -name '*.json' | sort -u | wc -l | grep -qx 1200
  assert_equal "$(lists | wc -l)" 12
}

@test "a page that leads back to an earlier one is an error, and nothing of it shows" {
  start_1200
  fault '{"method":"GET","path":"/applications","times":100,"status":200,"body":"{\"success\":true,\"errors\":[],\"messages\":[],\"result\":[],\"result_info\":{\"next_page_token\":\"x\"}}"}'
  refresh
  run -2 env LC_ALL=C ls "$APPS"
  [[ "$output" == *"Input/output error"* ]] || fail "$output"
  (($(lists | wc -l) == 2)) || fail "$(lists)"
}
