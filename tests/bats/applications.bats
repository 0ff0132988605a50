#!/usr/bin/env bats
# An application is a file: created, read, changed, renamed, replaced and deleted with ordinary tools.
# profiles: ideal live
load lib

# The body of the only PATCH of an application there was.
patch_body() { requests 'select(.method == "PATCH") | .body' | jq -r . ; }

# web : the application "web" is there, made through the mount, and the log of requests is empty.
web() {
  web_json "$T/web.json" "${1:-.}"
  cp "$T/web.json" "$APPS/web.json"
  ID=$(app_id web)
  clear_requests
}

@test "cp creates the application at the API, and cmp finds the bytes that were written" {
  start -o cache_ttl=0.3
  web_json "$T/web.json"
  sed -i 's/^  /      /' "$T/web.json" # not the spelling that cfcfs renders
  cp "$T/web.json" "$APPS/web.json"
  assert_calls 1 POST /applications
  assert_writes 1
  cmp "$T/web.json" "$APPS/web.json"
  app web | jq -e '.max_instances == 5 and .configuration.environment_variables[1].value == "3"'
  app web | jq -e '.configuration.image == "registry.cloudflare.com/'$ACCOUNT'/app:v1"'
  assert_equal "$(stat -c %s "$APPS/web.json")" "$(stat -c %s "$T/web.json")"
  past_ttl cat "$APPS/web.json" # the account still means the same document
  cmp "$T/web.json" "$APPS/web.json"
  assert_writes 1
}

@test "a create is one call and a listing shows it at once" {
  start
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(ls "$APPS")" $'web\nweb.json'
  assert_calls 1 POST '*'
}

@test "jq .id of status.json is the application's id" {
  start
  web
  assert_equal "$(jq -r .id "$APPS/web/status.json")" "$ID"
  jq -e '.version >= 1 and (.created_at | length) > 0 and .health.instances' "$APPS/web/status.json"
  assert_equal "$(xattr "$APPS/web.json" id)" "$ID"
  assert_equal "$(xattr "$APPS/web.json" kind)" application
}

@test "a file that the mount did not write shows the settings and nothing else" {
  start_emulator
  web_json "$T/web.json"
  api POST /applications "$(jq '.name = "web"' "$T/web.json")" >/dev/null
  mount_cfcfs
  assert_equal "$(jq -c 'keys - ["scheduling_policy","instances","max_instances","configuration","constraints","jobs","affinities","priorities","durable_objects","rollout_active_grace_period","observability"]' "$APPS/web.json")" '[]'
  jq -e '.configuration.image == "registry.cloudflare.com/app:v1"' "$APPS/web.json"
  jq -e 'has("id") or has("name") or has("version") | not' "$APPS/web.json"
  assert_equal "$(tail -c 1 "$APPS/web.json" | od -An -c | tr -d ' ')" '\n'
  # The rendered document is a clone's source, and writing it back is no change.
  clear_requests
  cp "$APPS/web.json" "$T/again.json"
  cp "$T/again.json" "$APPS/web.json"
  assert_writes 0
  cp "$APPS/web.json" "$APPS/clone.json"
  assert_writes 1
  assert_equal "$(app clone | jq .max_instances)" 5
}

@test "sed -i makes one PATCH whose body has the changed field only" {
  start
  web
  sed -i 's/"max_instances": 5/"max_instances": 6/' "$APPS/web.json"
  assert_writes 1
  assert_calls 1 PATCH "/applications/$ID"
  assert_equal "$(patch_body | jq -c .)" '{"max_instances":6}'
  assert_equal "$(app web | jq .max_instances)" 6
  grep -q '"max_instances": 6' "$APPS/web.json"
  assert_equal "$(ls -A "$APPS")" $'web\nweb.json'
}

@test "a removed field is sent as its neutral value" {
  start -o cache_ttl=0.3
  web '.rollout_active_grace_period = 60'
  jq 'del(.rollout_active_grace_period)' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$APPS/web.json"
  assert_equal "$(patch_body | jq -c .)" '{"rollout_active_grace_period":0}'
  past_ttl cat "$APPS/web.json"
  cp "$T/new.json" "$APPS/web.json"
  assert_writes 1
}

