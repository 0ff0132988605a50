#!/usr/bin/env bats
# A mount that sends nothing until it is applied: what the tree shows meanwhile, the plan, and what applying does.
# profiles: ideal live
# deadline: 900 s
load lib
load stage

setup() {
  setup_base
  start_emulator
}

@test "what is written is staged: the tree shows it, and nothing is sent until it is applied" {
  stage
  web_json "$T/web.json"
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  assert_writes 0
  assert_equal "$(ls "$APPS")" web$'\n'web.json 'the listing'
  cmp "$T/web.json" "$APPS/web.json"
  assert_equal "$(stat -c %s "$APPS/web.json")" "$(stat -c %s "$T/web.json")"
  assert_equal "$(xattr "$APPS/web.json" staged)" create
  assert_equal "$(app_names)" ''
  assert_equal "$(sum)" 'Plan: 1 to create, 0 to change, 0 to delete, 0 to rename; 1 call in 1 wave'
  assert_match "$(plan)" '\+ applications/web.json: create'
  assert_match "$(plan)" 'configuration.image: "registry.cloudflare.com/app:v1"'
  assert_match "$(plan)" 'configuration.environment_variables\[MODE\]: "production"'
  assert_writes 0
  apply
  assert_writes 1
  assert_calls 1 POST /applications
  assert_equal "$(app_names)" web
  assert_nothing_staged
  cmp "$T/web.json" "$APPS/web.json"
  run xattr "$APPS/web.json" staged
  assert_equal "$output" ''
  assert_exists "$APPS/web/status.json"
}

@test "an update, a rename and a delete: what the plan says of each, and what applying sends" {
  api_app api
  api_app old
  api_app gone
  stage
  clear_requests
  sed -i 's/"max_instances": 5/"max_instances": 8/' "$APPS/api.json"
  mv "$APPS/old.json" "$APPS/new.json"
  rm "$APPS/gone.json"
  assert_writes 0
  assert_equal "$(xattr "$APPS/api.json" staged)" update
  assert_equal "$(xattr "$APPS/new.json" staged)" rename
  assert_equal "$(cd "$APPS" && echo *.json)" 'api.json new.json'
  assert_absent "$APPS/gone.json"
  assert_absent "$APPS/gone"
  assert_absent "$APPS/old.json"
  assert_exists "$APPS/new/status.json"
  assert_match "$(plan)" '~ applications/api.json: update'
  assert_match "$(plan)" 'max_instances: 5 -> 8'
  assert_match "$(plan)" '> applications/old.json -> applications/new.json: rename'
  assert_match "$(plan)" '- applications/gone.json: delete'
  assert_equal "$(sum)" 'Plan: 0 to create, 1 to change, 1 to delete, 1 to rename; 3 calls in 2 waves'
  assert_equal "$(plan)" "$(plan)" 'the same plan is the same text'
  assert_equal "$(plan_json -c '[.changes[].requests[].method]')" '["PATCH","PATCH","DELETE"]'
  assert_writes 0
  apply
  assert_writes 3
  assert_calls 1 DELETE '/applications/*'
  assert_nothing_staged
  assert_equal "$(jq .max_instances "$APPS/api.json")" 8
  assert_equal "$(cd "$APPS" && echo *.json)" 'api.json new.json'
}

@test "what the account means already is not staged, in whatever spelling" {
  api_app web
  stage
  jq '.configuration.image = "app:v1" | .configuration.environment_variables |= reverse' "$APPS/web.json" >"$T/same.json"
  cp "$T/same.json" "$APPS/web.json"
  assert_nothing_staged
  jq '.max_instances = 7' "$T/same.json" >"$T/other.json"
  cp "$T/other.json" "$APPS/web.json"
  assert_match "$(sum)" '1 to change'
  assert_equal "$(plan_json -c '.changes[0].fields')" '[{"field":"max_instances","old":5,"new":7}]'
  cp "$T/same.json" "$APPS/web.json"
  assert_nothing_staged
  mv "$APPS/web.json" "$APPS/api.json"
  mv "$APPS/api.json" "$APPS/web.json"
  assert_nothing_staged
}

