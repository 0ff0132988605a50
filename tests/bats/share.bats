#!/usr/bin/env bats
# Mounts that share: what one fetched or did is every one's, with a real Valkey or Redis server.
# deadline: 600 s
load share

# A long time to live: what shows then is what was told, or what was fetched anew.
LONG=cache_ttl=600,status_ttl=600,negative_ttl=600,delete_grace=0

image_of() { jq -r .configuration.image "$1"; }
has_image() { [ "$(image_of "$1" 2>/dev/null)" = "$2" ]; }
exists() { [ -e "$1" ]; }
lists() { [ -n "$(find "$1" -maxdepth 1 -name "$2")" ]; }
lists_not() { [ -z "$(find "$1" -maxdepth 1 -name "$2")" ]; }
absent() { ! stat "$1" >/dev/null 2>&1; }

@test "what one mount fetched, the others have without a call" {
  start_emulator
  seed '{"applications":30}'
  start_server
  mount_members 3 -o "$LONG"
  find "$(at 1)" -type f >/dev/null
  grep -rs . "$(at 1)/applications" >/dev/null
  local before calls late
  before=$(($(share_metric 2 alone_total) + $(share_metric 3 alone_total)))
  clear_requests
  for n in 2 3; do
    find "$(at "$n")" -type f >/dev/null
    diff -r "$(at 1)/applications" "$(at "$n")/applications"
  done
  calls=$(count_calls GET '*')
  # On a busy machine the server may be late now and then: what was not waited for is counted.
  late=$(($(share_metric 2 alone_total) + $(share_metric 3 alone_total) - before))
  ((calls <= late)) || fail "$calls calls, $late of them because the server was late"
}

