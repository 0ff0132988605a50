#!/usr/bin/env bats
# No false changes: nothing is sent when two documents mean the same, whatever their spelling; and what does differ is sent.
load lib
load replace

# The account's application, past the mount; `same` and `differs` then write the document that a jq filter makes of what
# was given to the API.
given() {
  start_emulator
  api POST /ssh-public-keys '{"name":"anna","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna"}' >/dev/null
  api POST /ssh-public-keys '{"name":"bert","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMb4Kq7cZ1xN8vB2mL5jH9gF3dS6aP0oI7uY4tR2eWqX bert"}' >/dev/null
  api POST /secrets '{"name":"s1","value":"v"}' >/dev/null
  api POST /secrets '{"name":"s2","value":"v"}' >/dev/null
  ANNA=$(api GET /ssh-public-keys | jq -r '.[] | select(.name == "anna") | .id')
  BERT=$(api GET /ssh-public-keys | jq -r '.[] | select(.name == "bert") | .id')
  web_json "$T/base.json" "$(cat <<JQ
.configuration.environment_variables += [{"name":"X","value":"a/b \"q\" é"}]
| .configuration.labels = [{"name":"team","value":"shop"},{"name":"tier","value":"1"},{"name":"team","value":"two"}]
| .configuration.secrets = [{"name":"A","type":"env","secret":"s1"},{"name":"B","type":"env","secret":"s2"}]
| .configuration.ssh_public_key_ids = ["$ANNA","$BERT"]
| .configuration.command = ["run","--fast"]
| .constraints = {"regions":["WEUR","ENAM"],"tiers":[1,2]}
| ${1:-.}
JQ
)"
  api POST /applications "$(jq '.name = "web"' "$T/base.json")" >/dev/null
  ID=$(app_id web)
  mount_cfcfs
  WEB=$APPS/web.json
  clear_requests
}
write() { jq "$1" "$T/base.json" >"$T/other.json" && cp "$T/other.json" "$WEB"; }
same() {
  local filter
  for filter in "$@"; do
    write "$filter" || fail "refused: $filter: $(last_error .message)"
    [ "$(count_writes)" = 0 ] ||
      fail "a false change for: $filter"$'\n'"$(requests 'select(.method != "GET") | [.method, .path, .body] | @tsv')"
  done
}
differs() {
  local filter
  for filter in "$@"; do
    clear_requests
    write "$filter" || fail "refused: $filter: $(last_error .message)"
    # A PATCH, or where it is of the configuration, one rollout; or both.
    local writes
    writes=$(count_writes)
    ((writes == 1 || writes == 2)) || fail "$writes writes of $filter"
  done
  clear_requests
}

@test "absent, null, [] and {} are equal" {
  given
  same . '.affinities = null' '.affinities = {}' '.priorities = null' '.observability = {}' '.durable_objects = null' \
    '.configuration.entrypoint = []' '.configuration.entrypoint = null' '.configuration.dns = {}' \
    '.configuration.checks = []' '.configuration.authorized_keys = []' '.constraints.cities = []' '.constraints.cities = null' \
    '.configuration.dns = {"servers":[]}' '.configuration.observability = {}'
  differs '.configuration.command = []' .
}

@test "defaults of the service: absent and spelled out are equal" {
  given '.instances = 0'
  same . 'del(.scheduling_policy)' '.scheduling_policy = null' '.rollout_active_grace_period = 0' '.jobs = false' '.instances = 0' '.instances = 0.0'
  differs '.rollout_active_grace_period = 1'
}

@test "an absent number of instances is none" {
  given '.instances = 0'
  same 'del(.instances)' '.instances = null' || true
  assert_writes 0
}

@test "the order of fields does not count, at any depth" {
  given
  same 'to_entries | reverse | from_entries' '.configuration |= (to_entries | reverse | from_entries)' \
    '.configuration.environment_variables |= map({value, name})' '.configuration.secrets |= map({secret, type, name})'
}

@test "sets: environment_variables, labels, secrets, ssh_public_key_ids, regions, tiers" {
  given
  same '.configuration.environment_variables |= reverse' '.configuration.labels |= reverse' '.configuration.secrets |= reverse' \
    '.configuration.ssh_public_key_ids |= reverse' '.constraints.regions |= reverse' '.constraints.tiers |= reverse'
  differs '.configuration.labels |= .[1:]' '.configuration.environment_variables[0].value = "x"' '.constraints.regions = ["WEUR"]'
}

