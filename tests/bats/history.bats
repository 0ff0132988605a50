#!/usr/bin/env bats
# What the mount remembers: .cfcfs/history.jsonl says who did what, .cfcfs/deleted has what was deleted.
load lib

HISTORY=.cfcfs/history.jsonl

# history [FILTER] : its lines, or what jq makes of each.
history_lines() { jq -c "${1:-.}" "${2:-$MNT}/$HISTORY"; }
last_line() { tail -n 1 "$MNT/$HISTORY" | jq -c "${1:-.}"; }
count_lines() { wc -l <"${1:-$MNT}/$HISTORY"; }
has_lines() { [ "$(count_lines "${2:-$MNT}")" -ge "$1" ]; }

# assert_history_is_true : the calls of all lines are the writes that reached the emulator: each once, in the order of each path.
assert_history_is_true() {
  history_lines '.calls[] | [.method, .path, .status]' >"$T/told"
  requests 'select(.method != "GET" and .method != "HEAD") | [.method, .path, .status]' >"$T/sent"
  diff <(sort "$T/told") <(sort "$T/sent") || fail "the history and the requests differ"
}

@test "history: a line for each change, with who, what, when, versions, documents, calls and the outcome" {
  start -o delete_grace=0,rollout=none
  local before
  before=$(date -u +%Y-%m-%dT%H:%M:%S)
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(last_line '[.path, .verb, .outcome, .command, .uid]')" "[\"/applications/web.json\",\"create\",\"done\",\"cp\",$(id -u)]"
  assert_equal "$(last_line .id)" "\"$(app_id web)\""
  assert_equal "$(last_line '.after.configuration.instance_type, .before')" $'"lite"\nnull'
  [[ ! $(last_line -r .time) < $before ]] || fail "time: $(last_line .time)"
  sed "s/production/staging/" "$T/web.json" >"$T/changed.json"
  cp "$T/changed.json" "$APPS/web.json"
  assert_equal "$(last_line '[.verb, .outcome, (.before, .after | .configuration.environment_variables[] | select(.name == "MODE") | .value)]')" \
    '["update","done","production","staging"]'
  assert_equal "$(last_line '.version_before, .version_after')" "$(printf '%s\n' "$(last_line .version_before)" "$(app web | jq .version)")"
  mv "$APPS/web.json" "$APPS/shop.json"
  assert_equal "$(last_line '[.verb, .path, .new_path, .command]')" '["rename","/applications/web.json","/applications/shop.json","mv"]'
  rm "$APPS/shop.json"
  assert_equal "$(last_line '[.verb, .path, .command, .before.max_instances, .after]')" '["delete","/applications/shop.json","rm",5,null]'
  # What means the same, what the mount refuses and what is only read changes nothing.
  cp "$T/web.json" "$APPS/web.json"
  local lines
  lines=$(count_lines)
  cp "$T/web.json" "$APPS/web.json"
  echo '{' >"$APPS/bad.json" 2>/dev/null || true
  cat "$APPS"/*.json >/dev/null
  assert_equal "$(count_lines)" "$lines"
  assert_history_is_true
}

@test "history: what the service refuses is a line that says so, with the id of the request" {
  start
  web_json "$T/web.json"
  fault '{"method":"POST","path":"/applications","status":409,"body":{"success":false,"errors":[{"code":1000,"message":"it is busy"}],"result":null}}'
  assert_fails cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(last_line '[.verb, .outcome, .calls[0].status, .after.max_instances]')" '["create","failed",409,5]'
  assert_match "$(last_line .message)" 'it is busy'
  assert_equal "$(last_line '.calls[0].request_id')" "$(last_error .request_id | jq -R .)"
}

@test "history: keys, secrets, jobs, registries and actions have their lines, and no line has a secret" {
  start -o delete_grace=0
  local needle=Ne3dle-9f8e7d6c
  web_json "$T/web.json" '.jobs = true | .instances = 0'
  cp "$T/web.json" "$APPS/web.json"
  printf '%s' "$needle" >"$T/value"
  cp "$T/value" "$MNT/secrets/API_KEY"
  printf '%s2' "$needle" >"$T/value"
  cp "$T/value" "$MNT/secrets/API_KEY"
  assert_equal "$(last_line '[.verb, .path, .before, .after, .outcome]')" '["update","/secrets/API_KEY",null,null,"done"]'
  ssh-keygen -q -t ed25519 -N '' -C me -f "$T/key"
  cp "$T/key.pub" "$MNT/ssh-keys/me.pub"
  assert_equal "$(last_line .after)" "\"$(cat "$T/key.pub")\""
  cat >"$T/registry.json" <<JSON
{"kind":"DockerHub","is_public":false,"auth":{"public_credential":"me","private_credential":"$needle"}}
JSON
  cp "$T/registry.json" "$MNT/registries/docker.io.json"
  assert_equal "$(last_line '[.verb, .path, .after.auth.public_credential]')" '["create","/registries/docker.io.json","me"]'
  cat >"$T/job.json" <<JSON
{"image":"registry.cloudflare.com/app:v1","entrypoint":["run"],"command":[],"timeout":60,"vcpu":1,"memory_mib":1024,
 "secrets":[{"name":"TOKEN","type":"env","value":"$needle"}]}
JSON
  cp "$T/job.json" "$APPS/web/jobs/nightly.json" || fail "$(last_error .message)"
  assert_equal "$(last_line '[.verb, .path, .after.timeout]')" '["create","/applications/web/jobs/nightly.json",60]'
  echo terminate >"$APPS/web/jobs/nightly/action"
  assert_equal "$(last_line '[.verb, .path]')" '["terminate","/applications/web/jobs/nightly/action"]'
  rm "$MNT/secrets/API_KEY" "$MNT/ssh-keys/me.pub" "$MNT/registries/docker.io.json"
  assert_history_is_true
  umount_cfcfs
  ! grep -raF "$needle" "$T/state" "$T/cfcfs.log" || fail "the secret is in the state or the log"
  mount_cfcfs
  ! grep -aF "$needle" "$MNT/$HISTORY" || fail "the secret is in the history"
  ! grep -raF "$needle" "$MNT/.cfcfs/deleted" || fail "the secret is under deleted/"
}

@test "history: after the work of several users and two mounts it says who did what, in both and in a later one" {
  needs_root
  command -v setpriv >/dev/null || skip "setpriv is not installed"
  start_emulator
  MOUNT_AT=$T/one mount_cfcfs -o "allow_other,umask=0,file_mode=0666,dir_mode=0777,delete_grace=0,rollout=none"
  MOUNT_AT=$T/two mount_cfcfs -o "allow_other,umask=0,file_mode=0666,dir_mode=0777,delete_grace=0,rollout=none"
  local dir=$T/one user mount n
  until setpriv --reuid=4001 --regid=4001 --clear-groups test -r "$T/one/applications"; do
    [ "$dir" != / ] || fail "the mount is not open to others"
    chmod o+x "$dir"
    dir=$(dirname "$dir")
  done
  web_json "$T/web.json"
  chmod a+r "$T/web.json"
  n=0
  for user in 4001 4002 4003; do
    for mount in one two; do
      n=$((n + 1))
      setpriv --reuid=$user --regid=$user --clear-groups cp "$T/web.json" "$T/$mount/applications/app$n.json"
    done
  done
  setpriv --reuid=4002 --regid=4002 --clear-groups rm "$T/one/applications/app1.json"
  setpriv --reuid=4003 --regid=4003 --clear-groups mv "$T/two/applications/app2.json" "$T/two/applications/two.json"
  cat >"$T/want" <<'E'
[4001,"cp","create","/applications/app1.json"]
[4001,"cp","create","/applications/app2.json"]
[4002,"cp","create","/applications/app3.json"]
[4002,"cp","create","/applications/app4.json"]
[4002,"rm","delete","/applications/app1.json"]
[4003,"cp","create","/applications/app5.json"]
[4003,"cp","create","/applications/app6.json"]
[4003,"mv","rename","/applications/app2.json"]
E
  for mount in one two; do
    wait_until 30 "all lines in $mount" has_lines 8 "$T/$mount"
    history_lines '[.uid, .command, .verb, .path]' "$T/$mount" | sort | diff - "$T/want" || fail "in $mount"
  done
  MOUNT_AT=$T/later mount_cfcfs
  history_lines '[.uid, .command, .verb, .path]' "$T/later" | sort | diff - "$T/want" || fail "in a later one"
  MNT=$T/later assert_history_is_true
}

@test "history: tail -f shows what happens; a full one drops the oldest; history=0 keeps none" {
  start -o history=3,rollout=none
  web_json "$T/web.json"
  tail -n +1 -f "$MNT/$HISTORY" >"$T/followed" 2>/dev/null 3>&- &
  local n tail=$!
  record_pid "$T/pids" "$tail"
  for n in 1 2 3 4 5; do
    sed "s/production/prod$n/" "$T/web.json" >"$T/changed.json"
    cp "$T/changed.json" "$APPS/web.json"
    followed() { [ "$(grep -c . "$T/followed")" = "$n" ]; }
    wait_until 30 "line $n of tail -f" followed
  done
  assert_equal "$(history_lines '.after.configuration.environment_variables[] | select(.value | startswith("prod")).value')" \
    $'"prod3"\n"prod4"\n"prod5"'
  kill "$tail"
  wait "$tail" 2>/dev/null || true
  umount_cfcfs
  mount_cfcfs -o history=3
  assert_equal "$(count_lines)" 3
  umount_cfcfs
  mount_cfcfs -o history=0,rollout=none
  cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(count_lines)" 0
}

@test "history: a delete that is not answered before the end is named there" {
  start -o delete_grace=60,timeout=3
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  rm "$APPS/web.json"
  fault '{"method":"DELETE","path":"/applications/*","times":10,"stall":true}'
  kill "$MOUNT_PID"
  wait_until 60 "the end" gone "$MOUNT_PID"
  clear_faults
  mount_cfcfs
  assert_equal "$(history_lines 'select(.verb == "delete") | [.path, .command]' | head -n 1)" '["/applications/web.json","rm"]'
  assert_match "$(history_lines 'select(.verb == "delete") | .outcome' | sort | tr '\n' ' ')" 'not answered|unknown|failed'
}

@test "history: what was staged is in it once it is applied, by who applied it; what it deleted is under deleted/" {
  "$CFCFS" --help | grep -q '^  stage ' || skip "this cfcfs was built without the option stage"
  start -o rollout=none
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  umount_cfcfs
  clear_requests
  mount_cfcfs -o stage,rollout=none
  cp "$T/web.json" "$APPS/other.json"
  rm "$APPS/web.json"
  assert_equal "$(count_lines)" 1
  assert_equal "$(ls "$MNT/.cfcfs/deleted")" ''
  printf apply >"$T/word"
  cp "$T/word" "$MNT/.cfcfs/apply"
  assert_equal "$(history_lines '[.verb, .path, .command, .outcome]' | tail -n 2 | sort)" \
    '["create","/applications/other.json","cp","done"]'$'\n''["delete","/applications/web.json","cp","done"]'
  assert_equal "$(last_line .before.max_instances)" 5
  jq -S 'del(.jobs, .rollout_active_grace_period)' "$MNT/.cfcfs/deleted/applications/web.json" | diff <(jq -S . "$T/web.json") -
}

# ---- deleted/

@test "deleted: cp of a document from there makes the resource again, but for its id" {
  start -o rollout=none
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  local id own='del(.id, .created_at, .updated_at, .version, .durable_objects, .health, .scheduling_hint)'
  id=$(app_id web)
  app web | jq -S "$own" >"$T/was.json"
  assert_absent "$MNT/.cfcfs/deleted/applications/web.json"
  assert_equal "$(ls "$MNT/.cfcfs/deleted")" ''
  rm "$APPS/web.json"
  sync "$APPS"
  assert_calls 1 DELETE '/applications/*'
  (cd "$MNT" && cp .cfcfs/deleted/applications/web.json applications/)
  advance 10
  app web | jq -S "$own" >"$T/is.json"
  diff "$T/was.json" "$T/is.json"
  [ "$(app_id web)" != "$id" ] || fail "the id is the old one"
  cmp "$T/web.json" "$APPS/web.json"
  assert_equal "$(stat -c %a "$MNT/.cfcfs/deleted/applications/web.json")" 400
}

@test "deleted: outlives the mount and kill -9, and another mount of the state has it; what was not deleted is not there" {
  start -o delete_grace=0
  local name
  web_json "$T/web.json"
  ssh-keygen -q -t ed25519 -N '' -C me -f "$T/key"
  cp "$T/key.pub" "$MNT/ssh-keys/me.pub"
  for name in a b c d; do cp "$T/web.json" "$APPS/$name.json"; done
  rm "$APPS/a.json" "$MNT/ssh-keys/me.pub"
  crash_mount
  mount_cfcfs -o delete_grace=30
  assert_equal "$(cd "$MNT/.cfcfs/deleted" && find . -type f | sort)" $'./applications/a.json\n./ssh-keys/me.pub'
  jq -S . "$T/web.json" | diff - <(jq -S . "$MNT/.cfcfs/deleted/applications/a.json")
  cmp "$T/key.pub" "$MNT/.cfcfs/deleted/ssh-keys/me.pub"
  # Written again within the grace it was an update; refused it was nothing.
  rm "$APPS/b.json"
  cp "$T/web.json" "$APPS/b.json"
  fault '{"method":"DELETE","path":"/applications/*","times":1,"status":403}'
  rm "$APPS/c.json"
  assert_fails sync "$APPS"
  assert_equal "$(ls "$MNT/.cfcfs/deleted/applications")" a.json
  MOUNT_AT=$T/two mount_cfcfs -o delete_grace=0
  rm "$T/two/applications/d.json"
  both() { [ "$(ls "$MNT/.cfcfs/deleted/applications")" = $'a.json\nd.json' ]; }
  wait_until 30 "the other mount's" both
}

@test "deleted: the newest stands there, with the time of its deletion" {
  start -o delete_grace=0,rollout=none
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  rm "$APPS/web.json"
  # An application stays in the list for some seconds after its deletion.
  advance 10
  sed 's/"max_instances": 5/"max_instances": 7/' "$T/web.json" >"$T/seven.json"
  cp "$T/seven.json" "$APPS/web.json"
  umount_cfcfs
  mount_cfcfs -o delete_grace=0
  local before
  before=$(date +%s)
  rm "$APPS/web.json"
  assert_equal "$(jq .max_instances "$MNT/.cfcfs/deleted/applications/web.json")" 7
  (($(stat -c %Y "$MNT/.cfcfs/deleted/applications/web.json") >= before)) || fail "an old time"
  assert_equal "$(ls "$MNT/.cfcfs/deleted/applications")" web.json
}

# as UID COMMAND... : another user of the machine does it.
as() { setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}"; }
# did UID COMMAND VERB PATH : what is to be found of it.
did() { echo "[$1,\"$2\",\"$3\",\"$4\"]" >>"$T/want"; }

@test "history: a day of work of three users on two mounts, one of which stages: who did what, and each call of it is one that was sent" {
  needs_root
  command -v setpriv >/dev/null || skip "setpriv is not installed"
  "$CFCFS" --help | grep -q '^  stage ' || skip "this cfcfs was built without the option stage"
  start_emulator --profile live --patch merge --null refuse
  local open=allow_other,umask=0,file_mode=0666,dir_mode=0777,delete_grace=0 dir=$T/one h user one=$T/one two=$T/two
  MOUNT_AT=$one mount_cfcfs -o "$open"
  MOUNT_AT=$two mount_cfcfs -o "$open,stage"
  until as 4001 test -r "$one/applications"; do
    [ "$dir" != / ] || fail "the mount is not open to others"
    chmod o+x "$dir"
    dir=$(dirname "$dir")
  done
  web_json "$T/web.json"
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/v2.json"
  printf 'Ne3dle-day' >"$T/value"
  printf apply >"$T/word"
  chmod a+r "$T"/*.json "$T/value"
  clear_requests
  for h in 1 2 3 4 5 6 7 8; do
    user=$((4001 + h % 3))
    as $user cp "$T/web.json" "$one/applications/day$h.json" && did $user cp create "/applications/day$h.json"
    as $user cp "$T/value" "$one/secrets/hour$h" && did $user cp create "/secrets/hour$h"
    advance 3600
    refresh_both
    as $((4001 + (h + 1) % 3)) cp "$T/v2.json" "$one/applications/day$h.json" && did $((4001 + (h + 1) % 3)) cp update "/applications/day$h.json"
    # On the other mount it is sent by whoever applies it.
    as $user cp "$T/web.json" "$two/applications/staged$h.json"
    cp "$T/word" "$two/.cfcfs/apply" && did 0 cp create "/applications/staged$h.json"
    advance 3600
    refresh_both
    case $((h % 4)) in
    1) as $user mv "$one/applications/day$h.json" "$one/applications/night$h.json" && did $user mv rename "/applications/day$h.json" ;;
    2) as $user rm "$one/applications/day$h.json" && did $user rm delete "/applications/day$h.json" ;;
    3)
      fault '{"method":"PATCH","path":"/secrets/*","times":1,"status":400,"body":{"success":false,"errors":[{"code":1000,"message":"no"}],"result":null}}'
      # Others may not write into a secret that is there.
      assert_fails as $user cp "$T/web.json" "$one/secrets/hour$h"
      assert_fails cp "$T/web.json" "$one/secrets/hour$h"
      did 0 cp update "/secrets/hour$h"
      ;;
    0) as $user rm "$one/secrets/hour$h" && did $user rm delete "/secrets/hour$h" ;;
    esac
  done
  sort "$T/want" >"$T/wanted"
  MOUNT_AT=$T/later mount_cfcfs
  for dir in "$one" "$two" "$T/later"; do
    wait_until 30 "all lines in $dir" has_lines "$(wc -l <"$T/wanted")" "$dir"
    history_lines '[.uid, .command, .verb, .path]' "$dir" | sort | diff - "$T/wanted" || fail "in $dir"
    MNT=$dir assert_history_is_true
  done
  assert_equal "$(history_lines 'select(.outcome == "failed") | .path' "$one" | sort | xargs)" '/secrets/hour3 /secrets/hour7'
  ! grep -aF Ne3dle-day "$one/$HISTORY" || fail "a secret is in the history"
}
refresh_both() {
  echo / >"$T/one/.cfcfs/refresh"
  echo / >"$T/two/.cfcfs/refresh"
}
