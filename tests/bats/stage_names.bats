#!/usr/bin/env bats
# A mount that stages: one name after another's. What is removed and written again, names that go round, names that are given up.
# profiles: ideal live
# deadline: 900 s
load lib
load kinds
load stage

HUB='{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": "dckr_pat_0123456789"}}'
! is_live || HUB='{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": {"store_id": "s", "secret_name": "n"}}}'

setup() {
  setup_base
  start_emulator
}

# writes : the calls that changed something, in order: METHOD PATH, ids left out.
writes() {
  requests 'select(.method != "GET" and .status < 300) | "\(.method) \(.path)"' | jq -r . | sed -E 's,/[0-9a-f-]{36},/ID,; s,/[0-9a-f]{32},/ID,'
}
# most NAME : its max_instances, as the account has it.
most() { app "$1" | jq .max_instances; }
# api_most NAME N : an application with this max_instances.
api_most() { api_app "$1" ".max_instances = $2"; }
key_of() { api GET /ssh-public-keys | jq -r --arg n "$1" '.[] | select(.name == $n).public_key' | cut -d' ' -f2; }

@test "an SSH key, removed and written again: its delete, then its create, and another id" {
  make_key one
  make_key two
  mount_cfcfs -o delete_grace=0
  cp "$T/one.pub" "$MNT/ssh-keys/deploy.pub"
  umount_cfcfs
  stage
  clear_requests
  assert_sys EPERM write "$MNT/ssh-keys/deploy.pub" "$T/two.pub"
  rm "$MNT/ssh-keys/deploy.pub"
  cp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  assert_writes 0
  assert_equal "$(ls "$MNT/ssh-keys")" deploy.pub
  cmp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  assert_equal "$(xattr "$MNT/ssh-keys/deploy.pub" staged)" update
  assert_match "$(plan)" '~ ssh-keys/deploy.pub: update.*public_key: .*made anew'
  assert_equal "$(plan_json -c '[.changes[] | [.wave, [.requests[].method]]]')" '[[0,["DELETE","POST"]]]'
  # Written once more, taken back, and written again.
  cp "$T/one.pub" "$MNT/ssh-keys/deploy.pub"
  assert_nothing_staged
  rm "$MNT/ssh-keys/deploy.pub"
  assert_equal "$(ls "$MNT/ssh-keys")" ''
  cp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  rm "$MNT/ssh-keys/deploy.pub"
  assert_match "$(sum)" ' 0 to change, 1 to delete'
  cp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  umount_cfcfs
  stage
  cmp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  apply
  assert_equal "$(writes | cut -d' ' -f1 | xargs)" 'DELETE POST'
  assert_nothing_staged
  assert_equal "$(key_of deploy)" "$(cut -d' ' -f2 "$T/two.pub")"
  assert_equal "$(api GET /ssh-public-keys | jq length)" 1
  cmp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  assert_equal "$(xattr "$MNT/ssh-keys/deploy.pub" id)" "$(api GET /ssh-public-keys | jq -r '.[0].id')"
  cmp "$T/one.pub" "$MNT/.cfcfs/deleted/ssh-keys/deploy.pub"
}

@test "a registry, removed and written again; what is refused stays, and is made by the next apply" {
  mount_cfcfs -o delete_grace=0
  write "$MNT/registries/docker.io.json" "$HUB"
  umount_cfcfs
  stage
  rm "$MNT/registries/docker.io.json"
  write "$MNT/registries/docker.io.json" "${HUB/acme/other}"
  assert_equal "$(jq -r .auth.public_credential "$MNT/registries/docker.io.json")" other
  assert_equal "$(plan_json -c '[.changes[] | [.verb, [.requests[].method]]]')" '[["update",["DELETE","POST"]]]'
  fault '{"method":"POST","path":"/registries","times":1,"status":400,"body":{"success":false,"errors":[{"code":1000,"message":"no room"}],"result":null}}'
  clear_requests
  order EINVAL apply
  assert_match "$(plan)" '\+ registries/docker.io.json: create.*no room'
  assert_equal "$(jq -r .auth.public_credential "$MNT/registries/docker.io.json")" other
  apply
  assert_equal "$(writes | cut -d' ' -f1 | xargs)" 'DELETE POST'
  assert_nothing_staged
  assert_equal "$(api GET /registries | jq -c '.[] | select(.domain == "docker.io") | tostring | [contains("other"), contains("acme")]')" '[true,false]'
}

