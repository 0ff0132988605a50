#!/usr/bin/env bats
# Secrets go in and never come out.
load lib

VALUE='hunter2-correct-horse-battery'

setup() {
  setup_base
  printf '%s\n' "$VALUE" >"$T/value"
}
# sent TEXT : how often a body with this value went over the wire.
sent() { tr -d '\r' <"$T/sent" | sed 's|": "|":"|g; s|\\u000a|\\n|g' | grep -a -o -F -- "\"value\":$(jq -n --arg v "$1" '$v')" | wc -l; }
# nowhere TEXT... : in no log, no error, no state file, no metrics.
nowhere() {
  local text
  for text in "$@"; do
    ! grep -rF -a -l -- "$text" "$T/cfcfs.log" "$T/state" "$T/home" || fail "a file of the mount holds the value"
    for file in errors.jsonl metrics version; do
      ! grep -F -a -- "$text" "$MNT/.cfcfs/$file" || fail "$file shows the value"
    done
    ! getfattr -d -m - -h "$MNT/secrets"/* "$MNT/secrets" 2>/dev/null | grep -F -- "$text" || fail "an xattr shows the value"
    ! find "$MNT/.cfcfs/rejected" -type f -exec grep -l -F -- "$text" {} + 2>/dev/null | grep . ||
      fail "rejected/ keeps the value"
  done
}

@test "a secret is created, updated and removed; one trailing newline is dropped" {
  start_emulator
  start_recorder
  mount_cfcfs
  cp "$T/value" "$MNT/secrets/db"
  assert_calls 1 POST /secrets
  assert_equal "$(api GET /secrets | jq -c '[.[].name]')" '["db"]'
  assert_equal "$(xattr "$MNT/secrets/db" version)" 1
  assert_equal "$(sent "$VALUE")" 1 "times that the value was sent"
  printf 'another-value-of-it' >"$T/value2"
  cp "$T/value2" "$MNT/secrets/db"
  assert_calls 1 PATCH /secrets/db
  assert_equal "$(xattr "$MNT/secrets/db" version)" 2
  assert_equal "$(sent another-value-of-it)" 1 "times that the new value was sent"
  printf 'by-tee' | tee "$MNT/secrets/tee" >/dev/null
  assert_equal "$(sent by-tee)" 1
  printf 'two\n\n' >"$T/value3"
  cp "$T/value3" "$MNT/secrets/three"
  assert_equal "$(sent $'two\n')" 1 "only one newline is dropped"
  rm "$MNT/secrets/db"
  assert_absent "$MNT/secrets/db"
  sync "$MNT/secrets"
  assert_calls 1 DELETE /secrets/db
  assert_equal "$(api GET /secrets | jq -c '[.[].name] | sort')" '["tee","three"]'
}

@test "a secret cannot be read, by root either" {
  start
  cp "$T/value" "$MNT/secrets/db"
  assert_sys "open EACCES" read "$MNT/secrets/db"
  assert_fails cat "$MNT/secrets/db"
  assert_fails cp "$MNT/secrets/db" "$T/out"
  assert_fails dd if="$MNT/secrets/db" of=/dev/null
  assert_equal "$(stat -c '%a %s' "$MNT/secrets/db")" '200 0'
  # Nor while it is being written, by the writer.
  exec 5>"$MNT/secrets/open"
  printf 'half-of-a-value' >&5
  assert_sys EACCES read "$MNT/secrets/open"
  assert_fails cat /proc/self/fd/5
  exec 5>&-
  # A read-write descriptor would read.
  assert_fails bash -c 'exec 6<>"$1" && cat <&6 | grep .' - "$MNT/secrets/db"
  # Nor does a rename or a copy to scratch lay it open.
  printf '%s' "$VALUE" >"$MNT/secrets/.scratch"
  assert_fails grep -q . "$MNT/secrets/.scratch"
}

@test "writing the same value again costs no call, a remount later too" {
  start
  cp "$T/value" "$MNT/secrets/db"
  clear_requests
  cp "$T/value" "$MNT/secrets/db"
  printf '%s' "$VALUE" >"$T/bare"
  cp "$T/bare" "$MNT/secrets/db"
  assert_writes 0
  umount_cfcfs
  mount_cfcfs
  cp "$T/value" "$MNT/secrets/db"
  assert_writes 0
  # Changed by someone else: the fingerprint is of an older version.
  api PATCH /secrets/db '{"value":"x"}' >/dev/null
  refresh
  clear_requests
  cp "$T/value" "$MNT/secrets/db"
  assert_calls 1 PATCH /secrets/db
}

@test "a secret moved into place, and secret_newline=keep" {
  start_emulator
  start_recorder
  mount_cfcfs -o secret_newline=keep
  cp "$T/value" "$MNT/secrets/.new"
  assert_writes 0
  mv "$MNT/secrets/.new" "$MNT/secrets/db"
  assert_calls 1 POST /secrets
  mv "$T/value" "$MNT/secrets/two"
  assert_calls 2 POST /secrets
  assert_equal "$(sent "$VALUE"$'\n')" 2 "the newline was not kept"
  clear_requests
  printf '%s' "$VALUE" >"$T/bare" # without its newline it is another value now
  cp "$T/bare" "$MNT/secrets/db"
  assert_calls 1 PATCH /secrets/db
}

@test "the value is in no log, no error, no state file" {
  start_emulator
  mount_cfcfs -o loglevel=debug
  cp "$T/value" "$MNT/secrets/db"
  nowhere "$VALUE"
  # A refusal that quotes it.
  fault "{\"method\":\"*\",\"path\":\"/secrets*\",\"times\":9,\"status\":400,\"body\":{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"the value refused-$VALUE is bad, refused-$VALUE\"}]}}"
  printf 'refused-%s' "$VALUE" >"$T/refused"
  assert_fails cp "$T/refused" "$MNT/secrets/other"
  clear_faults
  assert_error secrets/other EINVAL
  nowhere "$VALUE"
  assert_fails ls "$MNT/.cfcfs/rejected/secrets/other"
  # One that is never sent.
  fault '{"method":"*","path":"/secrets*","times":9,"close":"before"}'
  printf 'unsent-%s' "$VALUE" >"$MNT/secrets/.tmp"
  rm "$MNT/secrets/.tmp"
  nowhere "$VALUE"
  umount_cfcfs
  ! grep -rF -a -l -- "$VALUE" "$T/cfcfs.log" "$T/state" "$T/home" || fail "a file of the mount holds the value"
}

@test "a refused secret fails at the close, and a shell's redirection is recorded" {
  start
  fault '{"method":"POST","path":"/secrets","times":5,"status":403}'
  assert_sys "close EPERM" write "$MNT/secrets/db" "$T/value"
  assert_fails cp "$T/value" "$MNT/secrets/db"
  assert_error secrets/db EPERM
  clear_faults
  cp "$T/value" "$MNT/secrets/db"
  assert_equal "$(api GET /secrets | jq -r '.[].name')" db
}

@test "a refused secret that the service quotes, whole, folded, escaped or cut, shows nowhere" {
  local quoted
  start
  for quoted in 'alpha-line-one\\nbravo-line-two' 'alpha-line-one bravo-line-two' 'alpha-line-one' 'alpha-line-one%0Abravo-line-two' \
    'bravo-lin...'; do
    fault "{\"method\":\"POST\",\"path\":\"/secrets\",\"times\":1,\"status\":400,\"body\":{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"VALIDATE_INPUT: value $quoted is not allowed\"}]}}"
    printf 'alpha-line-one\nbravo-line-two\n' >"$T/value"
    assert_fails cp "$T/value" "$MNT/secrets/x"
    assert_error EINVAL 'is not allowed'
    nowhere alpha-line bravo-lin
  done
}

@test "an unset, empty secret is not sent; a large one is refused" {
  start
  : >"$MNT/secrets/empty"
  assert_writes 0
  head -c 1200000 /dev/zero | tr '\0' x >"$T/big"
  assert_sys EFBIG write "$MNT/secrets/big" "$T/big"
  assert_fails cp "$T/big" "$MNT/secrets/big"
  assert_writes 0 # no cut-off secret is sent
  assert_equal "$(api GET /secrets | jq length)" 0
}

@test "a secret in use is not deleted" {
  start
  cp "$T/value" "$MNT/secrets/db"
  web_json "$T/web.json" '.configuration.secrets = [{"name":"DB","type":"env","secret":"db"}]'
  cp "$T/web.json" "$APPS/web.json"
  rm "$MNT/secrets/db" || true
  sync "$MNT/secrets" || true
  # The service's word on it decides; either way the tree tells the account's truth.
  if api GET /secrets | jq -e 'map(.name) | index("db")' >/dev/null; then
    wait_until 5 "the secret's file to be back" test -e "$MNT/secrets/db"
  else
    assert_absent "$MNT/secrets/db"
  fi
}
