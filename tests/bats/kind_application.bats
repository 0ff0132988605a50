#!/usr/bin/env bats
# Applications: what each field may be, what the service says of them, and what follows a change. (applications.bats has
# the ways of ordinary tools.)
# profiles: ideal live
load lib
load kinds

web() {
  web_json "$T/web.json" "${1:-.}"
  cp "$T/web.json" "$APPS/web.json"
  ID=$(app_id web)
}

@test "application: created with every settable field, read back, its xattrs" {
  start_quick
  write "$MNT/ssh-keys/anna.pub" 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna'
  printf 'x' | tee "$MNT/secrets/db" >/dev/null
  web '. + {
      constraints: {tier: 1, tiers: [1, 2], regions: ["WEUR", "EEUR"], cities: ["AMS"], pops: ["ams01"], jurisdiction: "eu"},
      affinities: {colocation: "datacenter", hardware_generation: "highest-overall-performance"},
      priorities: {default: 50}, rollout_active_grace_period: 30, observability: {logs: {enabled: true}}
    } | .configuration += {
      wrangler_ssh: {enabled: true, port: 2222}, ssh_public_key_ids: ["ssh-keys/anna.pub"],
      authorized_keys: [{name: "bert", public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMb4Kq7cZ1xN8vB2mL5jH9gF3dS6aP0oI7uY4tR2eWqX"}],
      secrets: [{type: "env", name: "DB", secret: "db"}], labels: [{name: "team", value: "shop"}],
      command: ["serve", "--all"], entrypoint: ["/bin/app"], dns: {servers: ["1.1.1.1"], searches: ["example.com"]},
      checks: [{type: "http", name: "up", http: {method: "GET", path: "/up"}, tls: false, port: "80", interval: "10s",
                timeout: "2s", kind: "health"}]
    }'
  assert_calls 1 POST /applications
  assert_same_json "$T/web.json" "$APPS/web.json"
  assert_xattrs "$APPS/web.json" application id version created_at updated_at
  assert_equal "$(xattr "$APPS/web.json" id)" "$ID"
  assert_equal "$(stat -c %a "$APPS/web.json")" 644
  # Another mount, which remembers nothing, shows the same settings.
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  jq -S 'del(.jobs)' "$APPS/web.json" >"$T/again.json"
  # live: instances is computed, the type comes back as its sizes, and these come unasked.
  if is_live; then
    jq 'del(.instances)' "$T/web.json" >"$T/said.json" && mv "$T/said.json" "$T/web.json"
    jq -e '.configuration | .vcpu == 0.0625 and .memory_mib == 256 and .disk == {size_mb: 2000}' "$T/again.json"
    jq 'del(.instances) | .configuration |= (del(.network, .runtime, .vcpu, .memory_mib, .disk) | .instance_type = "lite")' \
      "$T/again.json" >"$T/said.json" && mv "$T/said.json" "$T/again.json"
  fi
  assert_same_json "$T/again.json" "$T/web.json"
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  assert_writes 0
}

@test "application: what the platform says is read-only" {
  start_quick
  web
  assert_read_only "$APPS/web/status.json" "$APPS/web/versions.json"
  # live: network says what the service chose.
  assert_equal "$(jq -c 'keys - ["network"]' "$APPS/web/status.json")" \
    '["account_id","created_at","health","id","see_also","updated_at","version"]'
  jq -e --arg id "$ID" '.id == $id and .version == 1 and .health.instances.starting >= 0' "$APPS/web/status.json"
  jq -e 'length == 1 and .[0].version == 1 and .[0].percentage == 100 and
    (.[0].configuration | .instance_type == "lite" or .memory_mib == 256)' \
    "$APPS/web/versions.json"
  assert_absent "$APPS/web/queue.json"
  assert_sys EPERM mkdir "$APPS/web/mine"
  assert_sys EPERM rmdir "$APPS/web"
  assert_sys EPERM create "$APPS/web/mine.json"
  assert_equal "$(ls "$APPS/web")" $'deployments\ninstances\njobs\nrollouts\nstatus.json\nversions.json'
}

@test "application: each kind of bad document is refused with the field and what it should be" {
  start_quick
  local f=$APPS/bad.json
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}' 'line'
  bad EINVAL "$f" '[1]' 'object'
  bad EINVAL "$f" '{"instances": 1, "instances": 2, "max_instances": 5, "configuration": {"image": "a:1"}}' 'duplicate' 'instances'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"},}' 'line 1'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "enviroment_variables": []}}' \
    'configuration.enviroment_variables' 'environment_variables'
  bad EINVAL "$f" '{"instances": "1", "configuration": {"image": "a:1"}}' 'instances' 'integer'
  bad EINVAL "$f" '{"instances": -1, "max_instances": 5, "configuration": {"image": "a:1"}}' 'instances' '-1'
  bad EINVAL "$f" '{"instances": 1.5, "max_instances": 5, "configuration": {"image": "a:1"}}' 'instances'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "scheduling_policy": "magic", "configuration": {"image": "a:1"}}' 'scheduling_policy' 'durable_object'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "instance_type": "huge"}}' 'configuration.instance_type' 'standard-1'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "instance_type": "lite", "vcpu": 1}}' 'instance_type' 'vcpu'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {}}' 'configuration.image'
  bad EINVAL "$f" '{"configuration": {"image": "a:1"}}' 'max_instances'
  bad EINVAL "$f" '{"instances": 1}' 'configuration'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}, "health": {}}' 'health' 'status.json'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}, "name": "other"}' 'name' 'bad'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "observability": {"logs": {"enabled": true}}}, "observability": {"logs": {"enabled": true}}}' 'observability'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "environment_variables": [{"name": "A"}]}}' 'environment_variables\[0\].value'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "wrangler_ssh": {"port": 0}}}' 'wrangler_ssh.port'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "secrets": [{"name": "A", "type": "file", "secret": "s"}]}}' 'secrets\[0\].type' 'env'
  bad EINVAL "$f" '{"scheduling_policy": "durable_object", "instances": 1, "durable_objects": {"namespace_id": "n"}}' 'instances'
  bad EINVAL "$f" '{"scheduling_policy": "durable_object"}' 'durable_objects'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}, "durable_objects": {"script_name": "s"}}' 'durable_objects' 'namespace_id'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}, "priorities": {"default": "high"}}' 'priorities.default'
  bad EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1"}, "constraints": {"jurisdiction": "mars"}}' 'constraints.jurisdiction' 'fedramp'
  assert_equal "$(ls -A "$APPS")" ''
  # And what only the service knows.
  refused EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "secrets": [{"name": "A", "type": "env", "secret": "none"}]}}' 'VALIDATE_INPUT' 'none'
  refused EINVAL "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "quay.io/a/b:1"}}' 'IMAGE_REGISTRY_NOT_CONFIGURED'
  refused EDQUOT "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "vcpu": 64}}' 'SURPASSED_BASE_LIMITS'
  refused EDQUOT "$f" '{"instances": 100000, "max_instances": 5, "configuration": {"image": "a:1", "instance_type": "standard-4"}}' 'SURPASSED_TOTAL_LIMITS'
  assert_equal "$(ls -A "$APPS")" ''
}