@test "a document that the contract refuses is an error of its write" {
  stage
  run bash -c "echo '{\"instances\": \"two\"}' >'$APPS/web.json'"
  assert_status 1
  assert_error EINVAL instances
  assert_nothing_staged
}

@test "editors, mv and install replace a file: one update" {
  api_app web
  stage
  clear_requests
  jq '.max_instances = 6' "$APPS/web.json" >"$T/new.json"
  install -m 644 "$T/new.json" "$APPS/web.json"
  assert_match "$(sum)" ' 0 to create, 1 to change, 0 to delete'
  jq '.max_instances = 9' "$APPS/web.json" >"$APPS/.web.tmp"
  mv "$APPS/.web.tmp" "$APPS/web.json"
  assert_match "$(plan)" 'max_instances: 5 -> 9'
  assert_match "$(sum)" ' 0 to create, 1 to change, 0 to delete'
  assert_writes 0
}

@test "a secret that is neither there nor staged is refused by the write already; a new reference alone is asked about" {
  stage
  web_json "$T/web.json"
  jq '.configuration.secrets = [{"type": "env", "name": "S", "secret": "nope"}]' "$T/web.json" >"$T/refers.json"
  run cp "$T/refers.json" "$APPS/web.json"
  assert_status 1
  assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r .message)" '^secrets/nope must be there before what refers to it: cp FILE secrets/nope$'
  assert_nothing_staged
  echo value >"$T/value"
  cp "$T/value" "$MNT/secrets/nope"
  cp "$T/refers.json" "$APPS/web.json"
  apply
  assert_nothing_staged
  # What the account refers to already costs no list, be it there or not.
  refresh
  fault '{"path": "/secrets", "method": "GET", "body": []}'
  sed -i 's/"max_instances": 5/"max_instances": 8/' "$APPS/web.json"
  assert_equal "$(xattr "$APPS/web.json" staged)" update
}

@test "discard: a path, a directory, or all of it" {
  api_app web
  stage
  web_json "$T/a.json"
  cp "$T/a.json" "$APPS/a.json"
  cp "$T/a.json" "$APPS/b.json"
  printf 'x' | tee "$MNT/secrets/db" >/dev/null
  rm "$APPS/web.json"
  echo 'discard applications/a.json' >"$MNT/.cfcfs/apply"
  assert_absent "$APPS/a.json"
  assert_exists "$APPS/b.json"
  order ENOENT 'discard nothing/at.all'
  echo 'discard /applications/' >"$MNT/.cfcfs/apply"
  assert_equal "$(cd "$APPS" && echo *.json)" web.json
  assert_equal "$(ls "$MNT/secrets")" db
  echo discard >"$MNT/.cfcfs/apply"
  assert_equal "$(ls "$MNT/secrets")" ''
  assert_nothing_staged
  assert_writes 1
}

