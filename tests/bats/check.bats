#!/usr/bin/env bats
# cfcfs --check and --schema: no account, no mount.
load lib

@test "check: good documents of every kind pass, by their paths and by --kind" {
  mkdir -p "$T/repo/applications/web/rollouts" "$T/repo"/{deployments,registries,ssh-keys,secrets,account}
  web_json "$T/repo/applications/web.json" '. + {"$schema": "https://example.com/application.json"}'
  echo '{"description": "d", "strategy": "rolling", "target_configuration": {"image": "a:1"}}' >"$T/repo/applications/web/rollouts/r.json"
  echo '{"image": "a:1", "location": "lhr01"}' >"$T/repo/deployments/d.json"
  echo '{"kind": "DockerHub", "auth": {"public_credential": "u", "private_credential": {"store_id": "s", "secret_name": "n"}}}' \
    >"$T/repo/registries/docker.io.json"
  echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna' >"$T/repo/ssh-keys/anna.pub"
  echo value >"$T/repo/secrets/db"
  echo '{"vcpus": 0.5}' >"$T/repo/account/defaults.json"
  find "$T/repo" -type f -print0 | xargs -0 "$CFCFS" --check
  cd "$T/repo/applications"
  "$CFCFS" --check web.json ./web.json ../applications/web.json web/../web.json web/rollouts/r.json
  "$CFCFS" --check --kind application web.json
  "$CFCFS" --check --kind=application - <web.json
}

@test "check: each fault is a line, and the exit status tells" {
  mkdir -p "$T/applications"
  web_json "$T/applications/bad.json" '.instances = "two" | .configuration.imge = "x" | .name = "bad"'
  web_json "$T/applications/good.json"
  run -1 "$CFCFS" --check "$T/applications/good.json" "$T/applications/bad.json"
  assert_equal "${#lines[@]}" 2 "$output"
  assert_match "${lines[0]}" "^$T/applications/bad.json: instances: is a string, must be an integer"
  assert_match "${lines[1]}" 'configuration.imge: is no field: did you mean "image"'
  run -2 "$CFCFS" --check "$T/nothing/here.txt"
  run -2 "$CFCFS" --check "$T/applications/none.json"
  run -2 "$CFCFS" --check "$T" "$T/applications"
  assert_equal "$output" "$T: is a directory: name the files in it"$'\n'"$T/applications: is a directory: name the files in it"
  run -2 "$CFCFS" --check
  run -2 "$CFCFS" --check --kind planet "$T/applications/good.json"
  assert_match "$output" 'application, .*defaults'
  # No value of a secret stands in a line.
  mkdir -p "$T/applications/web/jobs"
  echo '{"entrypoint": [], "command": [], "secrets": [{"type": "env", "name": "A", "value": ["hunter2-hunter2"]}]}' \
    >"$T/applications/web/jobs/j.json"
  run -1 "$CFCFS" --check "$T/applications/web/jobs/j.json"
  [[ $output != *hunter2* ]] || fail "$output"
}

@test "check: the documents that a mount refuses are refused in the same words" {
  local doc name kind expect
  for doc in "$SOURCE_DIR"/tests/documents/*.json; do
    name=$(basename "$doc" .json)
    kind=${name%%-*}
    [ "$kind" = account ] && kind=defaults
    expect=$(head -n 1 "$SOURCE_DIR/tests/documents/$name.expect")
    # The file of a new resource called NAME.
    cp "$doc" "$T/NAME.json"
    run -1 "$CFCFS" --check --kind "${kind//_/ }" "$T/NAME.json"
    [[ $output == *"$expect"* ]] || fail "$name: $output"$'\n'"wanted $expect"
  done
}

@test "check: what a mount says of each of the documents is the first line that the check says" {
  start -o cache_ttl=300,status_ttl=300
  local doc name kind said text file wrong='' count=0
  local -A dirs=([application]=applications [deployment]=deployments [registry]=registries [registry_protocol]=registry-protocols
    [job]=applications/web/jobs [rollout]=applications/web/rollouts [account]=account)
  web_json "$T/web.json" '.jobs = true | .instances = 0'
  cp "$T/web.json" "$APPS/web.json"
  for doc in "$SOURCE_DIR"/tests/documents/*.json; do
    name=$(basename "$doc" .json)
    kind=${name%%-*}
    [ -n "${dirs[$kind]-}" ] || continue
    # A new file that is empty is only a draft; what may be a secret's value is masked in what a mount records.
    case $name in
    application-empty | application-variable-type | deployment-other-label) continue ;;
    esac
    file=$MNT/${dirs[$kind]}/NAME.json
    [ "$kind" != account ] || file=$MNT/account/defaults.json
    cp "$doc" "$T/NAME.json"
    said=$("$CFCFS" --check --kind "$([ "$kind" = account ] && echo defaults || echo "${kind//_/ }")" "$T/NAME.json" | head -n 1)
    if cp "$T/NAME.json" "$file" 2>/dev/null; then
      wrong+="$name: is taken"$'\n'
      continue
    fi
    text=$(last_error .message)
    count=$((count + 1))
    [ "$said" = "$T/NAME.json: $text" ] || wrong+="$name: the check says \"${said#*: }\", the mount \"$text\""$'\n'
  done
  [ -z "$wrong" ] || fail "$wrong"
  ((count > 100)) || fail "only $count documents were looked at"
}

@test "schema: an independent validator refuses what the check refuses, and takes what it takes" {
  local kind
  mkdir "$T/schemas"
  for kind in application deployment job rollout registry registry-protocol defaults; do
    "$CFCFS" --schema "$kind" >"$T/schemas/$kind.json"
  done
  run -2 "$CFCFS" --schema secret
  "$CFCFS" --schema application | diff - "$T/schemas/application.json"
  # A mount has the same ones.
  start
  diff -r "$T/schemas" "$MNT/.cfcfs/schemas"
  assert_equal "$(stat -c %a "$MNT/.cfcfs/schemas/job.json")" 444
  assert_absent "$MNT/.cfcfs/schemas/secret.json"
  assert_fails touch "$MNT/.cfcfs/schemas/new.json"
  python3 "$BATS_TEST_DIRNAME/schemas.py" "$T/schemas" "$SOURCE_DIR/tests/documents" "$SOURCE_DIR/tests/live"
}
