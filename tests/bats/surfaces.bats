#!/usr/bin/env bats
# What the service offers: the whole of the contract, what wrangler calls, or the official operations alone. What is not offered is
# left out and said plainly; what was offered before is never taken for missing.
load lib
load repo

CONTAINERS="select(.path | startswith(\"/\"))"

surface() { # surface NAME [MOUNT-OPTIONS]
  start_emulator --surface "$1" --profile "${PROFILE-ideal}"
  local n
  for n in 1 2 3; do
    api POST /applications "$(web_json /dev/stdout ".name = \"app-$n\"")" >/dev/null
  done
  clear_requests
  mount_cfcfs ${2:+-o "$2"}
}
# Paths (with the prefix that is not /containers) of what was answered "no route".
no_routes() { requests 'select(.status == 404 or .status == 405) | [.method, .path] | @tsv'; }
offer() { jq -r ".$1.offer" "$MNT/.cfcfs/offers.json"; }
# Calls since clear_requests.
calls() { requests .path | wc -l; }
assert_no_route_once() {
  assert_equal "$(no_routes | sort | uniq -d | grep -v deployments/v2 | grep -v ssh-public-keys)" '' "asked again after \"no route\""
}

ABSENT_official=(deployments secrets ssh-keys registry-protocols ips)
ABSENT_wrangler=(secrets registry-protocols ips)
ABSENT_full=()

walk() { # walk COMMAND... : ends with 0.
  run "$@"
  [ "$status" = 0 ] || fail "$*: status $status: $output"
}

@test "the mount asks for one list with one entry" {
  surface official
  assert_equal "$(requests '[.method, .path, .query] | @tsv')" '"GET\t/applications\tper_page=1"'
}

@test "find, ls -lR and grep -r end with 0 under each surface, and cost what they may" {
  local surface
  for surface in official wrangler full; do
    surface $surface view=spec,cache_ttl=3600,status_ttl=3600
    clear_requests
    walk find "$MNT"
    (($(calls) <= 8)) || fail "$surface: $(calls) calls of find: $(requests '[.path, .status]')"
    walk ls -lR "$MNT"
    (($(calls) <= 8)) || fail "$surface: $(calls) calls of ls: $(requests '[.path, .status]')"
    walk grep -rq lite "$MNT"
    (($(calls) <= 8)) || fail "$surface: $(calls) calls of grep: $(requests '[.path, .status]')"
    assert_no_route_once
    umount_cfcfs
    stop_emulator
    rm -rf "$T/state"
  done
}

@test "the whole tree under each surface: no error, no call twice that was answered no route" {
  local surface
  for surface in official wrangler full; do
    surface $surface cache_ttl=3600,status_ttl=3600
    clear_requests
    walk find "$MNT"
    # 8 and 2, 2 for each application (none has jobs), 1 for each deployment.
    (($(calls) <= 10 + 2 * 3 + $(count_calls GET '/deployments/*/placements'))) || fail "$surface: $(calls) calls of find: $(requests '[.path, .status]')"
    walk ls -lR "$MNT"
    walk find "$MNT" -type f -size +100k
    walk find "$MNT" -type f -name '*.json' -exec cat {} +
    assert_no_route_once
    umount_cfcfs
    stop_emulator
    rm -rf "$T/state"
  done
}

@test "what is not offered is EOPNOTSUPP by name, and absent from listings" {
  local surface name
  for surface in official wrangler; do
    surface $surface
    local -n absent=ABSENT_$surface
    # The first contact is the name itself.
    for name in "${absent[@]}"; do
      assert_sys EOPNOTSUPP stat "$MNT/$name"
      assert_match "$(last_error .message)" 'does not offer list.*404'
      assert_sys EOPNOTSUPP stat "$MNT/$name/some.json"
    done
    ls "$MNT" >"$T/names"
    for name in "${absent[@]}"; do
      run ! grep -Fx "$name" "$T/names"
    done
    grep -Fx applications "$T/names"
    grep -Fx registries "$T/names"
    assert_no_route_once
    umount_cfcfs
    stop_emulator
    rm -rf "$T/state"
  done
}

@test "once something was not offered, listings have what is offered alone; in a later mount the first one, too" {
  surface official
  ls "$MNT" >/dev/null
  assert_equal "$(calls)" 1 "calls for mounting and listing the root"
  assert_sys EOPNOTSUPP stat "$MNT/ips"
  assert_equal "$(ls "$MNT" | tr '\n' ' ')" 'account applications registries '
  umount_cfcfs
  mount_cfcfs -o view=spec
  assert_equal "$(ls "$MNT" | tr '\n' ' ')" 'applications registries '
  walk find "$MNT"
}

