#!/usr/bin/env bats
# cfcfs-sync: its command line, and what an export writes and leaves.
load lib
load repo

SYNC=$BUILD/sync/cfcfs-sync

setup() {
  setup_base
  mkdir -m 700 "$T/run"
  export XDG_RUNTIME_DIR=$T/run
  PATH=$(dirname "$CFCFS"):$PATH
  REPO=$T/repo
}
# sync_ ARGUMENT... : with the test's account.
sync_() {
  CLOUDFLARE_ACCOUNT_ID=$ACCOUNT timeout 100 "$SYNC" -o "url=$URL,token_file=$T/token,state_dir=$T/state" "$@"
}
# nothing_stays : no mount, no process, no directory.
nothing_stays() {
  assert_equal "$(mounts_under "$T/run")" ''
  assert_equal "$(find "$T/run" -mindepth 2 ! -name '*.lock')" ''
}

@test "sync: the command line, and what is wrong with it" {
  local line
  "$SYNC" --help | grep -q '^usage: cfcfs-sync'
  "$SYNC" --version | grep -qx 'cfcfs-sync [0-9.]*'
  while IFS='|' read -r arguments line; do
    # shellcheck disable=SC2086
    run "$SYNC" $arguments
    assert_status 1
    assert_match "$output" "$line"
  done <<'TABLE'
|what to do is missing
plam repo|did you mean 'plan'
plan|wants one directory
apply one two|wants one directory
wait|which paths
export repo --prune|--prune means nothing to export
plan repo --max-delete 3|--max-delete without --prune
apply repo --json|--json means nothing to apply
plan repo --wait 3|--wait means nothing to plan
apply repo --max-delete many|--max-delete many: must be a number
TABLE
}

@test "sync: a repository that is empty, missing, or no directory is refused before anything is asked" {
  start_emulator
  mkdir "$T/empty"
  mkdir -p "$T/other/docs" "$T/other/applications"
  touch "$T/other/README.md" "$T/other/docs/web.json" "$T/other/applications/.gitkeep" "$T/file"
  local dir
  for dir in "$T/empty" "$T/other"; do
    run sync_ apply --prune "$dir"
    assert_status 1
    assert_match "$output" 'has no resource'
  done
  run sync_ plan "$T/missing"
  assert_status 1
  assert_match "$output" 'No such file'
  run sync_ plan "$T/file"
  assert_status 1
  assert_match "$output" 'no directory'
  assert_equal "$(requests .path)" ''
  nothing_stays
}

@test "sync: a mount that cannot be made is told by cfcfs itself, and nothing stays" {
  start_emulator
  make_repo "$REPO"
  (umask 077 && echo wrong >"$T/token")
  run sync_ export "$REPO"
  assert_status 1
  assert_match "$output" '^cfcfs: '
  nothing_stays
}

@test "sync: an interrupt ends it while the mount is not there yet" {
  local pid status=0
  mkdir -p "$T/bin" "$REPO/applications"
  echo '{}' >"$REPO/applications/web.json"
  cp "$SYNC" "$T/bin/"
  # The one beside it is taken.
  printf '#!/bin/sh\necho $$ >"%s/cfcfs.pid"\nexec sleep 1000\n' "$T" >"$T/bin/cfcfs" && chmod +x "$T/bin/cfcfs"
  timeout -s KILL 60 "$T/bin/cfcfs-sync" plan "$REPO" 2>"$T/out" &
  pid=$!
  wait_until 30 "cfcfs to start" [ -s "$T/cfcfs.pid" ]
  pkill -INT -P "$pid" -x cfcfs-sync
  wait "$pid" || status=$?
  assert_equal "$status" 1
  assert_match "$(cat "$T/out")" 'interrupted'
  assert_fails kill -0 "$(cat "$T/cfcfs.pid")"
  nothing_stays
}

@test "sync: export writes what the account has, removes what is gone, and is quiet the second time" {
  start
  make_repo "$REPO"
  sync_first "$REPO" "$MNT"
  sync_all "$REPO" "$MNT" || true
  umount_cfcfs
  clear_requests
  mkdir -p "$T/out/applications" "$T/out/docs" "$T/out/secrets"
  echo '{}' >"$T/out/applications/gone.json"
  echo 'mine' >"$T/out/applications/README.md"
  echo 'mine' >"$T/out/secrets/other"
  touch "$T/out/docs/page" "$T/out/applications/.keep"
  run sync_ export "$T/out"
  assert_status 0
  assert_match "$output" 'removed applications/gone.json'
  assert_match "$output" 'Export: [0-9]+ written, 1 removed, 0 as they were'
  assert_writes 0
  (cd "$REPO" && find . -type f ! -path './secrets/*' | sort) >"$T/want"
  (cd "$T/out" && find . -type f \( -name '*.json' -o -name '*.pub' \) | sort) | diff "$T/want" -
  assert_equal "$(cat "$T/out/applications/README.md" "$T/out/secrets/other")" $'mine\nmine'
  jq -e '.configuration.ssh_public_key_ids == ["ssh-keys/anna.pub"]' "$T/out/applications/app-1.json" >/dev/null
  find "$T/out" -type f -printf '%p %i %T@\n' | sort >"$T/before"
  run sync_ export "$T/out"
  assert_status 0
  assert_match "$output" '^Export: 0 written, 0 removed, [0-9]+ as they were$'
  find "$T/out" -type f -printf '%p %i %T@\n' | sort | diff "$T/before" -
  nothing_stays
}

