#!/usr/bin/env bats
# What counts as a difference reaches the account, once; what the service filled in by itself is none.
# profiles: ideal live
load lib
load kinds

DEP() { printf '%s' "$MNT/deployments/d.json"; }
# The document as a file of its own; FILTER is applied to it.
doc() { # FILE [FILTER]
  jq -n '{image: "app:v1", location: "lhr01"}' | jq "${2:-.}" >"$1"
}
made() { api GET /deployments/v2 | jq -c '.[] | select(.app_id == null)'; }
check='{type: "tcp", port: "80", interval: "5s", timeout: "1s", kind: "ready"}'

# writes N FILE DOCUMENT-FILE : writing it makes so many changes; and again, here and after another mount: none.
writes() {
  clear_requests
  cp "$3" "$2" || fail "refused: $(last_error .message)"
  assert_writes "$1"
  clear_requests
  cmp -s "$3" "$2" || fail "does not read back as written: $(cat "$2")"
  cp "$3" "$2"
  refresh
  cp "$3" "$2"
  assert_writes 0
}

@test "each field of a check counts, added, removed or changed by others; what the service fills in does not" {
  start
  doc "$T/plain.json" ".checks = [$check, $check]"
  cp "$T/plain.json" "$(DEP)"
  made | jq -e '.checks[0] | .name and .attempts_before_failure and .tls == false'
  writes 0 "$(DEP)" "$T/plain.json"
  for set in '.name = "mine"' '.attempts_before_failure = 7' '.grace_period = "9s"' '.tls = true'; do
    jq ".checks[1]$set" "$T/plain.json" >"$T/with.json"
    writes 1 "$(DEP)" "$T/with.json"
    made | jq -e "(.checks[1]$set) == ." || fail "not sent: $set"
    writes 1 "$(DEP)" "$T/plain.json"
    made | jq -e "(.checks[1]$set) != ." || fail "not removed: $set"
  done
  umount_cfcfs
  mount_cfcfs
  writes 0 "$(DEP)" "$T/plain.json"
  # A mount without that memory, as in a CI job: an unchanged repository sends nothing.
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  writes 0 "$(DEP)" "$T/plain.json"
  jq '.checks[1].attempts_before_failure = 7' "$T/plain.json" >"$T/with.json"
  writes 1 "$(DEP)" "$T/with.json"
  writes 1 "$(DEP)" "$T/plain.json"
  # What another tool changed is put right.
  api PATCH "/deployments/$(made | jq -r .id)/v2" "$(made | jq -c '{checks: (.checks | .[0].attempts_before_failure = 9)}')" >/dev/null
  refresh
  writes 1 "$(DEP)" "$T/plain.json"
  made | jq -e '.checks[0].attempts_before_failure == 3'
}

@test "a lost answer to a change of checks is settled, whatever the service filled in" {
  start
  doc "$T/plain.json"
  cp "$T/plain.json" "$(DEP)"
  fault '{"method":"PATCH","path":"/deployments/*","times":1,"close":"after"}'
  doc "$T/checks.json" ".checks = [$check]"
  writes 1 "$(DEP)" "$T/checks.json"
}

@test "each field of an application's check counts" {
  local rollout=none
  ! is_live || rollout=100 # without one a configuration is pending
  start -o "rollout=$rollout"
  web_json "$T/plain.json" ".configuration.checks = [$check]"
  cp "$T/plain.json" "$APPS/web.json"
  for set in '.name = "mine"' '.attempts_before_failure = 7' '.grace_period = "9s"' '.tls = false'; do
    jq ".configuration.checks[0]$set" "$T/plain.json" >"$T/with.json"
    writes 1 "$APPS/web.json" "$T/with.json"
    advance 600
    app web | jq -e "(.configuration.checks[0]$set) == ." || fail "not sent: $set"
    writes 1 "$APPS/web.json" "$T/plain.json"
    advance 600
    app web | jq -e "(.configuration.checks[0]$set) != ." || fail "not removed: $set"
  done
}

@test "an instance type that was written and removed again is no default of the service" {
  assumes_ideal "sizes of one dimension alone, which are smaller than a custom size may be"
  start
  doc "$T/plain.json"
  cp "$T/plain.json" "$(DEP)"
  for size in 'del(.x)' '.vcpu = 0.25' '.memory_mib = 1024' '.disk = {size: "4GB"}'; do
    for type in basic standard; do
      doc "$T/typed.json" ".instance_type = \"$type\""
      writes 1 "$(DEP)" "$T/typed.json"
      doc "$T/sized.json" "$size"
      writes 1 "$(DEP)" "$T/sized.json"
      made | jq -e '.vcpu == 0.0625 or .memory_mib == 256' || fail "$type, then $size: $(made)"
    done
  done
}

@test "the same in an application" {
  local type
  start -o rollout=none
  web_json "$T/plain.json" 'del(.configuration.instance_type)'
  cp "$T/plain.json" "$APPS/web.json"
  for type in basic standard; do
    jq ".configuration.instance_type = \"$type\"" "$T/plain.json" >"$T/typed.json"
    writes 1 "$APPS/web.json" "$T/typed.json"
    writes 1 "$APPS/web.json" "$T/plain.json"
    app web | jq -e '.configuration | .vcpu == 0.0625 and .memory_mib == 256' || fail "$(app web)"
  done
}

