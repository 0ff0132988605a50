#!/usr/bin/env bats
# Deployments: those that no application owns, named by a label that their file does not show; and an application's.
load lib
load kinds

DEPS() { printf '%s' "$MNT/deployments"; }
deployment() { # FILE [FILTER]
  jq "${2:-.}" >"$1" <<'JSON'
{
  "image": "registry.cloudflare.com/probe:v1",
  "location": "lhr01",
  "labels": [{ "name": "team", "value": "net" }],
  "instance_type": "lite"
}
JSON
}
made() { api GET /deployments/v2 | jq -c '.[] | select(.app_id == null)'; }

@test "deployment: created, listed, read, its label hidden, its xattrs" {
  start_quick
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  assert_calls 1 POST /deployments/v2
  made | jq -e '[.labels[] | select(.name == "cfcfs.name")] == [{name: "cfcfs.name", value: "probe"}] and (.labels | length) == 2'
  assert_equal "$(ls "$(DEPS)")" $'probe\nprobe.json'
  assert_same_json "$T/d.json" "$(DEPS)/probe.json"
  assert_xattrs "$(DEPS)/probe.json" deployment id version created_at
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  assert_equal "$(ls "$(DEPS)")" $'probe\nprobe.json'
  ! grep -q cfcfs.name "$(DEPS)/probe.json" || fail "the file shows the label"
  jq -e '.location == "lhr01" and .labels == [{name: "team", value: "net"}] and .instance_type == "lite"' "$(DEPS)/probe.json"
  clear_requests
  cp "$T/d.json" "$(DEPS)/probe.json"
  assert_writes 0
  # A copy is a clone, under a name of its own.
  cp "$(DEPS)/probe.json" "$(DEPS)/probe-2.json"
  assert_equal "$(made | jq -r '.labels[] | select(.name == "cfcfs.name").value' | sort)" $'probe\nprobe-2'
}

@test "deployment: a change is one PATCH and keeps the label; fields set at creation cannot change" {
  start_quick
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  clear_requests
  sed -i 's/probe:v1/probe:v2/' "$(DEPS)/probe.json"
  assert_writes 1
  assert_equal "$(sent PATCH '/deployments/*/v2' | jq -c keys)" '["image"]'
  clear_requests
  jq '.labels = [{name: "team", value: "ops"}]' "$(DEPS)/probe.json" >"$T/l.json"
  cp "$T/l.json" "$(DEPS)/probe.json"
  assert_writes 1
  made | jq -e '[.labels[] | "\(.name)=\(.value)"] | sort == ["cfcfs.name=probe", "team=ops"]'
  jq 'del(.labels)' "$(DEPS)/probe.json" >"$T/l.json"
  cp "$T/l.json" "$(DEPS)/probe.json"
  made | jq -e '[.labels[] | "\(.name)=\(.value)"] == ["cfcfs.name=probe"]'
  assert_equal "$(ls "$(DEPS)")" $'probe\nprobe.json'
  jq '.wrangler_ssh = {enabled: true}' "$T/l.json" >"$T/n.json"
  bad EINVAL "$(DEPS)/probe.json" "$(cat "$T/n.json")" 'wrangler_ssh' 'creat'
  jq '.network = {mode: "private"}' "$T/l.json" >"$T/n.json"
  bad EINVAL "$(DEPS)/probe.json" "$(cat "$T/n.json")" 'network.mode' 'creat'
}

@test "deployment: without the label it shows as its id, and mv sets the label" {
  start_emulator
  deployment "$T/d.json"
  api POST /deployments/v2 "$(cat "$T/d.json")" >/dev/null
  mount_cfcfs -o cache_ttl=0.3,status_ttl=0.2
  local id
  id=$(made | jq -r .id)
  assert_equal "$(ls "$(DEPS)")" "$id"$'\n'"$id.json"
  clear_requests
  mv "$(DEPS)/$id.json" "$(DEPS)/named.json"
  assert_writes 1
  sent PATCH '/deployments/*' | jq -e 'keys == ["labels"]'
  made | jq -e --arg id "$id" '.id == $id and ([.labels[] | "\(.name)=\(.value)"] | sort == ["cfcfs.name=named", "team=net"])'
  assert_equal "$(ls "$(DEPS)")" $'named\nnamed.json'
  assert_equal "$(jq -r .id "$(DEPS)/named/status.json")" "$id"
  mv "$(DEPS)/named.json" "$(DEPS)/other.json"
  made | jq -e '[.labels[] | select(.name == "cfcfs.name").value] == ["other"]'
  cp "$T/d.json" "$(DEPS)/third.json"
  assert_sys EEXIST rename "$(DEPS)/third.json" "$(DEPS)/other.json"
  assert_sys EPERM rename "$(DEPS)/third.json" "$APPS/third.json"
}