@test "sync: export over a repository with files of a collection that is not offered, or fails, leaves them" {
  start_emulator --surface official
  make_repo "$REPO"
  run sync_ export "$REPO"
  assert_status 0
  [[ $output == *'removed applications/app-1.json'* ]] || fail "$output"
  assert_exists "$REPO/ssh-keys/anna.pub"
  assert_exists "$REPO/deployments/probe.json"
  assert_exists "$REPO/secrets/api-key"
  stop_emulator
  start_emulator
  rm -r "$T/state" "$REPO"
  make_repo "$REPO"
  fault '{"method":"GET","path":"/applications","times":100,"status":500}'
  run sync_ -o retries=0 export "$REPO"
  assert_status 1
  assert_exists "$REPO/applications/app-1.json"
  nothing_stays
}

@test "sync: wait ends with 0 when all is healthy, 3 when it does not become so, 1 for what is not there" {
  start_emulator --time-scale 100
  api POST /applications "$(web_json /dev/stdout '.name = "web"')" >/dev/null
  run sync_ wait applications/web.json /applications/web --wait 60
  assert_status 0
  run sync_ wait applications/other --wait 60
  assert_status 1
  assert_match "$output" 'no such application'
  run sync_ wait other --wait 60
  assert_status 1
  assert_match "$output" 'other.json: there is no such .*: a path is wanted, such as applications/web.json'
  stop_emulator
  start_emulator --time-scale 0.001
  api POST /applications "$(web_json /dev/stdout '.name = "web"')" >/dev/null
  run sync_ wait applications/web --wait 1
  assert_status 3
  assert_match "$output" 'applications/web.json: '
  api POST /applications "$(web_json /dev/stdout '.name = "ill" | .configuration.image = "registry.cloudflare.com/bad-image:v1"')" >/dev/null
  advance 60
  run sync_ wait applications/ill --wait 1
  assert_status 3
  assert_match "$output" 'applications/ill.json: the service says ImagePullError: The image could not be pulled: it does not exist$'
  nothing_stays
}

@test "sync: tools/quickstart's own account into an empty one, by one export and one apply: everything there, and nothing to do then" {
  local other=fedcba9876543210fedcba9876543210 seed name
  # As it starts the emulator; and with the service's own ways, which are the default.
  seed=$(sed -n 's/.*local seed=(--seed \([a-z]*\)).*/\1/p' "$SOURCE_DIR/tools/quickstart")
  [ -n "$seed" ] || fail "tools/quickstart has no seed any more"
  start_emulator --seed "$seed" --profile live --patch merge --null refuse --time-scale 5
  run sync_ export "$REPO"
  assert_status 0
  # Values of secrets are nobody's to export.
  mkdir -p "$REPO/secrets"
  for name in $(api GET /secrets | jq -r '.[].name'); do echo "value of $name" >"$REPO/secrets/$name"; done
  assert_exists "$REPO/secrets/$name"
  local here=$ACCOUNT
  ACCOUNT=$other
  run sync_ plan "$REPO"
  assert_status 2
  run sync_ apply "$REPO"
  assert_status 0
  assert_match "$output" 'Applied: ([0-9]+) of \1'
  clear_requests
  run sync_ apply "$REPO"
  assert_status 0
  assert_equal "$output" 'Plan: nothing to do'
  run sync_ plan "$REPO"
  assert_status 0
  assert_writes 0
  advance 1800
  run sync_ plan "$REPO"
  assert_equal "$status $output" '0 Plan: nothing to do'
  run sync_ export "$T/copy"
  assert_status 0
  diff -r -x secrets "$REPO" "$T/copy"
  # Kind by kind as many as there were, and what they refer to is the new account's own.
  for name in /applications /secrets /ssh-public-keys /registries /registry-protocols; do
    assert_equal "$(api GET "$name" | jq length)" "$(ACCOUNT=$here api GET "$name" | jq length)" "how many $name"
  done
  assert_equal "$(api GET /deployments/v2 | jq '[.[] | select(.app_id == null)] | length')" \
    "$(ACCOUNT=$here api GET /deployments/v2 | jq '[.[] | select(.app_id == null)] | length')"
  api GET /ssh-public-keys | jq -c '[.[].id]' >"$T/keys"
  api GET /applications | jq -c --slurpfile keys "$T/keys" '[.[].configuration.ssh_public_key_ids // [] | .[]] | . - $keys[0]' >"$T/strange"
  assert_equal "$(cat "$T/strange")" '[]'
  nothing_stays
}
