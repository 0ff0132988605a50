#!/usr/bin/env bats
# Writing as the service takes it, on the service as people saw it: a changed configuration is pending until its rollout
# completes, lists lag, creates are strict, and what a null does is not known.
# deadline: 1000 s
load lib

# live [OPTIONS] [-- ARGUMENT...] : the emulator's profile live, and a mount with short times to live.
QUICK=cache_ttl=0.3,status_ttl=0.3
live() {
  start_emulator --profile live "${@:2}"
  mount_cfcfs -o "$QUICK${1:+,$1}"
}
WEB() { printf '%s' "$APPS/web.json"; }
minimal() { printf '{"max_instances":2,"configuration":{"image":"docker.io/library/redis:7"}}\n'; }

# made [FILTER] : the application web, made through the mount; the calls after it are counted.
made() {
  web_json "$T/web.json" "del(.instances) ${1:+| $1}"
  cp "$T/web.json" "$(WEB)"
  ID=$(app_id web)
  clear_requests
}
# sent : the writes, one a line: METHOD PATH, with ID for the application's id.
sent() { requests 'select(.method != "GET") | "\(.method) \(.path)"' | jq -r . | sed "s/$ID/ID/"; }
target() { requests 'select(.method == "POST" and (.path | endswith("/rollouts"))) | .body' | tail -n 1 | jq -r . | jq -c .target_configuration; }
patch() { requests 'select(.method == "PATCH") | .body' | tail -n 1 | jq -r . | jq -c .; }
image() { jq -r .configuration.image "${1:-$(WEB)}" | sed 's/.*app://'; }
finish() { advance 600; }

@test "live: sed -i of an image is one POST of a rollout that has the image alone" {
  live
  made
  sed -i 's/app:v1/app:v2/' "$(WEB)"
  assert_equal "$(sent)" 'POST /applications/ID/rollouts'
  assert_match "$(target)" '^\{"image":"registry.cloudflare.com/[0-9a-f]{32}/app:v2"\}$'
  assert_equal "$(image)" v2
  refresh
  assert_equal "$(image)" v2
}

@test "live: max_instances and an image in one write are one PATCH and one rollout, in that order" {
  live
  made
  jq '.max_instances = 1 | .configuration.image = "app:v2"' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" $'PATCH /applications/ID\nPOST /applications/ID/rollouts'
  assert_equal "$(patch)" '{"max_instances":1}'
  # The steps are those of the new number.
  requests 'select(.method == "POST") | .body' | jq -r . | jq -e '[.steps[].step_size.percentage] == [100]'
}

@test "live: with rollout=none it is one PATCH, and so is what needs no rollout" {
  live rollout=none
  made
  jq '.max_instances = 3 | .configuration.image = "app:v2"' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" 'PATCH /applications/ID'
  patch | jq -e '.max_instances == 3 and (.configuration | keys == ["image"])'
  umount_cfcfs
  mount_cfcfs -o "$QUICK"
  clear_requests
  jq '.max_instances = 3 | .configuration.image = "app:v2" | .configuration.wrangler_ssh = {enabled: true}' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" 'PATCH /applications/ID'
  patch | jq -e '.configuration | keys == ["wrangler_ssh"]'
}

@test "live: a second image carries what the first rollout carried, and the old image written back is sent" {
  live
  made
  jq '.configuration.image = "app:v2" | .configuration.command = ["serve"]' "$T/web.json" >"$T/two.json"
  cp "$T/two.json" "$(WEB)"
  assert_equal "$(target | jq -c keys)" '["command","image"]'
  jq '.configuration.image = "app:v3" | .configuration.command = ["serve"]' "$T/web.json" >"$T/three.json"
  clear_requests
  cp "$T/three.json" "$(WEB)"
  assert_equal "$(sent)" 'POST /applications/ID/rollouts'
  target | jq -e '(.image | endswith("app:v3")) and .command == ["serve"]'
  clear_requests
  jq '.configuration.command = ["serve"]' "$T/web.json" >"$T/one.json"
  cp "$T/one.json" "$(WEB)"
  assert_equal "$(sent)" 'POST /applications/ID/rollouts'
  target | jq -e '(.image | endswith("app:v1")) and .command == ["serve"]'
  finish
  refresh
  assert_equal "$(image)" v1
  app web | jq -e '.configuration | (.image | endswith("app:v1")) and .command == ["serve"]'
}

