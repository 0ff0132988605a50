#!/usr/bin/env bats
# A mount that stages: each kind, verbs, what follows of a change, many documents.
# profiles: ideal live
# deadline: 900 s
load lib
load kinds
load stage

JOB='{"entrypoint": ["/bin/report"], "command": ["--month", "10"], "secrets": [{"type": "env", "name": "S", "value": "JOBSECRET"}]}'
HUB='{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": "dckr_pat_0123456789"}}'
# Under live a credential is a reference.
! is_live || HUB='{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": {"store_id": "s", "secret_name": "n"}}}'

setup() {
  setup_base
  start_emulator
}

# write_all : one of each kind that can be made, those that refer to others first.
write_all() {
  make_key deploy
  with_refs "$T/web.json" db deploy
  jq '.jobs = true' "$T/web.json" >"$T/batch.json"
  printf '{"image": "registry.cloudflare.com/probe:v1", "location": "lhr01", "instance_type": "lite"}' >"$T/probe.json"
  jq '{description: "to v2", strategy: "rolling", kind: "full_manual", steps: [{step_size: {percentage: 100}, description: "all"}],
       target_configuration: {image: "registry.cloudflare.com/app:v2"}}' "$T/web.json" >"$T/v2.json"
  cp "$T/batch.json" "$APPS/batch.json" 2>/dev/null && fail "a key that is not there was taken"
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  cp "$T/deploy.pub" "$MNT/ssh-keys/deploy.pub"
  cp "$T/web.json" "$APPS/web.json"
  cp "$T/batch.json" "$APPS/batch.json"
  cp "$T/probe.json" "$MNT/deployments/probe.json"
  write "$MNT/registries/docker.io.json" "$HUB"
  write "$MNT/registry-protocols/corp.json" '{"domains": [{"domain": "docker.io", "path": "acme"}]}'
  jq '.vcpus = 1' "$MNT/account/defaults.json" >"$T/defaults.json"
  cp "$T/defaults.json" "$MNT/account/defaults.json"
  write "$APPS/batch/jobs/first.json" "$JOB"
  cp "$T/v2.json" "$APPS/web/rollouts/v2.json"
}

