#!/usr/bin/env bats
# rsync makes the account what the repository says, and costs nothing where nothing changed.
# deadline: 420 s
# profiles: ideal live
load lib
load repo

setup() {
  setup_base
  REPO=$T/repo
}
# spec [OPTIONS] : a mount as CI makes it.
spec() { mount_with_clock -o "view=spec,delete_grace=0${1:+,$1}"; }
# synced [APPLICATIONS] : an account that is what the repository says; nothing in the log of requests.
synced() {
  [ -d "$REPO" ] || make_repo "$REPO" "${1:-3}"
  start_emulator
  spec "${2-}"
  sync_first "$REPO" "$MNT"
  sync_all "$REPO" "$MNT"
  clear_requests
}
# without_state : as from a machine that never saw the account.
without_state() {
  umount_cfcfs
  rm -rf "$T/state"
  spec
}
assert_complete() {
  local n file
  for file in "$REPO"/{applications,deployments,registry-protocols}/*.json; do
    assert_same_json "$file" "$MNT/${file#"$REPO"/}"
  done
  cmp "$REPO/ssh-keys/anna.pub" "$MNT/ssh-keys/anna.pub"
  assert_equal "$(api GET /secrets | jq -c '[.[].name] | sort')" '["api-key","db-password"]'
  assert_equal "$(api GET /registries | jq -c '[.[].domain] | index("docker.io") != null')" true
  n=$(api GET /ssh-public-keys | jq -r '.[0].id')
  app app-1 | jq -e --arg id "$n" '.configuration.ssh_public_key_ids == [$id] and .configuration.secrets[0].secret == "db-password"'
}

@test "an empty account in two steps, and then nothing to do" {
  make_repo "$REPO"
  start_emulator
  spec
  sync_first "$REPO" "$MNT"
  sync_all "$REPO" "$MNT"
  assert_complete
  assert_equal "$(app_names)" $'app-1\napp-2\napp-3'
  assert_calls 1 POST /deployments/v2
  assert_calls 0 DELETE '*'
  assert_calls 0 PATCH '/applications/*'
  times_out
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_writes 0
  assert_reads_at_most 8
  assert_equal "$(rsync -ain --delete --exclude=/secrets "$REPO/" "$MNT/")" '' "what rsync would still do"
}

@test "the second run after a remount, and by checksum from a machine without any state" {
  make_repo "$REPO"
  # live: instances is computed, and who does not remember what it wrote cannot tell a number of the document from a new one.
  ! is_live || sed -i '/"instances":/d' "$REPO"/applications/*.json
  synced
  umount_cfcfs
  spec
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_writes 0
  assert_reads_at_most 8
  without_state
  clear_requests
  rsync -rc --delete --exclude=/secrets "$REPO/" "$MNT/"
  assert_writes 0
  assert_reads_at_most 8
  without_state
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_writes 0
  assert_reads_at_most 8
  assert_complete
}

@test "one changed file of 200: one look, and one rollout" {
  synced 200
  umount_cfcfs
  spec
  sed -i 's/app:v1/app:v2/' "$REPO/applications/app-117.json"
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_calls 1 POST "/applications/$(app_id app-117)/rollouts"
  assert_calls 1 GET "/applications/????????-*" # the look before the change
  assert_writes 1
  assert_reads_at_most 10 # one is this test's own
  clear_requests
  sed -i 's/"instances": 1/"instances": 2/' "$REPO/applications/app-3.json"
  sync_all "$REPO" "$MNT"
  assert_calls 1 PATCH "/applications/$(app_id app-3)"
  assert_writes 1
}

@test "a file removed: one DELETE" {
  synced
  local id
  id=$(app_id app-2)
  rm "$REPO/applications/app-2.json"
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_calls 1 DELETE "/applications/$id"
  assert_writes 1
  assert_absent "$MNT/applications/app-2.json"
}

@test "a file removed, with the usual grace: the DELETE at the latest with the unmount" {
  make_repo "$REPO"
  start_emulator
  mount_cfcfs -o view=spec
  sync_first "$REPO" "$MNT"
  sync_all "$REPO" "$MNT"
  local id
  id=$(app_id app-2)
  rm "$REPO/applications/app-2.json"
  clear_requests
  sync_all "$REPO" "$MNT"
  umount_cfcfs
  assert_calls 1 DELETE "/applications/$id"
  assert_writes 1
}

@test "drift made behind its back is repaired by the next run, and nothing else is touched" {
  synced
  local id
  id=$(app_id app-2)
  api PATCH "/applications/$id" '{"max_instances":4}' >/dev/null
  api POST /applications "$(jq '.name = "stranger"' "$REPO/applications/app-1.json" | jq '.configuration |= del(.ssh_public_key_ids)')" >/dev/null
  local stranger
  stranger=$(app_id stranger)
  refresh
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_calls 1 PATCH "/applications/$id"
  assert_calls 1 DELETE "/applications/$stranger"
  assert_writes 2
  assert_equal "$(app app-2 | jq .max_instances)" 5
  # Without --delete-ing: past the time to live it is seen with no refresh. (Of what this mount changed itself within the last
  # minute a list is no news.)
  id=$(app_id app-3)
  api PATCH "/applications/$id" '{"max_instances":7}' >/dev/null
  times_out
  clear_requests
  sync_all "$REPO" "$MNT"
  assert_calls 1 PATCH "/applications/$id"
  assert_writes 1
}

@test "a document that the API refuses in the middle: exit 23, named, and the others are in" {
  make_repo "$REPO" 5
  jq '.configuration.secrets[0].secret = "no-such-secret"' "$REPO/applications/app-1.json" >"$REPO/applications/app-3.json"
  start_emulator
  spec
  sync_first "$REPO" "$MNT"
  run sync_all "$REPO" "$MNT"
  assert_status 23
  assert_match "$output" 'app-3\.json'
  assert_equal "$(app_names)" $'app-1\napp-2\napp-4\napp-5'
  assert_same_json "$REPO/deployments/probe.json" "$MNT/deployments/probe.json"
  assert_error 'applications/.*app-3' 'configuration.secrets.0.secret'
  cmp "$REPO/applications/app-3.json" "$MNT/.cfcfs/rejected/applications/app-3.json"
  assert_equal "$(ls -A "$MNT/applications")" $'app-1.json\napp-2.json\napp-4.json\napp-5.json'
}

@test "a changed document that is refused: exit 23, and the account's stays" {
  synced
  jq '.instances = "two"' "$REPO/applications/app-1.json" >"$T/bad" && cp "$T/bad" "$REPO/applications/app-2.json"
  sed -i 's/"max_instances": 5/"max_instances": 6/' "$REPO/applications/app-3.json"
  run sync_all "$REPO" "$MNT"
  assert_status 23
  assert_match "$output" 'app-2\.json'
  assert_equal "$(app app-2 | jq .max_instances)" 5
  assert_equal "$(app app-3 | jq .max_instances)" 6
  assert_writes 1
  jq -e '.instances == 1' "$MNT/applications/app-2.json"
}

@test "unchanged secrets cost no call, across remounts" {
  synced
  rsync -a "$REPO/secrets/" "$MNT/secrets/"
  assert_writes 0
  umount_cfcfs
  spec
  clear_requests
  rsync -a "$REPO/secrets/" "$MNT/secrets/"
  assert_writes 0
  printf 'another-value\n' >"$REPO/secrets/api-key"
  rsync -a "$REPO/secrets/" "$MNT/secrets/"
  assert_calls 1 PATCH /secrets/api-key
  assert_writes 1
}

@test "a dry run says what would be done, and does nothing" {
  synced
  sed -i 's/"instances": 1/"instances": 2/' "$REPO/applications/app-1.json"
  rm "$REPO/applications/app-2.json"
  clear_requests
  run rsync -ain --delete --exclude=/secrets "$REPO/" "$MNT/"
  assert_status 0
  assert_match "$output" 'applications/app-1.json'
  assert_match "$output" 'deleting.*applications/app-2.json'
  assert_equal "$(grep -c json <<<"$output")" 2 "lines of: $output"
  assert_writes 0
}

@test "nodelete and --max-delete hold deletes back" {
  synced
  umount_cfcfs
  spec nodelete
  rm "$REPO"/applications/app-{1,2}.json
  run sync_all "$REPO" "$MNT"
  assert_status 23
  assert_calls 0 DELETE '*'
  umount_cfcfs
  spec
  run rsync -a --delete --max-delete=1 --exclude=/secrets "$REPO/" "$MNT/"
  assert_status 25
  assert_calls 1 DELETE '/applications/*'
}

@test "a repository made from the account has it all, and syncs back without a write" {
  synced
  mkdir "$T/out"
  rsync -a --exclude=/secrets "$MNT/" "$T/out/"
  assert_equal "$(cd "$T/out" && find . -type f | sort)" "$(cd "$REPO" && find . -type f ! -path './secrets/*' | sort)"
  # From the account itself, not from what this mount remembers of the writes.
  without_state
  mkdir "$T/fresh"
  rsync -a --exclude=/secrets "$MNT/" "$T/fresh/"
  clear_requests
  sync_all "$T/fresh" "$MNT"
  assert_writes 0
  jq -e '.configuration.ssh_public_key_ids == ["ssh-keys/anna.pub"]' "$T/fresh/applications/app-1.json"
}

# run_rsync OPTION... : over the application app-1, changed; exactly one update.
over() {
  local n id
  id=$(app_id app-1)
  n=$(jq .max_instances "$REPO/applications/app-1.json")
  sed -i "s/\"max_instances\": $n,/\"max_instances\": $((n + 1)),/" "$REPO/applications/app-1.json"
  # rsync takes a file of the same size and second for unchanged.
  touch -d "$n seconds" "$REPO/applications/app-1.json"
  clear_requests
  rsync -a "$@" "$REPO/applications/" "$MNT/applications/" || fail "rsync $*: status $?"
  flush_deletes
  assert_writes 1
  assert_calls 1 PATCH "/applications/$id"
  assert_equal "$(app app-1 | jq -r '"\(.id) \(.max_instances)"')" "$id $((n + 1))"
  cmp "$REPO/applications/app-1.json" "$MNT/applications/app-1.json"
  assert_equal "$(find "$MNT/applications" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -v '^app-[0-9]\(\.json\)\?$' | grep -v "${LEFT:-^$}")" '' "left behind by $*"
}

@test "rsync --inplace, --partial, --delay-updates, -W, --backup and more: one update each" {
  make_repo "$REPO"
  start
  sync_first "$REPO" "$MNT"
  rsync -a --exclude=/secrets "$REPO/" "$MNT/"
  over
  over --inplace
  over --inplace --no-whole-file
  over --no-whole-file
  over --partial
  over --partial --partial-dir=.partial
  over --delay-updates
  over -W
  LEFT='~$' over --backup
  LEFT='~$' over -b --suffix=.orig~
  rm "$APPS"/*~
  over --temp-dir="$T"
  over --checksum
  over --fsync
  over --existing -u
  over --chmod=F600 --numeric-ids
}

@test "rsync of a refused document: its own error, the account untouched, the text kept" {
  local options
  make_repo "$REPO"
  start
  sync_first "$REPO" "$MNT"
  rsync -a --exclude=/secrets "$REPO/" "$MNT/"
  local id
  id=$(app_id app-1)
  for options in '' --inplace '--inplace --no-whole-file' --partial --delay-updates -W --backup; do
    jq '.instances = "two"' "$REPO/applications/app-1.json" >"$T/bad.json"
    mkdir -p "$T/bad/" && cp "$T/bad.json" "$T/bad/app-1.json"
    clear_requests
    # shellcheck disable=SC2086
    run rsync -a $options "$T/bad/" "$MNT/applications/"
    [ "$status" = 23 ] || [ "$status" = 11 ] || fail "rsync $options: status $status: $output"
    assert_match "$output" 'app-1'
    flush_deletes || true
    assert_writes 0
    assert_equal "$(app_id app-1)" "$id"
    wait_until 12 "the application to be back" test -e "$MNT/applications/app-1.json"
    cmp "$REPO/applications/app-1.json" "$MNT/applications/app-1.json"
    cmp "$T/bad.json" "$MNT/.cfcfs/rejected/applications/app-1.json"
  done
}

# What the account and the directory say of a name, past the service's own delay.
still_there() {
  [ -n "$(app_id "$1")" ] || fail "$1 was deleted"
  cmp "$REPO.first/applications/$1.json" "$APPS/$1.json"
}

@test "rsync --delete --backup: a name that only became a backup comes back, is never deleted, and a failure says so" {
  synced
  cp -a "$REPO" "$REPO.first"
  rm "$REPO/applications/app-2.json"
  rsync -a --delete --backup "$REPO/applications/" "$APPS/"
  assert_exists "$APPS/app-2.json~"
  wait_until 30 "the application to be back" test -e "$APPS/app-2.json"
  wait_until 30 "the failure" eval 'last_error .errno | grep -qx ECANCELED'
  assert_error '/applications/app-2.json' 'nothing was deleted'
  assert_match "$(xattr "$APPS/app-2.json" error)" 'nothing was deleted'
  still_there app-2
  assert_calls 0 DELETE '*'
}

@test "rsync --delete --backup-dir: a copy is kept, and the delete is sent" {
  synced
  cp -a "$REPO" "$REPO.first"
  rm "$REPO/applications/app-2.json"
  rsync -a --delete --backup --backup-dir=.old "$REPO/applications/" "$APPS/"
  cmp "$REPO.first/applications/app-2.json" "$APPS/.old/app-2.json"
  assert_absent "$APPS/app-2.json"
  assert_calls 1 DELETE '/applications/*'
  rm "$REPO/applications/app-3.json"
  rsync -a --delete --backup --backup-dir="$T/old" "$REPO/applications/" "$APPS/"
  cmp "$REPO.first/applications/app-3.json" "$T/old/app-3.json"
  assert_absent "$APPS/app-3.json"
  assert_calls 2 DELETE '/applications/*'
}

@test "a desktop's trash: an error and the file stays, or the file is deleted: never a success that is undone" {
  command -v gio >/dev/null || skip "gio is not installed"
  synced
  cp -a "$REPO" "$REPO.first"
  run gio trash "$APPS/app-2.json"
  if [ "$status" = 0 ]; then
    assert_absent "$APPS/app-2.json"
    assert_calls 1 DELETE '/applications/*'
    return
  fi
  still_there app-2
  assert_calls 0 DELETE '*'
  # As a file manager does it by itself.
  mkdir -p "$MNT/.Trash-0/files"
  assert_sys EXDEV rename "$APPS/app-2.json" "$MNT/.Trash-0/files/app-2.json"
  still_there app-2
  mv "$APPS/app-2.json" "$MNT/.Trash-0/files/"
  cmp "$REPO.first/applications/app-2.json" "$MNT/.Trash-0/files/app-2.json"
  assert_absent "$APPS/app-2.json"
  assert_calls 1 DELETE '/applications/*'
}

@test "what the platform made takes no backup's name, beside it or elsewhere" {
  start_emulator
  seed '{"applications":1}'
  mount_cfcfs
  local file
  mkdir "$APPS/.old"
  for file in "$APPS"/app-00001/instances/*.json "$APPS"/app-00001/deployments/*.json; do
    [ -e "$file" ] || continue
    assert_sys EPERM rename "$file" "$file~"
    assert_error 'comes from the platform'
    assert_sys EPERM rename "$file" "$APPS/.old/x"
    assert_exists "$file"
  done
  assert_exists "$file"
}
