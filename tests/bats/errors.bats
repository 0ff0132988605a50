#!/usr/bin/env bats
# What is refused: the tool that wrote it says so, nothing reaches the API, and errors.jsonl and rejected/ tell.
load lib

# What must be refused, one case a line: name | a jq filter that spoils the sample | what the error must name.
CASES='wrong-type|.instances = "two"|instances.*(integer|number)
wrong-nested-type|.configuration.environment_variables = {"A":"b"}|configuration.environment_variables.*array
missing-field|del(.configuration.image)|configuration.image
missing-nested-field|del(.configuration.environment_variables[0].value)|environment_variables.*value
unknown-field|.instnces = 3|instnces.*instances
unknown-nested-field|.configuration.imge = "x"|imge.*image
outside-enum|.scheduling_policy = "fastest"|scheduling_policy.*(durable_object|default)
outside-nested-enum|.configuration.instance_type = "huge"|instance_type.*(standard-1|basic)
read-only-field|.health = {}|health.*status.json
exclusive-fields|.configuration.vcpu = 1|(vcpu.*instance_type|instance_type.*vcpu)'

setup() {
  setup_base
  web_json "$T/web.json"
}
# spoil FILTER : $T/bad.json
spoil() { jq "$1" "$T/web.json" >"$T/bad.json"; }
# recorded NAME REGEX : the newest failure is of the file and matches; the refused text is kept.
recorded() {
  assert_error "applications/$1.json" "$2"
  cmp "$T/bad.json" "$MNT/.cfcfs/rejected/applications/$1.json"
}

@test "a refused new document: cp, dd, tee, mv and echo fail, nothing reaches the API" {
  start
  local name filter want n=0 file
  while IFS='|' read -r name filter want; do
    spoil "$filter"
    file=$APPS/$name.json
    assert_sys EINVAL write "$file" "$T/bad.json"
    recorded "$name" "$want"
    assert_error EINVAL
    assert_fails cp "$T/bad.json" "$file"
    assert_fails dd if="$T/bad.json" of="$file" status=none
    assert_fails dd if="$T/bad.json" of="$file" bs=16 status=none
    assert_fails tee "$file" <"$T/bad.json"
    assert_fails bash -c 'echo "$(<"$1")" >"$2"' - "$T/bad.json" "$file"
    assert_fails bash -c 'cat "$1" >"$2"' - "$T/bad.json" "$file"
    assert_fails dash -c 'cat "$1" >"$2"' - "$T/bad.json" "$file"
    cp "$T/bad.json" "$T/moved.json"
    assert_fails mv "$T/moved.json" "$file"
    cmp "$T/bad.json" "$T/moved.json"
    recorded "$name" "$want"
    n=$((n + 1))
  done <<<"$CASES"
  assert_equal "$n" 10
  assert_writes 0
  assert_equal "$(app_names)" ''
}

@test "a refused change: sed -i, cp, mv and echo fail, and the file shows the account's document again" {
  start
  local name filter want
  cp "$T/web.json" "$APPS/web.json"
  clear_requests
  while IFS='|' read -r name filter want; do
    spoil "$filter"
    assert_fails cp "$T/bad.json" "$APPS/web.json"
    recorded web "$want"
    assert_fails bash -c 'echo "$(<"$1")" >"$2"' - "$T/bad.json" "$APPS/web.json"
    # As sed -i, jq-and-mv and editors do it: a scratch file, moved onto the name.
    cp "$T/bad.json" "$APPS/.web.json.new"
    assert_sys "rename EBADMSG" rename "$APPS/.web.json.new" "$APPS/web.json"
    assert_exists "$APPS/.web.json.new"
    recorded web "$want"
    rm "$APPS/.web.json.new"
    assert_same_json "$T/web.json" "$APPS/web.json"
  done <<<"$CASES"
  assert_fails sed -i 's/"instances": 2/"instances": "two"/' "$APPS/web.json"
  assert_error web.json instances EBADMSG
  grep -q '"instances": "two"' "$MNT/.cfcfs/rejected/applications/web.json"
  assert_equal "$(ls -A "$APPS")" $'web\nweb.json'
  assert_same_json "$T/web.json" "$APPS/web.json"
  assert_writes 0
}

