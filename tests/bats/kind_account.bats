#!/usr/bin/env bats
# The account's four files.
load lib
load kinds

A() { printf '%s' "$MNT/account"; }

@test "account: the four files, their modes and xattrs" {
  start_quick
  assert_equal "$(ls "$(A)")" $'defaults.json\nlimits.json\nlocations.json\nusage.json'
  assert_read_only "$(A)/limits.json" "$(A)/locations.json" "$(A)/usage.json"
  assert_equal "$(stat -c %a "$(A)/defaults.json")" 644
  jq -e '.vcpu_per_deployment == 4 and .memory_mib_per_deployment == 12288 and (.total_vcpu > 0)' "$(A)/limits.json"
  jq -e 'length == 12 and ([.[].location] | index("lhr01"))' "$(A)/locations.json"
  jq -e '.usage.instances == 0 and .maximum.vcpus > 0' "$(A)/usage.json"
  jq -e '.vcpus > 0 and .memory_mib > 0 and .disk_mb > 0' "$(A)/defaults.json"
  assert_xattrs "$(A)/limits.json" account
  assert_sys EPERM create "$(A)/mine.json"
  assert_sys EPERM unlink "$(A)/defaults.json"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  wait_until 8 "the usage" eval 'jq -e ".usage.instances == 2" "$(A)/usage.json"'
}

@test "account: defaults.json is writable: one PATCH of what differs" {
  start_quick
  cat "$(A)/defaults.json" >"$T/defaults.json"
  clear_requests
  cp "$T/defaults.json" "$(A)/defaults.json"
  assert_writes 0
  jq '.memory_mib = 512' "$T/defaults.json" >"$T/new.json"
  cp "$T/new.json" "$(A)/defaults.json"
  assert_writes 1
  assert_equal "$(sent PATCH /me)" '{"defaults":{"memory_mib":512}}'
  assert_equal "$(jq .memory_mib "$(A)/defaults.json")" 512
  sed -i 's/512/1024/' "$(A)/defaults.json"
  assert_equal "$(api GET /me | jq .defaults.memory_mib)" 1024
  assert_equal "$(jq .memory_mib "$(A)/defaults.json")" 1024
  assert_writes 2
}

@test "account: each kind of bad document is refused" {
  start_quick
  bad EINVAL "$(A)/defaults.json" '{"vcpus": "one"}' 'vcpus' 'number'
  bad EINVAL "$(A)/defaults.json" '{"vcpu": 1}' 'vcpu' 'vcpus'
  bad EINVAL "$(A)/defaults.json" '{"memory_mib": -5}' 'memory_mib'
  bad EINVAL "$(A)/defaults.json" '[]' 'object'
  refused EINVAL "$(A)/defaults.json" '{"vcpus": 1000, "memory_mib": 256, "disk_mb": 2000}' VALIDATE_INPUT 'vcpus'
  jq -e '.vcpus < 1000' "$(A)/defaults.json"
}

@test "account: the defaults count in comparing an application that names no size" {
  start_quick
  write "$APPS/web.json" '{"instances": 0, "max_instances": 5, "configuration": {"image": "a:1"}}'
  clear_requests
  jq --slurpfile d "$(A)/defaults.json" '.configuration += {vcpu: $d[0].vcpus, memory_mib: $d[0].memory_mib, disk: {size_mb: $d[0].disk_mb}}' \
    "$APPS/web.json" >"$T/same.json"
  cp "$T/same.json" "$APPS/web.json"
  assert_writes 0
}

@test "account: only defaults.json with view=spec" {
  start_emulator
  mount_cfcfs -o view=spec
  assert_equal "$(ls "$(A)")" defaults.json
}