@test "application: jobs and durable_objects are set at creation only" {
  start_quick
  web
  clear_requests
  jq '.jobs = true' "$T/web.json" >"$T/jobs.json"
  bad EINVAL "$APPS/web.json" "$(cat "$T/jobs.json")" 'jobs' 'creat'
  jq '.durable_objects = {namespace_id: "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}' "$T/web.json" >"$T/do.json"
  bad EINVAL "$APPS/web.json" "$(cat "$T/do.json")" 'durable_objects' 'creat'
  assert_same_json "$T/web.json" "$APPS/web.json"
  cp "$T/jobs.json" "$APPS/batch.json"
  assert_exists "$APPS/batch/queue.json"
  bad EINVAL "$APPS/batch.json" "$(cat "$T/web.json")" 'jobs'
  jq -e '.jobs == true' "$APPS/batch.json"
}

@test "application: a version in the document is a precondition" {
  start_quick
  web
  clear_requests
  jq '.version = 1' "$T/web.json" >"$T/v.json"
  cp "$T/v.json" "$APPS/web.json"
  assert_writes 0
  jq '.version = 7 | .max_instances = 6' "$T/web.json" >"$T/v.json"
  bad ESTALE "$APPS/web.json" "$(cat "$T/v.json")" 'version' '7' '1'
  jq '.version = 1 | .max_instances = 6' "$T/web.json" >"$T/v.json"
  cp "$T/v.json" "$APPS/web.json"
  assert_calls 1 PATCH "/applications/$ID"
  # live: a version rises when a rollout completes, and with no PATCH.
  assert_equal "$(app web | jq -c '[.version, .max_instances]')" "[$(is_live && echo 1 || echo 2),6]"
  bad ESTALE "$APPS/new.json" "$(cat "$T/v.json")" 'version'
}