@test "each kind: staged, shown, planned, and applied in waves; no secret is anywhere" {
  stage
  write_all
  assert_writes 0
  assert_equal "$(ls "$APPS/batch")" $'jobs\nrollouts'
  assert_equal "$(ls "$APPS/batch/jobs")" $'first\nfirst.json'
  assert_equal "$(ls "$APPS/batch/jobs/first")" ''
  assert_equal "$(jq -c '[.entrypoint, .secrets]' "$APPS/batch/jobs/first.json")" '[["/bin/report"],[{"type":"env","name":"S"}]]'
  is_live || assert_equal "$(jq -c .auth "$MNT/registries/docker.io.json")" '{"public_credential":"acme"}'
  assert_equal "$(jq .vcpus "$MNT/account/defaults.json")" 1
  cmp "$T/v2.json" "$APPS/web/rollouts/v2.json"
  assert_equal "$(plan_json -c '[.changes[] | [.wave, .path, .verb]]' | tr -d '"')" \
    '[[0,account/defaults.json,update],[0,registries/docker.io.json,create],[0,registry-protocols/corp.json,create],[0,secrets/db,create],[0,ssh-keys/deploy.pub,create],[1,applications/batch.json,create],[1,applications/web.json,create],[1,deployments/probe.json,create],[2,applications/batch/jobs/first.json,create],[2,applications/web/rollouts/v2.json,create]]'
  assert_equal "$(plan_json -r '.changes[].requests[].path' | grep /jobs)" '/applications/{batch.json}/jobs'
  assert_equal "$(sum)" 'Plan: 9 to create, 1 to change, 0 to delete, 0 to rename; 10 calls in 3 waves'
  no_secrets
  clear_requests
  apply
  assert_writes 10
  assert_nothing_staged
  no_secrets
  assert_equal "$(api GET /secrets | jq -r '.[].name')" db
  assert_equal "$(ls "$MNT/registry-protocols")" corp.json
  assert_exists "$MNT/registries/docker.io"
  assert_equal "$(ls "$APPS/batch/jobs")" $'first\nfirst.json'
  assert_equal "$(ls "$APPS/web/rollouts")" $'v2\nv2.json'
  assert_equal "$(ls "$MNT/deployments")" $'probe\nprobe.json'
  refresh
  assert_equal "$(jq .vcpus "$MNT/account/defaults.json")" 1
}
no_secrets() {
  local value
  for value in SECRETVALUE123 JOBSECRET dckr_pat_0123456789; do
    ! grep -a "$value" <(plan && cat "$MNT"/.cfcfs/{plan.json,apply.jsonl,errors.jsonl} "$T"/state/* "$T/cfcfs.log") ||
      fail "$value is somewhere"
  done
}

@test "each kind: a delete, in the reverse order" {
  mount_cfcfs -o delete_grace=0
  write_all_now
  umount_cfcfs
  stage
  rm "$MNT/registry-protocols/corp.json" "$MNT/registries/docker.io.json" "$APPS/web.json" "$MNT/secrets/db" "$MNT/deployments/probe.json" \
    "$MNT/ssh-keys/deploy.pub"
  assert_equal "$(ls "$APPS")" ''
  assert_equal "$(plan_json -c '[.changes[] | [.wave, .path]]' | tr -d '"')" \
    '[[4,applications/web.json],[4,deployments/probe.json],[5,registries/docker.io.json],[5,registry-protocols/corp.json],[5,secrets/db],[5,ssh-keys/deploy.pub]]'
  assert_match "$(plan)" '- applications/web.json: delete.*takes with it'
  assert_equal "$(sum)" 'Plan: 0 to create, 0 to change, 6 to delete, 0 to rename; 6 calls in 2 waves'
  clear_requests
  apply
  assert_equal "$(requests 'select(.method == "DELETE" and .status < 300)' | wc -l)" 6
  assert_nothing_staged
  advance 60
  refresh
  assert_equal "$(ls "$APPS" "$MNT/secrets" "$MNT/ssh-keys" "$MNT/registry-protocols" | grep -v ':$' | xargs)" ''
}
write_all_now() {
  make_key deploy
  with_refs "$T/web.json" db deploy
  printf 'x' | tee "$MNT/secrets/db" >/dev/null
  cp "$T/deploy.pub" "$MNT/ssh-keys/deploy.pub"
  cp "$T/web.json" "$APPS/web.json"
  printf '{"image": "registry.cloudflare.com/probe:v1", "location": "lhr01", "instance_type": "lite"}' >"$MNT/deployments/probe.json"
  write "$MNT/registries/docker.io.json" "$HUB"
  write "$MNT/registry-protocols/corp.json" '{"domains": [{"domain": "ghcr.io", "path": "acme"}]}'
  advance 30
}

@test "a changed configuration: the rollout's steps are named" {
  api_app web
  stage
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  assert_match "$(plan)" 'configuration.image: "registry.cloudflare.com/app:v1" -> "registry.cloudflare.com/app:v2"'
  assert_match "$(plan)" 'follows: a rollout in steps:.*Step 1 of 2: 10%.*Step 2 of 2: 100%'
  assert_match "$(plan)" 'instances are replaced'
  assert_equal "$(plan_json -c '[.changes[].fields[].field]')" '["configuration.image"]'
  clear_requests
  apply
  assert_writes 1
  assert_calls 1 POST '/applications/*/rollouts'
  assert_equal "$(jq -r .configuration.image "$APPS/web.json")" registry.cloudflare.com/app:v2
  assert_nothing_staged
}

@test "words of an action, and a request for credentials, are staged too" {
  mount_cfcfs
  printf '{"image": "registry.cloudflare.com/probe:v1", "location": "lhr01", "instance_type": "lite"}' >"$MNT/deployments/probe.json"
  advance 30
  umount_cfcfs
  stage
  clear_requests
  echo recreate >"$MNT/deployments/probe/action"
  echo '{"permissions": ["pull"], "expiration_minutes": 15}' >"$MNT/registries/registry.cloudflare.com/credentials.json"
  assert_writes 0
  run bash -c "echo dance >'$MNT/deployments/probe/action'"
  assert_status 1
  assert_match "$(plan)" '! deployments/probe/action: action.*action: "recreate"'
  assert_match "$(plan)" '! registries/registry.cloudflare.com/credentials.json: action'
  assert_equal "$(sum)" 'Plan: 0 to create, 0 to change, 0 to delete, 0 to rename, 2 actions; 2 calls in 1 wave'
  apply
  assert_calls 1 POST '/deployments/*/recreate'
  assert_calls 1 POST /registries/registry.cloudflare.com/credentials
  jq -e '.password | length > 0' "$MNT/registries/registry.cloudflare.com/credentials.json"
  assert_nothing_staged
}

@test "a secret with the value that it has is no change; another is, without its value" {
  mount_cfcfs
  printf 'one' | tee "$MNT/secrets/db" >/dev/null
  umount_cfcfs
  stage
  printf 'one' | tee "$MNT/secrets/db" >/dev/null
  assert_nothing_staged
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  assert_equal "$(xattr "$MNT/secrets/db" staged)" update
  assert_match "$(plan)" '~ secrets/db: update.*value: "\(secret\)"'
  # Somebody else gave it another value.
  api PATCH /secrets/db '{"value":"theirs"}' >/dev/null
  assert_match "$(sum)" '; 1 outdated$'
  order ESTALE apply
  assert_equal "$(api GET /secrets/db | jq .version)" 2
  apply !
  assert_equal "$(api GET /secrets/db | jq .version)" 3
  printf 'SECRETVALUE123' | tee "$MNT/secrets/db" >/dev/null
  assert_nothing_staged
}

@test "renamed and changed: two calls, and the name is free for another at once" {
  api_app web
  stage
  mv "$APPS/web.json" "$APPS/api.json"
  sed -i 's/"max_instances": 5/"max_instances": 6/' "$APPS/api.json"
  assert_equal "$(xattr "$APPS/api.json" staged)" update
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(xattr "$APPS/web.json" staged) $(xattr "$APPS/api.json" staged)" 'create update'
  rm "$APPS/web.json"
  assert_match "$(plan)" '~ applications/web.json -> applications/api.json: update.*max_instances: 5 -> 6'
  clear_requests
  apply
  assert_writes 2
  assert_equal "$(app_names)" api
  assert_equal "$(app api | jq .max_instances)" 6
  assert_nothing_staged
  # A staged one of no account: its name alone changes.
  cp "$T/web.json" "$APPS/one.json"
  mv "$APPS/one.json" "$APPS/two.json"
  assert_equal "$(cd "$APPS" && echo *.json)" 'api.json two.json'
  rm "$APPS/two.json"
  assert_nothing_staged
  assert_writes 2
}

@test "a part of it alone; what belongs to it and is not in the account is not tried" {
  stage
  web_json "$T/web.json" '.jobs = true'
  cp "$T/web.json" "$APPS/web.json"
  cp "$T/web.json" "$APPS/api.json"
  write "$APPS/web/jobs/first.json" "$JOB"
  order ENOENT 'apply applications/web/jobs'
  assert_equal "$(app_names)" ''
  apply '' applications/web.json
  assert_equal "$(app_names)" web
  assert_equal "$(ls "$APPS/web/jobs")" $'first\nfirst.json'
  apply '' applications/web
  assert_calls 1 POST '/applications/*/jobs'
  assert_equal "$(sum)" 'Plan: 1 to create, 0 to change, 0 to delete, 0 to rename; 1 call in 1 wave'
}

@test "a full view takes no more deletes at once than max_delete; a view=spec does" {
  local i
  for i in 1 2 3; do api_app "web-$i"; done
  stage max_delete=2
  rm "$APPS"/web-*.json
  clear_requests
  order EPERM apply
  assert_error max_delete
  assert_writes 0
  umount_cfcfs
  stage max_delete=2,view=spec
  apply
  assert_calls 3 DELETE '/applications/*'
}

@test "nodelete and ro hold for what is staged" {
  api_app web
  stage nodelete
  assert_sys EPERM unlink "$APPS/web.json"
  umount_cfcfs
  stage ro
  assert_sys EROFS unlink "$APPS/web.json"
  assert_nothing_staged
}

some_sent() { (($(count_calls POST '/applications/*') >= 3)); }

@test "kill -9 while jobs and rollouts are sent: none is made twice, and each has its name" {
  local i
  api_app batch '.jobs = true'
  for i in 1 2 3 4; do api_app "web-$i"; done
  advance 30
  stage max_conns=2
  for i in $(seq -w 8); do write "$APPS/batch/jobs/job-$i.json" "{\"entrypoint\": [\"/bin/report\"], \"command\": [\"--month\", \"$i\"]}"; done
  for i in 1 2 3 4; do
    jq -n --arg i "$i" '{description: "to \($i)", strategy: "rolling", kind: "full_manual", steps: [{step_size: {percentage: 100}, description: "all"}],
      target_configuration: {image: "registry.cloudflare.com/app:v2"}}' >"$T/r.json"
    cp "$T/r.json" "$APPS/web-$i/rollouts/r.json"
  done
  fault '{"method":"POST","path":"/applications/*","times":100,"latency_ms":300}'
  clear_requests
  apply &
  local pid=$!
  wait_until 30 "some of it to be sent" some_sent
  crash_mount
  run wait "$pid"
  clear_faults
  stage
  apply
  assert_nothing_staged
  assert_equal "$(requests 'select(.method == "POST" and (.path | endswith("/jobs")) and .status < 300)' | wc -l)" 8
  assert_equal "$(requests 'select(.method == "POST" and (.path | endswith("/rollouts")) and .status < 300)' | wc -l)" 4
  refresh
  assert_equal "$(cd "$APPS/batch/jobs" && echo *.json | xargs)" "$(seq -f 'job-%g.json' 8 | xargs)"
  assert_equal "$(jq -r '.command[1]' "$APPS"/batch/jobs/job-*.json | xargs)" '1 2 3 4 5 6 7 8'
  assert_equal "$(cat "$APPS"/web-*/rollouts/r.json | jq -r .description | xargs)" 'to 1 to 2 to 3 to 4'
}

