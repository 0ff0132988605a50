#!/usr/bin/env bats
# The commands of docs/RECIPES.md, as they stand there.
load lib
load repo

OTHER_ACCOUNT=fedcba9876543210fedcba9876543210

# commands NAME : the code block after "<!-- test: NAME -->".
commands() {
  awk -v mark="<!-- test: $1 -->" '$0 == mark { found = 1; next } found && /^```/ { if (inside) exit; inside = 1; next } inside' \
    "$SOURCE_DIR/docs/RECIPES.md"
}
# recipe NAME [VARIABLE=VALUE...] : runs it.
recipe() {
  local text
  text=$(commands "$1")
  [ -n "$text" ] || fail "there is no recipe named $1"
  shift
  env MNT="$MNT" "$@" bash -c "$text"
}
# fill REPO : the account is what the repository says.
fill() {
  local dir
  for dir in secrets ssh-keys registries registry-protocols; do
    rsync -a "$1/$dir/" "$MNT/$dir/"
  done
  rsync -a --exclude=/secrets --exclude=/.git "$1/" "$MNT/"
}
broken() {
  api POST /applications "{\"name\": \"$1\", \"scheduling_policy\": \"default\", \"instances\": 1, \"max_instances\": 2,
    \"configuration\": {\"image\": \"registry.cloudflare.com/bad-image:v1\", \"instance_type\": \"lite\"}}" >/dev/null
  advance 60
}

@test "every recipe has a test" {
  local name
  while read -r name; do
    grep -Eq "(recipe|commands) $name\b" "$BATS_TEST_FILENAME" || fail "no test runs $name"
  done < <(sed -n 's/^<!-- test: \(.*\) -->$/\1/p' "$SOURCE_DIR/docs/RECIPES.md")
}

@test "what is not well, and why" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=0.1
  assert_equal "$(recipe unwell)" ''
  recipe check
  broken ill
  refresh
  recipe unwell | grep -Eq $'^2[^\t]*Z\tapplications/ill\tImagePullError: '
  run recipe check
  assert_status 1
  assert_match "$output" '^applications/ill: ImagePullError: '
}

@test "who uses an image" {
  start_emulator --seed sample
  mount_cfcfs
  assert_equal "$(recipe image IMAGE=/web:v3)" applications/web.json
  assert_equal "$(recipe image IMAGE=/probe:v1)" $'deployments/probe-london.json\ndeployments/probe-tokyo.json'
}

@test "who uses an image of the registry; deleting old tags" {
  start_emulator --seed sample
  mount_cfcfs -o "registry_url=${URL%/client/v4}"
  assert_equal "$(recipe used-by REPOSITORY=web TAG=v3)" "$(printf '%s ' applications/web.json; cd "$APPS/web" && printf '%s ' deployments/*.json | sed 's|deployments/|applications/web/&|g; s/ $//')"
  recipe old-tags REPOSITORY=web KEEP=1
  assert_equal "$(ls "$MNT/registries/registry.cloudflare.com/images/web")" v3
  run recipe old-tags REPOSITORY=web KEEP=0
  assert_equal "$(ls "$MNT/registries/registry.cloudflare.com/images/web")" v3
  assert_error 'web:v3 is used by applications/web.json'
}

