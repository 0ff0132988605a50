#!/usr/bin/env bats
# The API away, in every way that a network has: what is known is served and marked stale, a write fails at once with the
# right errno, and when the API is back the mount is too, without a remount.
# deadline: 500 s
load lib

now_ms() { echo $(($(date +%s%N) / 1000000)); }
TTLS=cache_ttl=0.5,status_ttl=0.5,negative_ttl=0.3

# what_it_knows : looks at what is tested below, so that it is cached.
what_it_knows() {
  ls "$APPS" "$MNT/secrets" "$MNT/ssh-keys" >/dev/null
  cat "$APPS/app-00001.json" >"$T/known.json"
  cat "$APPS/app-00001/status.json" >/dev/null
}
# served_stale SECONDS : what is known is past its time to live; reads answer with it, within so many seconds for the first, and say
# that it is stale.
served_stale() {
  local began took
  pass 1
  began=$(now_ms)
  cmp "$T/known.json" <(timeout 60 cat "$APPS/app-00001.json") || fail "the file is not served"
  took=$(($(now_ms) - began))
  ((took <= $1 * 1000)) || fail "it was served after $took ms"
  assert_equal "$(xattr "$APPS/app-00001.json" stale)" true
  assert_equal "$(ls "$APPS" | grep -c json)" 5
  jq -e .id "$APPS/app-00001/status.json" >/dev/null
  grep -q . <(ls "$MNT/secrets")
  # The first reader has waited for all: another one does not, for connect_timeout or any other.
  began=$(now_ms)
  cat "$APPS/app-00002.json" >/dev/null
  ls "$APPS" >/dev/null
  took=$(($(now_ms) - began))
  ((took <= 5000)) || fail "a second reader waited $took ms"
}
# write_fails ERRNO SECONDS
write_fails() {
  local began took
  web_json "$T/web.json"
  began=$(now_ms)
  assert_sys "write $1" write "$APPS/web.json" "$T/web.json"
  took=$(($(now_ms) - began))
  ((took <= $2 * 1000)) || fail "the write failed after $took ms"
  assert_error "$1"
  assert_equal "$(jq -r .instances "$MNT/.cfcfs/rejected/applications/web.json")" 2
}
# back SECONDS : after so many what the API says is seen again, at the first look, and a write works.
back() {
  local id
  id=$(app_id app-00003)
  api PATCH "/applications/$id" '{"max_instances":19}' >/dev/null
  pass "$1"
  grep -q '"max_instances": 19' "$APPS/app-00003.json" || fail "what the API says is not seen after $1 s: $(cat "$APPS/app-00003.json")"
  [ "$(xattr "$APPS/app-00003.json" stale)" != true ] || fail "still marked stale"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  assert_equal "$(app_names | grep -c '^web$')" 1
}