@test "cities and pops are sets" {
  given '.constraints = {"cities":["lhr","fra"],"pops":["lhr01","fra01"]}'
  same '.constraints.cities |= reverse' '.constraints.pops |= reverse' '.constraints |= {pops, cities}'
}

@test "other arrays are ordered" {
  given
  differs '.configuration.command |= reverse'
}

@test "instance types: name, deprecated name, numbers" {
  given
  same '.configuration.instance_type = "dev"' \
    '.configuration |= (del(.instance_type) | .vcpu = 0.0625 | .memory_mib = 256 | .disk = {"size_mb":2000})' \
    '.configuration |= (del(.instance_type) | .vcpu = 6.25e-2 | .memory_mib = 256.0 | .disk = {"size_mb":2000})'
  differs '.configuration.instance_type = "basic"' \
    '.configuration |= (del(.instance_type) | .vcpu = 0.25 | .memory_mib = 2048 | .disk = {"size_mb":4000})'
}

@test "every instance type is its numbers" {
  given
  local type vcpu memory disk
  while read -r type vcpu memory disk; do
    write ".configuration.instance_type = \"$type\""
    clear_requests
    same ".configuration |= (del(.instance_type) | .vcpu = $vcpu | .memory_mib = $memory | .disk = {\"size_mb\":$disk})" \
      ".configuration |= (del(.instance_type) | .vcpu = $vcpu | .memory = \"${memory}MiB\" | .disk = {\"size\":\"$((disk / 1000))GB\"})"
  done <<'TABLE'
lite 0.0625 256 2000
basic 0.25 1024 4000
standard-1 0.5 4096 8000
standard 0.5 4096 8000
standard-2 1 6144 12000
standard-3 2 8192 16000
standard-4 4 12288 20000
TABLE
}

@test "memory and disk spellings" {
  given '.configuration |= (del(.instance_type) | .vcpu = 1 | .memory_mib = 2048 | .disk = {"size_mb":6000})'
  same '.configuration |= (del(.memory_mib) | .memory = "2048MiB")' '.configuration |= (del(.memory_mib) | .memory = "2GiB")' \
    '.configuration.disk = {"size":"6GB"}' '.configuration.disk = {"size":"6000MB"}'
  differs '.configuration |= (del(.memory_mib) | .memory = "2049MiB")'
}

