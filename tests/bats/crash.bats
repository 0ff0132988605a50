#!/usr/bin/env bats
# kill -9 at any moment, and answers that are lost: nothing is lost, nothing happens twice.
# deadline: 500 s
load lib

# Writes that were answered before the crash must be there; what was not may be.
tried() { (($(cat "$T"/done.* 2>/dev/null | wc -l) >= $1)); }
document() { sed "s/\"max_instances\": 5/\"max_instances\": $1/" "$T/web.json"; }

@test "kill -9 while 3 writers create, change and delete: after a remount and a repeat all is as it should be, once" {
  start_emulator
  web_json "$T/web.json"
  local round i writer pids name
  for round in 1 2 3 4 5 6; do
    mount_cfcfs -o "delete_grace=0,rollout=none,rps=10000,burst=100000"
    pids=()
    rm -f "$T"/done.*
    for writer in 1 2 3; do
      (
        trap 'exit 0' TERM
        for i in {1..200}; do
          name=w$writer-r$round-$((i % 7))
          if ((i % 5 == 4)); then
            # The intent goes to the log first, the outcome after.
            echo "try - $name" >>"$T/done.$writer"
            rm "$APPS/$name.json" 2>/dev/null && echo "ok - $name" >>"$T/done.$writer"
          else
            document $((i + 10)) >"$T/doc.$writer"
            echo "try $((i + 10)) $name" >>"$T/done.$writer"
            cp "$T/doc.$writer" "$APPS/$name.json" 2>/dev/null && echo "ok $((i + 10)) $name" >>"$T/done.$writer"
          fi
          is_mounted "$MNT" || exit 0
        done
      ) 2>/dev/null 3>&- &
      pids+=($!)
    done
    wait_until 60 "some changes" tried $((RANDOM % 60))
    crash_mount
    wait "${pids[@]}" || true
    # An application stays in the list for some seconds after its deletion.
    advance 5
    api GET "/applications" >"$T/apps.json"
    # Each name is there once, and what was answered last holds, or the try that was under way.
    python3 - "$T" <<'PYTHON'
import glob, json, sys
folder = sys.argv[1]
apps = json.load(open(folder + "/apps.json"))
names = [app["name"] for app in apps]
assert len(names) == len(set(names)), "doubled: %s" % sorted(names)
have = {app["name"]: str(app["max_instances"]) for app in apps}
checked = 0
for path in glob.glob(folder + "/done.*"):
    allowed = {}
    for line in open(path):
        word, value, name = line.split()
        now = allowed.setdefault(name, {"-"})
        # A try may or may not happen; an answer says that it did.
        allowed[name] = {value} if word == "ok" else now | {value}
    for name, values in allowed.items():
        got = have.get(name, "-")
        assert got in values, "%s is %s, wanted one of %s" % (name, got, values)
        checked += 1
print(checked, "names are as they should be")
PYTHON
    mount_cfcfs -o "delete_grace=0,rollout=none,rps=10000,burst=100000"
    # The repeat: what a user does who saw the failure.
    for writer in 1 2 3; do
      cp "$T/web.json" "$APPS/w$writer-r$round-1.json"
      cp "$T/web.json" "$APPS/again-$writer-$round.json"
    done
    advance 5
    assert_equal "$(app_names | uniq -d)" '' "doubled after the repeat"
    umount_cfcfs
  done
}

@test "kill -9 while a create is in flight: the repeat after a remount makes no second one" {
  start_emulator
  web_json "$T/web.json"
  local i
  for i in 1 2 3; do
    mount_cfcfs -o "rollout=none"
    ls "$APPS" >/dev/null
    fault '{"method":"POST","path":"/applications","latency_ms":1000,"times":1}'
    clear_requests
    cp "$T/web.json" "$APPS/web$i.json" 2>/dev/null 3>&- &
    local writer=$!
    wait_until 10 "the create to be sent" posted
    crash_mount
    wait "$writer" || true
    clear_faults
    mount_cfcfs -o "rollout=none"
    cp "$T/web.json" "$APPS/web$i.json"
    assert_equal "$(app_names | grep -cx "web$i")" 1
    umount_cfcfs
  done
}
posted() { [ "$(count_calls POST /applications)" = 1 ]; }