@test "a create, an update, a rename, a delete and a secret show on the others, whatever their kernels have cached" {
  start_emulator
  seed '{"applications":5}'
  start_server
  mount_members 3 -o "$LONG,rollout=none"
  web_json "$T/web.json"
  # Everything is cached, that there is no such name too.
  for n in 1 2 3; do
    ls -lR "$(at "$n")" >/dev/null
    cat "$(at "$n")"/applications/*.json >/dev/null
    absent "$(at "$n")/applications/web.json"
    absent "$(at "$n")/applications/shop.json"
    absent "$(at "$n")/secrets/KEY"
  done
  cp "$T/web.json" "$(at 1)/applications/web.json"
  for n in 2 3; do
    wait_until 30 "the new file on $n" exists "$(at "$n")/applications/web.json"
    wait_until 30 "its name in the listing of $n" lists "$(at "$n")/applications" web.json
    has_image "$(at "$n")/applications/web.json" registry.cloudflare.com/app:v1
    ls -l "$(at "$n")/applications/web" >/dev/null
  done
  sed -i 's/app:v1/app:v22/' "$T/web.json"
  cp "$T/web.json" "$(at 2)/applications/web.json"
  for n in 1 3; do
    wait_until 30 "the update on $n" has_image "$(at "$n")/applications/web.json" registry.cloudflare.com/app:v22
    assert_equal "$(stat -c %s "$(at "$n")/applications/web.json")" "$(wc -c <"$(at "$n")/applications/web.json")"
  done
  mv "$(at 3)/applications/web.json" "$(at 3)/applications/shop.json"
  for n in 1 2; do
    wait_until 30 "the new name on $n" has_image "$(at "$n")/applications/shop.json" registry.cloudflare.com/app:v22
    wait_until 30 "the old name to go from $n" absent "$(at "$n")/applications/web.json"
    wait_until 30 "the listing of $n" lists_not "$(at "$n")/applications" web.json
    lists "$(at "$n")/applications" shop.json
  done
  rm "$(at 1)/applications/shop.json"
  for n in 2 3; do
    wait_until 30 "the file to go from $n" absent "$(at "$n")/applications/shop.json"
    wait_until 30 "the listing of $n" lists_not "$(at "$n")/applications" shop.json
  done
  printf v1 >"$(at 1)/secrets/KEY"
  for n in 2 3; do
    wait_until 30 "the secret on $n" lists "$(at "$n")/secrets" KEY
    exists "$(at "$n")/secrets/KEY"
  done
}

# As many as differ between the mounts, and from the account's: none, in the end.
agree() {
  local n want
  want=$(app web | jq -r .configuration.image)
  want=${want/"$ACCOUNT/"/}
  for n in "$@"; do has_image "$(at "$n")/applications/web.json" "$want" || return 1; done
}

@test "two mounts write one application again and again: all agree on the last one, and it is the account's" {
  start_emulator
  start_server
  mount_members 3 -o "$LONG,rollout=none"
  web_json "$T/web.json"
  cp "$T/web.json" "$(at 1)/applications/web.json"
  wait_until 30 "the others to have it" agree 1 2 3
  for round in {1..8}; do
    for n in 1 2; do
      sed "s/app:v1/app:v$round$n/" "$T/web.json" >"$T/web.$n.json"
      # It may have changed since it was opened: then the other one's stands.
      cp "$T/web.$n.json" "$(at "$n")/applications/web.json" 2>/dev/null 3>&- &
      writers[n]=$!
    done
    wait "${writers[@]}" || true
    wait_until 30 "round $round: all to show the same" agree 1 2 3
  done
}

# at_once COMMAND... : for N of 1 to 4 the command with N and the Nth mount's applications, all at once; how many succeeded: OK_COUNT.
at_once() {
  local n pids=()
  for n in 1 2 3 4; do
    "$@" "$n" "$(at "$n")/applications" 2>/dev/null 3>&- &
    pids+=($!)
  done
  OK_COUNT=0
  for n in "${pids[@]}"; do wait "$n" && OK_COUNT=$((OK_COUNT + 1)) || true; done
}
# Not with O_EXCL, though it is new.
write_one() { sed "s/app:v1/app:v$1/" "$T/web.json" >"$2/web.json"; }
make_own() { (set -C && sed "s/app:v1/app:v$1/" "$T/web.json" >"$2/lock.json"); }
name_it() { mv -T "$2/one$1.json" "$2/name.json"; }

@test "of mounts that make something of one name at once, one makes it; O_EXCL is true among them" {
  start_emulator
  start_server
  web_json "$T/web.json"
  mount_members 4 -o "$LONG,rollout=none"
  local n
  for n in 1 2 3 4; do
    cp "$T/web.json" "$(at "$n")/applications/one$n.json"
    wait_until 30 "all to list it" eval "for m in 1 2 3 4; do lists \"\$(at \$m)/applications\" one$n.json || exit 1; done"
  done
  clear_requests
  fault '{"method":"POST","path":"/applications","times":20,"latency_ms":300}'
  # The later ones change what the first one made.
  at_once write_one
  assert_equal "$OK_COUNT" 4
  assert_calls 1 POST /applications
  at_once make_own
  assert_equal "$OK_COUNT" 1
  assert_calls 2 POST /applications
  clear_faults
  fault '{"method":"PATCH","path":"/applications/*","times":20,"latency_ms":300}'
  at_once name_it
  assert_equal "$OK_COUNT" 1
  assert_equal "$(app_names | grep -cx name)" 1
  assert_equal "$(app_names | grep -c '^one')" 3
  for n in 1 2 3 4; do lists_not "$(at "$n")/applications" '*~*'; done
}

@test "what a mount that died was creating is looked for by the next one of the fleet before it is sent again" {
  start_emulator
  start_server
  web_json "$T/web.json"
  mount_members 2 -o cache_ttl=0.2
  ls "$(at 1)/applications" "$(at 2)/applications"
  fault '{"method":"POST","path":"/applications","times":1,"close":"after"}'
  # The account's list is the old one, as long as the fault holds.
  fault '{"method":"GET","path":"/applications","times":10000,"status":200,"body":"{\"success\":true,\"result\":[],\"result_info\":{}}"}'
  cp "$T/web.json" "$(at 1)/applications/web.json" 2>/dev/null 3>&- &
  wait_until 10 "the create" called 1 POST /applications
  kill -9 "${MEMBER[1]}"
  wait $! || true
  clear_requests
  cp "$T/web.json" "$(at 2)/applications/web.json" 3>&- &
  wait_until 20 "it to be looked for" called 4 GET /applications
  clear_faults
  wait $!
  assert_calls 0 POST '*'
  assert_equal "$(app_names)" web
}
called() { (($(count_calls "$2" "$3") >= $1)); }

@test "ten mounts that look all the time cost little more than one" {
  start_emulator
  seed '{"applications":20}'
  start_server
  mount_members 10 -o cache_ttl=5,status_ttl=5,rps=1000,burst=1000
  local n began keys calls late bound pids=()
  clear_requests
  began=$SECONDS
  look() {
    while ((SECONDS - began < 20)); do
      find "$1" >/dev/null
      ls -lR "$1" >/dev/null
      grep -rqs registry "$1/applications" || true
      rsync -an --exclude=/secrets "$1/applications/" "$T/nowhere/" >/dev/null
    done
  }
  for ((n = 1; n <= 10; n++)); do
    look "$(at "$n")" 2>/dev/null 3>&- &
    pids+=($!)
  done
  wait "${pids[@]}" || true
  calls=$(requests | wc -l)
  keys=$(requests '[.path, .query] | tostring' | sort -u | wc -l)
  late=0
  for ((n = 1; n <= 10; n++)); do late=$((late + $(share_metric "$n" late_total) + $(share_metric "$n" alone_total))); done
  # One mount asks for each in turn once in 5 s at most; an answer of the server that came too late may cost each a call.
  bound=$((keys * ((SECONDS - began) / 5 + 1) * 12 / 10 + late))
  echo "$calls calls of $keys kinds in $((SECONDS - began)) s, $late late; at most $bound"
  ((calls <= bound)) || fail "ten mounts made $calls calls of $keys kinds in $((SECONDS - began)) s, over $bound"
}

# within RPS BURST UNDERWAY : no window of the log has more calls than the budget allows, and those that had their turn before it
# and were still on their way when it began: as many as ask at once.
within() {
  control GET requests | python3 -c '
import json, sys
rps, burst, underway = (float(word) for word in sys.argv[1:])
level, last, worst, times = burst, None, 0, sorted(call["time_ms"] for call in json.load(sys.stdin))
for at in times:
    if last is not None:
        level = min(burst, level + (at - last) * rps / 1000)
    last = at
    level -= 1
    worst = min(worst, level)
print(len(times), "calls, bucket at worst", worst, "of at most", -underway)
# A clock in milliseconds tells no less than one.
sys.exit(worst < -underway - 1)
' "$@" || fail "more calls than the budget of all allows: $(control GET requests | jq -c '[.[].time_ms]' | head -c 3000)"
}

@test "twenty mounts at full speed stay within one budget in every window, and a write is not starved" {
  start_emulator
  seed '{"applications":200}'
  start_server
  mount_members 20 -o "rps=40,burst=40,rollout=none,$LONG"
  local n late=0 before=0 pids=()
  web_json "$T/web.json"
  # What one fetched is every one's: each asks for something of its own, one call at a time.
  for ((n = 1; n <= 20; n++)); do
    ls "$(at "$n")/applications" >/dev/null
    before=$((before + $(share_metric "$n" alone_total)))
  done
  clear_requests
  for ((n = 1; n <= 20; n++)); do
    (cd "$(at "$n")/applications" && for i in {1..200}; do
      ((i % 20 + 1 == n)) && ls "app-$(printf %05d "$i")/rollouts" "app-$(printf %05d "$i")/instances"
    done) >/dev/null 2>&1 3>&- &
    pids+=($!)
  done
  cp "$T/web.json" "$(at 1)/applications/web.json"
  wait "${pids[@]}" || true
  # On a busy machine the server may be late: such a call is of the mount's own part of the budget.
  for ((n = 1; n <= 20; n++)); do late=$((late + $(share_metric "$n" alone_total))); done
  within 40 40 $((20 + 1 + late - before))
  assert_equal "$(requests 'select(.path | test("rollouts|instances"))' | wc -l)" 400
  # Starved, it would come last.
  requests '.method' | head -n 200 | grep -q POST || fail "the write waited for all the reads"
}

is_blocked() {
  local key
  for key in $(cli --scan); do
    [ "$(cli type "$key")" = hash ] || continue
    [[ $(cli hget "$key" till) =~ ^[1-9] ]] && return 0
  done
  return 1
}

@test "a 429 that one mount saw is obeyed by all" {
  start_emulator
  seed '{"applications":2}'
  start_server
  mount_members 2 -o "rps=1000,burst=1000,timeout=60,$LONG"
  ls "$(at 1)/applications" "$(at 2)/applications" >/dev/null
  clear_requests
  fault '{"method":"GET","path":"/applications/*/rollouts","times":1,"status":429,"retry_after":4}'
  ls "$(at 1)/applications/app-00001/rollouts" >/dev/null 2>&1 3>&- &
  local first=$!
  wait_until 30 "the others to be told" is_blocked
  ls "$(at 2)/applications/app-00002/rollouts" >/dev/null
  wait "$first"
  control GET requests | python3 -c '
import json, sys
calls = [call for call in json.load(sys.stdin) if "rollouts" in call["path"]]
stop = next(call["time_ms"] for call in calls if call["status"] == 429)
after = [call["time_ms"] - stop for call in calls if call["status"] != 429]
print(after)
sys.exit(len(after) != 2 or min(after) < 3900)' || fail "the stop was not obeyed: $(requests '[.time_ms, .path, .status]')"
}