@test "an application or a deployment, removed and written again, is an update; a secret too" {
  api_app web
  mount_cfcfs -o delete_grace=0
  printf 'one' | tee "$MNT/secrets/db" >/dev/null
  printf '{"image": "registry.cloudflare.com/probe:v1", "location": "lhr01", "instance_type": "lite"}' >"$MNT/deployments/probe.json"
  advance 30
  umount_cfcfs
  stage
  clear_requests
  jq '.max_instances = 7' "$APPS/web.json" >"$T/web.json"
  jq '.image = "registry.cloudflare.com/probe:v2"' "$MNT/deployments/probe.json" >"$T/probe.json"
  rm "$APPS/web.json" "$MNT/deployments/probe.json" "$MNT/secrets/db"
  cp "$T/web.json" "$APPS/web.json"
  cp "$T/probe.json" "$MNT/deployments/probe.json"
  printf 'two' | tee "$MNT/secrets/db" >/dev/null
  assert_match "$(sum)" ' 0 to create, 3 to change, 0 to delete'
  apply
  assert_equal "$(writes | sort | xargs)" 'PATCH /applications/ID PATCH /deployments/ID/v2 PATCH /secrets/db'
  assert_nothing_staged
  assert_equal "$(most web)" 7
}

@test "an application whose new document its old one cannot become is made anew; what is staged below it goes with it" {
  api_app batch
  stage
  clear_requests
  local old
  old=$(app_id batch)
  jq '.jobs = true' "$APPS/batch.json" >"$T/batch.json"
  assert_sys EINVAL write "$APPS/batch.json" "$T/batch.json"
  rm "$APPS/batch.json"
  cp "$T/batch.json" "$APPS/batch.json"
  assert_equal "$(plan_json -c '[.changes[] | [.verb, [.requests[].method]]]')" '[["update",["DELETE","POST"]]]'
  assert_equal "$(jq .jobs "$APPS/batch.json")" true
  apply
  assert_equal "$(writes | xargs)" 'DELETE /applications/ID POST /applications'
  assert_nothing_staged
  advance 60
  assert_equal "$(app_names)" batch
  [ "$(app_id batch)" != "$old" ] || fail "the id is the old one"
  assert_equal "$(jq .jobs "$APPS/batch.json")" true
  assert_equal "$(xattr "$APPS/batch.json" id)" "$(app_id batch)"
}

@test "two names are swapped: the tree shows it at once, and one of them has another name for the meantime" {
  api_most a 2
  api_most b 3
  stage
  local a b
  a=$(app_id a) b=$(app_id b)
  clear_requests
  mv "$APPS/a.json" "$APPS/spare.json"
  mv "$APPS/b.json" "$APPS/a.json"
  mv "$APPS/spare.json" "$APPS/b.json"
  assert_writes 0
  assert_equal "$(cd "$APPS" && echo *)" 'a a.json b b.json'
  assert_equal "$(jq .max_instances "$APPS/a.json") $(jq .max_instances "$APPS/b.json")" '3 2'
  assert_equal "$(jq -r .id "$APPS/a/status.json")" "$b"
  assert_equal "$(sum)" 'Plan: 0 to create, 0 to change, 0 to delete, 2 to rename; 3 calls in 2 waves'
  assert_equal "$(plan)" "$(plan)"
  umount_cfcfs
  stage
  assert_equal "$(jq .max_instances "$APPS/a.json") $(jq .max_instances "$APPS/b.json")" '3 2'
  apply
  assert_writes 3
  assert_equal "$(writes | sort -u)" 'PATCH /applications/ID'
  assert_nothing_staged
  advance 60
  assert_equal "$(app_id a) $(app_id b)" "$b $a"
  assert_equal "$(cd "$APPS" && echo *)" 'a a.json b b.json'
  refresh
  assert_equal "$(jq .max_instances "$APPS/a.json") $(jq .max_instances "$APPS/b.json")" '3 2'
}

@test "three go round, one of them changed too, deployments as well; the names in between are never anybody else's" {
  api_most a 2
  api_most b 3
  api_most c 4
  mount_cfcfs -o delete_grace=0
  local n
  for n in one two; do
    printf '{"image": "registry.cloudflare.com/%s:v1", "location": "lhr01", "instance_type": "lite"}' $n >"$MNT/deployments/$n.json"
  done
  advance 30
  umount_cfcfs
  stage max_conns=4
  clear_requests
  mv "$APPS/a.json" "$APPS/spare.json"
  mv "$APPS/b.json" "$APPS/a.json"
  mv "$APPS/c.json" "$APPS/b.json"
  mv "$APPS/spare.json" "$APPS/c.json"
  sed -i 's/"max_instances": 2/"max_instances": 9/' "$APPS/c.json"
  (cd "$MNT/deployments" && mv one.json spare.json && mv two.json one.json && mv spare.json two.json)
  apply
  assert_nothing_staged
  assert_writes 8
  advance 60
  assert_equal "$(most a) $(most b) $(most c)" '3 4 9'
  assert_equal "$(app_names | xargs)" 'a b c'
  assert_equal "$(jq -r .image "$MNT/deployments/one.json" "$MNT/deployments/two.json" | xargs)" \
    'registry.cloudflare.com/two:v1 registry.cloudflare.com/one:v1'
}