# jobs NULL : the smallest document in a repository, synced by ten jobs one after another that have no state: one create, and
# then not one write; nor when the mount's own export is synced back.
jobs() {
  local i
  mkdir -p "$T/repo/applications" "$T/export"
  minimal >"$T/repo/applications/web.json"
  start_emulator --profile live --null "$1"
  for i in {1..10}; do
    rm -rf "$T/state"
    mount_cfcfs -o "$QUICK,view=spec,delete_grace=0"
    rsync -a --delete --exclude=/secrets --exclude=/account "$T/repo/" "$MNT/" || fail "job $i: $(last_error .message)"
    umount_cfcfs
    ((i % 3)) || advance 60
  done
  assert_equal "$(requests 'select(.method != "GET") | .method + " " + .path' | jq -r .)" 'POST /applications'
  mount_cfcfs -o "$QUICK,view=spec,delete_grace=0"
  rsync -a --exclude=/secrets --exclude=/account "$MNT/" "$T/export/"
  touch "$T/export/applications/web.json"
  rsync -a --delete --exclude=/secrets --exclude=/account "$T/export/" "$MNT/"
  cp "$T/export/applications/web.json" "$(WEB)"
  assert_equal "$(count_writes)" 1 "the export written back"
}

@test "live: ten jobs without a state, a service that refuses null" { jobs refuse; }
@test "live: ten jobs without a state, a service that null clears" { jobs clear; }
@test "live: ten jobs without a state, a service that ignores null" { jobs ignore; }

# removes FILTER MEMBER : without what the filter takes away, the account is without it in the end, or the call said so.
removes() {
  cp "$T/web.json" "$T/before.json"
  jq "$1" "$T/web.json" >"$T/web.json.new"
  mv "$T/web.json.new" "$T/web.json"
  if cp "$T/web.json" "$(WEB)" 2>/dev/null; then
    finish
    refresh
    app web | jq -e "$2" >/dev/null || fail "$1 was a success, and it is still there: $(app web | jq -c .)"
    clear_requests
    cp "$T/web.json" "$(WEB)"
    assert_equal "$(sent)" '' "written again after $1"
  else
    assert_error 'EINVAL'
    cp "$T/before.json" "$T/web.json"
    finish
    refresh
    ! app web | jq -e "$2" >/dev/null || fail "$1 failed, and it is gone all the same"
    cp "$T/web.json" "$(WEB)"
  fi
}

@test "live: what is removed is gone in the end, or the call says which field stays" {
  local null
  for null in refuse clear ignore; do
    live '' --null "$null"
    made '.configuration.entrypoint = ["/bin/a"] | .configuration.command = ["b"] | .observability = {logs: {enabled: true}}'
    finish
    refresh
    removes 'del(.configuration.environment_variables[0])' '.configuration.environment_variables | length == 1'
    removes 'del(.configuration.environment_variables)' '(.configuration.environment_variables // []) == []'
    removes 'del(.configuration.entrypoint)' '(.configuration.entrypoint // []) == []'
    removes 'del(.configuration.command)' '(.configuration.command // []) == []'
    removes 'del(.observability)' '.observability.logs.enabled != true'
    removes 'del(.max_instances)' 'has("max_instances") | not'
    removes 'del(.configuration.instance_type) | .configuration += {vcpu: 1, memory_mib: 4096, disk: {size_mb: 8000}}' \
      '.configuration | .vcpu == 1 and .memory_mib == 4096'
    removes '.configuration |= (del(.vcpu, .memory_mib, .disk) + {instance_type: "lite"})' '.configuration | .memory_mib == 256'
    umount_cfcfs
    stop_emulator
    rm -rf "$T/state"
  done
}

@test "live: an application of a Durable Object has no version and no rollout: a change is one PATCH, and shows at once" {
  live
  echo '{"scheduling_policy":"durable_object","durable_objects":{"script_name":"s","class_name":"C"}}' >"$T/web.json"
  cp "$T/web.json" "$(WEB)"
  ID=$(app_id web)
  clear_requests
  jq '.observability = {logs: {enabled: true}} | .configuration = {wrangler_ssh: {enabled: true}}' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" 'PATCH /applications/ID'
  patch | jq -e '. == {observability: {logs: {enabled: true}}, configuration: {wrangler_ssh: {enabled: true}}}'
  settings() { jq -e '.observability.logs.enabled and .configuration.wrangler_ssh.enabled' "$(WEB)" >/dev/null; }
  settings
  refresh
  settings
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs -o "$QUICK"
  settings
  clear_requests
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" ''
  jq '.observability.logs.enabled = false' "$T/new.json" >"$T/off.json"
  cp "$T/off.json" "$(WEB)"
  assert_equal "$(sent)" 'PATCH /applications/ID'
  assert_equal "$(patch)" '{"observability":{"logs":{"enabled":false}}}'
  app web | jq -e '.observability.logs.enabled != true'
}