@test "alerts from metrics" {
  start_emulator --seed sample
  mount_cfcfs
  mkdir "$T/textfiles"
  recipe textfile TEXTFILES="$T/textfiles"
  assert_equal "$(ls -A "$T/textfiles")" cfcfs.prom
  python3 "$SOURCE_DIR/tests/bats/prometheus.py" "$T/textfiles/cfcfs.prom"
  commands rules >"$T/rules.yml"
  # Every metric that a rule names is there.
  local name
  while read -r name; do
    grep -q "^$name{" "$T/textfiles/cfcfs.prom" || fail "there is no metric $name"
  done < <(python3 -c 'import re, sys, yaml
for rule in yaml.safe_load(open(sys.argv[1]))["groups"][0]["rules"]:
    print("\n".join(re.findall(r"cfcfs_\w+", rule["expr"])))' "$T/rules.yml")
  if command -v promtool >/dev/null; then promtool check rules "$T/rules.yml"; fi
}

@test "promtool accepts the alert rules and what the textfile holds" {
  command -v promtool >/dev/null || skip "promtool (Debian's prometheus) is not installed"
  start_emulator --seed sample
  mount_cfcfs
  mkdir "$T/textfiles"
  recipe textfile TEXTFILES="$T/textfiles"
  promtool check metrics <"$T/textfiles/cfcfs.prom"
  commands rules >"$T/rules.yml"
  promtool check rules --lint-fatal "$T/rules.yml"
}

@test "an account's changes into a chat" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=0.5,status_ttl=0.5,rps=1000,burst=1000
  cat >"$T/chat.py" <<'PY'
import http.server
import sys


class Chat(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open(sys.argv[1], "ab") as log:
            log.write(self.rfile.read(int(self.headers["content-length"])) + b"\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *unused):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Chat)
print(server.server_port, flush=True)
server.serve_forever()
PY
  : >"$T/chat"
  python3 "$T/chat.py" "$T/chat" >"$T/port" 2>"$T/chat.err" 3>&- &
  record_pid "$T/pids" $!
  wait_until 30 "the chat" test -s "$T/port"
  commands chat >"$T/recipe"
  env MNT="$MNT" CHAT_URL="http://127.0.0.1:$(cat "$T/port")/" setsid bash "$T/recipe" >/dev/null 2>&1 3>&- &
  local recipe=$! web max=10
  record_pid "$T/pids" "$recipe"
  web=$(app_id web)
  told() {
    max=$((max + 1))
    api PATCH "/applications/$web" "{\"max_instances\": $max}" >/dev/null
    grep -q '/applications/web.json changed: .*max_instances' "$T/chat"
  }
  wait_until 60 "the chat to be told" told
  jq -se 'all(.text | type == "string")' "$T/chat"
  kill -- "-$recipe"
}

@test "waiting for a rollout" {
  start_emulator
  mount_cfcfs -o cache_ttl=0.3,status_ttl=0.3,rps=1000,burst=1000
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  advance 60
  commands wait-feed >"$T/recipe"
  env MNT="$MNT" APP=web setsid bash "$T/recipe" >"$T/line" 2>/dev/null 3>&- &
  local recipe=$! n=0
  record_pid "$T/pids" "$recipe"
  # One after another, each of which goes on for some looks of the feed.
  rolled() {
    n=$((n + 1))
    ((n % 40 != 1)) || sed "s/app:v1/app:v2-$n/" "$T/web.json" >"$APPS/web.json"
    ((n % 40 != 0)) || advance 60
    [ -s "$T/line" ]
  }
  wait_until 60 "the feed to tell of a rollout" rolled
  jq -e '.path == "/applications/web.json"' "$T/line"
  advance 60
  recipe wait APP=web
  jq -e '.active_rollout_id | not' "$APPS/web/status.json"
  kill -- "-$recipe" 2>/dev/null || true
}

@test "drift: what somebody changed by hand" {
  start_emulator
  REPO=$T/repo
  make_repo "$REPO"
  mount_cfcfs -o view=spec,delete_grace=0,cache_ttl=0.1
  fill "$REPO"
  run recipe drift REPO="$REPO"
  assert_equal "$output" ''
  api PATCH "/applications/$(app_id app-1)" '{"max_instances": 77}' >/dev/null
  broken byhand
  refresh
  run recipe drift REPO="$REPO"
  assert_match "$output" 'applications/app-1.json'
  assert_match "$output" '\*deleting +applications/byhand.json'
  assert_equal "$(wc -l <<<"$output")" 2
}

@test "rotating a secret; replacing all instances" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=0.2,status_ttl=0.2
  local before
  before=$(api GET /secrets/stripe-key | jq .version)
  recipe rotate SECRET=stripe-key VALUE=sk_new
  assert_equal "$(api GET /secrets/stripe-key | jq .version)" $((before + 1))
  clear_requests
  recipe replace APP=web
  assert_calls 2 POST '/placements/*'
}

@test "cloning an account" {
  start_emulator
  make_repo "$T/repo"
  mount_cfcfs -o view=spec
  fill "$T/repo"
  ACCOUNT=$OTHER_ACCOUNT MOUNT_AT=$T/other mount_cfcfs -o view=spec
  rsync -a "$T/repo/secrets/" "$T/other/secrets/"
  recipe clone OTHER="$T/other"
  refresh
  diff <(ls "$APPS") <(ls "$T/other/applications")
  local file
  for file in "$APPS"/*.json; do
    assert_same_json "$file" "$T/other/applications/${file##*/}"
  done
  ACCOUNT=$OTHER_ACCOUNT MOUNT_AT=$T/other umount_cfcfs
}

@test "waiting for a rollout in a job" {
  start_emulator
  mount_cfcfs
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  umount_cfcfs
  advance 60
  recipe wait-sync APP=web OPTIONS="url=$URL,token_file=$T/token,state_dir=$T/state" CLOUDFLARE_ACCOUNT_ID="$ACCOUNT" \
    PATH="$BUILD/sync:$(dirname "$CFCFS"):$PATH"
}

@test "who changed what, what was refused; stopping a rollout, undoing a change" {
  start_emulator --profile live
  mount_cfcfs
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  sed -i 's/"max_instances": 5/"max_instances": 6/' "$APPS/web.json"
  run sed -i 's/"max_instances": 6/"max_instances": "six"/' "$APPS/web.json"
  recipe who >"$T/who"
  assert_match "$(cat "$T/who")" $'\t'"$(id -u)"$'\tcp\tcreate\t/applications/web.json\tdone'
  assert_match "$(cat "$T/who")" $'\tsed\tupdate\t/applications/web.json\tdone'
  assert_match "$(cat "$T/who")" $'\t/applications/web.json\tmax_instances: is a string, must be an integer'
  recipe undo KIND=applications APP=web
  assert_equal "$(jq .max_instances "$APPS/web.json")" 5
  run recipe undo KIND=applications APP=other
  [ "$status" != 0 ] || fail "nothing to undo, and no failure"
  assert_absent "$APPS/other.json"
  advance 60
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  recipe stop APP=web
  assert_equal "$(jq -r .configuration.image "$APPS/web.json")" registry.cloudflare.com/app:v1
  assert_equal "$(jq -r .status "$APPS"/web/rollouts/*/status.json)" reverted
  clear_requests
  recipe stop APP=web
  assert_writes 0
}

@test "restoring what was deleted, and what was before" {
  start_emulator
  mount_cfcfs -o delete_grace=0
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  sed -i 's/"max_instances": 5/"max_instances": 6/' "$APPS/web.json"
  recipe before KIND=applications APP=web >"$T/before.json"
  jq -e '.max_instances == 5' "$T/before.json"
  rm "$APPS/web.json"
  assert_absent "$APPS/web.json"
  advance 60
  recipe restore KIND=applications APP=web
  assert_equal "$(jq .max_instances "$APPS/web.json")" 6
  [ -n "$(app_id web)" ]
}