@test "vcpu, memory and disk that are absent are the account's defaults" {
  given '.configuration |= del(.instance_type)'
  local defaults
  defaults=$(api GET /me | jq -c .defaults)
  same . "$(jq -r '".configuration.vcpu = \(.vcpus) | .configuration.memory_mib = \(.memory_mib) | .configuration.disk = {\"size_mb\": \(.disk_mb)}"' <<<"$defaults")"
}

@test "image names" {
  given
  local image
  for image in app:v1 registry.cloudflare.com/app:v1 "registry.cloudflare.com/$ACCOUNT/app:v1"; do
    same ".configuration.image = \"$image\""
  done
  differs '.configuration.image = "app:v2"'
}

@test "references: names of keys and their ids" {
  given
  same '.configuration.ssh_public_key_ids = ["ssh-keys/anna.pub","ssh-keys/bert.pub"]' \
    ".configuration.ssh_public_key_ids = [\"ssh-keys/bert.pub\",\"$ANNA\"]"
  # A mount that did not write it shows the names.
  umount_cfcfs
  mount_cfcfs
  jq -e '.configuration.ssh_public_key_ids == ["ssh-keys/anna.pub","ssh-keys/bert.pub"]' "$WEB"
  differs '.configuration.ssh_public_key_ids = ["ssh-keys/anna.pub"]'
}

@test "numbers and escapes" {
  given
  sed 's/"instances": 2/"instances": 2.0/; s/"max_instances": 5/"max_instances": 0.5e1/' "$T/base.json" >"$T/other.json"
  cp "$T/other.json" "$WEB"
  assert_writes 0
  sed 's/production/\\u0070roducti\\u006Fn/; s|a/b|a\\/b|; s/é/\\u00e9/' "$T/base.json" >"$T/other.json"
  cp "$T/other.json" "$WEB"
  assert_writes 0
  same . '.instances = 2.00'
}

@test "what the file shows is no change, nor is it with the identity or the version" {
  given
  cp "$WEB" "$T/shown.json"
  cp "$T/shown.json" "$WEB"
  assert_writes 0
  jq '.name = "web"' "$T/shown.json" >"$T/other.json"
  cp "$T/other.json" "$WEB"
  assert_writes 0
  jq '.version = 99' "$T/shown.json" >"$T/other.json"
  cp "$T/other.json" "$WEB"
  assert_writes 0
}

@test "script_name and class_name equal the account's namespace_id" {
  start
  web_json "$T/base.json" '.durable_objects = {"script_name":"worker","class_name":"Room"}'
  cp "$T/base.json" "$APPS/web.json"
  clear_requests
  refresh
  cp "$T/base.json" "$APPS/web.json"
  assert_writes 0
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  cp "$T/base.json" "$APPS/web.json"
  assert_writes 0
}

@test "a removed field that the answer still shows is the service's default, not sent again" {
  given
  jq 'del(.max_instances)' "$T/base.json" >"$T/other.json"
  cp "$T/other.json" "$WEB"
  clear_requests
  cp "$T/other.json" "$WEB"
  refresh
  cp "$T/other.json" "$WEB"
  umount_cfcfs
  mount_cfcfs
  cp "$T/other.json" "$WEB"
  assert_writes 0
}

@test "write-only fields are never a difference" {
  start
  jq -n '{image:"app:v1",location:"lhr01",instance_type:"lite",network:{assign_ipv4:"predefined",mode:"public"}}' >"$T/d.json"
  cp "$T/d.json" "$MNT/deployments/d.json"
  clear_requests
  refresh
  cp "$T/d.json" "$MNT/deployments/d.json"
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  cp "$T/d.json" "$MNT/deployments/d.json"
  jq 'del(.network.assign_ipv4)' "$T/d.json" >"$T/e.json"
  cp "$T/e.json" "$MNT/deployments/d.json"
  assert_writes 0
}

@test "a deployment's location, labels and defaults" {
  start
  jq -n '{image:"app:v1",location:"lhr01",instance_type:"lite",labels:[{name:"a",value:"1"},{name:"b",value:"2"}]}' >"$T/d.json"
  cp "$T/d.json" "$MNT/deployments/d.json"
  clear_requests
  for filter in '.labels |= reverse' '.network = {}' '.network = {"assign_ipv4":"none"}' '.instance_type = "dev"' \
    '.environment_variables = []' '.checks = null'; do
    jq "$filter" "$T/d.json" >"$T/e.json"
    cp "$T/e.json" "$MNT/deployments/d.json" || fail "$filter: $(last_error .message)"
    [ "$(count_writes)" = 0 ] || fail "a false change: $filter: $(requests .body)"
  done
  grep -q cfcfs.name "$MNT/deployments/d.json" && fail "the name's label shows"
  true
}

@test "registries, protocols, defaults and keys in another spelling" {
  start
  jq -n '{kind:"DockerHub",auth:{public_credential:"acme",private_credential:"p"}}' >"$T/r.json"
  cp "$T/r.json" "$MNT/registries/docker.io.json"
  jq -n '{domains:[{domain:"docker.io",path:"x"}]}' >"$T/p.json"
  cp "$T/p.json" "$MNT/registry-protocols/p.json"
  jq -n '{vcpus:0.25,memory_mib:1024,disk_mb:4000}' >"$T/a.json"
  cp "$T/a.json" "$MNT/account/defaults.json"
  clear_requests
  jq '.is_public = false | .domain = "docker.io"' "$T/r.json" >"$T/r2.json"
  cp "$T/r2.json" "$MNT/registries/docker.io.json"
  jq -c '.proto = "p"' "$T/p.json" >"$T/p2.json"
  cp "$T/p2.json" "$MNT/registry-protocols/p.json"
  jq -c '.vcpus = 25e-2' "$T/a.json" >"$T/a2.json"
  cp "$T/a2.json" "$MNT/account/defaults.json"
  assert_writes 0
}
