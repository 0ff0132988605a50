#!/usr/bin/env bats
# What was accepted and is not shown yet: the service answers the old configuration until a rollout completes, and its lists
# lag behind even that. The file says what is meant; status.json says what runs.
# deadline: 1000 s
load lib

QUICK=cache_ttl=0.3,status_ttl=0.2,delete_grace=0
OLD=registry.cloudflare.com/app:v1
NEW=registry.cloudflare.com/app:v2
THEIRS=registry.cloudflare.com/app:v3

# start_live [OPTIONS] : the application web with app:v1, as the service has it. Time there passes by advance alone.
start_live() {
  start_emulator --profile live --time-scale 0.001
  mount_with_clock -o "$QUICK${1:+,$1}"
  web_json "$T/web.json" 'del(.instances)'
  ID=$(api POST /applications "$(jq '.name = "web" | .instances = 0' "$T/web.json")" | jq -r .id)
  WEB=$APPS/web.json
  wait_until 5 "web to be listed" test -e "$WEB"
  clear_requests
}

image() { jq -r .configuration.image "${1:-$WEB}"; }
running() { jq -r '.running // empty | .configuration.image' "${1:-$APPS/web}/status.json"; }
pending() { xattr "${1:-$WEB}" pending || true; }
# What the account answers by itself, and in its list.
answered() { api GET "/applications/$ID" | jq -r .configuration.image; }
listed() { api GET /applications | jq -r --arg id "$ID" '.[] | select(.id == $id) | .configuration.image'; }
rollout() { api GET "/applications/$ID/rollouts" | jq -r '[.[] | select(.status == "pending" or .status == "progressing")][0].id // empty'; }
# A rollout by somebody else; its id.
their_rollout() {
  api POST "/applications/$ID/rollouts" "$(jq -n --arg image "$1" '{description: "theirs", strategy: "rolling",
    kind: "full_auto", step_percentage: 100, target_configuration: {image: $image}}')" | jq -r .id
}
act() { api POST "/applications/$ID/rollouts/$1" "{\"action\":\"$2\"}" >/dev/null; }
# past_ttl : what was asked before may be asked again.
past_ttl() { pass 1; }
shows() { [ "$(image)" = "$1" ]; }
no_failure() { assert_equal "$(cat "$MNT/.cfcfs/errors.jsonl")" ''; }
failures() { jq -r 'select(.operation == "rollout") | .message' "$MNT/.cfcfs/errors.jsonl"; }

# update : the application goes from v1 to v2 through the mount.
update() { sed -i s/:v1/:v2/ "$WEB"; }

@test "pending: the file says at once what was accepted, and from then on" {
  start_live
  assert_equal "$(image)" "$OLD"
  local before size
  before=$(stat -c %Y "$WEB")
  update
  assert_equal "$(image)" "$NEW"
  size=$(stat -c %s "$WEB")
  assert_equal "$(wc -c <"$WEB")" "$size"
  assert_match "$(answered)" ':v1$'
  past_ttl
  assert_equal "$(image)" "$NEW"
  grep -q ':v2"' "$WEB"
  [ "$(stat -c %Y "$WEB")" -ge "$before" ]
  assert_match "$(running)" ':v1$'
  jq -e '.running.version == 1 and .version == 1' "$APPS/web/status.json"
  assert_equal "$(pending)" "$(rollout)"
  # It answers when asked, and is not listed: copies with xattrs settle.
  getfattr -d -m - "$WEB" >"$T/xattrs"
  assert_equal "$(grep -cE '^user.cfcfs.(pending|age|stale|error)' "$T/xattrs" || true)" 0
  no_failure
}

@test "pending: through old lists and old answers until everything shows it" {
  start_live
  update
  advance 10
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_match "$(answered)" ':v1$'
  # The rollout is completed: a GET shows it, the list does not yet.
  advance 25
  assert_match "$(answered)" ':v2$'
  assert_match "$(listed)" ':v1$'
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(running)" ''
  assert_equal "$(pending)" ''
  assert_equal "$(jq .version "$APPS/web/status.json")" 2
  advance 60
  assert_match "$(listed)" ':v2$'
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(jq .version "$APPS/web/status.json")" 2
  no_failure
}