@test "a name that another gives up: by a rename, by a delete, for a new one; each waits for the one before" {
  api_most a 2
  api_most b 3
  api_most c 4
  api_most d 5
  stage
  clear_requests
  web_json "$T/new.json" '.max_instances = 8'
  # d goes, c is d then, b is c, and there is a new b.
  rm "$APPS/d.json"
  mv "$APPS/c.json" "$APPS/d.json"
  mv "$APPS/b.json" "$APPS/c.json"
  cp "$T/new.json" "$APPS/b.json"
  assert_writes 0
  assert_equal "$(cd "$APPS" && echo *.json)" 'a.json b.json c.json d.json'
  assert_equal "$(jq .max_instances "$APPS"/*.json | xargs)" '2 8 3 4'
  assert_equal "$(xattr "$APPS/b.json" staged) $(xattr "$APPS/c.json" staged)" 'create rename'
  assert_equal "$(sum)" 'Plan: 1 to create, 0 to change, 1 to delete, 2 to rename; 4 calls in 4 waves'
  # It is still a new one, whatever is written into it.
  sed -i 's/"max_instances": 8/"max_instances": 7/' "$APPS/b.json"
  apply
  assert_equal "$(writes | cut -d' ' -f1 | xargs)" 'DELETE PATCH PATCH POST'
  assert_nothing_staged
  advance 60
  assert_equal "$(most a) $(most b) $(most c) $(most d)" '2 7 3 4'
  assert_equal "$(app_names | xargs)" 'a b c d'
}

@test "who waits for a name is not tried when the one before fails, and is not sent alone" {
  api_most a 2
  api_most b 3
  stage
  mv "$APPS/b.json" "$APPS/old.json"
  mv "$APPS/a.json" "$APPS/b.json"
  fault '{"method":"PATCH","path":"/applications/*","times":1,"status":400,"body":{"success":false,"errors":[{"code":1000,"message":"not now"}],"result":null}}'
  clear_requests
  order EINVAL apply
  assert_writes 1
  assert_match "$(plan)" 'applications/a.json -> applications/b.json: rename.*ECANCELED: not tried: applications/b.json failed'
  assert_equal "$(app_names | xargs)" 'a b'
  order EEXIST 'apply applications/a.json'
  apply
  advance 60
  assert_equal "$(app_names | xargs)" 'b old'
  assert_equal "$(most b) $(most old)" '2 3'
}

@test "kill -9 between the calls of a swap and of a replacement: the next apply ends it, and nothing is there twice" {
  make_key one
  make_key two
  mount_cfcfs -o delete_grace=0
  cp "$T/one.pub" "$MNT/ssh-keys/deploy.pub"
  umount_cfcfs
  api_most a 2
  api_most b 3
  stage
  mv "$APPS/a.json" "$APPS/spare.json"
  mv "$APPS/b.json" "$APPS/a.json"
  mv "$APPS/spare.json" "$APPS/b.json"
  rm "$MNT/ssh-keys/deploy.pub"
  cp "$T/two.pub" "$MNT/ssh-keys/deploy.pub"
  clear_requests
  for _ in 1 2 3 4 5; do
    clear_faults
    fault '{"method":"PATCH","path":"/*","latency_ms":100000,"times":1}'
    fault '{"method":"POST","path":"/*","latency_ms":100000,"times":1}'
    # The call arrives, and its answer does not.
    SENT=$(count_writes)
    apply 2>/dev/null 3>&- &
    record_pid "$T/pids" $!
    wait_until 30 "a call more" sent_more
    crash_mount
    clear_faults
    stage
    [ "$(sum)" != 'Plan: nothing to do' ] || break
  done
  apply
  assert_nothing_staged
  assert_calls 1 POST /ssh-public-keys
  assert_equal "$(requests 'select(.method == "DELETE" and .status < 300) | .path' | wc -l)" 1
  advance 60
  assert_equal "$(most a) $(most b) $(app_names | xargs)" '3 2 a b'
  assert_equal "$(key_of deploy)" "$(cut -d' ' -f2 "$T/two.pub")"
}
sent_more() { (($(count_writes) > SENT)); }