# start_at_fixed_port : an emulator that can come back at the same address with the same state.
start_at_fixed_port() {
  local port
  start_emulator --db "$T/emulator.db" "$@"
  port=${URL#http*://}
  port=${port#*:}
  EMULATOR_LISTEN=127.0.0.1:${port%%/*}
  seed '{"applications":5,"secrets":2,"ssh_keys":1}'
}
# A listening socket takes a moment to be free again.
restart_emulator() { start_emulator --db "$T/emulator.db" "$@"; }

@test "refused: served and marked stale, ECONNREFUSED at once, back within a time to live" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,rollout=none"
  what_it_knows
  stop_emulator
  served_stale 10
  write_fails ECONNREFUSED 15
  restart_emulator
  back 3
}

@test "black hole (the process is stopped): served within connect_timeout, ETIMEDOUT at the deadline, back when it goes on" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,timeout=12,connect_timeout=1,rollout=none"
  what_it_knows
  kill -STOP "$EMULATOR_PID"
  served_stale 10
  hasten write_fails ETIMEDOUT 60
  kill -CONT "$EMULATOR_PID"
  # The create that was sent into the hole may have happened: what counts is that it is seen, or can be made.
  back 8
}

@test "TLS broken: EPROTO, and reads are served" {
  openssl_certificates
  start_at_fixed_port --tls-cert "$T/server.pem" --tls-key "$T/server.key"
  mount_with_clock -o "$TTLS,cacert=$T/ca.pem,rollout=none"
  what_it_knows
  stop_emulator
  # Another authority signs now.
  mv "$T/ca.pem" "$T/old-ca.pem"
  mv "$T/server.pem" "$T/good.pem"
  mv "$T/server.key" "$T/good.key"
  openssl_certificates
  mv "$T/old-ca.pem" "$T/ca.pem"
  restart_emulator --tls-cert "$T/server.pem" --tls-key "$T/server.key"
  served_stale 10
  write_fails EPROTO 15
  stop_emulator
  restart_emulator --tls-cert "$T/good.pem" --tls-key "$T/good.key"
  back 3
}
openssl_certificates() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/ca.key" -out "$T/ca.pem" -days 2 -subj "/CN=test $RANDOM" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -keyout "$T/server.key" -out "$T/server.csr" -subj /CN=127.0.0.1 2>/dev/null
  openssl x509 -req -in "$T/server.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:cfcfs-test.invalid") -out "$T/server.pem" 2>/dev/null
}

@test "no TLS where it is asked for: EPROTO" {
  openssl_certificates
  start_at_fixed_port --tls-cert "$T/server.pem" --tls-key "$T/server.key"
  mount_with_clock -o "$TTLS,cacert=$T/ca.pem,rollout=none"
  what_it_knows
  stop_emulator
  restart_emulator
  served_stale 10
  write_fails EPROTO 15
}

@test "DNS fails: EHOSTUNREACH, reads are served, back when the name is" {
  openssl_certificates
  start_at_fixed_port --tls-cert "$T/server.pem" --tls-key "$T/server.key"
  local real=$URL
  touch "$T/hosts"
  URL=https://cfcfs-test.invalid:${EMULATOR_LISTEN#*:}/client/v4
  CFCFS_WRAP="env CFCFS_TEST_HOSTS=$T/hosts" PRELOAD=$BUILD/tests/resolve.so \
    mount_with_clock -o "$TTLS,cacert=$T/ca.pem,rollout=none"
  URL=$real
  what_it_knows
  rm "$T/hosts"
  # Connections that stand need no name, and libcurl remembers one for a minute.
  stop_emulator
  pass 61
  restart_emulator --tls-cert "$T/server.pem" --tls-key "$T/server.key"
  served_stale 12
  write_fails EHOSTUNREACH 12
  touch "$T/hosts"
  back 3
}

@test "a name that never was in DNS: the mount fails with 4, at once" {
  local code=0 began
  began=$(now_ms)
  timeout 60 "$CFCFS" -f -o "url=https://no-such-host.invalid/client/v4,token_file=$T/token,state_dir=$T/state,connect_timeout=3,timeout=10" \
    "$ACCOUNT" "$MNT" >"$T/out" 2>&1 3>&- || code=$?
  assert_equal "$code" 4 "$(cat "$T/out")"
  (($(now_ms) - began <= 20000)) || fail "it took $(($(now_ms) - began)) ms"
}

@test "suspended and resumed: the clock jumps, and the mount asks anew" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,rollout=none"
  what_it_knows
  # As far as the process can see, a suspended machine: time went by and its connections are dead.
  kill -STOP "$MOUNT_PID"
  stop_emulator
  restart_emulator
  local id
  id=$(app_id app-00001)
  api PATCH "/applications/$id" '{"max_instances":23}' >/dev/null
  pass 3600
  kill -CONT "$MOUNT_PID"
  assert_match "$(cat "$APPS/app-00001.json")" '"max_instances": 23'
  back 2
}

@test "past stale_ttl reads fail with the reason" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,stale_ttl=4,retries=0"
  what_it_knows
  stop_emulator
  pass 1
  cat "$APPS/app-00001.json" >/dev/null
  pass 4
  assert_sys ECONNREFUSED read "$APPS/app-00001.json"
  ls "$MNT" >/dev/null
  df "$MNT" >/dev/null
  restart_emulator
  wait_until 3 "the file to be back" cat "$APPS/app-00001.json"
}

@test "5xx for all: stale, and EIO for a write" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,retries=1,rollout=none"
  what_it_knows
  fault '{"status":503}'
  served_stale 10
  # Whether a create that was answered so happened is looked up first.
  write_fails EIO 30
  clear_faults
  back 3
}

@test "an answer that is no API answer: stale, and EIO" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,retries=1,rollout=none"
  what_it_knows
  fault '{"method":"GET","body":"<html>please log in to this hotel</html>"}'
  served_stale 10
  clear_faults
  back 3
}

@test "the API away for long costs few calls: failures are remembered" {
  start_at_fixed_port
  mount_with_clock -o "cache_ttl=1,status_ttl=1,retries=0,rps=1000,burst=1000"
  what_it_knows
  fault '{"status":503}'
  pass 2
  clear_requests
  local i
  for i in {1..200}; do cat "$APPS/app-00001.json" >/dev/null; done
  (($(requests | wc -l) <= 8)) || fail "$(requests | wc -l) calls"
}

@test "a truncated answer, a lost connection, a stall in the middle: never half a list" {
  start_at_fixed_port
  mount_with_clock -o "$TTLS,timeout=5,connect_timeout=1,retries=2"
  what_it_knows
  local f
  for f in '"truncate":200' '"close":"before"' '"close":"after"' '"stall":100'; do
    fault "{\"method\":\"GET\",\"path\":\"/applications\",$f}"
    clear_requests
    pass 1
    assert_equal "$(ls "$APPS" | grep -c json)" 5 "with $f"
    cmp "$T/known.json" "$APPS/app-00001.json"
    wait_until 30 "the account to be asked" eval '(($(count_calls GET /applications) > 0))'
    clear_faults
  done
}
