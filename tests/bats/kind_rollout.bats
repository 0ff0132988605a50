#!/usr/bin/env bats
# Rollouts: written once, stepped through by hand or by themselves.
# profiles: ideal live
load lib
load kinds

# manual : the application web with four instances, and a manual rollout of four steps to app:v2.
manual() {
  web_json "$T/web.json" '.instances = 4 | .max_instances = 4'
  cp "$T/web.json" "$APPS/web.json"
  ID=$(app_id web)
  advance 10
  ROLLOUTS=$APPS/web/rollouts
  jq '{description: "to v2", strategy: "rolling", kind: "full_manual",
       steps: [25, 50, 75, 100 | {step_size: {percentage: .}, description: "\(.) percent"}],
       target_configuration: (.configuration | .image = "registry.cloudflare.com/app:v2")}' "$T/web.json" >"$T/rollout.json"
  cp "$T/rollout.json" "$ROLLOUTS/v2.json"
  S=$ROLLOUTS/v2/status.json
}
step() { jq -r .progress.current_step "$S"; }
status() { jq -r .status "$S"; }

@test "rollout: created under a name, read back, its xattrs" {
  start_quick
  manual
  assert_calls 1 POST "/applications/$ID/rollouts"
  assert_equal "$(ls "$ROLLOUTS")" $'v2\nv2.json'
  assert_same_json "$T/rollout.json" "$ROLLOUTS/v2.json"
  assert_xattrs "$ROLLOUTS/v2.json" rollout id created_at
  assert_read_only "$S"
  assert_equal "$(ls "$ROLLOUTS/v2")" $'action\nstatus.json'
  jq -e '.status == "pending" and .progress.total_steps == 4 and (.steps | length) == 4 and .steps[0].status == "pending"
    and (.health.instances | .healthy == 4 or .active == 4) and .target_version == 2 and .current_version == 1
    and .progress.version_distribution.target_version_percentage == 0' "$S"
}

@test "rollout: four steps by hand; next is EBUSY while a step is unfinished" {
  start_quick
  manual
  assert_action "$ROLLOUTS/v2/action" 'next previous revert'
  local n
  for n in 1 2 3 4; do
    echo next >"$ROLLOUTS/v2/action"
    assert_equal "$(step)" "$n"
    assert_equal "$(jq -r ".steps[$((n - 1))].status" "$S")" progressing
    refused EBUSY "$ROLLOUTS/v2/action" next 'not finished'
    assert_equal "$(step)" "$n"
    advance 11
    wait_until 5 "step $n to be done" is completed jq -r ".steps[$((n - 1))].status" "$S"
    assert_equal "$(jq -r .progress.updated_instances "$S")" "$n"
    assert_equal "$(jq -r .progress.version_distribution.target_version_percentage "$S")" $((n * 25))
  done
  wait_until 5 "the end" is completed status
  refused EBUSY "$ROLLOUTS/v2/action" next 'completed'
  assert_equal "$(jq -r .version "$APPS/web/status.json")" 2
  jq -e '.configuration.image == "registry.cloudflare.com/app:v2"' "$APPS/web.json"
}

@test "rollout: previous takes a step back, revert all of them" {
  start_quick
  manual
  refused EBUSY "$ROLLOUTS/v2/action" previous
  echo next >"$ROLLOUTS/v2/action"
  advance 11
  wait_until 30 "step 1 to be done" is completed jq -r ".steps[0].status" "$S"
  echo next >"$ROLLOUTS/v2/action"
  assert_equal "$(step)" 2
  echo previous >"$ROLLOUTS/v2/action"
  assert_equal "$(step)" 1
  assert_equal "$(jq -r '.steps[1].status' "$S")" reverted
  assert_equal "$(jq -r .progress.updated_instances "$S")" 1
  echo revert >"$ROLLOUTS/v2/action"
  assert_equal "$(status)" reverted
  assert_equal "$(jq -r .progress.updated_instances "$S")" 0
  refused EBUSY "$ROLLOUTS/v2/action" next 'reverted'
}