@test "a runner without a state folder sends nothing of an unchanged repository, secrets included" {
  start_emulator
  start_server
  mount_members 1 -o view=spec
  mkdir -p "$T/repo/applications" "$T/repo/secrets"
  web_json "$T/repo/applications/web.json"
  web_json "$T/repo/applications/shop.json" '.instances = 3'
  for name in ONE TWO THREE; do printf 'value of %s' "$name" >"$T/repo/secrets/$name"; done
  rsync -a "$T/repo/" "$(at 1)/"
  mount_member 2 -o view=spec
  wait_until 30 "the runner to share" shares 2
  clear_requests
  rsync -a "$T/repo/" "$(at 2)/"
  rsync -a --delete --exclude=/secrets --exclude=/ssh-keys --exclude=/registries --exclude=/registry-protocols --exclude=/account \
    --exclude=/deployments "$T/repo/" "$(at 2)/"
  assert_writes 0
  # What differs is sent all the same, and the first one's is then the old one.
  printf 'another value' >"$(at 2)/secrets/ONE"
  assert_writes 1
  wait_until 30 "the first to hear of it" test "$(share_metric 1 heard_total)" != 0
  printf 'value of ONE' >"$(at 1)/secrets/ONE"
  assert_writes 2
}

@test "with another token nothing is shared" {
  start_emulator --token another-token
  start_server
  mount_members 1 -o "$LONG"
  (umask 077 && echo another-token >"$T/token")
  mount_member 2 -o "$LONG"
  wait_until 30 "the stranger to have the server" shares 2
  assert_equal "$(share_metric 1 members)" 1
  ls "$(at 1)/applications" >/dev/null
  clear_requests
  ls "$(at 2)/applications" >/dev/null
  assert_calls 1 GET /applications
  assert_equal "$(share_metric 2 hits_total)" 0
}