@test "a delete in its grace at kill -9 did not happen" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs -o "delete_grace=60"
  rm "$APPS/app-00001.json"
  assert_absent "$APPS/app-00001.json"
  crash_mount
  mount_cfcfs -o "delete_grace=60"
  assert_exists "$APPS/app-00001.json"
  assert_writes 0
}

@test "an unsent draft is gone after kill -9, and the account untouched" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs
  cat "$APPS/app-00001.json" >"$T/old"
  exec 8>"$APPS/app-00001.json"
  printf '{ "instances": ' >&8
  crash_mount
  exec 8>&- || true
  mount_cfcfs
  cmp "$T/old" "$APPS/app-00001.json"
  assert_writes 0
}

@test "names of deployments, jobs and rollouts survive kill -9" {
  start_emulator
  seed '{"applications":2,"jobs":1}'
  mount_cfcfs -o "rollout=none"
  local config
  config=$(jq -c .configuration "$APPS/app-00002.json")
  printf '{"description":"mine","strategy":"rolling","kind":"full_auto","step_percentage":100,"target_configuration":%s}' "$config" >"$T/rollout.json"
  cp "$T/rollout.json" "$APPS/app-00002/rollouts/mine.json"
  crash_mount
  mount_cfcfs -o "rollout=none"
  grep -qx mine.json <(ls "$APPS/app-00002/rollouts")
}

@test "a create whose answer is lost is looked up, and happens once" {
  start_emulator
  mount_cfcfs -o "rollout=none,timeout=30"
  web_json "$T/web.json"
  fault '{"method":"POST","path":"/applications","times":1,"close":"after"}'
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  assert_calls 1 POST /applications
  assert_equal "$(app_names)" web
  assert_same_json "$T/web.json" "$APPS/web.json"
}

@test "a create that was lost before it happened is sent once more" {
  start_emulator
  mount_cfcfs -o "rollout=none,timeout=40"
  web_json "$T/web.json"
  fault '{"method":"POST","path":"/applications","times":1,"close":"before"}'
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  assert_calls 2 POST /applications
  assert_equal "$(app_names)" web
}

@test "a lost create of a deployment, a secret, a key: once" {
  start_emulator
  mount_cfcfs -o "rollout=none,timeout=40"
  printf '{"image":"registry.cloudflare.com/app:v1","location":"sfo06","instance_type":"lite"}' >"$T/dep.json"
  fault '{"method":"POST","path":"/deployments*","times":1,"close":"after"}'
  cp "$T/dep.json" "$MNT/deployments/one.json"
  assert_equal "$(api GET /deployments/v2 | jq '[.[] | select(.app_id | not)] | length')" 1
  ls "$MNT/deployments"
  assert_exists "$MNT/deployments/one.json"
  fault '{"method":"POST","path":"/secrets","times":1,"close":"after"}'
  echo value >"$T/secret"
  cp "$T/secret" "$MNT/secrets/one"
  assert_exists "$MNT/secrets/one"
  assert_equal "$(api GET /secrets | jq length)" 1
  fault '{"method":"POST","path":"/ssh-public-keys","times":1,"close":"after"}'
  printf 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxOLcN8IuNPwzpyRg0Ho4R4uDStVhmkRzG3E1D7WJyO me\n' >"$T/key.pub"
  cp "$T/key.pub" "$MNT/ssh-keys/one.pub"
  assert_equal "$(api GET /ssh-public-keys | jq length)" 1
}

