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
  write "$APPS/room.json" '{"scheduling_policy": "durable_object", "observability": {"logs": {"enabled": true}},
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}'
  assert_match "$(ls "$APPS/room/instances" | head -n 1)" '^[0-9a-f]{64}\.json$'
  refused EEXIST "$APPS/other.json" '{"scheduling_policy": "durable_object",
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}' DURABLE_OBJECT_ALREADY_HAS_APPLICATION
  clear_requests
  sed -i 's/"enabled": true/"enabled": false/' "$APPS/room.json"
  assert_writes 1
  assert_equal "$(sent PATCH '/applications/*')" '{"observability":{"logs":{"enabled":false}}}'
  # script_name and class_name that mean the same namespace are no change: the service answers the namespace alone.
  write "$APPS/named.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "C"}}'
  jq '.observability.logs.enabled = true' "$APPS/named.json" >"$T/named.json"
  clear_requests
  cp "$T/named.json" "$APPS/named.json"
  assert_writes 1
  refused EINVAL "$APPS/none.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "missing", "class_name": "C"}}' DURABLE_OBJECT_NOT_FOUND
  refused EINVAL "$APPS/none.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "NoContainer"}}' DURABLE_OBJECT_NOT_CONTAINER_ENABLED
}

@test "instance: a namespace that has an application is EEXIST at once; one that was just given up is waited for" {
  start_quick
  local room='{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "C"}}' by_id began
  write "$APPS/one.json" "$room"
  write "$APPS/else.json" '{"scheduling_policy": "durable_object", "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}'
  by_id=$(jq --argjson durable "$(app one | jq .durable_objects)" '.durable_objects = $durable' <<<"$room")
  # What was deleted of late had another name and another namespace: it says nothing of this refusal.
  rm "$APPS/else.json"
  sync "$APPS"
  clear_requests
  began=$SECONDS
  refused EEXIST "$APPS/two.json" "$by_id" DURABLE_OBJECT_ALREADY_HAS_APPLICATION
  ((SECONDS - began <= 20)) || fail "answered after $((SECONDS - began)) s"
  assert_calls 1 POST /applications
  # Given up by this mount, under another name: the service lets go of it in 3 s.
  rm "$APPS/one.json"
  sync "$APPS"
  clear_requests
  write "$APPS/two.json" "$room"
  assert_exists "$APPS/two.json"
  (($(count_calls POST /applications) <= 6)) || fail "$(count_calls POST /applications) creates"
  (($(count_calls GET /applications) <= 5)) || fail "$(count_calls GET /applications) lists"
  # It has been let go of: what is refused now is taken.
  clear_requests
  refused EEXIST "$APPS/three.json" "$by_id" DURABLE_OBJECT_ALREADY_HAS_APPLICATION
  assert_calls 1 POST /applications
}

@test "create: a true wait for a name costs few calls, and ends at the deadline" {
  start_emulator
  mount_cfcfs -o timeout=20
  write "$MNT/registries/ghcr.io.json" '{"is_public": true}'
  rm "$MNT/registries/ghcr.io.json"
  sync "$MNT/registries"
  fault '{"method":"POST","path":"/registries","times":100,"status":409,"body":"{\"success\":false,\"errors\":[{\"code\":1409,\"message\":\"taken\"}]}"}'
  clear_requests
  refused EEXIST "$MNT/registries/ghcr.io.json" '{"is_public": true}'
  (($(count_calls POST /registries) >= 4 && $(count_calls POST /registries) <= 9)) || fail "$(count_calls POST /registries) creates"
  # Another name was not deleted by anyone: it is taken.
  clear_requests
  refused EEXIST "$MNT/registries/quay.io.json" '{"is_public": true}'
  assert_calls 1 POST /registries
  # Where the service itself says that it is going, it is waited for.
  clear_faults
  fault '{"method":"POST","path":"/registries","times":2,"status":409,"body":"{\"success\":false,\"errors\":[{\"code\":1409,\"message\":\"It is being deleted\"}]}"}'
  clear_requests
  write "$MNT/registries/quay.io.json" '{"is_public": true}'
  assert_calls 3 POST /registries
}

@test "instance: an ordinary application has one for each deployment, with an id of its own" {
  start_quick
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  advance 10
  wait_until 5 "two instances" eval '[ "$(ls "$APPS/web/instances" | wc -l)" = 2 ]'
  assert_equal "$(ls "$APPS/web/deployments" | grep -c json)" 2
  assert_match "$(ls "$APPS/web/instances" | head -n 1)" '^[0-9a-f]{64}\.json$'
  sed -i 's/"instances": 2/"instances": 1/' "$APPS/web.json"
  advance 10
  wait_until 5 "one instance" eval '[ "$(ls "$APPS/web/instances" | wc -l)" = 1 ]'
}