@test "pending: after a remount, in the middle and while the lists lag" {
  start_live
  update
  umount_cfcfs
  mount_with_clock -o "$QUICK"
  assert_equal "$(image)" "$NEW"
  assert_match "$(running)" ':v1$'
  advance 35
  past_ttl
  assert_equal "$(image)" "$NEW"
  umount_cfcfs
  mount_with_clock -o "$QUICK"
  assert_match "$(listed)" ':v1$'
  assert_equal "$(image)" "$NEW"
  assert_equal "$(running)" ''
  no_failure
}

@test "pending: a mount that dies, and another one of the same state" {
  start_live
  update
  # What is set reaches the file within milliseconds.
  wait_until 5 "the state" eval 'strings -a "$T"/state/* | grep -q intents'
  MOUNT_AT=$T/other mount_with_clock -o "$QUICK"
  assert_equal "$(image "$T/other/applications/web.json")" "$NEW"
  assert_equal "$(pending "$T/other/applications/web.json")" "$(rollout)"
  kill -9 "${MOUNT_PIDS[0]}"
  wait_until 10 "the first mount to die" gone "${MOUNT_PIDS[0]}"
  ! is_mounted "$MNT" || fusermount3 -uz "$MNT"
  mount_with_clock -o "$QUICK"
  assert_equal "$(image)" "$NEW"
  assert_equal "$(count_calls POST '*/rollouts')" 1
}

@test "pending: a second machine without a state syncs the same repository without a write" {
  start_live
  update
  mkdir "$T/repo"
  cp "$WEB" "$T/repo/web.json"
  touch -d '2026-01-01 12:00' "$T/repo/web.json"
  MOUNT_AT=$T/other mount_with_clock -o "$QUICK,state_dir=$T/state2"
  clear_requests
  assert_equal "$(image "$T/other/applications/web.json")" "$NEW"
  assert_match "$(running "$T/other/applications/web")" ':v1$'
  assert_equal "$(pending "$T/other/applications/web.json")" "$(rollout)"
  rsync -a "$T/repo/" "$T/other/applications/"
  assert_writes 0
  # Afterwards too, while the lists lag, and without them.
  advance 35
  assert_match "$(listed)" ':v1$'
  past_ttl
  rsync -a --checksum "$T/repo/" "$T/other/applications/"
  assert_equal "$(image "$T/other/applications/web.json")" "$NEW"
  assert_writes 0
  advance 60
  past_ttl
  assert_equal "$(image "$T/other/applications/web.json")" "$NEW"
  assert_writes 0
}

@test "pending: somebody else's rollout shows within the time to live, and is not overwritten" {
  start_live
  update
  local theirs
  theirs=$(their_rollout "$THEIRS")
  wait_until 5 "their image" shows "$THEIRS"
  assert_equal "$(pending)" "$theirs"
  assert_match "$(running)" ':v1$'
  assert_match "$(failures)" 'replaced by another'
  assert_match "$(xattr "$WEB" error)" 'replaced by another'
  clear_requests
  mkdir "$T/repo"
  rsync -a "$APPS/web.json" "$T/repo/"
  touch "$T/repo/web.json"
  rsync -a "$T/repo/" "$APPS/"
  assert_writes 0
  advance 35
  past_ttl
  assert_equal "$(image)" "$THEIRS"
  advance 60
  past_ttl
  assert_equal "$(image)" "$THEIRS"
  assert_equal "$(failures | wc -l)" 1
}

@test "pending: somebody else's rollout is seen by a mount that wrote nothing" {
  start_live
  assert_equal "$(image)" "$OLD"
  their_rollout "$THEIRS" >/dev/null
  wait_until 5 "their image" shows "$THEIRS"
  assert_match "$(running)" ':v1$'
  advance 35
  past_ttl
  assert_equal "$(image)" "$THEIRS"
  assert_equal "$(running)" ''
  no_failure
}

@test "pending: a rollout that somebody reverts ends it at once, and a failure names it" {
  start_live
  update
  act "$(rollout)" revert
  wait_until 5 "the old image" shows "$OLD"
  assert_match "$(failures)" '^configuration\.image: .*reverted'
  assert_match "$(xattr "$WEB" error)" 'reverted'
  assert_equal "$(running)" ''
  assert_equal "$(pending)" ''
  past_ttl
  assert_equal "$(image)" "$OLD"
  assert_equal "$(failures | wc -l)" 1
  # The same written again is a change, and sent.
  clear_requests
  update
  assert_equal "$(count_calls POST '*/rollouts')" 1
  assert_equal "$(image)" "$NEW"
}

