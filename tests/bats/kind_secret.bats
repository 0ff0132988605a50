#!/usr/bin/env bats
# Secrets: what secrets.bats leaves open: the metadata, names, bad values, who refers to them.
load lib
load kinds

@test "secret: its metadata are xattrs; mode, size and directory" {
  start_quick
  printf 'one' | tee "$MNT/secrets/db" >/dev/null
  assert_xattrs "$MNT/secrets/db" secret id version created_at updated_at
  assert_equal "$(xattr "$MNT/secrets/db" id)" db
  assert_equal "$(stat -c '%a %s' "$MNT/secrets/db")" '200 0'
  assert_equal "$(ls "$MNT/secrets")" db
  assert_absent "$MNT/secrets/db.json"
  local before
  before=$(stat -c %Y "$MNT/secrets/db")
  advance 60
  printf 'two' | tee "$MNT/secrets/db" >/dev/null
  assert_equal "$(xattr "$MNT/secrets/db" version)" 2
  (($(stat -c %Y "$MNT/secrets/db") >= before + 60)) || fail "the time did not move"
}

@test "secret: names that files cannot have are percent-encoded" {
  start_quick
  local name
  for name in '100%' '.hidden' 'a/b' 'ends.json' 'ü'; do
    api POST /secrets "$(jq -cn --arg n "$name" '{name: $n, value: "x"}')" >/dev/null
  done
  refresh
  assert_equal "$(ls -A "$MNT/secrets")" "$(printf '%s\n' '%2Ehidden' '100%25' 'a%2Fb' 'ends%2Ejson' 'ü' | sort)"
  clear_requests
  printf 'y' | tee "$MNT/secrets/a%2Fb" >/dev/null
  assert_calls 1 PATCH '/secrets/*'
  rm "$MNT/secrets/%2Ehidden"
  assert_calls 1 DELETE '/secrets/*'
  assert_equal "$(api GET /secrets | jq -r '.[].name' | sort | xargs)" "$(printf '%s\n' '100%' a/b ends.json ü | sort | xargs)"
}

@test "secret: each kind of bad value is refused" {
  start_quick
  printf 'a\0b' >"$T/nul"
  assert_sys "close EINVAL" write "$MNT/secrets/bad" "$T/nul"
  assert_error EINVAL NUL
  printf 'a\xff\xfe' >"$T/latin"
  assert_sys "close EINVAL" write "$MNT/secrets/bad" "$T/latin"
  assert_error EINVAL UTF-8
  assert_writes 0
  assert_equal "$(ls -A "$MNT/secrets")" ''
  # Every other text comes through: quotes, backslashes, newlines, other scripts.
  printf '"q" \\ \t two\nlines ☃' >"$T/odd"
  cp "$T/odd" "$MNT/secrets/odd"
  assert_calls 1 POST /secrets
}

@test "secret: references to it, and a rename is EPERM" {
  start_quick
  printf 'one' | tee "$MNT/secrets/db" >/dev/null
  assert_sys EPERM rename "$MNT/secrets/db" "$MNT/secrets/other"
  assert_sys EPERM rename "$MNT/secrets/db" "$APPS/db.json"
  bad EINVAL "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "secrets": [{"name": "A", "type": "env", "value": "x"}]}}' 'secrets\[0\]'
  refused EINVAL "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "secrets": [{"name": "A", "type": "env", "secret": "none"}]}}' 'none'
  write "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "secrets": [{"name": "A", "type": "env", "secret": "db"}]}}'
}