@test "a changed configuration is one rollout, with the changed members alone" {
  start
  web
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  assert_calls 1 POST "/applications/$ID/rollouts"
  assert_writes 1
  requests 'select(.path | endswith("/rollouts")) | select(.method == "POST") | .body' | jq -r . |
    jq -e '.strategy == "rolling" and [.steps[].step_size.percentage] == [10, 100]
      and (.target_configuration.image | endswith("app:v2")) and (.description | length) > 0'
}

@test "rollout=none sends no rollout, and max_instances 1 rolls out in one step" {
  start -o rollout=none
  web '.max_instances = 1 | .instances = 1'
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  assert_writes 1
  umount_cfcfs
  mount_cfcfs
  clear_requests
  sed -i 's/app:v2/app:v3/' "$APPS/web.json"
  requests 'select(.method == "POST") | .body' | jq -r . | jq -e '(.steps // [{step_size:{percentage:.step_percentage}}]) | [.[].step_size.percentage] == [100]'
}

@test "writing the same document again sends nothing" {
  start
  web
  cp "$T/web.json" "$APPS/web.json"
  cat "$T/web.json" >"$APPS/web.json"
  echo "$(<"$T/web.json")" >"$APPS/web.json"
  dd if="$T/web.json" of="$APPS/web.json" bs=7 status=none
  mv "$T/web.json" "$APPS/web.json"
  sed -i 's/nothing/something/' "$APPS/web.json"
  touch "$APPS/web.json"
  flush_deletes
  assert_writes 0
  assert_equal "$(app_id web)" "$ID"
}

@test "another field order, spacing, number or string spelling is the same document" {
  start
  web
  spell() {
    jq "$@" "$T/web.json" >"$T/other.json"
    cp "$T/other.json" "$APPS/web.json"
    cmp "$T/other.json" "$APPS/web.json"
    assert_writes 0
  }
  spell -c .
  spell --tab 'to_entries | reverse | from_entries'
  spell '.configuration |= (to_entries | reverse | from_entries)'
  spell '.configuration.environment_variables |= reverse'
  spell '.instances = 2.0 | .rollout_active_grace_period = 0 | .jobs = false'
  spell '.constraints = {} | .observability = null | .configuration.command = []'
  sed 's/production/pr\\u006fduction/; s/: 2,/: 2e0,/' "$T/web.json" >"$T/other.json"
  cp "$T/other.json" "$APPS/web.json"
  assert_writes 0
}

@test "another spelling of the instance type is the same document" {
  start
  web
  spell() {
    jq ".configuration |= (del(.instance_type) + $1)" "$T/web.json" >"$T/other.json"
    cp "$T/other.json" "$APPS/web.json"
    assert_writes 0
  }
  spell '{instance_type: "dev"}'
  spell '{vcpu: 0.0625, memory_mib: 256, disk: {size_mb: 2000}}'
  spell '{vcpu: 0.0625, memory: "256MiB", disk: {size: "2GB"}}'
  spell '{instance_type: "lite"}'
  jq '.configuration.instance_type = "basic"' "$T/web.json" >"$T/other.json"
  cp "$T/other.json" "$APPS/web.json"
  assert_calls 1 POST '/applications/*/rollouts'
}

@test "another spelling of the image is the same document" {
  start
  web
  local image
  for image in app:v1 "registry.cloudflare.com/$ACCOUNT/app:v1" registry.cloudflare.com/app:v1; do
    jq --arg image "$image" '.configuration.image = $image' "$T/web.json" >"$T/other.json"
    cp "$T/other.json" "$APPS/web.json"
    assert_writes 0
  done
}

