#!/usr/bin/env bats
# Mounts that share, and a server that is away, slow, full or not to be trusted: every operation goes on, and nothing wrong is shown.
# deadline: 600 s
load share

LONG=cache_ttl=600,status_ttl=600,negative_ttl=600,delete_grace=0,rollout=none

image_of() { jq -r .configuration.image "$1"; }
has_image() { [ "$(image_of "$1" 2>/dev/null)" = "$2" ]; }
logged() { grep -q -- "$1" "$T/cfcfs.log"; }

# works N NAME : the Nth mount reads, lists, creates, updates and deletes.
works() {
  local dir
  dir=$(at "$1")/applications
  timeout 60 cp "$T/web.json" "$dir/$2.json" || fail "create on $1"
  has_image "$dir/$2.json" registry.cloudflare.com/app:v1 || fail "read on $1"
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/next.json"
  timeout 60 cp "$T/next.json" "$dir/$2.json" || fail "update on $1"
  has_image "$dir/$2.json" registry.cloudflare.com/app:v2 || fail "read of the update on $1"
  timeout 60 ls "$dir" | grep -qx "$2.json" || fail "list on $1"
  timeout 60 rm "$dir/$2.json" || fail "delete on $1"
  [ ! -e "$dir/$2.json" ] || fail "it is still on $1"
}

# meets NAME : what one mount writes shows on the other, which has all cached.
meets() {
  ls "$(at 1)/applications" "$(at 2)/applications" >/dev/null
  timeout 60 cp "$T/web.json" "$(at 1)/applications/$1.json"
  wait_until 30 "$1 to show on the other" test -e "$(at 2)/applications/$1.json"
  timeout 60 rm "$(at 1)/applications/$1.json"
}

start_two() {
  start_emulator
  seed '{"applications":5}'
  start_server
  web_json "$T/web.json"
  mount_members 2 -o "$LONG"
}

@test "the server is killed, and comes back empty" {
  start_two
  meets before
  stop_server
  for n in 1 2; do wait_until 30 "$n to notice" alone "$n"; done
  works 1 alone1
  works 2 alone2
  start_server
  for n in 1 2; do wait_until 60 "$n to come back" shares "$n"; done
  meets after
}

@test "what was written while the server was away shows on the others when it is back" {
  start_two
  ls "$(at 2)/applications" >/dev/null
  stop_server
  for n in 1 2; do wait_until 30 "$n to notice" alone "$n"; done
  cp "$T/web.json" "$(at 1)/applications/unheard.json"
  start_server
  for n in 1 2; do wait_until 60 "$n to come back" shares "$n"; done
  wait_until 30 "it to show" test -e "$(at 2)/applications/unheard.json"
}

# part_from_two, rejoin_two : the second one's way to the server, another name of the socket, goes and comes; the first comes back
# at once.
part_from_two() {
  rm "$T/way.sock"
  cli client kill type normal skipme yes >/dev/null
  cli client kill type pubsub >/dev/null
  wait_until 30 "the second to be alone" alone 2
  wait_until 30 "the first to be back" shares 1
}
rejoin_two() {
  ln -s share.sock "$T/way.sock"
  wait_until 60 "the second to come back" shares 2
}

@test "what one mount did while it was parted from the others shows on them when it is back, deletes too" {
  start_emulator
  start_server
  web_json "$T/web.json"
  ln -s share.sock "$T/way.sock"
  mount_member 1 -o "$LONG"
  MOUNT_AT=$(at 2) mount_cfcfs -o "share=unix:$T/way.sock,state_dir=$T/state2,$LONG"
  for n in 1 2; do wait_until 30 "mount $n to share" shares "$n"; done
  for name in brief changed called; do cp "$T/web.json" "$(at 1)/applications/$name.json"; done
  printf value >"$(at 1)/secrets/BRIEF"
  wait_until 30 "all to show" test -e "$(at 2)/applications/called.json"
  wait_until 30 "the secret to show" test -e "$(at 2)/secrets/BRIEF"
  part_from_two
  sed 's/app:v1/app:v2/' "$T/web.json" >"$T/next.json"
  rm "$(at 2)/applications/brief.json" "$(at 2)/secrets/BRIEF"
  cp "$T/next.json" "$(at 2)/applications/changed.json"
  mv "$(at 2)/applications/called.json" "$(at 2)/applications/otherwise.json"
  # And the other way round.
  cp "$T/web.json" "$(at 1)/applications/unheard.json"
  rejoin_two
  # The first one made them less than a minute ago, and a list may lag for that long: it is told all the same.
  wait_until 20 "it to go" has_no "$(at 1)/applications" brief.json
  wait_until 20 "the secret to go" has_no "$(at 1)/secrets" BRIEF
  wait_until 20 "the update" has_image "$(at 1)/applications/changed.json" registry.cloudflare.com/app:v2
  for n in 1 2; do wait_until 20 "the names on $n" has_names "$(at "$n")/applications" "changed.json otherwise.json unheard.json"; done
}
has_names() { [ "$(cd "$1" && echo *.json)" = "$2" ]; }
has_no() { [ -z "$(find "$1" -maxdepth 1 -name "$2")" ]; }