@test "live: an instance count that only another machine wrote is no difference in a view that does not show it, and a new one is a change" {
  start_emulator --profile live
  web_json "$T/web.json"
  local n
  for n in 1 2 3; do
    rm -rf "$T/state"
    mount_cfcfs -o "$QUICK,view=spec"
    cp "$T/web.json" "$(WEB)"
    ((n == 3)) || umount_cfcfs
  done
  assert_equal "$(count_writes)" 1
  # This state has seen it written: another number is a change from now on.
  jq '.instances = 3' "$T/web.json" >"$T/three.json"
  cp "$T/three.json" "$(WEB)"
  assert_equal "$(count_writes)" 2
  assert_equal "$(patch)" '{"instances":3}'
  cp "$T/three.json" "$(WEB)"
  assert_equal "$(count_writes)" 2
}

# answers FILTER FILE... : the account has what these answers of the service say, and nothing else; a change of it is answered by it.
answers() {
  local list item
  list=$(jq -sc "$1" "${@:2}")
  clear_faults
  fault "$(jq -nc --argjson list "$list" '{method: "GET", path: "/applications", times: 100000, status: 200,
    body: ({success: true, errors: [], messages: [], result: $list, result_info: {}} | tojson)}')"
  while read -r item; do
    fault "$(jq -c '{method: "GET", path: "/applications/\(.id)", times: 100000, status: 200,
      body: ({success: true, errors: [], messages: [], result: .} | tojson)}' <<<"$item")"
    fault "$(jq -c '{method: "PATCH", path: "/applications/\(.id)", times: 100000, status: 200,
      body: ({success: true, errors: [], messages: [], result: (. + {max_instances: 77})} | tojson)}' <<<"$item")"
    fault "$(jq -c '{method: "POST", path: "/applications/\(.id)/rollouts", times: 100000, status: 201,
      body: ({success: true, errors: [], messages: [], result: {id: "b0311111-2222-4333-8444-555555555555",
        created_at: "2026-09-12T08:03:31Z", status: "progressing", target_configuration: {image: "app:v2"}}} | tojson)}' <<<"$item")"
  done < <(jq -c '.[]' <<<"$list")
  refresh
}

# written_back : each is shown, exported, and written back without a call; with one change it is one call with that alone.
written_back() {
  local file name policy
  rm -rf "$T/export" && mkdir "$T/export"
  rsync -a --include='*.json' --exclude='*' "$APPS/" "$T/export/"
  [ -n "$(ls "$T/export")" ] || fail "nothing is shown"
  clear_requests
  for file in "$T/export"/*.json; do
    name=${file##*/}
    jq -e . "$file" >/dev/null
    cp "$file" "$APPS/$name" || fail "$name: $(last_error .message)"
    jq -c . "$file" >"$T/again.json"
    cp "$T/again.json" "$APPS/$name" || fail "$name: $(last_error .message)"
  done
  touch "$T/export"/*.json
  rsync -a "$T/export/" "$APPS/"
  assert_writes 0
  for file in "$T/export"/*.json; do
    name=${file##*/}
    policy=$(jq -r '.scheduling_policy // "default"' "$file")
    clear_requests
    if [ "$policy" = durable_object ]; then
      jq '.observability = {logs: {enabled: true}}' "$file" >"$T/change.json"
      cp "$T/change.json" "$APPS/$name" || fail "$name: $(last_error .message)"
      assert_equal "$(patch)" '{"observability":{"logs":{"enabled":true}}}'
    else
      jq '.configuration.image = "app:v2"' "$file" >"$T/change.json"
      cp "$T/change.json" "$APPS/$name" || fail "$name: $(last_error .message)"
      target | jq -e 'keys == ["image"] and (.image | endswith("/app:v2"))'
      assert_writes 1
      clear_requests
      jq '.max_instances = 77' "$T/change.json" >"$T/more.json"
      cp "$T/more.json" "$APPS/$name" || fail "$name: $(last_error .message)"
      assert_equal "$(patch)" '{"max_instances":77}'
    fi
    assert_writes 1
  done
}

