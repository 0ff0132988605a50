#!/usr/bin/env bats
# What newcomers do, and the one line that tells them what to do instead: a row each.
load lib

# says CODE REGEX COMMAND... : the command ends with the code, and with one line on stderr that matches.
says() {
  local code=$1 re=$2 got=0
  shift 2
  timeout 60 "$@" >"$T/stdout" 2>"$T/stderr" </dev/null 3>&- || got=$?
  [ "$got" = "$code" ] || fail "exit status $got, wanted $code, of $*: $(cat "$T/stderr")"
  assert_equal "$(wc -l <"$T/stderr")" 1 "lines on stderr ($(cat "$T/stderr"))"
  assert_match "$(cat "$T/stderr")" "$re"
}

# recorded REGEX : the last line of errors.jsonl.
recorded() { assert_match "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r .message)" "$1"; }

@test "the command line" {
  local id=$ACCOUNT
  says 2 "no mount point.*cfcfs $id MOUNTPOINT" "$CFCFS" "$id"
  says 2 'no mount point.*--help' "$CFCFS"
  says 2 "account comes first.*cfcfs $id $MNT" "$CFCFS" "$MNT" "$id"
  says 2 "^cfcfs: unknown option '--url': it is given as -o url=…" "$CFCFS" --url http://127.0.0.1/client/v4 "$id" "$MNT"
  says 2 "it is given as -o cache_ttl=…" "$CFCFS" --cache-ttl=5 "$id" "$MNT"
  says 2 "it is given as -o nodelete$" "$CFCFS" --nodelete "$id" "$MNT"
  says 2 'can be seen by others: use token_file=PATH or CLOUDFLARE_API_TOKEN' "$CFCFS" --token abc "$id" "$MNT"
  says 2 'can be seen by others' "$CFCFS" --api-token=abc "$id" "$MNT"
  says 2 "account id 'web': must be 32 hexadecimal digits" "$CFCFS" web "$MNT"
  says 2 'uid=root: must be a number from 0 to 4294967294 \(id -u NAME' "$CFCFS" -o uid=root "$id" "$MNT"
  says 2 'gid=users: must be a number from 0 to 4294967294 \(getent group NAME' "$CFCFS" -o gid=users "$id" "$MNT"
  says 2 'burst=0: must be a number from 1 to 100000$' "$CFCFS" -o burst=0 "$id" "$MNT"
  says 2 'stale_ttl=9999999: must be seconds from 0 to 604800$' "$CFCFS" -o stale_ttl=9999999 "$id" "$MNT"
}