@test "malformed JSON is refused by the call that wrote it" {
  start
  local text
  for text in '{"instances": 2,, }' '{"instances": 2]' 'instances: 2' '[1, 2]' '"text"' '{"a": 1} {"b": 2}' \
    '{"instances": 1, "instances": 2}' "{'instances': 2}" '{"instances": 02}' $'{"a": "\x01"}' '{"a": tru }'; do
    printf '%s\n' "$text" >"$T/bad.json"
    assert_sys EINVAL write "$APPS/bad.json" "$T/bad.json"
    recorded bad .
    assert_fails bash -c 'printf "%s\n" "$1" >"$2"' - "$text" "$APPS/bad.json"
    assert_fails cp "$T/bad.json" "$APPS/bad.json"
    assert_error EINVAL applications/bad.json
  done
  printf '{"instances": 1, "max_instances": 5, "configuration": {"image": "\xff\xfe"}}' >"$T/bad.json"
  assert_sys EINVAL write "$APPS/bad.json" "$T/bad.json"
  # Far too deep.
  python3 -c 'print("{\"a\":" * 3000 + "1" + "}" * 3000)' >"$T/bad.json"
  assert_sys EINVAL write "$APPS/bad.json" "$T/bad.json"
  assert_writes 0
}

@test "text that stops early: EINVAL at the close of cp, and recorded after a shell's redirection" {
  start
  head -c 100 "$T/web.json" >"$T/bad.json"
  assert_sys "close EINVAL" write "$APPS/half.json" "$T/bad.json"
  assert_fails cp "$T/bad.json" "$APPS/half.json"
  echo '{"instances": 2' >"$APPS/early.json" # bash does not look at a close
  wait_until 5 "the failure to be recorded" eval '[[ $(last_error .path) == *applications/early.json ]]'
  assert_equal "$(cat "$MNT/.cfcfs/rejected/applications/early.json")" '{"instances": 2'
  assert_writes 0
}

@test "two writers in a row make one document" {
  start
  head -c 100 "$T/web.json" >"$T/a"
  tail -c +101 "$T/web.json" >"$T/b"
  { cat "$T/a"; cat "$T/b"; } >"$APPS/web.json"
  assert_calls 1 POST /applications
  cmp "$T/web.json" "$APPS/web.json"
}

@test "a new empty file is a draft; a resource truncated to nothing is EINVAL at the close and untouched" {
  start
  : >"$APPS/new.json"
  touch "$APPS/newer.json"
  cp "$T/web.json" "$APPS/web.json"
  clear_requests
  assert_sys "close EINVAL" write "$APPS/web.json" /dev/null
  : >"$APPS/web.json"
  wait_until 5 "the failure to be recorded" eval '[[ $(last_error .path) == *applications/web.json ]]'
  assert_writes 0
  assert_same_json "$T/web.json" "$APPS/web.json"
}

@test "what the API refuses fails the call, is recorded with its reason, and is not sent again" {
  start
  jq '.configuration.secrets = [{"name":"A","type":"env","secret":"no-such-secret"}]' "$T/web.json" >"$T/bad.json"
  assert_sys EINVAL write "$APPS/web.json" "$T/bad.json"
  assert_calls 1 POST /applications
  recorded web secret
  assert_equal "$(last_error .http_status)" 400
  assert_error VALIDATE_INPUT
  assert_fails cp "$T/bad.json" "$APPS/web.json"
  assert_fails bash -c 'cat "$1" >"$2"' - "$T/bad.json" "$APPS/web.json"
  assert_equal "$(app_names)" ''
  cp "$T/web.json" "$APPS/web.json"
  clear_requests
  assert_fails cp "$T/bad.json" "$APPS/web.json"
  assert_calls 1 POST '/applications/*/rollouts'
  assert_writes 1
  assert_same_json "$T/web.json" "$APPS/web.json"
  assert_match "$(xattr "$APPS/web.json" error)" secret
  cp "$T/bad.json" "$APPS/.scratch"
  assert_sys "rename EBADMSG" rename "$APPS/.scratch" "$APPS/web.json"
}

@test "a changed create-only field is refused and named" {
  start
  cp "$T/web.json" "$APPS/web.json"
  clear_requests
  spoil '.jobs = true'
  assert_sys EINVAL write "$APPS/web.json" "$T/bad.json"
  recorded web 'jobs'
  assert_fails cp "$T/bad.json" "$APPS/web.json"
  assert_fails dd if="$T/bad.json" of="$APPS/web.json" status=none
  assert_fails bash -c 'cat "$1" >"$2"' - "$T/bad.json" "$APPS/web.json"
  assert_writes 0
  assert_same_json "$T/web.json" "$APPS/web.json"
}

