#!/usr/bin/env bats
# Instances: of Durable Object applications, and of ordinary ones. Read-only.
load lib
load kinds

@test "instance: a Durable Object application has instances with ids of 64 hex digits" {
  start_quick
  write "$APPS/room.json" '{"instances": 0, "max_instances": 9, "configuration": {"image": "chat:v1", "instance_type": "lite"},
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}'
  local n=0 file
  for file in "$APPS/room/instances"/*.json; do
    assert_match "${file##*/}" '^[0-9a-f]{64}\.json$'
    jq -e --arg id "$(basename "$file" .json)" --arg app "$(app_id room)" '.id == $id and .application_id == $app
      and (.status.state | length) > 0 and (.configuration.vcpu | type) == "number"' "$file"
    n=$((n + 1))
  done
  assert_equal "$n" 2
  assert_read_only "$file"
  assert_xattrs "$file" instance id
  assert_equal "$(ls "$APPS/room/deployments")" ''
  advance 30
  wait_until 5 "it to run" is running jq -r .status.state "$file"
  # No directory belongs to an instance, and none can be made.
  assert_absent "${file%.json}"
  assert_sys EPERM create "$APPS/room/instances/mine.json"
}

@test "instance: with the policy durable_object there is no image, no version, no rollout" {
  start_quick
  write "$APPS/room.json" '{"scheduling_policy": "durable_object", "max_instances": 9,
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}'
  assert_match "$(ls "$APPS/room/instances" | head -n 1)" '^[0-9a-f]{64}\.json$'
  refused EEXIST "$APPS/other.json" '{"scheduling_policy": "durable_object", "max_instances": 9,
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}' DURABLE_OBJECT_ALREADY_HAS_APPLICATION
  clear_requests
  sed -i 's/"max_instances": 9/"max_instances": 5/' "$APPS/room.json"
  assert_writes 1
  assert_equal "$(sent PATCH '/applications/*')" '{"max_instances":5}'
  # script_name and class_name that mean the same namespace are no change: the service answers the namespace alone.
  write "$APPS/named.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "C"}}'
  jq '.max_instances = 3' "$APPS/named.json" >"$T/named.json"
  clear_requests
  cp "$T/named.json" "$APPS/named.json"
  assert_writes 1
  refused EINVAL "$APPS/none.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "missing", "class_name": "C"}}' DURABLE_OBJECT_NOT_FOUND
  refused EINVAL "$APPS/none.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "NoContainer"}}' DURABLE_OBJECT_NOT_CONTAINER_ENABLED
}

@test "instance: an ordinary application's are its deployments'" {
  start_quick
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  advance 10
  wait_until 5 "two instances" eval '[ "$(ls "$APPS/web/instances" | wc -l)" = 2 ]'
  assert_equal "$(ls "$APPS/web/instances")" "$(ls "$APPS/web/deployments" | grep json)"
  sed -i 's/"instances": 2/"instances": 1/' "$APPS/web.json"
  advance 10
  wait_until 5 "one instance" eval '[ "$(ls "$APPS/web/instances" | wc -l)" = 1 ]'
}