# as_seen VIEW : the same application stands in several answers; each is met by a mount that knows nothing.
as_seen() {
  local filter file
  start_emulator --profile live
  while read -r filter file; do
    rm -rf "$T/state"
    mount_cfcfs -o "cache_ttl=30,status_ttl=30,view=$1"
    answers "$filter" "$SOURCE_DIR/tests/live/$file"
    written_back
    umount_cfcfs
  done <<'FILES'
[.[0].result] application-get.json
[.[0]] application-get-first.json
[.[0]] application-get-running.json
.[0] applications-list.json
[.[0]] double-durable-object-application.json
FILES
}

@test "live: the answers of the service as they were seen: shown, exported, written back, and changed" { as_seen full; }
@test "live: the same in the view of what is declared" { as_seen spec; }

@test "live: a registry in the shape of the official answer is no difference" {
  start_emulator --profile live
  mount_cfcfs -o cache_ttl=30
  fault "$(jq -c '{method: "GET", path: "/registries", times: 100000, status: 200,
    body: ({success: true, errors: [], messages: [], result: .} | tojson)}' "$SOURCE_DIR/tests/live/double-registries-list.json")"
  refresh
  local file name
  for file in "$MNT/registries"/*.json; do
    name=${file##*/}
    cp "$file" "$T/$name"
    cp "$T/$name" "$file" || fail "$name: $(last_error .message)"
    echo '{"kind":"ECR","auth":{"public_credential":"AKIA1","private_credential":{"store_id":"s1","secret_name":"ecr"}}}' >"$T/repo.json"
    cp "$T/repo.json" "$file" || fail "$name from a repository: $(last_error .message)"
  done
  assert_writes 0
}

@test "live: a change that is there already is not sent, and somebody else's is not overwritten by a no-op" {
  start_emulator --profile live
  mount_with_clock -o cache_ttl=30,status_ttl=0.3
  made
  cat "$(WEB)" >"$T/seen"
  api PATCH "/applications/$ID" '{"max_instances":7}' >/dev/null
  pass 2 # what was seen is too old to send a change on
  jq '.max_instances = 7' "$T/web.json" >"$T/seven.json"
  clear_requests
  cp "$T/seven.json" "$(WEB)"
  assert_equal "$(sent | grep -v '^GET')" ''
  assert_equal "$(count_calls GET "/applications/$ID")" 1
}

@test "live: a rollout whose answer was lost goes out once, and the truth is told" {
  live timeout=15
  made
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/new.json"
  fault '{"method":"POST","path":"/applications/*/rollouts","times":1,"close":"after"}'
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" 'POST /applications/ID/rollouts'
  # One that cannot be found out is told as that; what is written again then is not sent again.
  sed 's/app:v1/app:v3/' "$T/web.json" >"$T/new.json"
  clear_requests
  fault '{"method":"POST","path":"/applications/*/rollouts","times":1,"close":"after"}'
  fault '{"method":"GET","path":"/applications/*/rollouts","times":100,"status":500}'
  assert_fails cp "$T/new.json" "$(WEB)"
  assert_error EIO 'outcome unknown'
  clear_faults
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(sent)" 'POST /applications/ID/rollouts'
  assert_equal "$(image)" v3
}

@test "live: a rollout that was lost on its way goes out again, though one like it was reverted before" {
  live
  made
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$(WEB)"
  local rollout
  rollout=$(api GET "/applications/$ID/rollouts" | jq -r '.[0].id')
  echo revert >"$APPS/web/rollouts/$rollout/action"
  wait_until 10 "the old image" eval '[ "$(image)" = v1 ]'
  fault '{"method":"POST","path":"/applications/*/rollouts","times":1,"close":"before"}'
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(api GET "/applications/$ID/rollouts" | jq length)" 2
  assert_equal "$(image)" v2
}

@test "live: kill -9 between the POST of a rollout and its answer: it happens once" {
  live
  made
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/new.json"
  fault '{"method":"POST","path":"/applications/*/rollouts","times":1,"latency_ms":4000}'
  cp "$T/new.json" "$(WEB)" 2>/dev/null 3>&- &
  wait_until 10 "the POST" eval '[ "$(count_calls POST "*/rollouts")" = 1 ] || [ "$(api GET "/applications/$ID/rollouts" | jq length)" = 1 ]'
  kill -9 "$MOUNT_PID"
  wait_until 10 "the mount to die" gone "$MOUNT_PID"
  ! is_mounted "$MNT" || fusermount3 -uz "$MNT"
  wait_until 10 "the rollout" eval '[ "$(api GET "/applications/$ID/rollouts" | jq length)" = 1 ]'
  mount_cfcfs -o "$QUICK"
  cp "$T/new.json" "$(WEB)"
  assert_equal "$(api GET "/applications/$ID/rollouts" | jq length)" 1
  assert_equal "$(image)" v2
}