@test "pending: a rollout that we revert is no failure" {
  start_live
  update
  wait_until 5 "the rollout" test -e "$APPS/web/rollouts/$(rollout)/action"
  echo revert >"$APPS/web/rollouts/$(rollout)/action"
  assert_equal "$(image)" "$OLD"
  past_ttl
  assert_equal "$(image)" "$OLD"
  no_failure
}

@test "pending: a rollout that fails ends it at once, and a failure names it" {
  start_live
  update
  local id answer
  id=$(rollout)
  answer=$(curl -sS -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/applications/$ID/rollouts/$id" |
    jq -c '.result.status = "failed"')
  fault "$(jq -nc --arg path "/applications/$ID/rollouts/$id" --arg body "$answer" '{method: "GET", $path, times: 1000, status: 200, $body}')"
  wait_until 30 "the old image" shows "$OLD"
  assert_match "$(failures)" '^configuration\.image: .*its rollout failed'
  assert_match "$(xattr "$WEB" error)" 'failed'
  assert_equal "$(running)" ''
  assert_equal "$(pending)" ''
  past_ttl
  assert_equal "$(image)" "$OLD"
  assert_equal "$(failures | wc -l)" 1
  umount_cfcfs
  mount_cfcfs -o "$QUICK"
  assert_equal "$(image)" "$OLD"
  # The same written again is a change, and sent.
  clear_requests
  update
  assert_equal "$(count_calls POST '*/rollouts')" 1
}

