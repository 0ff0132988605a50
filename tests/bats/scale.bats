#!/usr/bin/env bats
# 10,000 applications.
# deadline: 400 s
load lib

list_calls() { requests 'select(.method == "GET" and .path == "/applications") | .query'; }

@test "10,000 applications: ls and cat of all, one list call per page" {
  start_emulator
  seed '{"applications":10000}'
  mount_cfcfs -o cache_ttl=600,burst=10000,rps=1000,view=spec
  clear_requests # the credential check asks for one entry
  ls "$APPS" >"$T/names"
  assert_equal "$(wc -l <"$T/names")" 10000
  assert_equal "$(sort -u "$T/names" | wc -l)" 10000
  list_calls >"$T/lists"
  # One call per page: no page was asked for twice, and only as many as the pages need.
  assert_equal "$(sort "$T/lists" | uniq -d)" '' "a page was asked for twice"
  (($(wc -l <"$T/lists") <= 100)) || fail "$(wc -l <"$T/lists") list calls"
  assert_equal "$(grep -c 'page_token=' "$T/lists")" $(($(wc -l <"$T/lists") - 1))
  find "$APPS" -name '*.json' -print0 | xargs -0 cat >"$T/all"
  assert_equal "$(jq -s length "$T/all")" 10000
  jq -se 'all(.configuration.image | length > 0)' "$T/all"
  assert_equal "$(list_calls | wc -l)" "$(wc -l <"$T/lists")" "cat asked again"
  assert_equal "$(requests 'select(.path | startswith("/applications/"))' | wc -l)" 0 "single applications were asked for"
  # A second look within the time to live: none.
  clear_requests
  ls -l "$APPS" >/dev/null
  grep -rl registry "$APPS" | wc -l
  assert_equal "$(requests | wc -l)" 0
}

@test "10,000 applications in the full view: ls, and one deep inside" {
  start_emulator
  seed '{"applications":10000}'
  mount_cfcfs -o cache_ttl=600,status_ttl=600,burst=10000,rps=1000
  clear_requests
  assert_equal "$(ls -f -A "$APPS" | grep -vc '^\.')" 20000
  local name
  name=$(ls "$APPS" | grep '\.json$' | sed -n 7777p)
  jq -e .id "$APPS/${name%.json}/status.json"
  (($(requests | wc -l) <= 30)) || fail "$(requests | wc -l) calls"
  cp "$APPS/$name" "$T/one.json"
  jq '.max_instances = 99' "$T/one.json" >"$T/new.json"
  clear_requests
  cp "$T/new.json" "$APPS/$name"
  assert_writes 1
  assert_equal "$(list_calls | wc -l)" 0 "one change listed all again"
  rm "$APPS/$name"
  sync "$APPS"
  assert_equal "$(ls -f -A "$APPS" | grep -c '\.json$')" 9999
}

@test "10,000 applications in a mebibyte: listed by one call a page, and documents are asked for again, one by one" {
  start_emulator
  seed '{"applications":10000}'
  mount_cfcfs -o cache_ttl=600,burst=100000,rps=10000,view=spec,max_cache_size=1
  clear_requests
  assert_equal "$(ls -f "$APPS" | grep -c '\.json$')" 10000
  # Names are the last to go: who goes through them does not list again for each.
  cat "$APPS"/app-0[0-9]*7.json >"$T/all"
  assert_equal "$(jq -s length "$T/all")" 1000
  jq -se 'all(.configuration.image | length > 0)' "$T/all"
  assert_equal "$(ls -f "$APPS" | grep -c '\.json$')" 10000
  list_calls >"$T/lists"
  assert_equal "$(sort "$T/lists" | uniq -d)" '' "a page was asked for twice"
  requests 'select(.path | startswith("/applications/")) | .path' >"$T/gets"
  (($(wc -l <"$T/gets") > 0)) || fail "no document was dropped: the memory has no bound"
  (($(wc -l <"$T/gets") <= 1000)) || fail "$(wc -l <"$T/gets") calls for 1000 documents"
  # With many readers at once, each gets what it asked for.
  refresh
  ls -f "$APPS" >/dev/null
  printf '%s\n' "$APPS"/app-0[0-9]*3.json | xargs -P 16 -n 25 cat >"$T/all"
  assert_equal "$(jq -s length "$T/all")" 1000
}
