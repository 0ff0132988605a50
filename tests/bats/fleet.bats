#!/usr/bin/env bats
# What packaging/fleet has, done as it says: the very configuration, rights, command lines and set-up, with a real server.
load share

FLEET=$SOURCE_DIR/packaging/fleet
LONG=cache_ttl=600,status_ttl=600,negative_ttl=600,delete_grace=0,rollout=none

# set_up_commands FILE : what stands indented in its comment.
set_up_commands() { sed -n 's/^#   //p' "$1"; }

# meets ONE OTHER : two mountpoints; what is written on the one shows on the other, which has all cached.
meets() {
  ls "$1/applications" "$2/applications" >/dev/null
  cp "$T/web.json" "$1/applications/web.json"
  wait_until 30 "it to show on the other" test -e "$2/applications/web.json"
}

# run_server WORD... : in the background, and until it answers; sets SERVER_PID. Its socket is $SOCKET.
run_server() {
  local tries=400
  (cd "$T" && exec "$@") >>"$T/server.log" 2>&1 </dev/null 3>&- &
  SERVER_PID=$!
  record_pid "$T/pids" "$SERVER_PID"
  until cli ping 2>&1 | grep -q 'PONG\|NOAUTH'; do
    kill -0 "$SERVER_PID" || fail "the server ended: $(tail -n 3 "$T/server.log")"
    ((tries-- > 0)) || fail "the server does not start: $(tail -n 3 "$T/server.log")"
    sleep 0.05 # poll
  done
}

@test "the unit's command line with valkey.conf and share.acl, set up by the unit's own commands" {
  start_emulator
  web_json "$T/web.json"
  # /etc/cfcfs and the runtime folder are the test's; what changes the machine is left out.
  set_up_commands "$FLEET/cfcfs-share.service" | grep -v '^apt-get\|^systemctl\|/etc/systemd' | sed "s,/etc/cfcfs,$T/etc,g" >"$T/set-up"
  assert_equal "$(wc -l <"$T/set-up")" 4
  (cd "$FLEET" && bash -e "$T/set-up")
  assert_equal "$(stat -c %a "$T/etc/share.secret" "$T/etc/share.acl" | sort -u)" 600
  cmp "$T/etc/share.conf" "$FLEET/valkey.conf"
  export SOCKET=$T/socket
  sed -i "s,/run/cfcfs-share/,$T/,; s,/etc/cfcfs/,$T/etc/," "$T/etc/share.conf"
  local words
  # shellcheck disable=SC2016  # the unit's own variable
  read -ra words < <(sed -n 's/^ExecStart=//p' "$FLEET/cfcfs-share.service" |
    sed -e "s,^/usr/bin/valkey-server,$SERVER," -e "s,/etc/cfcfs,$T/etc," -e 's,${CREDENTIALS_DIRECTORY},'"$T/etc,g")
  run_server "${words[@]}"
  assert_equal "$(stat -c %a "$SOCKET")" 666
  assert_match "$(cli ping 2>&1)" NOAUTH
  mount_members 2 -o "$LONG,share_secret_file=$T/etc/share.secret"
  meets "$(at 1)" "$(at 2)"
  for n in 1 2; do assert_equal "$(share_metric "$n" refused_total)" 0; done
  REDISCLI_AUTH=$(cat "$T/etc/share.secret")
  export REDISCLI_AUTH
  assert_match "$(cli config get dir 2>&1)" NOPERM
}

@test "valkey.conf says what docs/FLEET.md promises of the server" {
  export SOCKET=$T/socket
  run_server "$SERVER" "$FLEET/valkey.conf" --aclfile "" --unixsocket "$SOCKET"
  setting() { cli config get "$1" | tail -n 1; }
  assert_equal "$(setting maxmemory-policy)" volatile-ttl
  assert_equal "$(setting maxmemory)" $((256 << 20))
  assert_equal "$(setting save)" ''
  assert_equal "$(setting appendonly)" no
  assert_equal "$(setting port)" 0
}

# compose SERVICE : its command's words, one a line, with the paths of its volumes and secrets where they stand here: a named volume
# is $T/volume, what is beside compose.yaml is in $T.
compose() {
  python3 - "$FLEET/compose.yaml" "$1" "$T" <<'P'
import shlex, sys, yaml
path, name, here = sys.argv[1:]
whole = yaml.safe_load(open(path))
service = whole["services"][name]
places = {}
for volume in service["volumes"]:
    source, target = volume.split(":")[:2]
    places[target] = f"{here}/{source[2:]}" if source.startswith("./") else f"{here}/volume"
    assert source.startswith("./") or source in whole["volumes"], source
for secret in service.get("secrets", []):
    places["/run/secrets/" + secret] = f"{here}/{whole['secrets'][secret]['file'][2:]}"
words = service["command"]
for word in shlex.split(words) if isinstance(words, str) else words:
    for target, source in places.items():
        word = word.replace(target, source)
    print(word)
P
}

@test "compose.yaml: its server and its two mounts, set up by its own commands" {
  start_emulator
  web_json "$T/web.json"
  mkdir "$T/volume"
  cp "$FLEET/share.acl" "$T/"
  if docker compose version >/dev/null 2>&1; then CLOUDFLARE_ACCOUNT_ID=$ACCOUNT docker compose -f "$FLEET/compose.yaml" config -q; fi
  set_up_commands "$FLEET/compose.yaml" | grep -v docker >"$T/set-up"
  assert_equal "$(wc -l <"$T/set-up")" 2
  (cd "$T" && bash -e set-up)
  run ! grep -F "$(cat "$T/share.secret")" "$T/users.acl"
  local server words name
  mapfile -t server < <(compose share)
  export SOCKET=$T/volume/socket
  # Where the image has valkey, this machine may have redis.
  run_server "$SERVER" "${server[@]:1}"
  export CLOUDFLARE_ACCOUNT_ID=$ACCOUNT
  for name in one other; do
    mapfile -t words < <(compose "$name")
    assert_equal "${#words[@]}" 2
    assert_equal "${words[1]}" /mnt/cf
    # As the image's entry point does; the address is the emulator's, and each container has a state of its own.
    mkdir "$T/$name" "$T/state-$name"
    words[0]=${words[0]/\/var\/lib\/cfcfs/$T/state-$name}
    "$CFCFS" -f -o "${words[0]/allow_other,/},url=$URL,$LONG" "$T/$name" >>"$T/cfcfs.log" 2>&1 </dev/null 3>&- &
    record_pid "$T/pids" $!
    wait_until 30 "$name to be mounted" mountpoint -q "$T/$name"
    wait_until 30 "$name to share" grep -q '^cfcfs_share_up{.*} 1$' "$T/$name/.cfcfs/metrics"
  done
  meets "$T/one" "$T/other"
}
