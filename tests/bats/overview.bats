#!/usr/bin/env bats
# /.cfcfs/overview: what is not well, why and since when, from the lists alone, and what a look costs.
load lib

OVERVIEW=.cfcfs/overview

# application NAME INSTANCES TYPE IMAGE : made past the mount.
application() {
  api POST /applications "$(jq -nc --arg name "$1" --argjson n "$2" --arg type "$3" --arg image "$4" '{name: $name, scheduling_policy:
    "default", instances: $n, max_instances: ($n + 1), configuration: {image: $image, instance_type: $type}}')" >/dev/null
}

# An account in which everything goes wrong, and all of its vCPUs are in use: 374 * 4 + 2 * 1 + 2 * 1.
bad_account() {
  application broken 2 standard-2 registry.cloudflare.com/bad-image:v1
  application web 2 standard-2 registry.cloudflare.com/web:v1
  application large 374 standard-4 registry.cloudflare.com/large:v1
  api POST /applications '{"name": "reports", "scheduling_policy": "default", "instances": 0, "max_instances": 1, "jobs": true,
    "configuration": {"image": "registry.cloudflare.com/reports:v1", "instance_type": "lite"}}' >/dev/null
  api POST "/applications/$(app_id reports)/jobs" '{"entrypoint": ["/bin/sh", "-c"], "command": ["sleep", "86400"], "timeout": 5}' >/dev/null
  advance 120
  api POST "/applications/$(app_id web)/rollouts" '{"description": "v2", "strategy": "rolling", "kind": "full_manual",
    "steps": [{"step_size": {"percentage": 50}, "description": "half"}, {"step_size": {"percentage": 100}, "description": "all"}],
    "target_configuration": {"image": "registry.cloudflare.com/web:v2"}}' >"$T/rollout"
  api POST "/applications/$(app_id web)/rollouts/$(jq -r .id "$T/rollout")" '{"action": "next"}' >/dev/null
  advance 30
}

# line PATH : of what wants attention, in the table.
line() { grep -E "^[-0-9: Z]+[0-9]+[smhd] +$1: " "$T/overview"; }
reason() { jq -r --arg path "$1" '.attention[] | select(.path == $path) | .reason' "$T/overview.json"; }
width() { python3 -c 'import sys; print(max(len(l) for l in open(sys.argv[1], encoding="utf-8").read().split("\n")))' "$1"; }

@test "a failing image, a half-done rollout, a job out of time, a limit reached: each is a line with its reason and since when" {
  start_emulator
  bad_account
  mount_cfcfs -o cache_ttl=60,status_ttl=60
  clear_requests
  cat "$MNT/$OVERVIEW" >"$T/overview"
  (($(requests .method | wc -l) <= 8)) || fail "$(requests '[.method, .path]')"
  assert_writes 0
  clear_requests
  cat "$MNT/$OVERVIEW.json" >"$T/overview.json"
  cat "$MNT/$OVERVIEW" >"$T/overview"
  cat "$MNT/$OVERVIEW" >"$T/again"
  assert_calls 0 '*' '*'
  cat "$T/overview"
  assert_equal "$(reason applications/broken)" 'ImagePullError: The image could not be pulled: it does not exist (2 instances)'
  line applications/broken | grep -q 'ImagePullError: The image could not be pulled: it does '
  assert_match "$(reason applications/web)" '^rollout to version 2: progressing, step 1 of 2 \(50 %\), [0-2] of 2 instances$'
  line applications/web | grep -q 'rollout to version 2: progressing, step 1 of 2 (50 %), . of 2'
  assert_equal "$(jq -r '.attention[] | select(.path | startswith("applications/reports/jobs/")) | .reason' "$T/overview.json")" \
    'the job ran out of its time of 5 s'
  line 'applications/reports/jobs/[0-9a-f…-]+' | grep -q 'the job ran out of its time'
  assert_equal "$(reason account/usage.json)" 'limit reached: 1500 of 1500 vCPU are in use'
  line account/usage.json | grep -q 'limit reached: 1500 of 1500 vCPU are in use'
  # Since when: of all of them, and in the past.
  jq -e '.attention | length >= 4 and all(.since | test("^2[0-9]{3}-.*Z$"))' "$T/overview.json"
  jq -e --arg since "$(app broken | jq -r '.health.errors[0].event.time')" \
    '.attention[] | select(.path == "applications/broken") | .since == $since' "$T/overview.json"
  # The same facts, and the columns.
  assert_equal "$(grep -cE '^[0-9-]+ [0-9:]+Z +[0-9]+[smhd] ' "$T/overview")" "$(jq '.attention | length' "$T/overview.json")"
  grep -Eq '^web +2 +2 active, 2 healthy +.* rollout to 2, 1/2, 50 %$' "$T/overview"
  grep -Eq '^broken +1 +2 failed ' "$T/overview"
  grep -Eq '^usage  .* vCPU 1500/1500 100%, memory ' "$T/overview"
  (($(width "$T/overview") <= 100)) || fail "$(width "$T/overview") columns"
}

