#!/usr/bin/env bats
# SSH public keys: written once, byte for byte.
load lib

KEY1='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna@example.com'
KEY2='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMb4Kq7cZ1xN8vB2mL5jH9gF3dS6aP0oI7uY4tR2eWqX bert'

setup() {
  setup_base
  printf '%s\n' "$KEY1" >"$T/one.pub"
  printf '%s\n' "$KEY2" >"$T/two.pub"
  KEYS=$MNT/ssh-keys
}

@test "a key round-trips byte for byte, and through another mount" {
  start
  cp "$T/one.pub" "$KEYS/anna.pub"
  assert_calls 1 POST /ssh-public-keys
  cmp "$T/one.pub" "$KEYS/anna.pub"
  assert_equal "$(stat -c %a "$KEYS/anna.pub")" 644
  assert_equal "$(xattr "$KEYS/anna.pub" kind)" "ssh key" || true
  assert_equal "$(api GET /ssh-public-keys | jq -r '.[0] | "\(.name) \(.id)"')" "anna $(xattr "$KEYS/anna.pub" id)"
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  cmp "$T/one.pub" "$KEYS/anna.pub"
  assert_equal "$(ls "$KEYS")" anna.pub
  cp "$KEYS/anna.pub" "$KEYS/copy.pub"
  cmp "$T/one.pub" "$KEYS/copy.pub"
  echo "$KEY2" >"$KEYS/echoed.pub"
  cmp "$T/two.pub" "$KEYS/echoed.pub"
}

@test "the same key again is a success without a call" {
  start
  cp "$T/one.pub" "$KEYS/anna.pub"
  clear_requests
  cp "$T/one.pub" "$KEYS/anna.pub"
  cat "$T/one.pub" >"$KEYS/anna.pub"
  echo "$KEY1" >"$KEYS/anna.pub"
  install -m 644 "$T/one.pub" "$KEYS/anna.pub"
  mv "$T/one.pub" "$KEYS/anna.pub"
  flush_deletes "$KEYS"
  assert_writes 0
}

@test "another key over it is EPERM, and the text says to remove it first" {
  start
  cp "$T/one.pub" "$KEYS/anna.pub"
  clear_requests
  assert_sys EPERM write "$KEYS/anna.pub" "$T/two.pub"
  assert_error 'ssh-keys/anna.pub' EPERM '(remove|rm)'
  assert_fails cp "$T/two.pub" "$KEYS/anna.pub"
  assert_fails bash -c 'echo "$1" >"$2"' - "$KEY2" "$KEYS/anna.pub"
  assert_fails mv "$T/two.pub" "$KEYS/anna.pub"
  assert_fails sed -i 's/anna/berta/' "$KEYS/anna.pub"
  flush_deletes "$KEYS"
  assert_writes 0
  wait_until 5 "the key's file" test -e "$KEYS/anna.pub"
  cmp "$T/one.pub" "$KEYS/anna.pub"
}

@test "rm, then another key under the name" {
  start
  cp "$T/one.pub" "$KEYS/anna.pub"
  rm "$KEYS/anna.pub"
  sync "$KEYS"
  assert_calls 1 DELETE '/ssh-public-keys/*'
  cp "$T/two.pub" "$KEYS/anna.pub"
  cmp "$T/two.pub" "$KEYS/anna.pub"
  assert_equal "$(api GET /ssh-public-keys | jq length)" 1
}

@test "a line that is not a public key is EINVAL" {
  start
  local text n=0
  while IFS= read -r text; do
    printf '%s\n' "$text" >"$T/bad.pub"
    assert_sys EINVAL write "$KEYS/bad.pub" "$T/bad.pub"
    assert_error 'ssh-keys/bad.pub' EINVAL
    assert_fails cp "$T/bad.pub" "$KEYS/bad.pub"
    n=$((n + 1))
  done <<'TEXT'
hello world
ssh-ed25519
ssh-ed25519 not*base64 anna
ssh-ed25519 AAAAC3NzaC1yc2EAAAADAQABAAAAIJ8uXyVz anna
-----BEGIN OPENSSH PRIVATE KEY-----
{"public_key": "ssh-ed25519 AAAA"}
TEXT
  assert_equal "$n" 6
  assert_fails bash -c 'echo hello world >"$1"' - "$KEYS/bad.pub"
  cat "$T/one.pub" "$T/two.pub" >"$T/bad.pub"
  assert_sys EINVAL write "$KEYS/bad.pub" "$T/bad.pub"
  assert_writes 0
  assert_equal "$(api GET /ssh-public-keys | jq length)" 0
}

@test "a document refers to keys by the names of their files" {
  start
  cp "$T/one.pub" "$KEYS/anna.pub"
  web_json "$T/web.json" '.configuration.ssh_public_key_ids = ["ssh-keys/anna.pub"]'
  cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(app web | jq -c .configuration.ssh_public_key_ids)" "[\"$(xattr "$KEYS/anna.pub" id)\"]"
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  assert_equal "$(jq -c .configuration.ssh_public_key_ids "$APPS/web.json")" '["ssh-keys/anna.pub"]'
  jq --arg id "$(xattr "$KEYS/anna.pub" id)" '.configuration.ssh_public_key_ids = [$id]' "$T/web.json" >"$T/ids.json"
  clear_requests
  cp "$T/ids.json" "$APPS/web.json"
  assert_writes 0
}
