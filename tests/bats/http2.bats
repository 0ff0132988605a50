#!/usr/bin/env bats
# HTTP/2, as Cloudflare's own address speaks it: through nginx with TLS on loopback, with an authority made for the test.
# deadline: 200 s
load lib

NGINX=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx || true)

certificates() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/ca.key" -out "$T/ca.pem" -days 2 -subj "/CN=cfcfs test" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -keyout "$T/server.key" -out "$T/server.csr" -subj /CN=127.0.0.1 2>/dev/null
  openssl x509 -req -in "$T/server.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo 'subjectAltName=IP:127.0.0.1') -out "$T/server.pem" 2>/dev/null
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start_nginx [h1] : URL leads through it from now on; $T/access.log has one line a call: connection, protocol, status, path.
start_nginx() {
  [ -n "$NGINX" ] || skip "nginx is not installed (nginx-light)"
  local h2=http2 port upstream tries=100
  [ "${1-}" = h1 ] && h2=''
  certificates
  port=$(free_port)
  upstream=${URL#http://}
  mkdir -p "$T/nginx"
  cat >"$T/nginx.conf" <<CONF
daemon off;
master_process off;
worker_processes 1;
pid $T/nginx/pid;
error_log $T/nginx/error.log;
events { worker_connections 512; }
http {
  log_format calls '\$connection \$server_protocol \$status \$uri';
  access_log $T/access.log calls;
  client_body_temp_path $T/nginx/body;
  proxy_temp_path $T/nginx/proxy;
  fastcgi_temp_path $T/nginx/fastcgi;
  uwsgi_temp_path $T/nginx/uwsgi;
  scgi_temp_path $T/nginx/scgi;
  client_max_body_size 8m;
  server {
    listen 127.0.0.1:$port ssl $h2;
    ssl_certificate $T/server.pem;
    ssl_certificate_key $T/server.key;
    keepalive_timeout 60;
    location / { proxy_pass http://${upstream%%/*}; proxy_read_timeout 60; }
  }
}
CONF
  "$NGINX" -p "$T/nginx" -c "$T/nginx.conf" -e "$T/nginx/error.log" >"$T/nginx.out" 2>&1 </dev/null 3>&- &
  record_pid "$T/pids" $!
  wait_until 30 "nginx to serve" curl -s --cacert "$T/ca.pem" "https://127.0.0.1:$port/" -o /dev/null ||
    fail "nginx does not start: $(cat "$T/nginx.out" "$T/nginx/error.log")"
  DIRECT=$URL
  URL=https://127.0.0.1:$port/client/v4
}
mount_through() {
  mount_cfcfs -o "cacert=$T/ca.pem,rps=10000,burst=100000,rollout=none,$1"
  URL=$DIRECT
}
calls() { awk '$4 ~ /client/' "$T/access.log"; }
connections() { calls | cut -d' ' -f1 | sort -u | wc -l; }

@test "100 parallel reads use one HTTP/2 connection" {
  start_emulator --latency 20
  seed '{"applications":100}'
  start_nginx
  mount_through max_conns=8,cache_ttl=300,status_ttl=300
  ls "$APPS" >/dev/null
  local i pids=()
  for i in {1..100}; do
    ls "$APPS/app-$(printf %05d "$i")/rollouts" >/dev/null 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || fail "a read failed"; done
  assert_equal "$(calls | grep -c rollouts)" 100
  assert_equal "$(calls | cut -d' ' -f2 | sort -u)" HTTP/2.0
  assert_equal "$(connections)" 1 "connections"
}

@test "writes and reads over HTTP/2 do what they do over HTTP/1.1" {
  start_emulator
  seed '{"applications":3}'
  start_nginx
  mount_through delete_grace=0
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  cmp "$T/web.json" "$APPS/web.json"
  sed -i 's/"instances": 2/"instances": 3/' "$APPS/web.json"
  assert_equal "$(app web | jq .instances)" 3
  jq 'del(.configuration.image)' "$T/web.json" >"$T/bad.json"
  assert_sys EINVAL write "$APPS/bad.json" "$T/bad.json"
  rm "$APPS/web.json"
  assert_absent "$APPS/web.json"
  assert_calls 1 DELETE '/applications/*'
  # A document near the limit, whose refusal may come before it is read to its end.
  jq '.configuration.environment_variables = [range(3000) | {name: "N\(.)", value: ("x" * 200)}]' "$T/web.json" >"$T/big.json"
  cp "$T/big.json" "$APPS/big.json" || true
  assert_equal "$(calls | cut -d' ' -f2 | sort -u)" HTTP/2.0
  assert_equal "$(connections)" 1 "connections"
}

@test "a stalled stream does not hold up the others" {
  start_emulator
  seed '{"applications":20}'
  start_nginx
  mount_through timeout=100,cache_ttl=300,retries=0
  ls "$APPS" >/dev/null
  fault '{"method":"GET","path":"/applications/*/rollouts","stall":true}'
  local i pids=()
  for i in {1..20}; do
    ls "$APPS/app-$(printf %05d "$i")/rollouts" >/dev/null 2>&1 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait_until 30 "the readers to wait" in_the_mount "$i"; done
  ls "$MNT/secrets" "$APPS/app-00001/instances" >/dev/null
  for i in "${pids[@]}"; do in_the_mount "$i" || fail "it waited for the stalled ones"; done
  clear_faults
  wait "${pids[@]}" || true
}

@test "where HTTP/2 is not offered: at most max_conns connections" {
  start_emulator --latency 20
  seed '{"applications":60}'
  start_nginx h1
  mount_through max_conns=4,cache_ttl=300,status_ttl=300
  ls "$APPS" >/dev/null
  local i pids=()
  for i in {1..60}; do
    ls "$APPS/app-$(printf %05d "$i")/rollouts" >/dev/null 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || fail "a read failed"; done
  assert_equal "$(calls | cut -d' ' -f2 | sort -u)" HTTP/1.1
  (($(connections) <= 4)) || fail "$(connections) connections"
}

@test "an authority that was not given is refused: the mount fails with 4" {
  start_emulator
  start_nginx
  local code=0
  timeout 30 "$CFCFS" -f -o "url=$URL,token_file=$T/token,state_dir=$T/state,connect_timeout=3,timeout=8" "$ACCOUNT" "$MNT" \
    >"$T/out" 2>&1 3>&- || code=$?
  assert_equal "$code" 4 "$(cat "$T/out")"
}