@test "a deployment that failed says why" {
  start_emulator
  api POST /deployments/v2 '{"image": "registry.cloudflare.com/bad-image:v2", "location": "lhr01", "instance_type": "lite",
    "labels": [{"name": "cfcfs.name", "value": "probe"}]}' >/dev/null
  api POST /deployments/v2 '{"image": "registry.cloudflare.com/good:v2", "location": "lhr01", "instance_type": "lite"}' >/dev/null
  advance 60
  mount_cfcfs
  cat "$MNT/$OVERVIEW" >"$T/overview"
  cat "$MNT/$OVERVIEW.json" >"$T/overview.json"
  assert_equal "$(reason deployments/probe)" 'ImagePullError: The image could not be pulled: it does not exist'
  line deployments/probe | grep -q 'ImagePullError: The image could not be pulled: it does '
  jq -e '.deployments == {failed: 1, running: 1} and .attention[0].location == "lhr01"' "$T/overview.json"
  grep -q '^deployments  .*1 failed' "$T/overview"
}

@test "200 applications, and 50 of jobs and rollouts: 8 calls at most, none within the time to live, and in turn what was left out" {
  start_emulator
  seed '{"applications": 200, "deployments_per_application": 2, "deployments": 50}'
  local n id
  for n in 1 2 3 4 5 6 7; do
    api POST /applications "{\"name\": \"batch-$n\", \"scheduling_policy\": \"default\", \"instances\": 0, \"max_instances\": 1,
      \"jobs\": true, \"configuration\": {\"image\": \"registry.cloudflare.com/b:v1\", \"instance_type\": \"lite\"}}" >/dev/null
    id=$(app_id "batch-$n")
    api POST "/applications/$id/jobs" '{"entrypoint": ["/bin/x"], "command": []}' >/dev/null
  done
  mount_cfcfs -o cache_ttl=60,status_ttl=60
  clear_requests
  cat "$MNT/$OVERVIEW" >"$T/overview"
  (($(requests .method | wc -l) <= 8)) || fail "$(requests '[.method, .path]')"
  assert_equal "$(grep -c '^app-' "$T/overview")" 200
  (($(width "$T/overview") <= 100)) || fail "$(width "$T/overview") columns"
  # What one look had no calls for, the next ones have.
  umount_cfcfs
  mount_cfcfs -o cache_ttl=0.5
  all_jobs() { [ "$(jq '[.applications[] | select(.jobs)] | length' "$MNT/$OVERVIEW.json")" = 7 ]; }
  wait_until 30 "the jobs of all applications" all_jobs
}

@test "open files keep what they were opened on; no calls at all while the API is away, and it says so" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=0.2,timeout=3,connect_timeout=1,retries=0
  exec {fd}<"$MNT/$OVERVIEW"
  head -c 10 <&"$fd" >"$T/overview"
  application later 1 lite registry.cloudflare.com/later:v1
  refresh
  cat "$MNT/$OVERVIEW" >"$T/after"
  cat <&"$fd" >>"$T/overview"
  exec {fd}<&-
  grep -q '^later ' "$T/after"
  run ! grep -q '^later ' "$T/overview"
  grep -q '^usage ' "$T/overview"
  stop_emulator
  says_old() { grep -Eq '^(old|not known) .*applications' "$MNT/$OVERVIEW"; }
  wait_until 30 "the overview to say that the API is away" says_old
  grep -q '^thumbnails ' "$MNT/$OVERVIEW"
  jq -e '.stale.applications' "$MNT/$OVERVIEW.json"
}