# cpu : hundredths of a second that the mount has used.
cpu() { awk '{ print $14 + $15 }' "/proc/$MOUNT_PID/stat"; }
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$MOUNT_PID/status"; }

@test "five thousand staged documents: bounded memory, a plan that costs little, a budget that is kept" {
  [ -z "${CFCFS_SANITIZE-}" ] || skip "a sanitizer takes time and memory of its own"
  stage timeout=60
  web_json "$T/web.json"
  python3 - "$T/web.json" "$APPS" <<'P'
import sys
text = open(sys.argv[1]).read()
for i in range(5000):
    with open(f"{sys.argv[2]}/app-{i:04}.json", "w") as f:
        f.write(text.replace("production", f"production-{i}"))
P
  assert_writes 0
  assert_equal "$(ls -f "$APPS" | grep -c '\.json$')" 5000
  local before after
  plan >"$T/plan"
  before=$(cpu)
  plan >"$T/again"
  after=$(cpu)
  cmp "$T/plan" "$T/again"
  assert_equal "$(tail -n 1 "$T/plan")" 'Plan: 5000 to create, 0 to change, 0 to delete, 0 to rename; 5000 calls in 1 wave'
  ((after - before < 100 * ${CFCFS_SLOW:-1})) || fail "a plan takes $((after - before)) hundredths of a second"
  (($(rss) < 200000)) || fail "$(rss) kB"
  clear_requests
  plan >/dev/null
  (($(requests | wc -l) <= 2)) || fail "$(requests | wc -l) calls for a plan"
  echo discard >"$MNT/.cfcfs/apply"
  assert_nothing_staged
}