@test "who goes through the tree comes to no error, and finds it gone the next time" {
  surface official
  walk find "$MNT"
  find "$MNT" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort >"$T/names"
  assert_equal "$(tr '\n' ' ' <"$T/names")" 'account applications registries '
  clear_requests
  walk find "$MNT"
  assert_sys EOPNOTSUPP stat "$MNT/secrets"
  assert_equal "$(no_routes)" ''
}

@test "an API that is slow to say what it lacks holds no listing up" {
  surface official
  assert_sys EOPNOTSUPP stat "$MNT/ips"
  fault '{"method":"GET","path":"/secrets","times":1,"latency_ms":60000}'
  local before=$SECONDS
  ls "$MNT" | grep -Fx secrets
  ((SECONDS - before < 30)) || fail "it took $((SECONDS - before)) s"
}

@test "writing where nothing is offered is refused in the same words, without a call" {
  surface official
  ls "$APPS" >/dev/null
  assert_sys EOPNOTSUPP stat "$MNT/secrets"
  clear_requests
  printf value >"$T/value"
  assert_sys EOPNOTSUPP write "$MNT/secrets/db" "$T/value"
  assert_match "$(last_error .message)" 'does not offer listSecrets: GET /containers/secrets answered 404, code 7003'
  assert_equal "$(calls)" 0
}

@test "an operation that lacks is refused plainly, and not tried again" {
  surface wrangler delete_grace=0
  printf '%s\n' "$KEY_ANNA" >"$T/anna.pub"
  cp "$T/anna.pub" "$MNT/ssh-keys/anna.pub"
  # wrangler makes and lists keys, and deletes none.
  assert_sys EOPNOTSUPP unlink "$MNT/ssh-keys/anna.pub"
  assert_match "$(jq -r .message <<<"$(tail -n 1 "$MNT/.cfcfs/errors.jsonl")")" 'does not offer deleteSshPublicKey'
  clear_requests
  assert_sys EOPNOTSUPP unlink "$MNT/ssh-keys/anna.pub"
  assert_writes 0
  assert_exists "$MNT/ssh-keys/anna.pub"
}

@test "offers.json says what is offered, by which prefix, since when, and what refused it" {
  surface wrangler
  walk find "$MNT"
  jq -e '.listApplications | .offer == "offered" and .prefix == "/containers" and .source == "official" and (.since | length) > 0' \
    "$MNT/.cfcfs/offers.json"
  jq -e '.listDeploymentsV2 | .offer == "offered" and .prefix == "/cloudchamber" and .refused[0].code == 7003' "$MNT/.cfcfs/offers.json"
  jq -e '.listSecrets | .offer == "not offered" and .refused[0].status == 404' "$MNT/.cfcfs/offers.json"
  jq -e '.createSecret.offer == "unknown"' "$MNT/.cfcfs/offers.json"
}

@test "/cloudchamber: what is made there is made, changed and removed there" {
  surface wrangler delete_grace=0
  echo '{"image": "docker.io/acme/probe:v1", "location": "lhr01", "instance_type": "lite"}' >"$T/probe.json"
  cp "$T/probe.json" "$MNT/deployments/probe.json"
  refresh
  assert_equal "$(ls "$MNT/deployments")" $'probe\nprobe.json'
  sed -i s/v1/v2/ "$MNT/deployments/probe.json"
  refresh
  grep v2 "$MNT/deployments/probe.json"
  ls "$MNT/deployments/probe/placements" | grep json
  rm "$MNT/deployments/probe.json"
  refresh
  assert_equal "$(ls "$MNT/deployments")" ''
  assert_no_route_once
}

@test "/cloudchamber that refuses the token is no word on the credentials" {
  start_emulator --surface wrangler
  fault '{"method":"*","path":"/deployments/v2","times":99,"status":404,"body":{"success":false,"errors":[{"code":7003,"message":"no route"}]}}'
  mount_cfcfs
  fault '{"method":"*","path":"/ssh-public-keys","times":1,"status":404,"body":{"success":false,"errors":[{"code":7003,"message":"no route"}]}}'
  fault '{"method":"*","path":"/ssh-public-keys","times":9,"status":403,"body":{"error":"Unauthorized"}}'
  assert_sys EOPNOTSUPP stat "$MNT/ssh-keys"
  ls "$APPS" "$MNT/registries"
  assert_equal "$(offer listSshPublicKeys)" 'not offered'
}

@test "403 keeps the directory, and names the permission" {
  surface full
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/secrets","times":99,"status":403,"body":{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}}'
  assert_sys ok stat "$MNT/secrets"
  ls "$MNT" | grep -Fx secrets
  assert_sys EACCES stat "$MNT/secrets/db"
  assert_match "$(last_error .message)" 'listSecrets.*Workers Containers Read'
  assert_equal "$(offer listSecrets)" refused
  clear_faults
  refresh
  ls "$MNT/secrets"
  assert_equal "$(offer listSecrets)" offered
}