@test "the errnos of the API's answers" {
  start -o retries=1,timeout=3
  local code status body want
  cp "$T/web.json" "$APPS/web.json"
  while read -r status want body; do
    clear_faults
    fault "{\"method\":\"PATCH\",\"path\":\"/applications/*\",\"times\":20,\"status\":$status${body:+,\"body\":$body}}"
    jq ".instances = $((RANDOM % 1000 + 6)) | .max_instances = 2000" "$T/web.json" >"$T/new.json"
    assert_sys "$want" write "$APPS/web.json" "$T/new.json"
    assert_error "\"$want\""
    assert_equal "$(last_error .http_status)" "$status"
  done <<'TABLE'
400 EDQUOT {"success":false,"result":null,"messages":[],"errors":[{"code":1000,"message":"SURPASSED_TOTAL_LIMITS"}]}
400 EDQUOT {"error":"SURPASSED_BASE_LIMITS","details":{"memory":"too large"},"request_id":"r1"}
400 EINVAL {"success":false,"errors":[{"code":1000,"message":"{\"error\":\"VALIDATE_INPUT\",\"details\":{\"configuration.image\":\"no such image\"}}"}]}
403 EPERM
409 EEXIST
500 EIO
503 EIO {"success":false,"errors":[{"code":1001,"message":"try again later"}]}
502 EIO "<html>Bad gateway</html>"
429 EAGAIN
TABLE
}

@test "an id, name and version in a document: accepted when true, refused when not" {
  start
  jq '.name = "web"' "$T/web.json" >"$T/named.json"
  cp "$T/named.json" "$APPS/web.json"
  assert_calls 1 POST /applications
  spoil '.name = "other"'
  assert_sys EINVAL write "$APPS/web.json" "$T/bad.json"
  recorded web name
  jq '.version = 99 | .instances = 3' "$T/web.json" >"$T/bad.json"
  assert_sys ESTALE write "$APPS/web.json" "$T/bad.json"
  jq '.version = 99' "$T/web.json" >"$T/same.json"
  assert_sys ok write "$APPS/web.json" "$T/same.json"
  jq ".version = $(jq .version "$APPS/web/status.json") | .instances = 3" "$T/web.json" >"$T/next.json"
  assert_sys ok write "$APPS/web.json" "$T/next.json"
  assert_writes 2
}

@test "validate=warn lets an unknown field pass, validate=off sends as is" {
  start -o validate=warn
  jq '.instnces = 3' "$T/web.json" >"$T/odd.json"
  assert_sys EINVAL write "$APPS/warned.json" "$T/odd.json" # the emulator takes no unknown field either
  assert_calls 1 POST /applications
  assert_equal "$(last_error .http_status)" 400
  grep 'warning.*instnces' "$T/cfcfs.log"
  jq '.instances = "two"' "$T/web.json" >"$T/bad.json"
  assert_sys EINVAL write "$APPS/bad.json" "$T/bad.json"
  umount_cfcfs
  mount_cfcfs -o validate=off
  clear_requests
  assert_sys EINVAL write "$APPS/bad.json" "$T/bad.json"
  assert_calls 1 POST /applications
}

@test "what must not be written: too large, wrong names, directories, links, other attributes" {
  start
  head -c 1200000 /dev/zero | tr '\0' ' ' >"$T/big"
  assert_sys EFBIG write "$APPS/big.json" "$T/big"
  assert_sys EPERM mkdir "$APPS/dir"
  assert_sys EPERM mkdir "$MNT/dir"
  cp "$T/web.json" "$APPS/web.json"
  assert_sys EPERM link "$APPS/web.json" "$APPS/link.json"
  assert_sys EPERM mknod "$APPS/pipe.json"
  assert_sys EOPNOTSUPP setxattr "$APPS/web.json" user.mine x
  assert_sys EOPNOTSUPP getxattr "$APPS/web.json" security.selinux
  assert_sys EOPNOTSUPP getxattr "$APPS/web.json" system.posix_acl_access
  assert_sys ok chmod "$APPS/web.json" 600
  assert_sys ok touch "$APPS/web.json"
  assert_sys ok mkdir "$APPS/.git"
  assert_sys ok rmdir "$APPS/.git"
  assert_sys ok rmdir "$MNT/deployments"
  assert_exists "$MNT/deployments"
  assert_sys ENOTEMPTY rmdir "$APPS"
  # A file under a name that can never be sent is scratch, and recorded.
  cp "$T/web.json" "$APPS/web.yaml"
  wait_until 5 "the failure to be recorded" eval '[[ $(last_error .path) == *applications/web.yaml ]]'
}

@test "errors.jsonl: one JSON object a line with what a person needs" {
  start
  spoil '.instances = "two"'
  assert_fails cp "$T/bad.json" "$APPS/web.json"
  jq -e '.time and .path and .operation and .errno == "EINVAL" and (.message | length) > 10' \
    <<<"$(tail -n 1 "$MNT/.cfcfs/errors.jsonl")"
  assert_match "$(last_error .message)" instances
  assert_equal "$(last_error .path)" /applications/web.json
  # On the directory, where the file does not exist.
  assert_match "$(xattr "$APPS" error)" instances
}