@test "application: instances makes one PATCH and no rollout, the image one rollout and no PATCH" {
  start_quick
  web
  clear_requests
  sed -i 's/"instances": 2/"instances": 3/' "$APPS/web.json"
  assert_writes 1
  assert_equal "$(sent PATCH '/applications/*')" '{"instances":3}'
  clear_requests
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  assert_writes 1
  assert_calls 1 POST "/applications/$ID/rollouts"
  sent POST '*/rollouts' | jq -e '.strategy == "rolling" and (.target_configuration.image | endswith("app:v2"))
    and [.steps[].step_size.percentage] == [10, 100]'
  assert_equal "$(ls "$APPS/web/rollouts" | wc -l)" 2
  # What may change under running instances needs none.
  clear_requests
  jq '.configuration.wrangler_ssh = {enabled: true}' "$APPS/web.json" >"$T/ssh.json"
  cp "$T/ssh.json" "$APPS/web.json"
  assert_writes 1
}

@test "application: rollout=none, rollout=manual:25:50:75:100" {
  start_emulator
  mount_cfcfs -o rollout=none
  web
  clear_requests
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  assert_writes 1
  umount_cfcfs
  mount_cfcfs -o rollout=manual:25:50:75:100
  clear_requests
  sed -i 's/app:v2/app:v3/' "$APPS/web.json"
  assert_writes 1
  sent POST '*/rollouts' | jq -e '.kind == "full_manual" and [.steps[].step_size.percentage] == [25, 50, 75, 100]'
  umount_cfcfs
  mount_cfcfs -o rollout=50:100
  clear_requests
  sed -i 's/app:v3/app:v4/' "$APPS/web.json"
  sent POST '*/rollouts' | jq -e '.kind == "full_auto" and [.steps[].step_size.percentage] == [50, 100]'
}

# Where the service does not know the fields of a rollout of the changed members alone: refuses N of them.
older_way() {
  fault "$(jq -nc --argjson times "$1" '{method: "POST", path: "/applications/*/rollouts", $times, status: 400, body: ({success: false,
    errors: [{code: 1000, message: ({error: "VALIDATE_INPUT", details: {"": "Unrecognized key: \"steps\""}} | tojson)}]} | tojson)}')"
}

@test "application: where the service does not take the changed members alone, wrangler's way: a PATCH, and a whole rollout" {
  start_quick
  web
  clear_requests
  older_way 1
  jq '.configuration.image = "app:v2" | .max_instances = 9' "$T/web.json" >"$T/v2.json"
  cp "$T/v2.json" "$APPS/web.json"
  assert_equal "$(requests 'select(.method != "GET") | [.method, .status] | @tsv' | jq -r . | tr '\t\n' ' |')" \
    'PATCH 200|POST 400|PATCH 200|POST 201|'
  sent PATCH '/applications/*' | tail -n 1 | jq -e '.configuration.image | endswith("app:v2")'
  sent POST '*/rollouts' | tail -n 1 | jq -e '.target_configuration | (.environment_variables | length) == 2'
  clear_requests
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
}

@test "application: a rollout that fails fails the call, nothing is half done, and the same content again sends it" {
  start_quick
  web
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/v2.json"
  clear_requests
  fault '{"method":"POST","path":"/applications/*/rollouts","times":1,"status":403}'
  assert_sys "write EPERM" write "$APPS/web.json" "$T/v2.json"
  assert_error EPERM
  assert_writes 1
  assert_calls 1 POST "/applications/$ID/rollouts"
  app web | jq -e '.configuration.image | endswith("app:v1")'
  clear_requests
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 1
  assert_calls 1 POST "/applications/$ID/rollouts"
  clear_requests
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
}

@test "application: a rollout is owed across a remount, and after kill -9" {
  start_quick
  web
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/v2.json"
  older_way 2
  assert_fails cp "$T/v2.json" "$APPS/web.json"
  assert_error EINVAL 'the change was made, but its rollout failed' 'again'
  umount_cfcfs
  mount_cfcfs
  clear_requests
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 1
  assert_calls 1 POST "/applications/$ID/rollouts"
  advance 120
  refresh
  sed 's/app:v1/app:v3/' "$T/web.json" >"$T/v3.json"
  older_way 2
  assert_fails cp "$T/v3.json" "$APPS/web.json"
  crash_mount
  mount_cfcfs
  clear_requests
  cp "$T/v3.json" "$APPS/web.json"
  assert_writes 1
  assert_calls 1 POST "/applications/$ID/rollouts"
}