@test "mv within the mount renames the application" {
  start
  web
  mv "$APPS/web.json" "$APPS/site.json"
  assert_writes 1
  assert_equal "$(patch_body | jq -c .)" '{"name":"site"}'
  assert_equal "$(app_id site)" "$ID"
  assert_absent "$APPS/web.json"
  assert_absent "$APPS/web"
  assert_equal "$(jq -r .id "$APPS/site/status.json")" "$ID"
  assert_equal "$(ls "$APPS")" $'site\nsite.json'
}

@test "a rename onto another application is EEXIST, across kinds EPERM, an exchange EINVAL" {
  start
  web
  cp "$T/web.json" "$APPS/other.json"
  clear_requests
  assert_sys EEXIST rename "$APPS/web.json" "$APPS/other.json"
  assert_sys EEXIST noreplace "$APPS/web.json" "$APPS/other.json"
  assert_sys EPERM rename "$APPS/web.json" "$MNT/deployments/web.json"
  assert_sys EINVAL exchange "$APPS/web.json" "$APPS/other.json"
  assert_writes 0
  assert_equal "$(ls "$APPS")" $'other\nother.json\nweb\nweb.json'
}

@test "mv of a new document from another filesystem is one update, the id unchanged" {
  start
  web
  jq '.instances = 4' "$T/web.json" >"$T/new.json"
  mv "$T/new.json" "$APPS/web.json"
  assert_absent "$T/new.json"
  flush_deletes # the unlink that mv did must not be sent
  assert_writes 1
  assert_calls 1 PATCH "/applications/$ID"
  assert_equal "$(patch_body | jq -c .)" '{"instances":4}'
  assert_equal "$(app_id web)" "$ID"
  assert_equal "$(jq .instances "$APPS/web.json")" 4
}

@test "a refused mv from another filesystem leaves the application running as it was" {
  start
  web
  jq '.instances = "four"' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$T/kept.json"
  assert_fails mv "$T/new.json" "$APPS/web.json"
  assert_exists "$T/new.json"
  flush_deletes || true
  assert_writes 0
  assert_equal "$(app_id web)" "$ID"
  assert_equal "$(app web | jq .max_instances)" 5
  wait_until 5 "the application's file to be back" test -e "$APPS/web.json"
  assert_same_json "$T/web.json" "$APPS/web.json"
  cmp "$T/kept.json" "$MNT/.cfcfs/rejected/applications/web.json"
}

@test "a mv that the API refuses leaves the application running as it was" {
  start
  web
  jq '.configuration.secrets = [{"name":"A","type":"env","secret":"no-such-secret"}]' "$T/web.json" >"$T/new.json"
  assert_fails mv "$T/new.json" "$APPS/web.json"
  flush_deletes || true
  assert_calls 0 DELETE '*'
  assert_equal "$(app_id web)" "$ID"
  app web | jq -e '.version == 1 and .max_instances == 5'
  wait_until 5 "the application's file to be back" test -e "$APPS/web.json"
  assert_same_json "$T/web.json" "$APPS/web.json"
}

@test "install, tar, unzip and cp --remove-destination replace with one update each" {
  start
  web
  local n=10
  check() {
    flush_deletes
    assert_calls 0 DELETE '*'
    assert_calls 0 POST /applications
    assert_calls 1 PATCH "/applications/$ID"
    assert_equal "$(app web | jq -r '"\(.id) \(.max_instances)"')" "$ID $n"
    clear_requests
    n=$((n + 1))
    jq ".max_instances = $n" "$T/web.json" >"$T/src/web.json"
  }
  mkdir "$T/src"
  jq ".max_instances = $n" "$T/web.json" >"$T/src/web.json"
  install -m 644 "$T/src/web.json" "$APPS/web.json"
  check
  cp --remove-destination "$T/src/web.json" "$APPS/web.json"
  check
  tar -C "$T/src" -cf "$T/web.tar" web.json
  tar -C "$APPS" -xf "$T/web.tar"
  check
  (cd "$T/src" && zip -q "$T/web.zip" web.json)
  unzip -qo "$T/web.zip" -d "$APPS"
  check
}

