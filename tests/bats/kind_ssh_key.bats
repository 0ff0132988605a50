#!/usr/bin/env bats
# SSH public keys: what ssh_keys.bats leaves open: metadata, types of keys, and references from documents.
load lib
load kinds

KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna@example.com'

@test "ssh key: its metadata are xattrs; written once, never renamed" {
  start_quick
  echo "$KEY" >"$MNT/ssh-keys/anna.pub"
  assert_xattrs "$MNT/ssh-keys/anna.pub" 'ssh key' id
  assert_equal "$(stat -c '%a %s' "$MNT/ssh-keys/anna.pub")" "644 $((${#KEY} + 1))"
  assert_sys EPERM rename "$MNT/ssh-keys/anna.pub" "$MNT/ssh-keys/bert.pub"
  assert_absent "$MNT/ssh-keys/anna"
  clear_requests
  rm "$MNT/ssh-keys/anna.pub"
  # By its name, as the contract has it.
  assert_calls 1 DELETE /ssh-public-keys/anna
}

@test "ssh key: every type of OpenSSH's is accepted" {
  command -v ssh-keygen >/dev/null || skip "ssh-keygen is not installed"
  start_quick
  local type n=0
  for type in ed25519 rsa ecdsa; do
    ssh-keygen -q -t "$type" -N '' -C "$type@host" -f "$T/$type"
    cp "$T/$type.pub" "$MNT/ssh-keys/$type.pub"
    cmp "$T/$type.pub" "$MNT/ssh-keys/$type.pub"
    n=$((n + 1))
  done
  assert_equal "$(api GET /ssh-public-keys | jq length)" "$n"
}

@test "ssh key: references are shown by file name, both spellings are accepted, for every kind that refers" {
  start_quick
  echo "$KEY" >"$MNT/ssh-keys/anna.pub"
  echo "${KEY/anna@/bert@}" >"$MNT/ssh-keys/bert.pub"
  local anna bert kind file
  anna=$(xattr "$MNT/ssh-keys/anna.pub" id)
  bert=$(xattr "$MNT/ssh-keys/bert.pub" id)
  write "$APPS/web.json" "{\"instances\": 1, \"max_instances\": 1, \"configuration\": {\"image\": \"a:1\", \"ssh_public_key_ids\": [\"$anna\", \"ssh-keys/bert.pub\"]}}"
  app web | jq -e --arg a "$anna" --arg b "$bert" '.configuration.ssh_public_key_ids | sort == ([$a, $b] | sort)'
  write "$MNT/deployments/probe.json" "{\"image\": \"a:1\", \"location\": \"lhr01\", \"ssh_public_key_ids\": [\"ssh-keys/anna.pub\"]}"
  sent POST /deployments/v2 | jq -e --arg a "$anna" '.ssh_public_key_ids == [$a]'
  write "$APPS/web/rollouts/one.json" "{\"description\": \"d\", \"strategy\": \"rolling\", \"step_percentage\": 100, \"target_configuration\": {\"image\": \"a:2\", \"ssh_public_key_ids\": [\"ssh-keys/anna.pub\"]}}"
  sent POST '*/rollouts' | jq -e --arg a "$anna" '.target_configuration.ssh_public_key_ids == [$a]'
  # Rendered: by name, everywhere.
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs -o delete_grace=0
  assert_equal "$(jq -c .ssh_public_key_ids "$MNT/deployments/probe.json")" '["ssh-keys/anna.pub"]'
  assert_equal "$(jq -c .target_configuration.ssh_public_key_ids "$APPS/web/rollouts"/*.json)" '["ssh-keys/anna.pub"]'
  # The order does not count, and neither does the spelling.
  clear_requests
  jq --arg a "$anna" '.ssh_public_key_ids = [$a]' "$MNT/deployments/probe.json" >"$T/probe.json"
  cp "$T/probe.json" "$MNT/deployments/probe.json"
  assert_writes 0
}

@test "ssh key: an unknown name is refused before anything is sent" {
  start_quick
  bad EINVAL "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "ssh_public_key_ids": ["ssh-keys/nobody.pub"]}}' 'ssh_public_key_ids' 'nobody'
  bad EINVAL "$MNT/deployments/probe.json" '{"image": "a:1", "location": "lhr01", "ssh_public_key_ids": ["ssh-keys/nobody.pub"]}' 'ssh_public_key_ids' 'nobody'
  write "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}}'
  bad EINVAL "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "ssh_public_key_ids": ["ssh-keys/nobody.pub"]}}' 'nobody'
  # An id that the account does not have is the service's to refuse.
  refused EINVAL "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "ssh_public_key_ids": ["00000000-0000-4000-8000-000000000000"]}}' VALIDATE_INPUT
}

@test "ssh key: one that was removed and written again has another id, and documents follow its name" {
  start_quick
  echo "$KEY" >"$MNT/ssh-keys/anna.pub"
  local old
  old=$(xattr "$MNT/ssh-keys/anna.pub" id)
  rm "$MNT/ssh-keys/anna.pub"
  echo "$KEY" >"$MNT/ssh-keys/anna.pub"
  [ "$(xattr "$MNT/ssh-keys/anna.pub" id)" != "$old" ] || fail "the id is the old one"
  write "$APPS/web.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "ssh_public_key_ids": ["ssh-keys/anna.pub"]}}'
  app web | jq -e --arg id "$(xattr "$MNT/ssh-keys/anna.pub" id)" '.configuration.ssh_public_key_ids == [$id]'
}

@test "ssh-key: what was refused is kept, but for a private key" {
  start
  ssh-keygen -q -t ed25519 -N '' -f "$T/id"
  assert_fails cp "$T/id" "$MNT/ssh-keys/mine.pub"
  assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl")" 'a private key must never be written here'
  [ ! -e "$MNT/.cfcfs/rejected/ssh-keys/mine.pub" ]
  assert_fails cp "$T/id" "$MNT/applications/mine.json"
  [ ! -e "$MNT/.cfcfs/rejected/applications/mine.json" ]
  assert_fails bash -c 'echo "no key" >"$1"' - "$MNT/ssh-keys/other.pub"
  assert_equal "$(cat "$MNT/.cfcfs/rejected/ssh-keys/other.pub")" 'no key'
}