@test "a server that is emptied is filled again by those who are there" {
  start_two
  printf value >"$(at 1)/secrets/KEY"
  wait_until 30 "it to be told" test "$(share_metric 2 heard_total)" != 0
  cli flushall >/dev/null
  # With the next heartbeat, and with no mount that asks the account anew.
  wait_until 30 "the rows to be there" has_rows
  clear_requests
  ls "$(at 1)/secrets" "$(at 2)/secrets" >/dev/null
  mount_member 3 -o "$LONG"
  wait_until 30 "the third to share" shares 3
  printf value >"$(at 3)/secrets/KEY"
  assert_writes 0
}
# Rows are kept for days; the budget for a minute.
has_rows() {
  local key
  for key in $(cli --scan); do
    [ "$(cli type "$key")" = hash ] && (($(cli pttl "$key") > 86400000)) && return 0
  done
  return 1
}

@test "the server is stopped, and goes on" {
  start_two
  meets before
  kill -STOP "$SERVER_PID"
  works 1 stopped1
  works 2 stopped2
  for n in 1 2; do wait_until 30 "$n to give it up" alone "$n"; done
  works 1 given1
  kill -CONT "$SERVER_PID"
  for n in 1 2; do wait_until 60 "$n to come back" shares "$n"; done
  meets after
}

@test "the server's memory is full" {
  start_two
  cli config set maxmemory 1 >/dev/null
  works 1 full1
  works 2 full2
  cli config set maxmemory 0 >/dev/null
  for n in 1 2; do wait_until 60 "$n to come back" shares "$n"; done
  meets after
}

@test "a server that is not there, or takes another password: each goes on alone, and says so once" {
  start_emulator
  web_json "$T/web.json"
  export SOCKET=$T/none.sock
  mount_member 1 -o "$LONG"
  works 1 none
  logged 'the share is away' || fail "nothing in the log"
  start_server --requirepass 'the right word'
  (umask 077 && echo 'the wrong word' >"$T/wrong" && echo 'the right word' >"$T/right")
  mount_member 2 -o "$LONG,share_secret_file=$T/wrong"
  works 2 wrong
  assert_equal "$(share_metric 2 up)" 0
  wait_until 30 "the refusal to be logged" logged 'WRONGPASS\|invalid password\|NOAUTH'
  mount_member 3 -o "$LONG,share_secret_file=$T/right"
  wait_until 30 "the right one to share" shares 3
  works 3 right
}

