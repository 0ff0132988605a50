#!/usr/bin/env bats
# What the service says: status, events that grow, placements, instances; and that none of it can be removed.
load lib

DEPLOYMENT='{
  "image": "registry.cloudflare.com/app:v1",
  "location": "sfo06",
  "instance_type": "lite"
}'

# deployment NAME : made through the mount.
deployment() { printf '%s\n' "$DEPLOYMENT" >"$MNT/deployments/$1.json"; }
longer_than() { [ "$(stat -c %s "$1")" -gt "$(stat -c %s "$2")" ]; }
lines() { wc -l <"$1"; }

@test "events.jsonl grows while the clock advances, and what was there stays" {
  start -o status_ttl=0.2
  deployment db
  local events=$MNT/deployments/db/events.jsonl
  advance 2
  past_ttl cat "$events"
  cat "$events" >"$T/before"
  advance 60
  wait_until 10 "more events" eval '(($(lines '"$events"') > $(lines "$T/before")))'
  cat "$events" >"$T/after"
  head -c "$(stat -c %s "$T/before")" "$T/after" | cmp - "$T/before"
  jq -se 'length >= 4 and all(type == "object")' "$T/after"
  jq -r .name "$T/after" | grep -qx ContainerStarted
  # Oldest first.
  jq -se '[.[].time] | . == sort' "$T/after"
  assert_equal "$(stat -c %s "$events")" "$(stat -c %s "$T/after")"
}

@test "tail -f shows the new lines" {
  start -o status_ttl=0.2
  deployment db
  local events=$MNT/deployments/db/events.jsonl
  advance 2
  wait_until 30 "the first event" grep -q . "$events"
  cat "$events" >"$T/before"
  tail -n +1 -s 0.2 -f "$events" >"$T/tail" 3>&- &
  local tail=$!
  record_pid "$T/pids" "$tail"
  wait_until 30 "tail to show what is there" grep -q . "$T/tail"
  advance 5
  wait_until 30 "tail to show what is new" longer_than "$T/tail" "$T/before"
  advance 60
  wait_until 15 "tail to show the last event" grep -q ContainerStarted "$T/tail"
  kill "$tail"
  wait "$tail" || true
  assert_equal "$(tr -cd '\0' <"$T/tail" | wc -c)" 0 "NULs in what tail showed"
  cat "$events" >"$T/after"
  head -c "$(stat -c %s "$T/tail")" "$T/after" | cmp - "$T/tail"
  jq -se 'length >= 4' "$T/tail"
}

@test "placements and their events" {
  start -o status_ttl=0.2
  deployment db
  advance 60
  local at=$MNT/deployments/db id
  ASKS='/deployments*' past_ttl cat "$at/status.json"
  id=$(jq -r '.current_placement.id' "$at/status.json")
  assert_exists "$at/placements/$id.json"
  jq -e --arg id "$id" '.id == $id and .status.health == "running"' "$at/placements/$id.json"
  jq -se 'length >= 4' "$at/placements/$id/events.jsonl"
  assert_equal "$(cat "$at/action" | tr ' ' '\n' | sort | tr '\n' ' ')" 'recreate replace '
}

@test "status.json of an application shows its health as it changes" {
  start -o status_ttl=0.2
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  jq -e '.health.instances | type == "object" and has("healthy")' "$APPS/web/status.json"
  advance 120
  wait_until 10 "health" jq -e '.health.instances.healthy == 2' "$APPS/web/status.json"
  assert_equal "$(stat -c %a "$APPS/web/status.json")" 444
  ls "$APPS/web" >"$T/ls"
  grep -qx instances "$T/ls" && grep -qx rollouts "$T/ls" && grep -qx versions.json "$T/ls"
  jq -e . "$APPS/web/versions.json"
  local file n=0
  for file in "$APPS/web/deployments"/*.json "$APPS/web/instances"/*.json; do
    [ -e "$file" ] || continue
    jq -e 'type == "object" and length > 2' "$file"
    n=$((n + 1))
  done
  ((n >= 2))
}

@test "deleting and writing what is read-only is EPERM or EACCES, root too" {
  start -o status_ttl=0.2
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  deployment db
  advance 60
  ASKS='/deployments*' past_ttl cat "$MNT/deployments/db/status.json"
  ASKS='/applications*' past_ttl cat "$APPS/web/status.json"
  clear_requests
  local file n=0
  for file in "$APPS/web/status.json" "$APPS/web/versions.json" "$MNT/deployments/db/status.json" \
    "$MNT/deployments/db/events.jsonl" "$MNT/deployments/db/action" "$MNT/deployments/db/placements"/*.json \
    "$MNT/deployments/db/placements"/*/events.jsonl "$APPS/web/deployments"/*.json "$APPS/web/instances"/*.json \
    "$MNT/account/limits.json" "$MNT/account/locations.json" "$MNT/account/usage.json" "$MNT/account/defaults.json"; do
    [ -e "$file" ] || continue
    assert_sys EPERM unlink "$file"
    assert_fails rm -f "$file"
    n=$((n + 1))
  done
  ((n >= 10))
  assert_sys EPERM rmdir "$APPS/web"
  for file in "$APPS/web/status.json" "$MNT/deployments/db/events.jsonl" "$MNT/account/limits.json"; do
    assert_equal "$(stat -c %a "$file")" 444
    assert_sys EACCES write "$file" "$T/web.json"
    assert_sys EPERM rename "$file" "$APPS/x.json"
  done
  # Whatever of it was tried last, what would delete it is said.
  local said=' comes from the platform and cannot be removed by itself: it goes with applications/web.json$'
  assert_sys EPERM unlink "$APPS/web/status.json"
  assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r .message)" "^status.json$said"
  assert_fails rmdir "$APPS/web"
  assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r .message)" "^web$said"
  # One line for each directory, and not for each file in it.
  n=$(wc -l <"$MNT/.cfcfs/errors.jsonl")
  assert_fails rm -rf "$APPS/web"
  assert_equal "$(tail -n "+$((n + 1))" "$MNT/.cfcfs/errors.jsonl" | jq -r '.path | sub("/[^/]*$"; "")' | sort | uniq -d)" ''
  assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r .message)" "$said"
  assert_fails rm -f "$MNT/account/limits.json"
  assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r .message)" '^limits.json comes from the platform and cannot be removed$'
  assert_writes 0
  assert_exists "$APPS/web/status.json"
}

@test "an action is done by writing its word" {
  start -o status_ttl=0.2
  deployment db
  advance 60
  local at=$MNT/deployments/db id
  ASKS='/deployments*' past_ttl cat "$at/status.json"
  id=$(jq -r .id "$at/status.json")
  assert_fails bash -c 'echo frobnicate >"$1"' - "$at/action"
  echo recreate >"$at/action"
  assert_calls 1 POST "/deployments/$id/recreate"
  wait_until 5 "another id" eval '[ "$(jq -r .id "'"$at"'/status.json")" != "'"$id"'" ]'
}