@test "a mount whose token was replaced shares with those that have the new one, without a remount" {
  start_emulator --token next-token
  start_server
  web_json "$T/web.json"
  mount_members 2 -o "$LONG,rollout=none"
  (umask 077 && echo next-token >"$T/token")
  mount_member 3 -o "$LONG,rollout=none"
  wait_until 30 "the third to have the server" shares 3
  for n in 1 2 3; do ls "$(at "$n")/applications" >/dev/null; done
  assert_equal "$(share_metric 3 members)" 1
  kill -HUP "${MEMBER[1]}"
  wait_until 30 "the first to be among the new ones" eval '[ "$(share_metric 1 members)" = 2 ] && shares 1'
  # What is told now is heard by those with the new token alone, whoever tells it.
  cp "$T/web.json" "$(at 1)/applications/web.json"
  wait_until 30 "it to show on the third" exists "$(at 3)/applications/web.json"
  absent "$(at 2)/applications/web.json"
  cp "$T/web.json" "$(at 3)/applications/shop.json"
  wait_until 30 "it to show on the first" exists "$(at 1)/applications/shop.json"
  # The second finds the new token when the service refuses the old one.
  fault '{"method":"GET","path":"/secrets","status":401,"times":1}'
  ls "$(at 2)/secrets" >/dev/null
  wait_until 30 "all to share" eval '[ "$(share_metric 2 members)" = 3 ] && shares 2'
  wait_until 30 "the second to see what it missed" exists "$(at 2)/applications/shop.json"
  rm "$(at 2)/applications/shop.json"
  for n in 1 3; do wait_until 30 "it to go from $n" absent "$(at "$n")/applications/shop.json"; done
  for n in 1 2 3; do assert_equal "$(share_metric "$n" tampered_total)" 0; done
}

