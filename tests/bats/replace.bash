# shellcheck shell=bash disable=SC2034
# A change of one application by one tool, and what must be true of it whatever the tool.

# has_web : the application "web" is there, instances 10 of at most 900; N is its next number of instances.
has_web() {
  web_json "$T/web.json" '.instances = 10 | .max_instances = 900'
  cp "$T/web.json" "$APPS/web.json"
  ID=$(app_id web)
  WEB=$APPS/web.json
  N=10
  LEFT='^$'
  mkdir -p "$T/src"
}
# next : $T/src/web.json is the document with one more instance.
next() {
  N=$((N + 1))
  sed "s/\"instances\": 10,/\"instances\": $N,/" "$T/web.json" >"$T/src/web.json"
  # Tools take a file of the same size and second for unchanged.
  touch -d "$((N - 10)) seconds" "$T/src/web.json"
  clear_requests
}
# leftovers : names beside the application that the tool left; those that match $LEFT are its own to leave.
leftovers() { find "$APPS" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vxE 'web(\.json)?' | grep -vE "$LEFT"; }

# changes COMMAND... : a change that succeeds is exactly one update; the id stays, nothing is deleted or left behind.
changes() {
  next
  ("$@") || fail "$*: status $?"
  flush_deletes
  assert_writes 1
  assert_calls 1 PATCH "/applications/$ID"
  assert_equal "$(requests 'select(.method == "PATCH") | .body' | jq -r . | jq -c .)" "{\"instances\":$N}" "the PATCH of: $*"
  assert_equal "$(app web | jq -r '"\(.id) \(.instances)"')" "$ID $N" "after: $*"
  assert_same_json "$T/src/web.json" "$WEB"
  assert_equal "$(app_names)" web
  assert_equal "$(leftovers)" '' "left behind by: $*"
}
# unchanged COMMAND... : succeeds without a write.
unchanged() {
  clear_requests
  ("$@") || fail "$*: status $?"
  assert_writes 0
}

# refuses COMMAND... : $T/src/web.json is refused: the tool fails, the account is untouched, the resource is back, and the
# text is in rejected/.
refuses() {
  local before
  before=$(jq -S . "$WEB")
  next
  spoil "$T/src/web.json"
  run bash -c '"$@"' - "$@"
  # shellcheck disable=SC2154
  [ "$status" != 0 ] || fail "succeeded: $*"
  flush_deletes || true
  assert_writes "${SENT:-0}"
  assert_calls 0 DELETE '*'
  assert_calls 0 POST '*'
  wait_until 13 "the file to be back after: $*" test -e "$WEB"
  assert_equal "$(jq -S . "$WEB")" "$before" "after the refused: $*"
  assert_equal "$(app web | jq -r .id)" "$ID"
  grep -q -F "$SPOILT" "$MNT/.cfcfs/rejected/applications/web.json" || fail "rejected/ has not the text of: $*"
  N=$((N - 1))
}
SPOILT='"instances": "many"'
spoil() { sed -i "s/\"instances\": [0-9]*,/$SPOILT,/" "$1"; }
