#!/usr/bin/env bats
# What an audit of the page that users rely on found: each promise with the case that broke it.
load lib
load kinds

@test "a create whose answer was lost is not sent again while the account cannot be asked" {
  start -o retries=0,cache_ttl=60
  ls "$MNT/deployments"
  fault '{"method":"POST","path":"/deployments*","times":1,"close":"after"}'
  fault '{"method":"GET","path":"/deployments*","times":60,"status":503}'
  echo '{"image":"app:v1","location":"sfo06","instance_type":"lite"}' >"$T/x.json"
  assert_fails cp "$T/x.json" "$MNT/deployments/x.json"
  assert_error EIO 'outcome unknown' 'cannot be asked'
  clear_faults
  assert_calls 1 POST '/deployments*'
  refresh
  assert_equal "$(ls "$MNT/deployments")" $'x\nx.json'
}

@test "a rename that failed can be tried again: the failure is not repeated from memory" {
  start
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  web_json "$APPS/web.json.tmp" '.instances = 3'
  fault '{"method":"PATCH","path":"/applications/*","times":1,"status":409}'
  assert_fails mv "$APPS/web.json.tmp" "$APPS/web.json"
  mv "$APPS/web.json.tmp" "$APPS/web.json"
  assert_equal "$(app web | jq .instances)" 3
}

@test "unlink of a name with unsent changes of its content drops only these" {
  start -o delete_grace=0
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  # No child of a shell: its own close of what it inherits would be a flush.
  assert_fails python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(fd, b"{ \"half", 0)
os.unlink(sys.argv[1])
os.close(fd)' "$APPS/web.json"
  assert_match "$output" 'Stale file handle'
  wait_until 5 "the text to be kept" test -e "$MNT/.cfcfs/rejected/applications/web.json"
  assert_error ESTALE 'removed or replaced'
  assert_calls 0 DELETE '/applications/*'
  assert_same_json "$T/web.json" "$APPS/web.json"
  rm "$APPS/web.json"
  assert_calls 1 DELETE '/applications/*'
}

# The service takes neither a rollout of the changed members alone nor, for once, the whole one.
older_way() {
  fault "$(jq -nc '{method: "POST", path: "/applications/*/rollouts", times: 2, status: 400, body: ({success: false,
    errors: [{code: 1000, message: ({error: "VALIDATE_INPUT", details: {"": "Unrecognized key: \"steps\""}} | tojson)}]} | tojson)}')"
}

# owes : the application web is at v2, and the rollout of it failed.
owes() {
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  web_json "$T/v2.json" '.configuration.image = "registry.cloudflare.com/app:v2"'
  older_way
  assert_fails cp "$T/v2.json" "$APPS/web.json"
  clear_requests
}

@test "a rollout stays owed when a further change is refused, and a refused change owes none" {
  start -o cache_ttl=0.2
  owes
  web_json "$T/v3.json" '.configuration.image = "registry.cloudflare.com/app:v3"'
  fault '{"method":"PATCH","path":"/applications/*","times":1,"status":400}'
  assert_fails cp "$T/v3.json" "$APPS/web.json"
  cp "$T/v2.json" "$APPS/web.json"
  assert_calls 1 POST '/applications/*/rollouts'
  older_way
  fault '{"method":"PATCH","path":"/applications/*","times":1,"status":400}'
  assert_fails cp "$T/v3.json" "$APPS/web.json"
  clear_faults
  api PATCH "/applications/$(app_id web)" '{"max_instances": 3}'
  ASKS='/applications*' past_ttl cat "$APPS/web.json"
  jq '.max_instances = 3' "$T/v2.json" >"$T/now.json"
  clear_requests
  cp "$T/now.json" "$APPS/web.json"
  assert_writes 0
}

@test "a rollout that is owed goes with the next change, whatever that is" {
  start
  owes
  jq '.instances = 3' "$T/v2.json" >"$T/v3.json"
  cp "$T/v3.json" "$APPS/web.json"
  assert_calls 1 PATCH '/applications/*'
  assert_calls 1 POST '/applications/*/rollouts'
}

@test "a job whose last newline comes in a write of its own is made once, and without an error" {
  start
  echo '{"instances": 0, "max_instances": 5, "jobs": true, "configuration": {"image": "reports:v1", "instance_type": "lite"}}' >"$APPS/batch.json"
  echo '{"entrypoint": ["/bin/report"], "command": ["--month", "10"]}' >"$T/job.json"
  dd if="$T/job.json" of="$APPS/batch/jobs/one.json" bs=1 status=none
  assert_calls 1 POST '/applications/*/jobs'
  cmp "$T/job.json" "$APPS/batch/jobs/one.json"
  assert_fails cp "$T/job.json" "$APPS/batch/jobs/one.json"
  assert_error EEXIST
  assert_calls 1 POST '/applications/*/jobs'
}

@test "a lost answer to a change of the account is settled by a look" {
  start
  cat "$MNT/account/defaults.json"
  echo '{"vcpus": 0.5, "memory_mib": 512, "disk_mb": 2000}' >"$T/defaults.json"
  fault '{"method":"PATCH","path":"/me","times":1,"close":"after"}'
  cp "$T/defaults.json" "$MNT/account/defaults.json"
  assert_calls 1 PATCH /me
  echo '{"vcpus": 1, "memory_mib": 1024, "disk_mb": 2000}' >"$T/defaults.json"
  fault '{"method":"PATCH","path":"/me","times":1,"close":"before"}'
  cp "$T/defaults.json" "$MNT/account/defaults.json"
  api GET /me | jq -e '.defaults.vcpus == 1 and .defaults.memory_mib == 1024'
}

@test "a version is held against the account, not against what is cached of it" {
  start -o cache_ttl=60
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  local version
  version=$(jq .version "$APPS/web/status.json")
  api PATCH "/applications/$(app_id web)" '{"configuration": {"image": "registry.cloudflare.com/app:v9"}}'
  web_json "$T/v2.json" ".version = $version | .instances = 3"
  clear_requests
  assert_fails cp "$T/v2.json" "$APPS/web.json"
  assert_error ESTALE "version $((version + 1))"
  assert_calls 0 PATCH '/applications/*'
  web_json "$T/v2.json" ".version = $((version + 1)) | .instances = 3"
  cp "$T/v2.json" "$APPS/web.json"
  assert_calls 1 PATCH '/applications/*'
  app web | jq -e '.instances == 3 and (.configuration.image | endswith("app:v1"))'
}

@test "the API away: a write that finds no difference to a stale answer is no success" {
  start_emulator
  mount_with_clock -o cache_ttl=0.2,timeout=3
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  cat "$MNT/account/defaults.json" >"$T/defaults.json"
  stop_emulator
  pass 1
  assert_fails cp "$T/web.json" "$APPS/web.json"
  assert_fails cp "$T/defaults.json" "$MNT/account/defaults.json"
  assert_same_json "$T/web.json" "$APPS/web.json"
}
