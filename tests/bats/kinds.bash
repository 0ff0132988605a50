# shellcheck shell=bash
# What the tests of the kinds share (kind_*.bats). Loaded after lib.

# A mount that asks again soon: what the service does by itself shows after a moment.
start_quick() {
  start_emulator "$@"
  mount_cfcfs -o cache_ttl=0.3,status_ttl=0.2,delete_grace=0
}

# bad ERRNO FILE DOCUMENT REGEX... : writing the document fails so, the newest failure says why, and nothing is sent.
bad() {
  local before
  before=$(count_writes)
  printf '%s\n' "$3" >"$T/bad"
  assert_sys "$1" write "$2" "$T/bad"
  assert_error "$1" "${@:4}"
  assert_equal "$(count_writes)" "$before" "writes for $3"
}

# refused ERRNO FILE DOCUMENT REGEX... : the same for what only the API refuses.
refused() {
  printf '%s\n' "$3" >"$T/bad"
  assert_sys "$1" write "$2" "$T/bad"
  assert_error "$1" "${@:4}"
}

# write FILE DOCUMENT : as a shell does it.
write() { printf '%s\n' "$2" >"$1" || fail "cannot write ${1##*/}: $(last_error .message)"; }

# assert_read_only FILE... : nobody can write, truncate or remove it, root neither.
assert_read_only() {
  local file
  echo '{}' >"$T/empty.json"
  for file; do
    assert_equal "$(stat -c %a "$file")" 444
    assert_sys "open EACCES" rewrite "$file" "$T/empty.json"
    assert_sys EPERM unlink "$file"
  done
}

# assert_action FILE WORDS : the words on one line, and any other is EINVAL with a text that names them.
assert_action() {
  local word
  assert_equal "$(cat "$1")" "$2"
  assert_equal "$(stat -c %a "$1")" 644
  bad EINVAL "$1" dance "'dance'"
  for word in $2; do assert_error "$word"; done
  assert_sys EPERM unlink "$1"
}

# assert_xattrs FILE KIND NAME... : those of its kind, and these.
assert_xattrs() {
  local file=$1 name
  assert_equal "$(xattr "$file" kind)" "$2"
  assert_match "$(xattr "$file" age)" '^[0-9]+(\.[0-9]+)?$'
  assert_equal "$(xattr "$file" stale)" false
  assert_match "$(xattr "$file" url)" "/accounts/$ACCOUNT/containers/"
  for name in "${@:3}"; do [ -n "$(xattr "$file" "$name")" ] || fail "no xattr $name on $file"; done
  assert_sys EOPNOTSUPP setxattr "$file" user.other value
}

# health FILE : of a status.json.
health() { jq -r .status.health "$1"; }
is() { [ "$("${@:2}")" = "$1" ]; }

# sent METHOD PATHGLOB : the bodies of such requests, one a line.
sent() {
  local method path body
  while IFS=$'\t' read -r method path body; do
    # shellcheck disable=SC2053  # a glob is meant
    [[ $method = "$1" && $path == $2 ]] && printf '%b\n' "${body//\\\\/\\\\\\\\}" | jq -c .
  done < <(requests '[.method, .path, .body] | @tsv' | jq -r .)
  return 0
}