# dies_at METHOD PATH : v2 is written, and the mount dies after the service made this call and before its answer came.
dies_at() {
  local writer
  fault "{\"method\":\"$1\",\"path\":\"$2\",\"times\":1,\"latency_ms\":30000}"
  cp "$T/v2.json" "$APPS/web.json" 2>/dev/null 3>&- &
  writer=$!
  wait_until 30 "the $1" has_made "$1"
  crash_mount
  wait "$writer" || true
  clear_faults
}
has_made() { [ -n "$(requests "select(.method == \"$1\" and .status < 300 and .status > 0) | .path")" ]; }
rollouts_made() { api GET "/applications/$ID/rollouts" | jq length; }

@test "application: wrangler's way, and kill -9 between the change and its rollout: the rollout happens once" {
  start_quick
  web
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/v2.json"
  clear_requests
  older_way 1
  dies_at PATCH '/applications/*'
  assert_equal "$(rollouts_made)" 0
  mount_cfcfs -o cache_ttl=0.3,status_ttl=0.2
  is_live && older_way 1 # what the service does not show yet is a change, and tried in the documented way first
  cp "$T/v2.json" "$APPS/web.json"
  assert_equal "$(rollouts_made)" 1
  clear_requests
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
  advance 600
  refresh
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
  app web | jq -e '.configuration.image | endswith("app:v2")'
}

@test "application: wrangler's way, and the account shows the change at once without a new version: its rollout is owed all the same" {
  start_quick
  web
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/v2.json"
  local answer
  answer=$(curl -sS -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/applications/$ID" |
    jq -c '.result.configuration.image |= sub(":v1"; ":v2")')
  clear_requests
  older_way 1
  dies_at PATCH '/applications/*'
  fault "$(jq -nc --arg path "/applications/$ID" --arg body "$answer" '{method: "GET", $path, times: 1000, status: 200, $body}')"
  mount_cfcfs -o cache_ttl=0.3,status_ttl=0.2
  clear_requests
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 1
  assert_calls 1 POST "/applications/$ID/rollouts"
  clear_faults
  assert_equal "$(rollouts_made)" 1
}

@test "application: wrangler's way, and kill -9 between the rollout and its answer: it happens once" {
  start_quick
  web
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/v2.json"
  clear_requests
  older_way 1
  dies_at POST '/applications/*/rollouts'
  assert_equal "$(rollouts_made)" 1
  mount_cfcfs -o cache_ttl=0.3,status_ttl=0.2
  clear_requests
  # As long as the account cannot be asked, it is not sent again.
  fault '{"method":"GET","path":"/applications/*/rollouts","times":1000,"status":500}'
  run cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
  clear_faults
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
  advance 600
  refresh
  cp "$T/v2.json" "$APPS/web.json"
  assert_writes 0
  assert_equal "$(rollouts_made)" 1
  app web | jq -e '.configuration.image | endswith("app:v2")'
}

@test "application: with jobs it has a queue" {
  start_quick
  web '.jobs = true'
  assert_read_only "$APPS/web/queue.json"
  jq -e '(.scheduler | type) == "object" and .jobs.queued == 0' "$APPS/web/queue.json"
  write "$APPS/web/jobs/one.json" '{"entrypoint":["/bin/true"],"command":[]}'
  wait_until 5 "the job in the queue" eval 'jq -e "[.jobs[]] | add == 1" "$APPS/web/queue.json"'
}

@test "application: versions.json shows the shares while a rollout goes on" {
  start_quick
  web '.instances = 4 | .max_instances = 8'
  advance 10
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  advance 2
  ASKS='/applications*' past_ttl cat "$APPS/web/versions.json" "$APPS/web/status.json"
  jq -e 'length == 2 and ([.[].percentage] | add) == 100 and ([.[].version] | sort) == [1, 2]' "$APPS/web/versions.json"
  jq -e '.active_rollout_id | length > 0' "$APPS/web/status.json"
  assert_equal "$(jq -r .active_rollout_id "$APPS/web/status.json").json" "$(ls "$APPS/web/rollouts" | grep json)"
}
