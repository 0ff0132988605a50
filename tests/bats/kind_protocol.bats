#!/usr/bin/env bats
# Registry protocols: a word for images, and the registries that it stands for.
load lib
load kinds

P() { printf '%s' "$MNT/registry-protocols"; }

@test "protocol: created, listed, read, its xattrs, changed, removed" {
  start_quick
  write "$(P)/corp.json" '{"domains": [{"domain": "docker.io", "path": "acme"}]}'
  assert_equal "$(sent POST /registries/protos)" '{"proto":"corp","domains":[{"domain":"docker.io","path":"acme"}]}'
  assert_equal "$(ls "$(P)")" corp.json
  assert_equal "$(cat "$(P)/corp.json")" '{"domains": [{"domain": "docker.io", "path": "acme"}]}'
  assert_xattrs "$(P)/corp.json" 'registry protocol' id
  clear_requests
  sed -i 's/acme/other/' "$(P)/corp.json"
  assert_writes 1
  assert_equal "$(sent PUT /registries/protos)" '{"proto":"corp","domains":[{"domain":"docker.io","path":"other"}]}'
  cat "$(P)/corp.json" >"$T/corp.json"
  clear_requests
  cp "$T/corp.json" "$(P)/corp.json"
  assert_writes 0
  assert_sys EPERM rename "$(P)/corp.json" "$(P)/firm.json"
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs -o delete_grace=0
  assert_equal "$(jq -c . "$(P)/corp.json")" '{"domains":[{"domain":"docker.io","path":"other"}]}'
  rm "$(P)/corp.json"
  assert_calls 1 DELETE /registries/protos/corp
  assert_equal "$(ls "$(P)")" ''
}

@test "protocol: one that an image uses is EBUSY" {
  start_quick
  write "$(P)/corp.json" '{"domains": [{"domain": "docker.io", "path": "acme"}]}'
  write "$APPS/app.json" '{"instances": 0, "max_instances": 5, "configuration": {"image": "corp://app:v1"}}'
  assert_sys EBUSY unlink "$(P)/corp.json"
  assert_error EBUSY IMAGE_REGISTRY_PROTO_IS_REFERENCED
  assert_exists "$(P)/corp.json"
  rm "$APPS/app.json"
  advance 10
  rm "$(P)/corp.json"
}

@test "protocol: each kind of bad document is refused" {
  start_quick
  bad EINVAL "$(P)/corp.json" '{}' 'domains' 'missing'
  bad EINVAL "$(P)/corp.json" '{"domains": "docker.io"}' 'domains' 'array'
  bad EINVAL "$(P)/corp.json" '{"domains": [{"domain": "docker.io"}]}' 'domains\[0\].path' 'missing'
  bad EINVAL "$(P)/corp.json" '{"domains": [{"domain": "", "path": ""}]}' 'domains\[0\].domain'
  bad EINVAL "$(P)/corp.json" '{"proto": "firm", "domains": [{"domain": "docker.io", "path": ""}]}' 'proto' 'corp'
  refused EINVAL "$(P)/Not Good.json" '{"domains": [{"domain": "docker.io", "path": ""}]}' VALIDATE_INPUT
  assert_equal "$(ls -A "$(P)")" ''
}
