#!/usr/bin/env bats
# Starting and ending: one line on stderr and an exit code of its own for each thing that can be wrong.
load lib

# refused CODE REGEX ARGUMENT... : cfcfs, as a user starts it, ends with the code and one line on stderr that matches.
refused() {
  local code=$1 re=$2 got=0
  shift 2
  timeout 60 "$CFCFS" "$@" >"$T/stdout" 2>"$T/stderr" </dev/null 3>&- || got=$?
  [ "$got" = "$code" ] || fail "exit status $got, wanted $code: $(cat "$T/stderr")"
  assert_equal "$(wc -l <"$T/stderr")" 1 "lines on stderr ($(cat "$T/stderr"))"
  assert_match "$(cat "$T/stderr")" "$re"
  assert_equal "$(cat "$T/stdout")" ''
  assert_equal "$(mounts_under "$T")" "${MOUNTED-}" "a mount is left"
  wait_until 5 "no process to be left" no_process
}
no_process() { [ -z "$(processes)" ]; }
# Processes of this test's cfcfs that are not the one that a test mounted itself, or its keeper.
processes() {
  local pid cmd
  while read -r pid cmd; do
    [ "$pid" = "${MOUNT_PID-}" ] || [ "$(ps -o ppid= -p "$pid")" -eq "${MOUNT_PID:-0}" ] 2>/dev/null && continue
    case $cmd in "$CFCFS"*"$T/"* | "cfcfs-keeper $T/"*) echo "$pid" ;; esac
  done < <(pgrep -af -- "$T/")
}
opts() { echo "url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log"; }

@test "mounted: exit 0, and the mount works when the parent leaves" {
  start_emulator
  seed '{"applications":3}'
  "$CFCFS" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT" >"$T/stdout" 2>"$T/stderr" 3>&-
  assert_equal "$(ls "$APPS" | grep -c json$)" 3
  assert_equal "$(cat "$T/stdout" "$T/stderr")" ''
  local pid
  pid=$(processes)
  record_pid "$T/pids" "$pid"
  umount "$MNT" 2>/dev/null || fusermount3 -u "$MNT"
  wait_until 10 "the process to end" gone "$pid"
  assert_equal "$(mounts_under "$T")" ''
}

@test "the account, the token and the address from the environment; - and _ are the same" {
  start_emulator
  CLOUDFLARE_ACCOUNT_ID=$ACCOUNT CLOUDFLARE_API_TOKEN=$TOKEN CLOUDFLARE_API_BASE_URL=$URL \
    "$CFCFS" -o "state-dir=$T/state,logfile=$T/cfcfs.log,cache-ttl=1.5" "$MNT" 3>&-
  record_pid "$T/pids" "$(processes)"
  ls "$APPS"
  assert_equal "$(head -c 2000 /proc/"$(processes)"/cmdline | tr '\0' ' ' | grep -c "$TOKEN")" 0
  fusermount3 -u "$MNT"
}

@test "a wrong token: 3" {
  start_emulator
  (umask 077 && echo wrong-token-99 >"$T/wrong")
  refused 3 '(token|credential|[Aa]uthenticat)' -o "$(opts),token_file=$T/wrong" "$ACCOUNT" "$MNT"
  run ! grep -r wrong-token-99 "$T/stderr" "$T/cfcfs.log"
  refused 3 . -f -o "$(opts),token_file=$T/wrong" "$ACCOUNT" "$MNT"
}

# answered STATUS CODE MESSAGE : the probe is answered so.
answered() {
  clear_faults
  fault "$(jq -nc --argjson status "$1" --argjson code "$2" --arg message "$3" '{method: "GET", path: "/applications", times: 99, $status,
    body: ({success: false, result: null, messages: [], errors: [{$code, $message}]} | tojson)}')"
}

@test "what the service says of credentials and plans is told in words, with where the credentials came from: 3" {
  start_emulator
  answered 401 1000 'Unauthorized'
  refused 3 "plan" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
  answered 403 10000 'Authentication error'
  refused 3 "token_file=$T/token.*Workers Containers" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
  answered 405 10405 'Method not allowed for this authentication scheme'
  refused 3 "token_file=$T/token" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
  answered 401 10000 'Authentication error'
  export CLOUDFLARE_API_TOKEN=$TOKEN
  refused 3 CLOUDFLARE_API_TOKEN -o "$(opts)" "$ACCOUNT" "$MNT"
}

@test "a base address without /client/v4: 4, and it says so" {
  start_emulator
  URL=${URL%/client/v4}
  refused 4 '/client/v4' -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
}

@test "no token, an unreadable one, one that others can read: 3" {
  start_emulator
  refused 3 '(token|credential)' -o "$(opts)" "$ACCOUNT" "$MNT"
  refused 3 nowhere -o "$(opts),token_file=$T/nowhere" "$ACCOUNT" "$MNT"
  cp "$T/token" "$T/open"
  chmod 644 "$T/open"
  refused 3 "$T/open" -o "$(opts),token_file=$T/open" "$ACCOUNT" "$MNT"
  : >"$T/empty"
  chmod 600 "$T/empty"
  refused 3 empty -o "$(opts),token_file=$T/empty" "$ACCOUNT" "$MNT"
}

