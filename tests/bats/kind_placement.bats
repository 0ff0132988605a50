#!/usr/bin/env bats
# Placements: one life of one container each. Read-only, with events of their own.
load lib
load kinds

@test "placement: shown whole, its events apart, in both sorts of deployments" {
  start_quick
  write "$MNT/deployments/probe.json" '{"image": "probe:v1", "location": "lhr01", "instance_type": "lite"}'
  web_json "$T/web.json" '.instances = 1'
  cp "$T/web.json" "$APPS/web.json"
  advance 10
  ASKS='/deployments*' past_ttl cat "$MNT/deployments/probe/status.json" "$MNT/deployments/probe"/placements/*.json
  ASKS='/deployments*' past_ttl cat "$APPS/web/deployments"/*/status.json "$APPS/web/deployments"/*/placements/*.json
  local dir file kind=placement
  for dir in "$MNT/deployments/probe" "$APPS/web/deployments"/*/; do
    file=$(ls "$dir"/placements/*.json)
    assert_read_only "$file" "${file%.json}/events.jsonl"
    assert_xattrs "$file" "$kind" id created_at
    jq -e --arg id "$(basename "$file" .json)" --arg of "$(jq -r .id "$dir/status.json")" '.id == $id and .deployment_id == $of
      and .status.health == "running" and .deployment_version == 1 and (has("events") | not)' "$file"
    assert_equal "$(jq -r .name "${file%.json}/events.jsonl" | tail -n 1)" ContainerStarted
    cmp "${file%.json}/events.jsonl" "$dir/events.jsonl"
    assert_equal "$(ls "${file%.json}")" events.jsonl
    kind='application placement'
  done
  assert_sys EPERM create "$MNT/deployments/probe/placements/mine.json"
}

@test "placement: a change of the deployment makes a new one, and the old one stays listed" {
  start_quick
  write "$MNT/deployments/probe.json" '{"image": "probe:v1", "location": "lhr01", "instance_type": "lite"}'
  advance 10
  sed -i 's/probe:v1/probe:v2/' "$MNT/deployments/probe.json"
  advance 10
  wait_until 30 "the new one to run" new_one_runs
  assert_equal "$(jq -r .status.health "$MNT/deployments/probe/placements"/*.json | sort | xargs)" 'running stopped'
  assert_equal "$(jq -r .deployment_version "$MNT/deployments/probe/placements"/*.json | sort | xargs)" '1 2'
  jq -es '[.[].time] | . == sort and length == 12' "$MNT/deployments/probe/events.jsonl" ||
    fail "events: $(jq -c '[.time, .name]' "$MNT/deployments/probe/events.jsonl")"
}
new_one_runs() {
  [ "$(jq -r .status.health "$MNT/deployments/probe/placements"/*.json | sort | xargs)" = 'running stopped' ] &&
    [ "$(wc -l <"$MNT/deployments/probe/events.jsonl")" = 12 ]
}