@test "the credentials and the address" {
  start_emulator
  umask 077
  echo wrong >"$T/wrong"
  local state=state_dir=$T/state plain=${URL#http://}
  says 3 "credentials from token_file=$T/wrong were refused \(401.*wrong, expired or revoked" "$CFCFS" -o "$state,url=$URL,token_file=$T/wrong" "$ACCOUNT" "$MNT"
  says 3 'credentials from CLOUDFLARE_API_TOKEN were refused' env CLOUDFLARE_API_TOKEN=wrong "$CFCFS" -o "$state,url=$URL" "$ACCOUNT" "$MNT"
  [[ $(grep -o 'the credentials from' "$T/stderr" | wc -l) = 1 ]] || fail "said twice: $(cat "$T/stderr")"
  says 3 "$T/none: there is no such file" "$CFCFS" -o "$state,url=$URL,token_file=$T/none" "$ACCOUNT" "$MNT"
  says 4 'ends with /client/v4' "$CFCFS" -o "$state,url=${URL%/client/v4},token_file=$T/token" "$ACCOUNT" "$MNT"
  says 4 'no TLS connection to the API, unless what answers there speaks plain http' "$CFCFS" -o "$state,url=https://$plain,token_file=$T/token" "$ACCOUNT" "$MNT"
}

@test "the mount point" {
  start_emulator
  local o=url=$URL,token_file=$T/token,state_dir=$T/state
  says 5 "$T/nowhere does not exist: make it first, with mkdir $T/nowhere" "$CFCFS" -o "$o" "$ACCOUNT" "$T/nowhere"
  touch "$T/file" "$MNT/file"
  says 5 "$T/file is not a directory" "$CFCFS" -o "$o" "$ACCOUNT" "$T/file"
  says 5 "$MNT is not empty: mount on an empty directory" "$CFCFS" -o "$o" "$ACCOUNT" "$MNT"
}

@test "a state folder that cannot be used is said on the terminal" {
  start_emulator
  touch "$T/file"
  says 0 "warning: nothing will be remembered after the unmount: state_dir $T/file: it cannot be used" "$CFCFS" \
    -o "url=$URL,token_file=$T/token,state_dir=$T/file" "$ACCOUNT" "$MNT"
  ls "$APPS"
  MOUNT_PID='' umount_cfcfs
}

@test "what is written" {
  start
  local app='{"max_instances":2,"configuration":{"image":"app:v1"%s}}'
  # shellcheck disable=SC2059
  printf "$app" ',"secrets":[{"name":"S","type":"env","secret":"nope"}]' >"$T/a.json"
  run cp "$T/a.json" "$APPS/a.json"
  recorded 'secrets/nope must be there before what refers to it: cp FILE secrets/nope'
  echo hello >"$MNT/secrets/nope"
  cp "$T/a.json" "$APPS/a.json"
  # shellcheck disable=SC2059
  printf "$app" ',"instance_type":"huge"' >"$T/b.json"
  run cp "$T/b.json" "$APPS/b.json"
  recorded 'configuration.instance_type: is "huge", must be one of lite'
  run mkdir "$APPS/c"
  recorded 'no directory can be made here'
  echo hello >"$APPS/notes.txt"
  run mv "$APPS/a.json" "$MNT/account/a.json"
  assert_match "$output" .
  run cp "$T/a.json" "$APPS/nosuffix"
  recorded "'nosuffix' is no file name of an application: write 'nosuffix.json' for the one named 'nosuffix'"
  mkdir "$T/repo"
  cp "$T/a.json" "$T/repo/by-rsync.yaml"
  rsync -a "$T/repo/" "$APPS/"
  recorded "'by-rsync.yaml' is no file name of an application: write 'by-rsync.json' for the one named 'by-rsync'"
  cp "$T/a.json" "$APPS/a.txt"
  recorded 'a file of this name is never sent'
  # A tool's directory holds what it likes.
  local before
  left() { grep -c '"operation":"release"' "$MNT/.cfcfs/errors.jsonl"; }
  before=$(left)
  git init -q "$MNT"
  assert_equal "$(left)" "$before" "$(tail -n 3 "$MNT/.cfcfs/errors.jsonl")"
  # The likely mistakes are refused at once, with the name that works; what tools make for themselves (O_EXCL) is scratch.
  local name
  for name in api api.yaml api.yml api.toml api.jsonc api.JSON; do
    run bash -c 'echo "{}" >"$1"' bash "$APPS/$name"
    assert_match "$output" 'Invalid argument'
    recorded "'$name' is no file name of an application: write 'api.json' for the one named 'api'"
    [ ! -e "$APPS/$name" ] || fail "$name is there"
  done
  for name in 17 tmp tmpfile sedAbCdEf web.json.new notes.txt; do
    echo scratch >"$APPS/$name"
    rm "$APPS/$name"
  done
  run bash -c 'echo "-----BEGIN OPENSSH PRIVATE KEY-----" >"$1"' bash "$MNT/ssh-keys/id_ed25519"
  assert_match "$output" 'Invalid argument'
  recorded "'id_ed25519' is no file name of an ssh key: write 'id_ed25519.pub' for the one named 'id_ed25519'"
  seed '{"deployments":1}'
  run mv "$APPS/a.json" "$MNT/deployments/a.json"
  recorded '^an application'
}

@test "refresh takes a path as failures have it, and as the overview and the plan have it" {
  start
  local path
  for path in / /applications applications applications/web.json //applications//web/; do
    echo "$path" >"$MNT/.cfcfs/refresh"
  done
  run bash -c 'echo "$1" >"$2"' bash "$MNT/applications" "$MNT/.cfcfs/refresh"
  recorded "^refresh: there is no '/[^/]+' in the mount"
  run bash -c 'echo application >"$1"' bash "$MNT/.cfcfs/refresh"
  recorded "^refresh: there is no '/application' in the mount; did you mean '/applications'"
}

@test "the emulator's own words" {
  says 1 "--seed: must be 'sample', '@FILE' or a JSON object, such as" "$EMULATOR" --listen 127.0.0.1:0 --seed sampel
  says 2 'expected ADDR:PORT' "$EMULATOR" --listen 8080
  says 1 'none cannot be read: No such file' "$EMULATOR" --listen 127.0.0.1:0 --seed "@$T/none"
}