@test "deployment: a label that another tool dropped is put back with the next change" {
  start_quick
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  local id
  id=$(made | jq -r .id)
  api PATCH "/deployments/$id/v2" '{"labels":[{"name":"team","value":"net"}]}' >/dev/null
  refresh
  assert_equal "$(ls "$(DEPS)")" $'probe\nprobe.json'
  sed -i 's/probe:v1/probe:v2/' "$(DEPS)/probe.json"
  made | jq -e '[.labels[] | select(.name == "cfcfs.name").value] == ["probe"]'
}

@test "deployment: of two with one label the older has the name" {
  start_emulator
  deployment "$T/d.json" '.labels = [{name: "cfcfs.name", value: "twin"}]'
  local old new
  old=$(api POST /deployments/v2 "$(cat "$T/d.json")" | jq -r .id)
  advance 1
  new=$(api POST /deployments/v2 "$(cat "$T/d.json")" | jq -r .id)
  mount_cfcfs
  assert_equal "$(jq -r .id "$(DEPS)/twin/status.json")" "$old"
  assert_equal "$(jq -r .id "$(DEPS)/twin~${new:0:8}/status.json")" "$new"
}

@test "deployment: what the platform says is read-only, and its events arrive in order" {
  start_quick
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  assert_read_only "$(DEPS)/probe/status.json" "$(DEPS)/probe/events.jsonl"
  assert_equal "$(jq -r '"\(.type) \(.location.name) \(.version)"' "$(DEPS)/probe/status.json")" "default lhr01 1"
  tail -f "$(DEPS)/probe/events.jsonl" >"$T/tail" 2>/dev/null 3>&- &
  local tail=$!
  record_pid "$T/pids" $tail
  advance 10
  wait_until 8 "five events" eval '[ "$(wc -l <"$(DEPS)/probe/events.jsonl")" = 5 ]'
  assert_equal "$(jq -r .name "$(DEPS)/probe/events.jsonl" | xargs)" \
    'SchedulerPlaced NetworkingIPAssigned ImagePulled VMStarted ContainerStarted'
  jq -es '[.[].time] | . == sort' "$(DEPS)/probe/events.jsonl"
  wait_until 8 "tail -f to have them" eval '[ "$(wc -l <"$T/tail")" = 5 ]'
  kill $tail
  assert_equal "$(ls "$(DEPS)/probe")" $'action\nevents.jsonl\nplacements\nstatus.json'
}

@test "deployment: a bad image never runs, and the events say why" {
  start_quick
  deployment "$T/d.json" '.image = "bad-image:v1"'
  cp "$T/d.json" "$(DEPS)/probe.json"
  advance 10
  wait_until 5 "the failure" eval 'grep -q ImagePullError "$(DEPS)/probe/events.jsonl"'
  assert_equal "$(jq -r .name "$(DEPS)/probe/events.jsonl" | xargs)" 'SchedulerPlaced ImagePullError'
}

@test "deployment: replace makes a new placement, recreate a new id under the same name" {
  start_quick
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  advance 10
  assert_action "$(DEPS)/probe/action" 'recreate replace'
  local id place
  id=$(made | jq -r .id)
  place=$(jq -r .current_placement.id "$(DEPS)/probe/status.json")
  clear_requests
  echo replace >"$(DEPS)/probe/action"
  assert_writes 1
  assert_calls 1 POST "/placements/$place"
  assert_equal "$(ls "$(DEPS)/probe/placements" | grep -c json)" 2
  [ "$(jq -r .current_placement.id "$(DEPS)/probe/status.json")" != "$place" ] || fail "the placement is the old one"
  # The events of both, one after the other.
  advance 10
  wait_until 5 "the events of both" eval '[ "$(grep -c SchedulerPlaced "$(DEPS)/probe/events.jsonl")" = 2 ]'
  clear_requests
  echo recreate >"$(DEPS)/probe/action"
  assert_writes 1
  assert_calls 1 POST "/deployments/$id/recreate"
  sent POST '/deployments/*/recreate' | jq -e '.location == "lhr01" and (.image | endswith("probe:v1"))
    and ([.labels[] | "\(.name)=\(.value)"] | sort == ["cfcfs.name=probe", "team=net"])'
  assert_equal "$(ls "$(DEPS)")" $'probe\nprobe.json'
  [ "$(jq -r .id "$(DEPS)/probe/status.json")" != "$id" ] || fail "the id is the old one"
  assert_equal "$(jq -cS 'del(.network)' "$(DEPS)/probe.json")" "$(jq -cS . "$T/d.json")"
  assert_equal "$(xattr "$(DEPS)/probe.json" id)" "$(made | jq -r .id)"
  sed -i 's/probe:v1/probe:v2/' "$(DEPS)/probe.json"
  made | jq -e '.image | endswith("probe:v2")'
}

@test "deployment: rm deletes it" {
  start_quick
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  clear_requests
  rm "$(DEPS)/probe.json"
  assert_calls 1 DELETE '/deployments/*/v2'
  assert_absent "$(DEPS)/probe"
  assert_equal "$(ls "$(DEPS)")" ''
  assert_equal "$(made)" ''
  cp "$T/d.json" "$(DEPS)/probe.json"
  assert_exists "$(DEPS)/probe/status.json"
}