@test "rollout: an active one cannot be deleted, a finished one can" {
  start_quick
  manual
  assert_sys EBUSY unlink "$ROLLOUTS/v2.json"
  assert_error EBUSY 'active'
  assert_exists "$ROLLOUTS/v2.json"
  echo revert >"$ROLLOUTS/v2/action"
  rm "$ROLLOUTS/v2.json"
  assert_absent "$ROLLOUTS/v2.json"
  assert_equal "$(api GET "/applications/$ID/rollouts" | jq length)" 0
}

@test "rollout: by itself it comes to its end; a newer one replaces it" {
  start_quick
  manual
  cp "$T/rollout.json" "$ROLLOUTS/newer.json"
  wait_until 5 "the older one to be replaced" is replaced status
  jq '.kind = "full_auto" | .step_percentage = 50 | del(.steps)' "$T/rollout.json" >"$T/auto.json"
  cp "$T/auto.json" "$ROLLOUTS/auto.json"
  S=$ROLLOUTS/auto/status.json
  assert_equal "$(jq -c '[.steps[].step_size.percentage]' "$S")" '[50,100]'
  advance 5
  wait_until 5 "it to start" is progressing status
  advance 30
  wait_until 5 "it to end" is completed status
}

@test "rollout: written once: an existing name is EEXIST, a rename EPERM" {
  start_quick
  manual
  clear_requests
  assert_sys EEXIST write "$ROLLOUTS/v2.json" "$T/rollout.json"
  assert_error EEXIST 'another name'
  assert_sys EPERM rename "$ROLLOUTS/v2.json" "$ROLLOUTS/v3.json"
  assert_writes 0
}

@test "rollout: one that the mount did not make shows under its id" {
  start_quick
  manual
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  local id
  id=$(api GET "/applications/$ID/rollouts" | jq -r '.[0].id')
  assert_equal "$(ls "$ROLLOUTS")" "$id"$'\n'"$id.json"
  jq -e '.target_configuration.image == "registry.cloudflare.com/app:v2" and ([.steps[].step_size.percentage] == [25, 50, 75, 100])
    and .description == "to v2" and .kind == "full_manual"' "$ROLLOUTS/$id.json"
  ! jq -e '.steps[0] | has("status")' "$ROLLOUTS/$id.json" || fail "the file shows a step's status"
}

@test "rollout: each kind of bad document is refused" {
  start_quick
  manual
  local f=$ROLLOUTS/bad.json t='"target_configuration": {"image": "a:1"}'
  bad EINVAL "$f" "{\"strategy\": \"rolling\", $t}" 'description' 'missing'
  bad EINVAL "$f" "{\"description\": \"d\", $t}" 'strategy' 'missing'
  bad EINVAL "$f" '{"description": "d", "strategy": "rolling"}' 'target_configuration' 'missing'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"slow\", $t}" 'strategy' 'new_instances'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"rolling\", \"kind\": \"by_hand\", $t}" 'kind' 'full_manual'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"rolling\", \"step_percentage\": 30, $t}" 'step_percentage' '25'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"rolling\", \"step_percentage\": 50, \"steps\": [{\"step_size\": {\"percentage\": 100}, \"description\": \"x\"}], $t}" 'step_percentage' 'steps'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"rolling\", \"steps\": [{\"step_size\": {\"percentage\": 50}, \"description\": \"x\"}, {\"step_size\": {\"percentage\": 20}, \"description\": \"y\"}], $t}" 'steps\[1\]'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"rolling\", \"steps\": [{\"step_size\": {\"percentage\": 101}, \"description\": \"x\"}], $t}" 'steps\[0\].step_size.percentage'
  bad EINVAL "$f" "{\"description\": \"d\", \"strategy\": \"rolling\", \"status\": \"pending\", $t}" 'status' 'status.json'
}