@test "a staged secret and key can be referred to; they go first, and no value is anywhere" {
  stage
  with_refs "$T/web.json" db deploy
  make_key deploy
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  cp "$T/deploy.pub" "$MNT/ssh-keys/deploy.pub"
  cp "$T/web.json" "$APPS/web.json"
  assert_writes 0
  assert_equal "$(ls "$MNT/secrets")" db
  assert_equal "$(stat -c '%a %s' "$MNT/secrets/db")" '200 0'
  cmp "$T/deploy.pub" "$MNT/ssh-keys/deploy.pub"
  assert_match "$(plan)" 'value: "\(secret\)"'
  assert_equal "$(sum)" 'Plan: 3 to create, 0 to change, 0 to delete, 0 to rename; 3 calls in 2 waves'
  assert_equal "$(plan_json -c '[.changes[] | select(.kind == "secret").requests[] | [.method, .path, .secret, .body]]')" \
    '[["POST","/secrets",true,null]]'
  ! grep -a SECRETVALUE <(plan; cat "$MNT/.cfcfs/plan.json" "$MNT/.cfcfs/apply.jsonl" "$T"/state/* "$T/cfcfs.log") || fail "the value"
  clear_requests
  apply
  assert_writes 3
  assert_equal "$(requests 'select(.method == "POST") | .path' | tail -n 1)" '"/applications"'
  assert_nothing_staged
  cmp "$T/web.json" "$APPS/web.json"
  ! grep -a SECRETVALUE <(cat "$MNT/.cfcfs/apply.jsonl" "$T"/state/* "$T/cfcfs.log") || fail "the value"
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  assert_nothing_staged
}

@test "what is staged survives a remount and a kill -9, but for secrets' values" {
  api_app api
  stage
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  sed -i 's/"max_instances": 5/"max_instances": 8/' "$APPS/api.json"
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  local before
  before=$(plan | sed '/secrets/,/wave/d')
  crash_mount
  stage
  cmp "$T/web.json" "$APPS/web.json"
  assert_equal "$(jq .max_instances "$APPS/api.json")" 8
  assert_match "$(plan)" 'secrets/db: create.*must be written again'
  assert_match "$(sum)" '1 to be written again$'
  run apply
  assert_status 1
  assert_error ENODATA 'write it again'
  assert_equal "$(app_names)" $'api\nweb'
  assert_equal "$(app api | jq .max_instances)" 8
  assert_match "$(sum)" '^Plan: 1 to create, 0 to change'
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  apply
  assert_equal "$(api GET /secrets | jq -r '.[].name')" db
  assert_nothing_staged
  umount_cfcfs
  stage
  assert_nothing_staged
}

@test "what the API refuses stays with its reason, what depends on it is not tried, the rest is in" {
  stage
  web_json "$T/good.json"
  web_json "$T/web.json" '.configuration.secrets = [{name: "DB", type: "env", secret: "db"}]'
  web_json "$T/bad.json" '.configuration.secrets = [{name: "X", type: "env", secret: "missing"}]'
  printf 'one' | tee "$MNT/secrets/db" >/dev/null
  cp "$T/good.json" "$APPS/good.json"
  cp "$T/web.json" "$APPS/web.json"
  # There when it is staged, and gone when it is applied.
  api POST /secrets '{"name": "missing", "value": "x"}' >/dev/null
  cp "$T/bad.json" "$APPS/bad.json"
  api DELETE /secrets/missing >/dev/null
  fault '{"method":"POST","path":"/secrets","times":1,"status":400,"body":"{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"no room\"}],\"result\":null,\"messages\":[]}"}'
  clear_requests
  run apply
  assert_status 1
  assert_equal "$(app_names)" good
  assert_match "$(plan)" 'secrets/db: create.*failed: EINVAL: .*no room'
  assert_match "$(plan)" 'applications/bad.json: create.*failed: EINVAL: .*missing'
  assert_match "$(plan)" 'applications/web.json: create.*failed: ECANCELED: not tried: secrets/db failed'
  assert_equal "$(jq -r 'select(.event == "skipped").path' "$MNT/.cfcfs/apply.jsonl")" applications/web.json
  assert_equal "$(xattr "$APPS/web.json" staged)" create
  assert_match "$(xattr "$APPS/bad.json" error)" missing
  jq '.configuration.secrets[0].secret = "db"' "$T/bad.json" >"$APPS/bad.json"
  clear_requests
  apply
  assert_writes 3
  assert_equal "$(app_names)" $'bad\ngood\nweb'
  assert_nothing_staged
}

@test "changed by somebody else meanwhile: the plan has both values, apply refuses it and does the rest, apply! overwrites" {
  api_app api
  stage
  sed -i 's/"max_instances": 5/"max_instances": 8/' "$APPS/api.json"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  api PATCH "/applications/$(app_id api)" '{"max_instances":9}' >/dev/null
  assert_match "$(plan)" 'applications/api.json: update.*max_instances: 9 -> 8.*changed meanwhile: max_instances: was 5, is now 9'
  assert_match "$(sum)" '; 1 outdated$'
  assert_equal "$(plan_json -c '.changes[] | select(.state == "outdated").conflicts')" '[{"field":"max_instances","was":5,"now":9}]'
  clear_requests
  order ESTALE apply
  assert_writes 1
  assert_equal "$(app_names)" $'api\nweb'
  assert_equal "$(app api | jq .max_instances)" 9
  apply !
  assert_equal "$(app api | jq .max_instances)" 8
  assert_nothing_staged
}

@test "what an update does not overwrite is in nobody's way: another field, or the very value" {
  api_app api
  stage
  sed -i 's/"max_instances": 5/"max_instances": 8/' "$APPS/api.json"
  api PATCH "/applications/$(app_id api)" '{"max_instances":8}' >/dev/null
  assert_nothing_staged
  api PATCH "/applications/$(app_id api)" '{"max_instances":9,"rollout_active_grace_period":7}' >/dev/null
  assert_equal "$(plan_json -c '[.changes[] | .state, .conflicts]')" \
    '["outdated",[{"field":"max_instances","was":5,"now":9},{"field":"rollout_active_grace_period","was":0,"now":7}]]'
  order ESTALE apply
  jq '.rollout_active_grace_period = 7 | .max_instances = 8' "$APPS/api.json" >"$T/api.json"
  cp "$T/api.json" "$APPS/api.json"
  api PATCH "/applications/$(app_id api)" '{"rollout_active_grace_period":0}' >/dev/null
  # What was asked less than a second ago counts as known.
  refresh
  order ESTALE apply
  api PATCH "/applications/$(app_id api)" '{"rollout_active_grace_period":7}' >/dev/null
  refresh
  apply
  assert_equal "$(app api | jq -c '[.max_instances, .rollout_active_grace_period]')" '[8,7]'
  assert_nothing_staged
}

@test "made, or removed, by somebody else meanwhile" {
  api_app api
  stage
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  api_app web '.max_instances = 3'
  sed -i 's/"max_instances": 5/"max_instances": 8/' "$APPS/api.json"
  api DELETE "/applications/$(app_id api)" >/dev/null
  advance 60
  assert_match "$(plan)" 'applications/web.json: create.*outdated: ESTALE'
  order ESTALE apply
  assert_equal "$(app web | jq .max_instances)" 3
  apply !
  assert_equal "$(app web | jq .max_instances)" 5
  assert_equal "$(app api | jq .max_instances)" 8
  assert_nothing_staged
}

@test "a second order while one is under way is EBUSY at once, and who gives it can be killed" {
  stage timeout=100
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  fault '{"method":"POST","path":"/applications","times":1,"stall":true}'
  apply 3>&- &
  local pid=$!
  record_pid "$T/pids" "$pid"
  wait_until 30 "the apply to begin" begun
  order EBUSY apply
  order EBUSY discard
  refused_till_killed apply "$MNT/.cfcfs/apply"
  assert_exists "/proc/$pid"
  order EBUSY discard
  assert_equal "$(count_lines_of start)" 1
  # Nobody waits for what is stalled.
  stop_emulator
}
count_lines_of() { grep -c "\"event\":\"$1\"" "$MNT/.cfcfs/apply.jsonl"; }

@test "a signal stops before the next change, and says what is left" {
  stage max_conns=1
  web_json "$T/web.json"
  local i
  for i in 1 2 3; do cp "$T/web.json" "$APPS/web-$i.json"; done
  fault '{"method":"POST","path":"/applications","times":3,"latency_ms":3000}'
  env --default-signal=INT bash -c 'echo apply >"$1"' bash "$MNT/.cfcfs/apply" 2>"$T/err" &
  local pid=$!
  wait_until 30 "the apply to begin" begun
  kill -INT "$pid"
  run wait "$pid"
  wait_until 30 "the apply to end" over
  assert_equal "$(app_names)" web-1
  assert_match "$(last_error .message)" '1 changes are made, 2 are left'
  assert_match "$(sum)" '^Plan: 2 to create'
  clear_faults
  apply
  assert_equal "$(app_names)" $'web-1\nweb-2\nweb-3'
}

@test "kill -9 in the middle of it: the next mount's plan has what is left, and nothing is made twice" {
  api_app old
  api_app api
  stage
  web_json "$T/web.json"
  local i
  for i in $(seq -w 20); do cp "$T/web.json" "$APPS/web-$i.json"; done
  sed -i 's/app:v1/app:v2/' "$APPS/api.json"
  rm "$APPS/old.json"
  fault '{"method":"POST","path":"/applications","times":100,"latency_ms":100}'
  clear_requests
  apply &
  local pid=$!
  wait_until 30 "some of it to be sent" some_sent
  crash_mount
  run wait "$pid"
  stage
  clear_faults
  apply
  assert_nothing_staged
  advance 60
  assert_equal "$(app_names)" "$(printf '%s\n' api $(seq -f 'web-%02g' 20))"
  assert_calls 1 POST '/applications/*/rollouts'
  assert_equal "$(requests 'select(.method == "DELETE" and .status < 300)' | wc -l)" 1
}
some_sent() { (($(count_calls POST /applications) > 5)); }

@test "a secret that was made before the kill and whose value is written again is no second one" {
  stage
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  crash_mount
  api POST /secrets '{"name":"db","value":"SECRETVALUE123"}' >/dev/null
  stage
  assert_match "$(sum)" '1 to be written again$'
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  assert_equal "$(plan_json -c '[.changes[] | [.path, .verb, .state]]')" '[["secrets/db","update","ready"]]'
  apply
  assert_nothing_staged
  assert_calls 1 PATCH /secrets/db
}

@test "max_conns=1 comes to the same as side by side, one call after another" {
  local n at one=0123456789abcdef0123456789abcd01
  for n in 8 1; do
    [ "$n" = 8 ] || ACCOUNT=$one
    api_app api
    api_app old
    api_app gone
    MOUNT_AT=$T/mnt-$n mount_cfcfs -o "stage,max_conns=$n"
    at=$T/mnt-$n
    make_key "deploy-$n"
    sed -i 's/ [^ ]*$/ deploy/' "$T/deploy-$n.pub"
    with_refs "$T/web.json" db deploy
    printf 'x' | tee "$at/secrets/db" >/dev/null
    cp "$T/deploy-$n.pub" "$at/ssh-keys/deploy.pub"
    cp "$T/web.json" "$at/applications/web-1.json"
    cp "$T/web.json" "$at/applications/web-2.json"
    sed -i 's/app:v1/app:v2/; s/"max_instances": 5/"max_instances": 8/' "$at/applications/api.json"
    mv "$at/applications/old.json" "$at/applications/new.json"
    rm "$at/applications/gone.json"
    MNT=$at plan | sed -E 's/[0-9a-f-]{36}|AAAA[^ ]*/ID/g' >"$T/plan-$n"
    grep -q '^Plan: 4 to create' "$T/plan-$n" || fail "$(cat "$T/plan-$n")"
    clear_requests
    MNT=$at apply
    MNT=$at assert_nothing_staged
    # What was sent, whatever its order within a wave; keys and ids are their own.
    requests 'select(.method != "GET") | [.method, .path, .status, .body] | tojson' |
      sed -E 's/[0-9a-f]{32}|[0-9a-f-]{36}|AAAA[A-Za-z0-9+\/=]+|\([0-9a-f]{8}\)/ID/g' | sort >"$T/sent-$n"
    (cd "$at/applications" && tail -n +1 -- *.json) >"$T/tree-$n"
  done
  diff "$T/plan-8" "$T/plan-1" || fail "another plan"
  diff "$T/tree-8" "$T/tree-1" || fail "another account"
  diff "$T/sent-8" "$T/sent-1" || fail "other calls"
  # One at a time: each step ends before the next begins.
  jq -r .event "$at/.cfcfs/apply.jsonl" | grep -E '^(begin|done)$' | paste - - | sort -u | diff - <(printf 'begin\tdone\n')
}

@test "without the option the files say that there is nothing to do" {
  mount_cfcfs
  assert_equal "$(plan)" 'Plan: nothing to do'
  assert_equal "$(cat "$MNT/.cfcfs/apply")" 'apply apply! discard'
  apply
  order EINVAL aply
}