@test "bad options of the share are refused in words" {
  start_emulator
  refused() {
    run "$CFCFS" -f -o "url=$URL,token_file=$T/token,$1" "$ACCOUNT" "$MNT"
    assert_status "$2"
    assert_match "$output" "$3"
  }
  refused share=http://localhost 2 'share: must be redis://'
  refused share=redis://user:word@localhost 2 'a password goes into share_secret_file'
  refused share_secret_file=/dev/null 2 'there is no share='
  refused "share=unix:$T/none.sock,share_secret_file=$T/missing" 3 'share_secret_file: .*missing'
  echo word >"$T/open" && chmod 644 "$T/open"
  refused "share=unix:$T/none.sock,share_secret_file=$T/open" 3 'share_secret_file: '
}

# start_tls_server : with a certificate of its own for localhost; sets TLS_URL.
start_tls_server() {
  local port tries=20
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/share.key" -out "$T/share.crt" -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
  while ((tries-- > 0)); do
    port=$((20000 + RANDOM))
    start_server --tls-port "$port" --tls-cert-file "$T/share.crt" --tls-key-file "$T/share.key" --tls-auth-clients no \
      --bind 127.0.0.1 2>/dev/null && break
  done
  export TLS_URL=rediss://localhost:$port
}

@test "TLS to the server: its certificate and its name are verified; a build without it says so" {
  start_emulator
  web_json "$T/web.json"
  if ! ldd "$CFCFS" | grep -q hiredis_ssl; then
    run "$CFCFS" -f -o "url=$URL,token_file=$T/token,share=rediss://localhost" "$ACCOUNT" "$MNT"
    assert_status 2
    assert_match "$output" 'needs hiredis 1.0 .* through a tunnel'
    return 0
  fi
  start_tls_server
  mount_cfcfs_tls() {
    MOUNT_AT=$(at "$1") mount_cfcfs -o "share=$2,state_dir=$T/state$1,$LONG"
  }
  mount_cfcfs_tls 1 "$TLS_URL"
  wait_until 30 "the stranger's certificate to be refused" grep -q 'certificate verify failed' "$T/cfcfs.log"
  assert_equal "$(share_metric 1 up)" 0
  export OPTIONS_CA=",cacert=$T/share.crt"
  mount_cfcfs_tls 2 "$TLS_URL$OPTIONS_CA"
  mount_cfcfs_tls 3 "${TLS_URL/localhost/127.0.0.1}$OPTIONS_CA"
  for n in 2 3; do wait_until 30 "mount $n to share" shares "$n"; done
  ls "$(at 2)/applications" "$(at 3)/applications" >/dev/null
  cp "$T/web.json" "$(at 2)/applications/web.json"
  wait_until 30 "it to show" exists "$(at 3)/applications/web.json"
}
