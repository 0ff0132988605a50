#!/usr/bin/env bats
# The commands of docs/GITOPS.md, as they stand there.
# profiles: ideal live
load lib
load repo

# commands NAME : the code block after "<!-- test: NAME -->".
commands() {
  awk -v mark="<!-- test: $1 -->" '$0 == mark { found = 1; next } found && /^```/ { if (inside) exit; inside = 1; next } inside' \
    "$SOURCE_DIR/docs/GITOPS.md"
}
# guide NAME : runs them.
guide() {
  local text
  text=$(commands "$1")
  [ -n "$text" ] || fail "the guide has no commands named $1"
  env MNT="$MNT" REPO="$REPO" OPTIONS="url=$URL,token_file=$T/token,state_dir=$T/state" CLOUDFLARE_ACCOUNT_ID=$ACCOUNT \
    PATH="$(dirname "$CFCFS"):$PATH" GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=T \
    GIT_COMMITTER_EMAIL=t@example.com bash -c "$text"
}
spec() { mount_cfcfs -o view=spec,delete_grace=0; }

setup() {
  setup_base
  REPO=$T/repo
  make_repo "$REPO"
  start_emulator
}
# first : the account is what the repository says.
first() {
  spec
  guide first
  umount_cfcfs
  clear_requests
}
not_mounted() { ! is_mounted "$MNT"; }

@test "the guide's job of CI: mount, sync, unmount, exit status" {
  first
  run guide ci
  assert_status 0
  not_mounted
  assert_writes 0
  sed -i 's/app:v1/app:v2/' "$REPO/applications/app-1.json"
  rm "$REPO/applications/app-2.json"
  run guide ci
  assert_status 0
  assert_calls 1 POST '/applications/*/rollouts'
  assert_calls 1 DELETE '/applications/*'
  advance 60
  assert_equal "$(app_names)" $'app-1\napp-3'
}

@test "the guide's job of CI says what was refused, and fails" {
  first
  sed -i 's/"instances": 1/"instances": "one"/' "$REPO/applications/app-1.json"
  run guide ci
  assert_status 23
  assert_match "$output" 'applications/app-1.json: instances'
  not_mounted
  assert_writes 0
}

@test "the guide's job of CI fails where the mount fails" {
  first
  printf 'wrong\n' >"$T/token"
  run guide ci
  assert_status 3
  not_mounted
}

@test "the guide's first sync of an empty account, twice" {
  spec
  guide first
  assert_equal "$(app_names)" $'app-1\napp-2\napp-3'
  clear_requests
  guide first
  assert_writes 0
}

@test "the guide's dry run and its read-only check change nothing" {
  first
  spec
  guide spelling
  assert_equal "$(guide dry-run)" ''
  sed -i 's/"max_instances": [0-9]*/"max_instances": 77/' "$REPO/applications/app-1.json"
  rm "$REPO/applications/app-2.json"
  run guide dry-run
  assert_match "$output" 'deleting +applications/app-2.json'
  assert_match "$output" 'applications/app-1.json'
  umount_cfcfs
  run guide read-only
  assert_status 1
  assert_match "$output" 'app-2'
  not_mounted
  assert_writes 0
}

@test "the guide's secrets" {
  first
  spec
  guide secrets
  assert_writes 0
  echo other >"$REPO/secrets/api-key"
  guide secrets
  assert_calls 1 PATCH /secrets/api-key
  assert_writes 1
}

@test "the guide's repository from an account" {
  first
  spec
  local given=$REPO
  REPO=$T/made
  run guide bootstrap
  assert_status 0
  assert_equal "$output" ''
  assert_equal "$(git -C "$REPO" ls-files)" "$(cd "$given" && find . -type f ! -path './secrets/*' | sed 's|^\./||' | sort)"
  assert_writes 0
}

@test "the guide's careful deletes" {
  first
  spec
  rm -r "$REPO/applications" "$REPO/deployments" "$REPO/registry-protocols" "$REPO/registries"
  run guide careful
  assert_status 25
  (($(count_calls DELETE '*') <= 5)) || fail "$(count_calls DELETE '*') deletes"
}

@test "the guide's look for drift" {
  first
  spec
  guide spelling
  run guide drift
  assert_status 0
  api PATCH "/applications/$(app_id app-2)" '{"max_instances":77}' >/dev/null
  refresh
  clear_requests
  run guide drift
  assert_status 1
  assert_match "$output" 'app-2.json'
  assert_writes 0
}