@test "what this state has once seen offered and then is no route is a failure, across a remount" {
  surface full cache_ttl=0.1,negative_ttl=0,stale_ttl=0
  printf value >"$MNT/secrets/db"
  ls "$MNT/secrets"
  local body='{"success":false,"errors":[{"code":7003,"message":"no route"}]}'
  fault '{"method":"GET","path":"/secrets","times":999,"status":404,"body":'"$body"'}'
  wait_until 5 "the fault to show" fails_with EIO "$MNT/secrets/db"
  assert_match "$(last_error .message)" 'it did before'
  ls "$MNT" | grep -Fx secrets
  assert_sys EIO stat "$MNT/secrets/other"
  umount_cfcfs
  mount_cfcfs
  assert_sys EIO stat "$MNT/secrets/db"
  ls "$MNT" | grep -Fx secrets
  kill -HUP "$MOUNT_PID"
  assert_sys EIO stat "$MNT/secrets/db"
  # An old answer serves meanwhile.
  clear_faults
  umount_cfcfs
  mount_with_clock -o cache_ttl=0.1
  ls "$MNT/secrets" | grep -Fx db
  fault '{"method":"GET","path":"/secrets","times":999,"status":404,"body":'"$body"'}'
  clear_requests
  pass 1
  assert_equal "$(ls "$MNT/secrets")" db
  (($(count_calls GET /secrets) > 0)) || fail "the account was not asked"
}
fails_with() { [ "$("$SYS" stat "$2" 2>&1 | awk '{print $NF}')" = "$1" ]; }

@test "SIGHUP forgets what was not offered" {
  start_emulator
  fault '{"method":"GET","path":"/secrets","times":1,"status":405,"body":{"success":false,"errors":[{"code":7001,"message":"no"}]}}'
  mount_cfcfs
  assert_sys EOPNOTSUPP stat "$MNT/secrets"
  assert_sys EOPNOTSUPP stat "$MNT/secrets"
  kill -HUP "$MOUNT_PID"
  wait_until 5 "secrets to be there" is_dir "$MNT/secrets"
}
is_dir() { [ -d "$1" ]; }

@test "an application without instances lacks the directory; others have theirs" {
  surface full
  local id
  id=$(app_id app-1)
  fault '{"method":"GET","path":"/applications/'"$id"'/instances-v2","times":99,"status":400,"body":{"success":false,"errors":[{"code":1000,"message":"instances are not enabled for this application"}]}}'
  walk find "$MNT"
  run ! ls "$APPS/app-1/instances"
  assert_sys EOPNOTSUPP stat "$APPS/app-1/instances"
  run ! grep -Fx instances <(ls "$APPS/app-1")
  ls "$APPS/app-2/instances"
  (($(count_calls GET "/applications/$id/instances-v2") == 1)) || fail "asked again"
}

@test "a stray 400 for an application that had instances is a failure: they stay, and no proxy's 400 hides them" {
  surface full
  local id first second
  first=$(app_id app-1) second=$(app_id app-2)
  umount_cfcfs
  mount_with_clock -o cache_ttl=0.1,status_ttl=0.1,stale_ttl=1,retries=0
  ls "$APPS/app-1/instances" | tee "$T/before"
  fault '{"method":"GET","path":"/applications/'"$first"'/instances-v2","times":1,"status":400,"body":{"success":false,"errors":[{"code":1000,"message":"odd"}]}}'
  pass 60
  run ls "$APPS/app-1/instances"
  assert_match "$output" 'Input/output error'
  assert_match "$(last_error .message)" 'it did before'
  ls "$APPS/app-1" | grep -Fx instances
  pass 60
  ls "$APPS/app-1/instances" | diff "$T/before" -
  # At the first contact, from something that is not the API.
  fault '{"method":"GET","path":"/applications/'"$second"'/instances-v2","times":1,"status":400,"body":"<html>bad request</html>"}'
  run ls "$APPS/app-2/instances"
  assert_match "$output" 'Input/output error'
  pass 60
  ls "$APPS/app-2/instances"
}

@test "instances/ has the active ones; instances=all those that ended too" {
  surface full
  ls "$APPS/app-1/instances" >/dev/null
  assert_equal "$(requests 'select(.path | endswith("instances-v2")) | .query' | sort -u)" '"state=active&per_page=1000"'
  umount_cfcfs
  mount_cfcfs -o instances=all
  clear_requests
  ls "$APPS/app-1/instances" >/dev/null
  assert_equal "$(requests 'select(.path | endswith("instances-v2")) | .query' | sort -u)" '"per_page=1000"'
}