@test "pending: our rollout goes on though the account has another version: its target stands above that" {
  start_live
  local id answer
  answer=$(curl -sS -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/applications/$ID" | jq -c .)
  update
  id=$(rollout)
  answer=$(jq -c --arg id "$id" '.result.version = 9 | .result.active_rollout_id = $id
    | .result.configuration.image |= sub(":v1"; ":v8")' <<<"$answer")
  fault "$(jq -nc --arg path "/applications/$ID" --arg body "$answer" '{method: "GET", $path, times: 1000, status: 200, $body}')"
  fault "$(jq -c '{method: "GET", path: "/applications", times: 1000, status: 200,
    body: (. + {result: [.result], result_info: {}} | tojson)}' <<<"$answer")"
  refresh
  assert_equal "$(image)" "$NEW"
  assert_match "$(running)" ':v8$'
  assert_equal "$(pending)" "$id"
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(pending)" "$id"
}

@test "pending: who reads one after the other waits for no rollout after the other" {
  start_emulator --profile live --time-scale 0.001
  local n id
  web_json "$T/web.json" 'del(.instances)'
  for n in 1 2 3 4 5 6; do
    ID=$(api POST /applications "$(jq --arg name "app$n" '.name = $name | .instances = 0' "$T/web.json")" | jq -r .id)
    their_rollout "$NEW" >/dev/null
  done
  advance 60
  for id in $(api GET /applications | jq -r '.[].id'); do
    ID=$id
    their_rollout "$THEIRS" >/dev/null
  done
  # Until every list names the rollout that is active.
  advance 20
  mount_cfcfs -o cache_ttl=60,status_ttl=60
  clear_requests
  assert_equal "$(image "$APPS/app1.json")" "$THEIRS"
  assert_equal "$(count_calls GET '/applications/*/rollouts/*')" 1
  assert_equal "$(image "$APPS/app2.json")" "$THEIRS"
  wait_until 30 "the others" eval '[ "$(count_calls GET "/applications/*/rollouts/*")" = 6 ]'
  for n in 3 4 5 6; do assert_equal "$(image "$APPS/app$n.json")" "$THEIRS"; done
  assert_equal "$(count_calls GET '/applications/*/rollouts/*')" 6
}

@test "pending: a service that does not answer for a rollout, or for the application, holds no reader up for long" {
  start_live timeout=600
  update
  fault '{"method":"GET","path":"/applications/*","times":1000,"stall":true}'
  umount_cfcfs
  mount_cfcfs -o "$QUICK,timeout=600"
  # Without an end to the wait this test would meet its own.
  assert_equal "$(image)" "$NEW"
  past_ttl
  assert_equal "$(image)" "$NEW"
  clear_faults
}

@test "pending: a rollout that cannot be read: the application tells when it is over" {
  start_live
  fault '{"method":"GET","path":"/applications/*/rollouts/*","times":1000,"status":404}'
  update
  past_ttl
  assert_equal "$(image)" "$NEW"
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_match "$(running)" ':v1$'
  advance 35
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(running)" ''
  assert_equal "$(jq .version "$APPS/web/status.json")" 2
  no_failure
}

@test "pending: where no rollout can be read at all, one call is made to know it" {
  start_emulator --surface official --profile live --time-scale 0.001
  mount_with_clock -o "$QUICK"
  web_json "$T/web.json" 'del(.instances)'
  ID=$(api POST /applications "$(jq '.name = "web" | .instances = 0' "$T/web.json")" | jq -r .id)
  WEB=$APPS/web.json
  wait_until 5 "web to be listed" test -e "$WEB"
  update
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_match "$(running)" ':v1$'
  [ -n "$(pending)" ]
  past_ttl
  assert_equal "$(image)" "$NEW"
  umount_cfcfs
  mount_with_clock -o "$QUICK"
  clear_requests
  assert_equal "$(image)" "$NEW"
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_calls 1 GET "/applications/$ID/rollouts/*"
  advance 35
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(running)" ''
  past_ttl
  assert_equal "$(image)" "$NEW"
  no_failure
}

@test "pending: answers that fail for a moment change nothing" {
  start_live retries=0
  update
  fault '{"method":"GET","path":"/applications/*","times":1000,"status":500}'
  past_ttl
  assert_equal "$(image)" "$NEW"
  past_ttl
  assert_equal "$(image)" "$NEW"
  clear_faults
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(failures)" ''
}

@test "pending: without a rollout it holds, and is called none" {
  start_live rollout=none
  update
  assert_equal "$(count_calls POST '*')" 0
  assert_equal "$(count_calls PATCH '*')" 1
  past_ttl
  assert_equal "$(image)" "$NEW"
  assert_equal "$(pending)" none
  assert_match "$(running)" ':v1$'
  umount_cfcfs
  mount_with_clock -o "$QUICK,rollout=none"
  assert_equal "$(image)" "$NEW"
  # Somebody's rollout stands above it.
  their_rollout "$THEIRS" >/dev/null
  past_ttl
  wait_until 5 "their image" shows "$THEIRS"
}

@test "pending: other members show at once, and somebody else's change to them does" {
  start_live
  sed -i 's/"max_instances": 5/"max_instances": 3/' "$WEB"
  assert_equal "$(jq .max_instances "$WEB")" 3
  past_ttl
  assert_equal "$(jq .max_instances "$WEB")" 3
  assert_equal "$(pending)" ''
  api PATCH "/applications/$ID" '{"max_instances":4}' >/dev/null
  past_ttl
  wait_until 5 "their number" eval '[ "$(jq .max_instances "$WEB")" = 4 ]'
  no_failure
}

@test "pending: both in one write, and a second image before the first one is there" {
  start_live
  sed -i 's/"max_instances": 5/"max_instances": 3/; s/:v1/:v2/' "$WEB"
  past_ttl
  assert_equal "$(jq -c '[.max_instances, .configuration.image]' "$WEB")" "[3,\"$NEW\"]"
  sed -i 's/:v2/:v3/' "$WEB"
  assert_equal "$(image)" "$THEIRS"
  past_ttl
  assert_equal "$(jq -c '[.max_instances, .configuration.image]' "$WEB")" "[3,\"$THEIRS\"]"
  assert_equal "$(count_calls POST '*/rollouts')" 2
  # The old image in the middle is a change too.
  sed -i 's/:v3/:v1/' "$WEB"
  assert_equal "$(count_calls POST '*/rollouts')" 3
  past_ttl
  assert_equal "$(image)" "$OLD"
  advance 60
  past_ttl
  assert_equal "$(image)" "$OLD"
  advance 60
  past_ttl
  assert_equal "$(jq -c '[.max_instances, .configuration.image]' "$WEB")" "[3,\"$OLD\"]"
  no_failure
}

@test "pending: what looking costs: one GET of the rollout within the time to live, shared" {
  start_emulator --profile live --time-scale 0.001
  mount_with_clock -o cache_ttl=30,status_ttl=30
  web_json "$T/web.json" 'del(.instances)'
  ID=$(api POST /applications "$(jq '.name = "web" | .instances = 0' "$T/web.json")" | jq -r .id)
  WEB=$APPS/web.json
  refresh
  update
  refresh
  clear_requests
  local n pids=()
  for n in 1 2 3 4 5 6; do
    cat "$WEB" >/dev/null &
    pids+=($!)
  done
  wait "${pids[@]}"
  for n in 1 2 3 4 5 6; do
    cat "$WEB" "$APPS/web/status.json" >/dev/null
    stat "$WEB" >/dev/null
    xattr "$WEB" pending >/dev/null
  done
  assert_calls 1 GET "/applications/$ID/rollouts/*"
  assert_calls 1 GET /applications
  assert_calls 0 GET "/applications/$ID"
  # One that is over is asked about once.
  advance 35
  refresh
  cat "$WEB" >/dev/null
  clear_requests
  for n in 1 2 3; do
    refresh
    cat "$WEB" >/dev/null
  done
  [ "$(count_calls GET "/applications/$ID/rollouts/*")" -le 3 ]
  [ "$(count_calls GET "/applications/$ID")" -le 3 ]
  assert_equal "$(image)" "$NEW"
}

@test "pending: status.json hides from others what the document hides" {
  start_live file_mode=0600
  update
  past_ttl
  assert_match "$(running)" ':v1$'
  assert_equal "$(stat -c %a "$WEB")" 600
  assert_equal "$(stat -c %a "$APPS/web/status.json")" 400
}

@test "pending: what was accepted is on the disk when the write returns: kill -9 right after it" {
  start_live rollout=none
  local n
  for n in 2 3 4; do
    sed -i "s/:v[0-9]*\"/:v$n\"/" "$WEB"
    crash_mount
    mount_cfcfs -o "$QUICK,rollout=none"
    assert_equal "$(image)" "registry.cloudflare.com/app:v$n"
    assert_match "$(running)" ':v1$'
  done
  assert_equal "$(count_calls PATCH '*')" 3
}

# declared NAME : its document as view=spec shows it, on one line.
declared() { jq -cS . "$APPS/$1.json"; }

@test "what the service computes, or answers unasked, is no setting: view=spec leaves it out unless it was said" {
  start_emulator --profile live --time-scale 0.001
  mount_with_clock -o "$QUICK,view=spec"
  echo '{"max_instances":5,"configuration":{"image":"docker.io/library/redis:7"}}' >"$T/redis.json"
  web_json "$T/web.json" '.instances = 0 | .configuration.network.mode = "private" | .configuration.command = []'
  cp "$T/redis.json" "$T/web.json" "$APPS/"
  # Read back as it was written, and after a remount by what this state remembers.
  assert_same_json "$T/redis.json" "$APPS/redis.json"
  umount_cfcfs
  mount_with_clock -o "$QUICK,view=spec"
  ID=$(jq -r .id <<<"$(api GET /applications | jq '.[] | select(.name == "web")')")
  assert_equal "$(api GET "/applications/$ID" | jq .instances)" 5
  jq -e '.instances == 0 and .configuration.network.mode == "private" and .configuration.command == []
    and .configuration.instance_type == "lite" and (.configuration | has("vcpu") or has("runtime") | not)' "$APPS/web.json"
  jq -e '(has("instances") or (.configuration | has("network") or has("runtime") or has("command") or has("vcpu"))) | not' \
    "$APPS/redis.json"
  # Neither is a difference: not the repository's document, nor what the mount shows.
  declared web >"$T/shown"
  clear_requests
  cp "$T/redis.json" "$T/web.json" "$APPS/"
  cp "$T/shown" "$APPS/web.json"
  assert_writes 0
  # Another state knows nothing of what was said, and shows less.
  umount_cfcfs
  mount_with_clock -o "$QUICK,view=spec,state_dir=$T/state2"
  jq -e '(has("instances") or (.configuration | has("network") or has("command"))) | not' "$APPS/web.json"
  cp "$T/redis.json" "$APPS/"
  assert_writes 0
  # A number that was not said before is a change.
  umount_cfcfs
  mount_with_clock -o "$QUICK,view=spec"
  jq '.instances = 5' "$T/web.json" >"$T/more.json"
  cp "$T/more.json" "$APPS/web.json"
  assert_writes 1
  jq -e '.instances == 5' "$APPS/web.json"
}

@test "pending: a second change, sent as the first one's rollout completes, shows while its own goes on" {
  start_live cache_ttl=30,status_ttl=30
  update
  refresh
  cat "$WEB" >/dev/null
  advance 35
  sed -i s/:v2/:v3/ "$WEB" # on what was seen less than a second ago, before the version rose
  refresh
  assert_match "$(answered)" ':v2$'
  assert_equal "$(image)" "$THEIRS"
  assert_equal "$(pending)" "$(rollout)"
  past_ttl
  refresh
  assert_equal "$(image)" "$THEIRS"
  advance 35
  refresh
  assert_equal "$(image)" "$THEIRS"
  no_failure
}