@test "live: what the service shows is written back as it is, under another name and after a removal" {
  live delete_grace=0
  made
  cp "$(WEB)" "$T/b.json"
  api PATCH "/applications/$ID" '{"max_instances":4}' >/dev/null
  refresh
  cat "$(WEB)" >"$T/b"
  rm "$(WEB)"
  cp "$T/b" "$(WEB)"
  assert_equal "$(jq .max_instances "$(WEB)")" 4
  wait_until 20 "the old one to go" eval '[ "$(api GET "/applications" | jq "[.[] | select(.name == \"web\")] | length")" = 1 ]'
}

@test "live: a rename whose answer stalls is told truly" {
  live timeout=6
  made
  fault '{"method":"PATCH","path":"/applications/*","times":1,"close":"after"}'
  fault '{"method":"GET","path":"/applications/*","times":100,"stall":true}'
  assert_sys EIO rename "$(WEB)" "$APPS/web2.json"
  assert_error 'outcome unknown'
  clear_faults
  assert_equal "$(app_names)" web2
  # One that the account can be asked about is a success.
  refresh
  wait_until 10 "the new name" test -e "$APPS/web2.json"
  fault '{"method":"PATCH","path":"/applications/*","times":1,"close":"after"}'
  mv "$APPS/web2.json" "$APPS/web3.json"
  assert_equal "$(app_names)" web3
}

@test "live: a rename onto a name that somebody took meanwhile is EEXIST" {
  start_emulator --profile live
  mount_with_clock -o cache_ttl=30,status_ttl=0.3
  made
  cat "$(WEB)" >"$T/seen"
  web_json "$T/other.json" '.name = "other" | .instances = 0'
  api POST /applications "$(cat "$T/other.json")" >/dev/null
  pass 2 # the list is too old to send a change on
  assert_sys EEXIST rename "$(WEB)" "$APPS/other.json"
  assert_equal "$(app_names)" $'other\nweb'
}

@test "what comes from the platform is no target of a rename, of sed -i or of rsync" {
  start_emulator
  mount_cfcfs
  local limits=$MNT/account/limits.json
  cat "$limits" >"$T/limits"
  echo '{}' >"$MNT/account/.new"
  assert_sys EPERM rename "$MNT/account/.new" "$limits"
  assert_sys EPERM rename "$limits" "$limits~"
  assert_fails sed -i 's/1/2/' "$limits"
  echo '{"x":1}' >"$T/limits.json"
  assert_fails rsync -a "$T/limits.json" "$limits"
  cmp "$T/limits" "$limits"
  assert_writes 0
  # A backup belongs beside the file; elsewhere it is a copy, and then a delete.
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  mkdir "$APPS/.old"
  assert_sys EXDEV rename "$APPS/web.json" "$APPS/.old/web.json"
  assert_sys EPERM rename "$APPS/web.json" "$MNT/deployments/web.json~"
  umount_cfcfs
  mount_cfcfs -o nodelete
  assert_sys EPERM rename "$APPS/web.json" "$APPS/web.json~"
}

@test "fields that only the service knows are shown, and no hindrance under another name or after a removal" {
  start_emulator
  mount_cfcfs -o delete_grace=0,cache_ttl=0.3
  web_json "$T/web.json" '.name = "web"'
  api POST /applications "$(cat "$T/web.json")" >/dev/null
  # The service begins to answer a field of its own inside the configuration.
  api GET '/applications?per_page=1000' | jq -c '{success: true, errors: [], messages: [],
    result: [.[] | .configuration.novelty = {depth: 3}], result_info: {}}' >"$T/answer"
  fault "$(jq -nc --rawfile body "$T/answer" '{method: "GET", path: "/applications", times: 1, status: 200, $body}')"
  refresh
  cp "$APPS/web.json" "$T/b"
  grep -q novelty "$T/b" || fail "not shown: $(cat "$T/b")"
  rm "$APPS/web.json"
  cp "$T/b" "$APPS/web.json"
  requests 'select(.method == "POST") | .body' | tail -n 1 | jq -r . | jq -e '.configuration | has("novelty") | not'
  # One that nobody ever answered is a mistake.
  jq '.configuration.noveltie = 1 | del(.configuration.novelty)' "$T/b" >"$T/c"
  assert_fails cp "$T/c" "$APPS/other.json"
  assert_error EINVAL noveltie
}