@test "a lost PATCH is settled by a GET: once where it happened, sent again where it did not" {
  start_emulator
  seed '{"applications":2}'
  mount_cfcfs -o "rollout=none,timeout=30"
  cat "$APPS/app-00001.json" >/dev/null
  fault '{"method":"PATCH","path":"/applications/*","times":1,"close":"after"}'
  clear_requests
  sed 's/"max_instances": [0-9]*/"max_instances": 41/' "$APPS/app-00001.json" >"$T/new.json"
  cp "$T/new.json" "$APPS/app-00001.json"
  assert_calls 1 PATCH '/applications/*'
  (($(requests 'select(.method == "GET")' | wc -l) >= 1)) || fail "nobody looked"
  assert_equal "$(app app-00001 | jq .max_instances)" 41
  fault '{"method":"PATCH","path":"/applications/*","times":1,"close":"before"}'
  clear_requests
  sed 's/"max_instances": [0-9]*/"max_instances": 42/' "$T/new.json" >"$T/newer.json"
  cp "$T/newer.json" "$APPS/app-00001.json"
  assert_calls 2 PATCH '/applications/*'
  assert_equal "$(app app-00001 | jq .max_instances)" 42
}

@test "a lost DELETE: the file goes, and a second one is no failure" {
  start_emulator
  seed '{"applications":2}'
  mount_cfcfs -o "delete_grace=0,timeout=30"
  ls "$APPS" >/dev/null
  fault '{"method":"DELETE","path":"/applications/*","times":1,"close":"after"}'
  rm "$APPS/app-00001.json"
  assert_absent "$APPS/app-00001.json"
}

@test "a rollout whose answer is lost is never sent again: EIO, outcome unknown" {
  start_emulator
  seed '{"applications":2}'
  mount_cfcfs -o "timeout=30"
  cat "$APPS/app-00001.json" >"$T/old.json"
  fault '{"method":"POST","path":"/applications/*/rollouts","times":1,"close":"after"}'
  printf '{"description":"d","strategy":"rolling","kind":"full_auto","step_percentage":100,"target_configuration":%s}' \
    "$(jq -c .configuration "$T/old.json")" >"$T/rollout.json"
  clear_requests
  assert_sys 'write EIO' write "$APPS/app-00001/rollouts/r.json" "$T/rollout.json"
  assert_calls 1 POST '/applications/*/rollouts'
  assert_error 'outcome unknown'
}

@test "a job whose answer is lost is never sent again: EIO, outcome unknown" {
  start_emulator
  seed '{"applications":2,"jobs":1}'
  mount_cfcfs -o "timeout=30"
  ls "$APPS/app-00001/jobs" >/dev/null
  printf '{"entrypoint":["sleep"],"command":["5"]}' >"$T/job.json"
  local how
  for how in after before; do
    fault "{\"method\":\"POST\",\"path\":\"/applications/*/jobs\",\"times\":1,\"close\":\"$how\"}"
    clear_requests
    assert_sys 'write EIO' write "$APPS/app-00001/jobs/$how.json" "$T/job.json"
    assert_calls 1 POST '/applications/*/jobs'
    assert_error 'outcome unknown'
  done
}

# The account's list is the old one, as long as the fault holds.
lists_lag() { fault '{"method":"GET","path":"/applications","times":10000,"status":200,"body":"{\"success\":true,\"result\":[],\"result_info\":{}}"}'; }

@test "a create that a killed mount had sent is looked for by the next one before it is sent again, for lists lag" {
  start_emulator
  web_json "$T/web.json"
  mount_cfcfs -o cache_ttl=0.2
  ls "$APPS"
  fault '{"method":"POST","path":"/applications","times":1,"close":"after"}'
  lists_lag
  cp "$T/web.json" "$APPS/web.json" 2>/dev/null 3>&- &
  wait_until 10 "the create" sent_creates 1
  crash_mount
  wait $! || true
  mount_cfcfs -o cache_ttl=0.2
  clear_requests
  cp "$T/web.json" "$APPS/web.json" 3>&- &
  wait_until 10 "it to be looked for" looked_times 4
  clear_faults
  wait $!
  assert_calls 0 POST '*'
  assert_equal "$(app_names)" web
  # What is known to be there, or not, is sent at once.
  rm "$APPS/web.json"
  flush_deletes
  clear_requests
  cp "$T/web.json" "$APPS/web.json"
  assert_calls 1 POST /applications
}
sent_creates() { (($(count_calls POST /applications) >= $1)); }
looked_times() { (($(count_calls GET /applications) >= $1)); }
