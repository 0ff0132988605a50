#!/usr/bin/env bats
# IP allocations: read-only.
load lib
load kinds

@test "ip: shown whole under the address, with its xattrs, read-only" {
  start_quick
  assert_equal "$(ls "$MNT/ips")" ''
  write "$MNT/deployments/probe.json" '{"image": "probe:v1", "location": "lhr01", "instance_type": "lite", "network": {"mode": "public", "assign_ipv4": "predefined"}}'
  wait_until 8 "the address" eval '[ -n "$(ls "$MNT/ips")" ]'
  local file address
  file=$(ls "$MNT/ips"/*.json)
  address=$(jq -r .network.ipv4 "$MNT/deployments/probe/status.json")
  assert_equal "${file##*/}" "$address.json"
  jq -e --arg ip "$address" --arg d "$(xattr "$MNT/deployments/probe.json" id)" \
    '.ip == $ip and .ipType == "v4" and .configuration.deploymentId == $d' "$file"
  assert_read_only "$file"
  assert_xattrs "$file" ip id
  assert_absent "${file%.json}"
  assert_sys EPERM create "$MNT/ips/192.0.2.99.json"
}