@test "garbage in every key is a miss and a line of the log, and never shown" {
  start_two
  find "$(at 1)" >/dev/null
  cat "$(at 1)"/applications/*.json >/dev/null
  local key n=0 before
  before=$(cd "$(at 1)/applications" && cat app-*.json | sha256sum)
  for key in $(cli --scan); do
    n=$((n + 1))
    case $((n % 3)) in
    0) cli set "$key" garbage >/dev/null ;;
    1) cli set "$key" "$(head -c 300 /dev/zero | tr '\0' x)" >/dev/null ;;
    *) cli del "$key" >/dev/null && cli lpush "$key" garbage >/dev/null ;;
    esac
  done
  ((n > 3)) || fail "the share holds only $n keys"
  # Whoever has nothing cached asks the share first.
  mount_member 3 -o "$LONG"
  timeout 60 ls "$(at 3)/applications" >/dev/null
  assert_equal "$(cd "$(at 3)/applications" && cat app-*.json | sha256sum)" "$before"
  for n in 1 2 3; do works "$n" "garbage$n"; done
  for n in 1 2 3; do wait_until 60 "$n to share" shares "$n"; done
  meets after
}

@test "a value that was tampered with is a miss and a line of the log" {
  start_two
  local key
  # More than once, for a server that is too late on a busy machine is not even asked.
  for _ in {1..20}; do
    echo / >"$(at 1)/.cfcfs/refresh"
    ls "$(at 1)/applications" >/dev/null
    for key in $(cli --scan); do
      [ "$(cli type "$key")" != string ] || cli setrange "$key" 30 x >/dev/null
    done
    echo / >"$(at 2)/.cfcfs/refresh"
    clear_requests
    ls "$(at 2)/applications" >/dev/null
    assert_calls 1 GET /applications
    [ "$(share_metric 2 tampered_total)" = 0 ] || break
  done
  [ "$(share_metric 2 tampered_total)" -gt 0 ] || fail "it was not counted"
  logged 'something that no member put there' || fail "nothing in the log"
}

@test "a member that dies with the lease is waited for as long as that lasts, at most" {
  start_two
  fault '{"method":"GET","path":"/secrets","latency_ms":20000,"times":1}'
  ls "$(at 1)/secrets" >/dev/null 2>&1 3>&- &
  wait_until 30 "the first to ask" test_asked
  kill -9 "${MEMBER[1]}"
  # It never gets the answer; the emulator gives it in 20 s, and the lease is one of 3.
  timeout 18 ls "$(at 2)/secrets" >/dev/null || fail "the other waited for the dead"
}
# Whether a lease is held: a string of 32 letters.
test_asked() {
  local key
  for key in $(cli --scan); do
    [ "$(cli type "$key")" = string ] && [ "$(cli strlen "$key")" = 32 ] && return 0
  done
  return 1
}

has_heard() { [ "$(share_metric "$1" heard_total)" != 0 ]; }

@test "nothing on the server can be read: its memory and its dump are searched" {
  needs_root
  start_two
  local needle
  jq '.configuration.environment_variables[0].value = "needle-in-a-document"' "$T/web.json" >"$T/needle.json"
  cp "$T/needle.json" "$(at 1)/applications/needle-name.json"
  printf needle-secret-value >"$(at 1)/secrets/NEEDLE_SECRET_NAME"
  find "$(at 1)" "$(at 2)" -type f >/dev/null
  cat "$(at 1)"/applications/*.json "$(at 2)"/applications/*.json >/dev/null
  cli save >/dev/null
  wait_until 30 "the other to hear of it" has_heard 2
  # That the search finds what is there.
  cli set plain needle-of-the-operator >/dev/null
  for needle in needle-of-the-operator needle-in-a-document needle-name needle-secret-value NEEDLE_SECRET_NAME "$TOKEN" \
    registry.cloudflare.com app-00001 "$ACCOUNT" applications; do
    echo "$needle"
  done >"$T/needles"
  python3 - "$SERVER_PID" "$T/dump.rdb" "$T/needles" <<'P'
import re, sys
texts = [open(sys.argv[2], "rb").read()]
needles = [line.strip().encode() for line in open(sys.argv[3])]
for line in open(f"/proc/{sys.argv[1]}/maps"):
    m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
    # What is written to: the program's own texts hold words, too.
    if "w" not in m[3] or m[4] in ("[vvar]", "[vsyscall]", "[stack]"):
        continue
    try:
        with open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as f:
            f.seek(int(m[1], 16))
            texts.append(f.read(int(m[2], 16) - int(m[1], 16)))
    except OSError:
        continue
found = [needle for needle in needles if any(needle in text for text in texts)]
print("found", found)
sys.exit(found != needles[:1])
P
}

@test "a user with the rights of packaging/fleet/share.acl is enough, and has the keys of the share alone" {
  local word=word-$RANDOM$RANDOM
  sed "s/PASSWORD/$word/" "$SOURCE_DIR/packaging/fleet/share.acl" >"$T/users.acl"
  start_emulator
  start_server --aclfile "$T/users.acl"
  (umask 077 && echo "$word" >"$T/word")
  web_json "$T/web.json"
  mount_members 2 -o "$LONG,share_secret_file=$T/word"
  find "$(at 1)" "$(at 2)" >/dev/null
  meets acl
  printf value >"$(at 1)/secrets/KEY"
  for n in 1 2; do assert_equal "$(share_metric "$n" refused_total)" 0; done
  export REDISCLI_AUTH=$word
  assert_match "$(cli set other value 2>&1)" NOPERM
  assert_match "$(cli config get dir 2>&1)" NOPERM
}