@test "hide= leaves collections out of this mount" {
  surface full hide=deployments:ips
  assert_equal "$(ls "$MNT" | grep -E '^(deployments|ips)$')" ''
  assert_sys ENOENT stat "$MNT/deployments"
  assert_sys ENOENT stat "$APPS/app-1/deployments"
  ls "$APPS/app-1" | grep -Fx rollouts
  walk find "$MNT"
  assert_calls 0 GET /deployments/v2
  assert_calls 0 GET /ips
  run -2 "$CFCFS" -o "url=$URL,hide=deploymets" "$ACCOUNT" "$T"
  assert_match "$output" 'hide=deploymets'
}

@test "without /me: the account's directory shows what is offered, and sizes are lite" {
  surface official
  walk ls "$MNT/account"
  assert_equal "$(ls "$MNT/account")" usage.json
  assert_sys EOPNOTSUPP stat "$MNT/account/limits.json"
  cp "$APPS/app-1.json" "$T/app.json"
  jq '.configuration |= (del(.instance_type, .vcpu, .memory, .memory_mib, .disk))' "$T/app.json" >"$T/without.json"
  clear_requests
  cp "$T/without.json" "$APPS/app-1.json"
  assert_writes 0
}

@test "without their list rollouts/ shows the active one and the mount's own" {
  surface official cache_ttl=0.2,status_ttl=0.2
  jq '.configuration.image |= sub("v1"; "v2")' "$APPS/app-1.json" >"$T/changed.json"
  cp "$T/changed.json" "$APPS/app-1.json"
  wait_until 10 "the rollout" has_files "$APPS/app-1/rollouts"
  assert_equal "$(no_routes | grep -c 'rollouts"')" 1 "lists of rollouts"
  walk ls -lR "$APPS"
}
has_files() { [ -n "$(ls "$1")" ]; }

@test "rsync --delete into the mount ends with 0 where the repository has nothing for what is not offered, else with an error that names it" {
  surface official view=spec,delete_grace=0
  mkdir "$T/repo"
  # The first look: the directories of what is not offered come along, empty.
  rsync -a --exclude=/secrets "$MNT/" "$T/repo/"
  umount_cfcfs
  mount_cfcfs -o view=spec,delete_grace=0
  clear_requests
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  assert_writes 0
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  assert_writes 0
  # Nothing at all of it.
  rm -rf "$T/repo"/{secrets,ssh-keys,deployments,registry-protocols,account}
  rsync -a --delete "$T/repo/" "$MNT/"
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  assert_writes 0
  mkdir -p "$T/repo/ssh-keys"
  printf '%s\n' "$KEY_ANNA" >"$T/repo/ssh-keys/anna.pub"
  run rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  [ "$status" != 0 ] || fail "succeeded"
  assert_match "$output" 'ssh-keys'
  assert_writes 0
}

@test "a list that worked and then fails leaves both sides of an rsync untouched, with an exit status that says so" {
  surface full view=spec,delete_grace=0,cache_ttl=0.1,negative_ttl=0,stale_ttl=0,retries=0
  mkdir "$T/repo"
  rsync -a --exclude=/secrets "$MNT/" "$T/repo/"
  cp -a "$T/repo" "$T/before"
  app_names >"$T/names"
  local status body='{"success":false,"errors":[{"code":7003,"message":"no route"}]}' code
  for code in 404 405 403 500; do
    fault '{"method":"GET","path":"/applications","times":999,"status":'$code',"body":'"$body"'}'
    ASKS=/applications past_ttl ls "$APPS"
    clear_requests
    run rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
    [ "$status" != 0 ] || fail "$code: rsync into the mount ended with 0"
    run rsync -a --delete --exclude=/secrets "$MNT/" "$T/repo/"
    [ "$status" != 0 ] || fail "$code: rsync out of the mount ended with 0"
    diff -r "$T/before" "$T/repo"
    assert_writes 0
    # What cannot be asked about cannot be removed.
    run rm -rf "$APPS/app-1.json"
    [ "$status" != 0 ] || fail "$code: rm -rf ended with 0"
    assert_writes 0
    clear_faults
  done
  assert_equal "$(app_names)" "$(<"$T/names")"
}

@test "more than max_delete deletes in a full view are refused" {
  surface full delete_grace=0,max_delete=2
  rm "$APPS/app-1.json"
  cp "$APPS/app-2.json" "$T/app.json"
  rm "$APPS/app-2.json"
  assert_sys EPERM unlink "$APPS/app-3.json"
  assert_match "$(last_error .message)" max_delete
  umount_cfcfs
  mount_cfcfs -o view=spec,delete_grace=0,max_delete=0
  rm "$APPS/app-3.json"
}