@test "an expired wrangler login: 3, and it says to log in" {
  start_emulator
  mkdir -p "$HOME/.config/.wrangler/config"
  (umask 077 && cat >"$HOME/.config/.wrangler/config/default.toml" <<'TOML'
oauth_token = "expired-oauth"
refresh_token = "refresh"
expiration_time = "2020-01-01T00:00:00.000Z"
TOML
  )
  refused 3 'wrangler login' -o "$(opts)" "$ACCOUNT" "$MNT"
  sed -i "s/2020/2099/; s/expired-oauth/$TOKEN/" "$HOME/.config/.wrangler/config/default.toml"
  mount_cfcfs_as_is -o "$(opts)"
  ls "$APPS"
}
mount_cfcfs_as_is() {
  "$CFCFS" "$@" "$ACCOUNT" "$MNT" 3>&-
  record_pid "$T/pids" "$(processes)"
}

@test "an unreachable address: 4" {
  URL=http://127.0.0.1:9/client/v4
  refused 4 '127.0.0.1' -o "$(opts),token_file=$T/token,connect_timeout=2,timeout=5" "$ACCOUNT" "$MNT"
  URL=https://no-such-host.invalid/client/v4
  refused 4 'no-such-host.invalid' -o "$(opts),token_file=$T/token,connect_timeout=2,timeout=5" "$ACCOUNT" "$MNT"
}

@test "an API that answers no API answer, or nothing: 4" {
  start_emulator
  fault '{"method":"*","path":"*","times":99,"status":502,"body":"<html>no</html>"}'
  refused 4 . -o "$(opts),token_file=$T/token,retries=1,timeout=4" "$ACCOUNT" "$MNT"
  clear_faults
  fault '{"method":"*","path":"*","times":99,"stall":true}'
  refused 4 . -o "$(opts),token_file=$T/token,retries=1,timeout=3" "$ACCOUNT" "$MNT"
}

@test "a busy mount point: 5" {
  start
  MOUNTED=$MNT
  refused 5 "$MNT" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
  ls "$APPS"
  kill -0 "$MOUNT_PID"
}

@test "a dead mount is said to be dead, with the command that clears it; replace_dead does it" {
  start
  local keeper
  keeper=$(pgrep -P "$MOUNT_PID" -f cfcfs-keeper)
  # Without its keeper, which would have unmounted.
  kill -9 "$keeper"
  wait_until 10 "the keeper to end" gone "$keeper"
  kill -9 "$MOUNT_PID"
  wait "$MOUNT_PID" 2>/dev/null || true
  wait_until 10 "the mount to be dead" eval '! stat "$MNT" 2>/dev/null'
  is_mounted "$MNT"
  MOUNTED=$MNT
  refused 5 "died.*(umount|fusermount3 -u) $MNT.*replace_dead" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
  refused 5 'died' -o "$(opts),token_file=$T/token" "$ACCOUNT" "$T/../${T##*/}/mnt/"
  run -0 "$CFCFS" -o "$(opts),token_file=$T/token,replace_dead" "$ACCOUNT" "$MNT"
  ls "$APPS"
  assert_equal "$(mounts_under "$T")" "$MNT" "the dead mount is gone"
  # What lives is not replaced.
  run -5 "$CFCFS" -o "$(opts),token_file=$T/token,replace_dead" "$ACCOUNT" "$MNT"
  assert_match "$output" 'busy'
  ls "$APPS"
  MOUNT_PID='' umount_cfcfs
  wait_until 20 "the process to end" no_process
}

@test "a mount that is ending is waited for, and does not detach the one that comes after it" {
  start -o delete_grace=3600
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  fault '{"method":"DELETE","path":"/applications/*","times":1,"latency_ms":2000}'
  rm "$APPS/web.json"
  local before=$MOUNT_PID
  kill -TERM "$before"
  wait_until 10 "the mount to say so" eval 'getfattr -n user.cfcfs.ending "$MNT" 2>/dev/null'
  # It still stands there, with a delete under way.
  is_mounted "$MNT"
  run -0 "$CFCFS" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$MNT"
  wait_until 20 "the first one to end" gone "$before"
  assert_equal "$(mounts_under "$T")" "$MNT"
  assert_equal "$(requests 'select(.method == "DELETE") | .status')" 200
  ls "$APPS"
  MOUNT_PID='' umount_cfcfs
  wait_until 20 "the process to end" no_process
}

@test "no such mount point, or one that is no directory: 5" {
  start_emulator
  refused 5 "$T/nowhere" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$T/nowhere"
  touch "$T/file"
  refused 5 "$T/file" -o "$(opts),token_file=$T/token" "$ACCOUNT" "$T/file"
}