@test "what the service does not offer, and what a token may not, is said" {
  start_emulator --seed sample --surface official
  mount_cfcfs
  cat "$MNT/$OVERVIEW" >"$T/overview"
  grep -q '^web ' "$T/overview"
  grep -Eq '^not known    deployments: .*does not offer listDeploymentsV2' "$T/overview"
  (($(width "$T/overview") <= 100))
  jq -e '.unknown | map(.what) == ["deployments"]' "$MNT/$OVERVIEW.json"
}

@test "a write that failed is there, control characters are not" {
  start
  api POST /applications "$(jq -nc '{name: "a\u001b[2Jb", scheduling_policy: "default", instances: 1, max_instances: 1,
    configuration: {image: "registry.cloudflare.com/app:v1"}}')" >/dev/null || skip "the API takes no such name"
  refresh
  run bash -c "echo '{\"instances\": \"many\"}' >'$APPS/x.json'"
  cat "$MNT/$OVERVIEW" >"$T/overview"
  run ! grep -q $'\e' "$T/overview"
  grep -q '^a?\[2Jb ' "$T/overview"
  grep -Eq '^this mount .* 1 failed$' "$T/overview"
  tail -n 1 "$T/overview" | grep -Eq '^[0-9-]+ [0-9:]+Z .* /applications/x.json: '
  jq -e '.mount.failures[0].path == "/applications/x.json"' "$MNT/$OVERVIEW.json"
}

@test "what is staged is counted" {
  start -o stage
  grep -Eq '^this mount .* 0 staged \(.cfcfs/plan\)$' "$MNT/$OVERVIEW"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  grep -Eq '^this mount .* 0 failed, 1 staged \(.cfcfs/plan\)$' "$MNT/$OVERVIEW"
  jq -e '.mount.staged == 1' "$MNT/$OVERVIEW.json"
}

@test "a rollout that this mount has just begun is under way, though the list is from before it" {
  start_emulator --profile live
  mount_cfcfs -o cache_ttl=60,status_ttl=60
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  advance 60
  refresh
  cat "$MNT/$OVERVIEW" >/dev/null
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  cat "$MNT/$OVERVIEW.json" >"$T/overview.json"
  assert_match "$(reason applications/web)" '^rollout to version 2: progressing, step 1 of 2 '
  grep -Eq '^web +1 .* rollout to 2, 1/2, ' "$MNT/$OVERVIEW"
  # Another one takes its place.
  sed -i 's/app:v2/app:v3/' "$APPS/web.json"
  assert_equal "$(jq -r '.applications[0].rollout.id' "$MNT/$OVERVIEW.json")" \
    "$(getfattr -n user.cfcfs.pending --only-values "$APPS/web.json")"
  # Taken back, there is none.
  for rollout in "$APPS"/web/rollouts/*/status.json; do
    [ "$(jq -r .status "$rollout")" = replaced ] || echo revert >"${rollout%status.json}action"
  done
  jq -e '.applications[0].rollout == null and .attention == []' "$MNT/$OVERVIEW.json"
}

@test "what is old says why: a refused token is no API that is away" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=0.2,status_ttl=0.2
  cat "$MNT/$OVERVIEW" >/dev/null
  fault '{"path": "*", "status": 401, "body": {"success": false, "errors": [{"code": 10000, "message": "Authentication error"}],
    "messages": [], "result": null}}'
  # shellcheck disable=SC2016
  says_refused() { jq -e '[.stale[] | test("^the credentials were refused: .*: this is what it said last$")] == [true, true, true]' \
    "$MNT/$OVERVIEW.json"; }
  wait_until 30 "the overview to say that the token is refused" says_refused
  grep -q '^old          applications: the credentials were refused' "$MNT/$OVERVIEW"
  grep -q '^old          account/usage.json: the credentials were refused' "$MNT/$OVERVIEW"
}