@test "rm: gone from the tree at once, from the account after delete_grace" {
  start
  web
  rm "$APPS/web.json"
  assert_absent "$APPS/web.json"
  assert_absent "$APPS/web"
  assert_equal "$(ls "$APPS")" ''
  assert_calls 0 DELETE '*'
  wait_until 5 "the DELETE" eval '[ "$(count_calls DELETE "/applications/$ID")" = 1 ]'
  # The service still lists it for a while: the tree does not.
  refresh
  assert_equal "$(ls "$APPS")" ''
  advance 60
  assert_equal "$(app_names)" ''
  assert_writes 1
}

@test "rm with delete_grace=0: the DELETE is inside the call" {
  start -o delete_grace=0
  web
  rm "$APPS/web.json"
  assert_calls 1 DELETE "/applications/$ID"
  assert_absent "$APPS/web.json"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/next.json"
  fault '{"method":"DELETE","path":"/applications/*","times":5,"status":403}'
  assert_sys EPERM unlink "$APPS/next.json"
  assert_exists "$APPS/next.json"
}

@test "sync of the directory sends a pending delete, and returns its failure" {
  start -o delete_grace=60
  web
  rm "$APPS/web.json"
  assert_writes 0
  sync "$APPS"
  assert_calls 1 DELETE "/applications/$ID"
  cp "$T/web.json" "$APPS/two.json"
  fault '{"method":"DELETE","path":"/applications/*","times":5,"status":403}'
  rm "$APPS/two.json"
  assert_absent "$APPS/two.json"
  assert_sys "fsync EPERM" fsync "$APPS"
  assert_exists "$APPS/two.json"
  assert_error two.json EPERM
  clear_faults
  fault '{"method":"DELETE","path":"/applications/*","times":5,"status":403}'
  rm "$APPS/two.json"
  assert_fails sync "$APPS"
  assert_same_json "$T/web.json" "$APPS/two.json"
}

@test "a delete that is refused later brings the file back and is recorded" {
  start
  web
  fault '{"method":"DELETE","path":"/applications/*","times":5,"status":403}'
  rm "$APPS/web.json"
  assert_absent "$APPS/web.json"
  wait_until 6 "the file to be back" test -e "$APPS/web.json"
  clear_faults
  assert_error web.json EPERM
  assert_same_json "$T/web.json" "$APPS/web.json"
}

@test "unmounting sends a pending delete" {
  start -o delete_grace=60
  web
  rm "$APPS/web.json"
  assert_writes 0
  umount_cfcfs
  assert_calls 1 DELETE "/applications/$ID"
}

@test "rm and a new document under the name are an update" {
  start
  web
  rm "$APPS/web.json"
  jq '.instances = 1' "$T/web.json" >"$APPS/web.json"
  flush_deletes
  assert_equal "$(app_id web)" "$ID"
  assert_calls 0 DELETE '*'
  assert_calls 1 PATCH "/applications/$ID"
}

@test "rm, then another application is renamed to the name" {
  start
  web
  jq '.instances = 4' "$T/web.json" >"$T/next.json"
  cp "$T/next.json" "$APPS/next.json"
  local id
  id=$(app_id next)
  rm "$APPS/web.json"
  mv "$APPS/next.json" "$APPS/web.json"
  assert_equal "$(ls "$APPS")" $'web\nweb.json'
  assert_equal "$(jq -r .id "$APPS/web/status.json")" "$id"
  flush_deletes
  assert_calls 1 DELETE "/applications/$ID"
  assert_calls 0 DELETE "/applications/$id"
  advance 60
  refresh
  assert_equal "$(ls "$APPS")" $'web\nweb.json'
  assert_same_json "$T/next.json" "$APPS/web.json"
}

@test "nodelete refuses all deletes, ro all changes" {
  start -o nodelete
  web
  assert_sys EPERM unlink "$APPS/web.json"
  umount_cfcfs
  mount_cfcfs -o ro
  assert_sys EROFS unlink "$APPS/web.json"
  assert_sys EROFS write "$APPS/web.json" "$T/web.json"
  assert_writes 0
  cat "$APPS/web.json"
}