@test "deployment: each kind of bad document is refused" {
  start_quick
  local f
  f=$(DEPS)/bad.json
  bad EINVAL "$f" '{"location": "lhr01"}' 'image' 'missing'
  bad EINVAL "$f" '{"image": "a:1"}' 'location' 'missing'
  bad EINVAL "$f" '{"image": "a:1", "location": {"name": "lhr01"}}' 'location' 'string'
  bad EINVAL "$f" '{"image": "", "location": "lhr01"}' 'image'
  bad EINVAL "$f" '{"image": "a:1", "location": "lhr01", "state": {}}' 'state' 'status.json'
  bad EINVAL "$f" '{"image": "a:1", "location": "lhr01", "app_id": "x"}' 'app_id' 'status.json'
  bad EINVAL "$f" '{"image": "a:1", "location": "lhr01", "comand": ["x"]}' 'comand' 'command'
  bad EINVAL "$f" '{"image": "a:1", "location": "lhr01", "network": {"mode": "secret"}}' 'network.mode' 'public-by-port'
  bad EINVAL "$f" '{"image": "a:1", "location": "lhr01", "checks": [{"type": "http", "port": "80", "interval": "1s", "timeout": "1s"}]}' 'checks\[0\].kind'
  bad EINVAL "$f" '{"image": "a:1", "location": "lhr01", "memory_mib": "256"}' 'memory_mib'
  refused EDQUOT "$f" '{"image": "a:1", "location": "mars01"}' 'LOCATION_NOT_ALLOWED'
  refused EDQUOT "$f" '{"image": "a:1", "location": "syd01", "instance_type": "standard-4"}' 'LOCATION_SURPASSED_BASE_LIMITS'
  refused EINVAL "$f" '{"image": "a:1", "location": "lhr01", "secrets": [{"name": "A", "type": "env", "secret": "none"}]}' 'VALIDATE_INPUT'
  assert_equal "$(ls -A "$(DEPS)")" ''
}

@test "deployment: write-only fields show as long as they are kept, and are no difference" {
  start_quick
  deployment "$T/d.json" '.network = {mode: "public", assign_ipv4: "predefined"} | .ports = [{name: "http", port: 80}]'
  cp "$T/d.json" "$(DEPS)/probe.json"
  assert_same_json "$T/d.json" "$(DEPS)/probe.json"
  jq -e '.network.ipv4 | length > 0' "$(DEPS)/probe/status.json"
  umount_cfcfs
  mount_cfcfs
  jq -e '(has("ports") or (.network | has("assign_ipv4"))) | not' "$(DEPS)/probe.json"
  clear_requests
  cp "$T/d.json" "$(DEPS)/probe.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  assert_writes 0
}

@test "application deployment: read-only, with actions; a deleted one is replaced by the scheduler" {
  start_quick
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  advance 10
  wait_until 5 "two deployments" eval '[ "$(ls "$APPS/web/deployments" | grep -c json)" = 2 ]'
  assert_equal "$(ls "$(DEPS)")" ''
  local file id
  file=$(ls "$APPS/web/deployments"/*.json | head -n 1)
  id=$(basename "$file" .json)
  assert_read_only "$file" "${file%.json}/status.json" "${file%.json}/events.jsonl"
  assert_xattrs "$file" 'application deployment' id version created_at
  jq -e --arg app "$(app_id web)" '.app_id == $app' "${file%.json}/status.json"
  assert_action "${file%.json}/action" 'recreate replace delete'
  assert_sys EPERM create "$APPS/web/deployments/mine.json"
  clear_requests
  echo delete >"${file%.json}/action"
  assert_calls 1 DELETE "/deployments/$id/v2"
  assert_absent "$file"
  advance 10
  wait_until 5 "the scheduler to replace it" eval '[ "$(ls "$APPS/web/deployments" | grep -c json)" = 2 ]'
  file=$(ls "$APPS/web/deployments"/*.json | head -n 1)
  id=$(basename "$file" .json)
  echo recreate >"${file%.json}/action"
  assert_calls 1 POST "/applications/*/deployments/$id/recreate"
  assert_absent "$file"
}

@test "deployment: a second word while one is on its way is EBUSY at once, and who writes it can be killed" {
  start_emulator
  mount_cfcfs -o timeout=100,delete_grace=0
  deployment "$T/d.json"
  cp "$T/d.json" "$(DEPS)/probe.json"
  local action
  action=$(DEPS)/probe/action
  fault '{"method":"POST","path":"/deployments/*","stall":true}'
  clear_requests
  echo recreate >"$action" 2>/dev/null 3>&- &
  record_pid "$T/pids" $!
  wait_until 30 "the first word to be sent" arrived
  echo replace >"$T/word"
  assert_sys 'write EBUSY' write "$action" "$T/word"
  assert_error EBUSY 'on its way'
  assert_equal "$(cat "$action")" 'recreate replace'
  refused_till_killed replace "$action"
  assert_calls 1 POST '/deployments/*'
  stop_emulator
}
arrived() { [ "$(count_calls POST '/deployments/*')" = 1 ]; }
