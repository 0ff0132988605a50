#!/usr/bin/env bats
# A deleted application is still answered for a moment and listed for some seconds more. What is made of its name meanwhile has
# the name, by whoever it was made and for whoever looks; nothing is deleted twice.
load lib

QUICK=cache_ttl=0.3,status_ttl=0.2,delete_grace=0

# start_live : the service as it is. Time there passes by advance alone: 3 s until a GET says that it is gone, 8 more in the list.
start_live() {
  start_emulator --profile live --time-scale 0.001
  web_json "$T/web.json" 'del(.instances)'
  web_json "$T/other.json" 'del(.instances) | .max_instances = 7'
  mkdir -p "$T/repo/applications"
  cp "$T/web.json" "$T/repo/applications/web.json"
}
# make FILE : the application web by somebody else; its id.
make() { api POST /applications "$(jq '.name = "web" | .instances = 0' "$1")" | jq -r .id; }
# machine COMMAND... : in a mount of its own that remembers nothing.
machine() {
  rm -rf "$T/state"
  mount_cfcfs -o "$QUICK,view=spec"
  "$@"
  umount_cfcfs
}
sync_repo() { rsync -a --delete --exclude=/secrets --exclude=/account "$T/repo/" "$MNT/" || fail "rsync: $(last_error .message)"; }
# has_name ID : what the name leads to, and that nothing else has it.
has_name() {
  assert_equal "$(ls "$APPS" | grep json)" web.json
  assert_equal "$(xattr "$APPS/web.json" id)" "$1"
}
# has_repo ID : after everything has gone that goes, the account has the repository's document alone.
has_repo() {
  advance 60
  assert_equal "$(app_id web)" "$1"
  api GET "/applications/$1" | jq -e '.max_instances == 5'
}

@test "lingering: deleted and made again by one mount: the living one has the name, through every list" {
  start_live
  mount_cfcfs -o "$QUICK"
  cp "$T/other.json" "$APPS/web.json"
  local old new n
  old=$(app_id web)
  rm "$APPS/web.json"
  cp "$T/web.json" "$APPS/web.json"
  new=$(xattr "$APPS/web.json" id)
  [ "$old" != "$new" ] || fail "it is the old one"
  for n in 1 2 3; do
    refresh
    has_name "$new"
    assert_equal "$(jq .max_instances "$APPS/web.json")" 5
    advance 4
  done
  assert_calls 1 DELETE '/applications/*'
  assert_calls 2 POST /applications
  rm "$APPS/web.json"
  refresh
  assert_equal "$(ls "$APPS" | grep json || true)" ''
  assert_calls 1 DELETE "/applications/$old"
  assert_calls 1 DELETE "/applications/$new"
}

@test "lingering: made again by somebody else, seen by machines without a state: the living one has the name" {
  start_live
  local old new n
  old=$(make "$T/other.json")
  advance 1
  api DELETE "/applications/$old" >/dev/null
  new=$(make "$T/web.json")
  assert_equal "$(app_id web | wc -l)" 2
  clear_requests
  # The old one is answered still, then only listed, then gone.
  for n in 1 2 3; do
    machine has_name "$new"
    machine sync_repo
    advance 4
  done
  assert_writes 0
  has_repo "$new"
}

@test "lingering: one machine deletes, another one makes it again, neither with a state" {
  start_live
  local old new gone
  for gone in 0 4; do
    machine cp "$T/other.json" "$APPS/web.json"
    old=$(app_id web)
    # Time hardly passes here by itself: which of two is the younger must be told by more than the millisecond of both.
    advance 1
    clear_requests
    machine rm "$APPS/web.json"
    advance "$gone"
    # It is listed still, and at first answered too: the change of it meets nothing, and what is written is made anew.
    machine sync_repo
    new=$(api GET /applications | jq -r --arg old "$old" '.[] | select(.id != $old) | .id')
    machine has_name "$new"
    machine sync_repo
    assert_calls 1 DELETE '*'
    assert_calls 1 DELETE "/applications/$old"
    assert_calls 1 POST /applications
    has_repo "$new"
    api DELETE "/applications/$new" >/dev/null
    advance 60
  done
}

@test "lingering: rm of the name made again deletes the living one, and nothing twice" {
  start_live
  local old new
  old=$(make "$T/other.json")
  api DELETE "/applications/$old" >/dev/null
  advance 1
  new=$(make "$T/web.json")
  clear_requests
  machine rm "$APPS/web.json"
  assert_calls 1 DELETE '*'
  assert_calls 1 DELETE "/applications/$new"
  advance 60
  assert_equal "$(app_names)" ''
}

@test "lingering: the younger one is deleted: the older one has the name again" {
  start_live
  local old new
  old=$(make "$T/web.json")
  advance 1
  new=$(make "$T/other.json")
  mount_cfcfs -o "$QUICK"
  has_name "$new"
  rm "$APPS/web.json"
  refresh
  has_name "$old"
  assert_calls 1 DELETE '*'
  umount_cfcfs
  advance 4
  rm -rf "$T/state"
  mount_cfcfs -o "$QUICK"
  has_name "$old"
}

@test "a duplicate that strangers made at the same time is on record once, and never deleted" {
  start_live
  mount_cfcfs -o "$QUICK"
  cp "$T/web.json" "$APPS/web.json"
  local own theirs
  own=$(xattr "$APPS/web.json" id)
  advance 1
  theirs=$(make "$T/other.json")
  refresh
  # What this mount made is there at once, whoever else has the name.
  assert_equal "$(xattr "$APPS/web.json" id)" "$own"
  clear_requests
  # Past the time in which one of them might be a remnant.
  local answer
  answer=$(curl -sS -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/applications" |
    jq -c '.result |= map(.created_at |= sub("^20[0-9]{2}"; "2020"))')
  fault "$(jq -nc --arg body "$answer" '{method: "GET", path: "/applications", times: 1000, status: 200, $body}')"
  refresh
  wait_until 30 "both" eval '[ "$(ls "$APPS" | grep -c json)" = 2 ]'
  assert_exists "$APPS/web~${theirs:0:8}.json"
  refresh
  ls "$APPS" >/dev/null
  assert_equal "$(jq -r 'select(.operation == "create") | .message' "$MNT/.cfcfs/errors.jsonl" | wc -l)" 1
  assert_error EEXIST 'somebody else made another application of this name'
  assert_writes 0
}