@test "where memory or disk changes in one spelling, the other goes" {
  local size
  start -o rollout=none
  doc "$T/d.json" '.vcpu = 1 | .memory = "4GiB" | .disk = {size: "4GB"}'
  cp "$T/d.json" "$(DEP)"
  web_json "$T/web.json" 'del(.configuration.instance_type) | .configuration += {vcpu: 1, memory: "4GiB", disk: {size: "4GB"}}'
  cp "$T/web.json" "$APPS/web.json"
  local sizes=('{memory_mib: 5120, disk: {size: "4GB"}}' '{memory: "6GiB", disk: {size_mb: 5000}}' '{memory: "3GiB", disk: {size: "6GB"}}'
    '{memory_mib: 4096}')
  # As people saw the service, it takes no custom size with the memory of the smallest type.
  is_live || sizes+=('{disk: {size: "6GB"}}')
  for size in "${sizes[@]}"; do
    jq "del(.memory, .disk) + $size" "$T/d.json" >"$T/new.json"
    writes 1 "$(DEP)" "$T/new.json"
    jq ".configuration |= (del(.memory, .disk) + $size)" "$T/web.json" >"$T/new.json"
    writes 1 "$APPS/web.json" "$T/new.json"
  done
  ! is_live || return 0 # the memory is another, and a configuration without a rollout is pending
  made | jq -e '.memory_mib == 256 and .memory == "256MiB" and .disk.size_mb == 6000 and .disk.size == "6GB"'
  app web | jq -e '.configuration | .memory_mib == 256 and .disk.size_mb == 6000'
}

@test "what is empty is not sent, and an item that lacks a field is refused here" {
  local kind
  start
  empty='.wrangler_ssh = {} | .provisioner = {} | .dns = {servers: []} | .checks = [] | .network = {mode: null}'
  doc "$T/d.json" "$empty"
  clear_requests
  cp "$T/d.json" "$(DEP)"
  assert_writes 1
  assert_equal "$(requests 'select(.method == "POST").body | if type == "string" then fromjson else . end | keys')" '["image","labels","location"]'
  writes 0 "$(DEP)" "$T/d.json"
  web_json "$T/web.json" ".priorities = {} | .durable_objects = {} | .configuration |= ($empty)"
  writes 1 "$APPS/web.json" "$T/web.json"
  jq '.priorities.default = 3 | .configuration.command = ["a"]' "$T/web.json" >"$T/new.json"
  writes 2 "$APPS/web.json" "$T/new.json"
  # A priority has no neutral value: where null is refused, it stays.
  jq ".configuration.command = [\"b\"] $(! is_live || echo '| .priorities.default = 3')" "$T/web.json" >"$T/web2.json"
  writes "$(is_live && echo 1 || echo 2)" "$APPS/web.json" "$T/web2.json"
  api GET "/applications/$(app_id web)/rollouts" | jq -e '[.[].target_configuration | has("wrangler_ssh")] | any | not'
  write "$APPS/web/rollouts/r.json" '{"description": "", "strategy": "rolling", "steps": [], "step_percentage": 50,
    "target_configuration": {"image": "app:v3", "wrangler_ssh": {}}}'
  for kind in environment_variables checks secrets labels authorized_keys; do
    bad EINVAL "$APPS/web.json" "$(jq ".configuration.$kind = [{}]" "$T/web.json")" "configuration\\.$kind\\[0\\]\\.(name|type|public_key): is missing"
  done
}

@test "a whole number of an integer field is sent as an integer, however it is written" {
  start
  start_recorder
  umount_cfcfs
  mount_cfcfs
  web_json "$T/web.json" '.max_instances = "1e1"'
  sed -i 's/"1e1"/1e1/' "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  grep -Eaq '"max_instances": ?10[,}]' "$T/sent" || fail "sent: $(grep -a max_instances "$T/sent")"
  sed -i 's/1e1/12.0/' "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  grep -Eaq '"max_instances": ?12[,}]' "$T/sent" || fail "sent: $(grep -a max_instances "$T/sent")"
}

@test "a removed default of the account that the service still shows is sent once" {
  assumes_ideal "a removed default has no neutral value, and null clears it"
  start
  echo '{"vcpus": 0.0625, "disk_mb": 2000}' >"$T/a.json"
  writes 1 "$MNT/account/defaults.json" "$T/a.json"
  assert_equal "$(api GET /me | jq .defaults.memory_mib)" 256
  umount_cfcfs
  mount_cfcfs
  writes 0 "$MNT/account/defaults.json" "$T/a.json"
  # Once another tool sets it, it is a difference again.
  api PATCH /me '{"defaults":{"memory_mib":512}}' >/dev/null
  refresh
  clear_requests
  cp "$T/a.json" "$MNT/account/defaults.json"
  assert_equal "$(sent PATCH /me)" '{"defaults":{"memory_mib":null}}'
}