@test "usage: 2" {
  start_emulator
  local o
  o="$(opts),token_file=$T/token"
  refused 2 'cach_ttl.*cache_ttl' -o "$o,cach_ttl=5" "$ACCOUNT" "$MNT"
  refused 2 'tokenfile.*token_file' -o "$o,tokenfile=x" "$ACCOUNT" "$MNT"
  refused 2 'cache_ttl' -o "$o,cache_ttl=soon" "$ACCOUNT" "$MNT"
  refused 2 'view' -o "$o,view=half" "$ACCOUNT" "$MNT"
  refused 2 'rollout' -o "$o,rollout=50:20" "$ACCOUNT" "$MNT"
  refused 2 '[Aa]ccount' -o "$o" not-an-account "$MNT"
  refused 2 '[Aa]ccount' -o "$o" "$MNT"
  refused 2 . -o "$o"
  refused 2 'frob' --frob "$ACCOUNT" "$MNT"
}

@test "a token on the command line and plain http elsewhere are refused: 2" {
  start_emulator
  refused 2 token -o "$(opts),token=abcdef" "$ACCOUNT" "$MNT"
  refused 2 'https?' -o "url=http://192.0.2.1/client/v4,token_file=$T/token,state_dir=$T/state" "$ACCOUNT" "$MNT"
}

@test "--help and --version" {
  run -0 "$CFCFS" --help
  assert_match "$output" delete_grace
  local option
  for option in url registry_url token_file cacert state_dir view hide instances ro nodelete max_delete delete_grace rollout validate secret_newline cache_ttl \
    status_ttl negative_ttl stale_ttl max_cache_size rps burst max_conns retries connect_timeout timeout uid gid umask \
    file_mode dir_mode allow_other replace_dead loglevel logfile; do
    assert_match "$output" "$option"
  done
  run -0 "$CFCFS" --version
  assert_match "$output" 'cfcfs.*[0-9]+\.[0-9]+'
}

@test "the options of mount(8) and fstab are taken" {
  start_emulator
  mount_cfcfs -o rw,defaults,auto,noauto,nouser,dev,suid,nosuid,exec,noatime,relatime,sync,_netdev,nofail,x-systemd.automount,comment=hello
  grep " $MNT " /proc/self/mounts | tee "$T/line"
  grep -q 'nosuid' "$T/line"
  grep -q 'nodev' "$T/line"
}

@test "SIGTERM and SIGINT unmount; SIGHUP reads the token again" {
  start
  kill -TERM "$MOUNT_PID"
  wait_until 10 "the process to end" gone "$MOUNT_PID"
  assert_equal "$(mounts_under "$T")" ''
  mount_cfcfs
  # bash starts a background process with SIGINT ignored: cfcfs must set it up all the same.
  kill -INT "$MOUNT_PID"
  wait_until 10 "the process to end" gone "$MOUNT_PID"
  assert_equal "$(mounts_under "$T")" ''
  mount_cfcfs
  ls "$APPS"
  stop_emulator
  TOKEN=rotated-token
  echo "$TOKEN" >"$T/token"
  EMULATOR_LISTEN=$(sed 's,.*//\([^/]*\)/.*,\1,' <<<"$URL") start_emulator --seed '{"applications":2}'
  kill -HUP "$MOUNT_PID"
  wait_until 10 "the new token to work" eval '[ "$(ls "$APPS" 2>/dev/null | grep -c json$)" = 2 ]'
}

@test "a token that was replaced is read again without a remount" {
  start -o cache_ttl=0.2
  ls "$APPS"
  stop_emulator
  TOKEN=rotated-token
  echo "$TOKEN" >"$T/token"
  EMULATOR_LISTEN=$(sed 's,.*//\([^/]*\)/.*,\1,' <<<"$URL") start_emulator --seed '{"applications":2}'
  wait_until 10 "the new token to work" eval '[ "$(ls "$APPS" | grep -c json$)" = 2 ]'
}

@test "a mount whose process died is gone, and can be made again" {
  start
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  rm "$APPS/web.json"
  crash_mount
  mount_cfcfs
  assert_equal "$(ls "$APPS")" $'web\nweb.json' # the pending delete did not happen
  assert_same_json "$T/web.json" "$APPS/web.json"
}

@test "a certificate authority that is none: 2, and no crash" {
  URL=https://127.0.0.1:9/client/v4
  : >"$T/empty.pem"
  echo hello >"$T/text.pem"
  local file
  for file in empty.pem text.pem nowhere.pem; do
    refused 2 "$file" -o "$(opts),token_file=$T/token,cacert=$T/$file" "$ACCOUNT" "$MNT"
  done
}

@test "https with a certificate of one's own authority; an unknown one is refused" {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
  start_emulator --tls-cert "$T/cert.pem" --tls-key "$T/key.pem"
  seed '{"applications":2}'
  refused 4 '([Cc]ertificate|SSL|TLS)' -o "$(opts),token_file=$T/token,connect_timeout=2,timeout=5,retries=0" "$ACCOUNT" "$MNT"
  mount_cfcfs -o "cacert=$T/cert.pem"
  assert_equal "$(ls "$APPS" | grep -c json$)" 2
}
