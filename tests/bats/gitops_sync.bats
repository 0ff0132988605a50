#!/usr/bin/env bats
# cfcfs-sync with a mount that stages: the commands of docs/GITOPS.md, what is pruned, what an interrupt leaves.
# profiles: ideal live
# deadline: 600 s
load lib
load repo

SYNC=$BUILD/sync/cfcfs-sync

setup() {
  "$CFCFS" --help | grep -q '^  stage ' || skip "this cfcfs was built without the option stage"
  setup_base
  mkdir -m 700 "$T/run"
  export XDG_RUNTIME_DIR=$T/run
  PATH=$(dirname "$CFCFS"):$(dirname "$SYNC"):$PATH
  REPO=$T/repo
  start_emulator
}
options() { echo "url=$URL,token_file=$T/token,state_dir=$T/state"; }
sync_() { CLOUDFLARE_ACCOUNT_ID=${INTO:-$ACCOUNT} timeout 110 "$SYNC" -o "$(options)" "$@"; }
# settle : lists and rollouts of the service are up to date.
settle() { advance 900; }

# guide NAME : the commands of the guide, from the repository's folder's side.
guide() {
  local text
  text=$(awk -v mark="<!-- test: $1 -->" '$0 == mark { found = 1; next } found && /^```/ { if (inside) exit; inside = 1; next } inside' \
    "$SOURCE_DIR/docs/GITOPS.md")
  [ -n "$text" ] || fail "the guide has no commands named $1"
  (cd "$T" && env REPO="$REPO" OPTIONS="$(options)" CLOUDFLARE_ACCOUNT_ID="$ACCOUNT" GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@example.com \
    GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@example.com timeout 110 bash -c "$text")
}
none_mounted() { [ -z "$(mounts_under "$T/run")" ]; }
nothing_stays() { none_mounted || fail "still mounted: $(mounts_under "$T/run")"; }
some_are_in() { [ "$(count_calls POST /applications)" -ge 2 ]; }

@test "gitops: a pull request's job posts the plan, the main branch's applies it, and a second one has nothing to do" {
  make_repo "$REPO"
  run guide pull-request
  assert_status 0
  assert_writes 0
  grep -q '^+ applications/app-1.json: create' "$T/comment.md" || fail "$(cat "$T/comment.md")"
  grep -qE '^Plan: 9 to create, 1 to change, 0 to delete, 0 to rename; [0-9]+ calls in [0-9]+ waves$' "$T/comment.md"
  ! grep -qE 'the-password|the-api-key' "$T/comment.md" || fail "a secret's value is in the plan"
  cp "$T/comment.md" "$T/first.md"
  run guide pull-request
  diff "$T/first.md" "$T/comment.md" || fail "the same plan is another text"
  is_live && advance 60
  run sync_ apply "$REPO" --prune
  assert_status 0
  assert_match "$output" 'Applied: 10 of 10'
  settle
  assert_equal "$(app_names)" $'app-1\napp-2\napp-3'
  clear_requests
  run guide drift-plan
  assert_status 0
  assert_equal "$output" 'Plan: nothing to do'
  run guide main
  assert_status 0
  assert_match "$output" '^Plan: nothing to do'
  run guide wait
  assert_status 0
  assert_writes 0
  nothing_stays
}

@test "gitops: one refused document, and nothing is sent; one refused change, and the next run has only what is left" {
  make_repo "$REPO"
  sed -i 's/"instances": 1/"instances": "one"/' "$REPO/applications/app-2.json"
  run sync_ apply "$REPO"
  assert_status 1
  assert_match "$output" 'applications/app-2.json: instances'
  assert_match "$output" 'nothing was sent'
  run sync_ plan "$REPO"
  assert_status 1
  assert_writes 0
  sed -i 's/"instances": "one"/"instances": 1/' "$REPO/applications/app-2.json"
  fault '{"method":"POST","path":"/ssh-public-keys","times":1,"status":400,"body":{"success":false,"errors":[{"code":1000,"message":"no such key"}],"result":null}}'
  run sync_ apply "$REPO"
  assert_status 1
  assert_match "$output" 'ssh-keys/anna.pub: failed: .*no such key'
  assert_match "$output" 'applications/app-1.json: skipped'
  settle
  assert_equal "$(app_names)" ''
  clear_requests
  run sync_ apply "$REPO"
  assert_status 0
  assert_match "$output" 'Applied: 4 of 4'
  settle
  assert_equal "$(app_names)" $'app-1\napp-2\napp-3'
  nothing_stays
}

@test "gitops: what has a document's name and cannot be read is refused, and not pruned; misplaced and misnamed directories are named" {
  make_repo "$REPO"
  sync_ apply "$REPO"
  settle
  clear_requests
  cd "$REPO"
  mv applications/app-1.json "$T/app-1.json"
  ln -s nowhere applications/app-1.json
  mkfifo applications/app-2.json.new
  mv applications/app-2.json.new applications/app-2.json
  : >applications/empty.json
  mkdir applications/folder.json applications/team applications/app-3 Application
  run sync_ apply "$REPO" --prune
  assert_status 1
  assert_match "$output" 'applications/app-1.json: No such file or directory'
  assert_match "$output" 'applications/app-2.json: is empty'
  assert_match "$output" 'applications/empty.json: is empty'
  assert_match "$output" 'applications/folder.json: Is a directory'
  assert_match "$output" 'applications/team/ is left out: documents stand in applications/ itself'
  assert_match "$output" 'Application/ is left out: did you mean applications/\?'
  assert_match "$output" '4 of [0-9]+ were refused: nothing was sent'
  # As in a full view: what belongs to a resource.
  [[ $output != *app-3/* ]] || fail "$output"
  assert_writes 0
  # What a link leads to is the document.
  rm -r applications/empty.json applications/folder.json applications/app-2.json
  ln -sf "$T/app-1.json" applications/app-1.json
  run sync_ plan "$REPO" --prune
  assert_status 2
  assert_match "$output" 'Plan: 0 to create, 0 to change, 1 to delete'
  nothing_stays
}

@test "gitops: --prune deletes what the repository lacks, of the collections that it has, and never more than it may" {
  make_repo "$REPO" 12
  run sync_ apply "$REPO"
  assert_status 0
  settle
  clear_requests
  # An empty one, eleven deletes, a collection that is missing: refused, or left alone.
  mkdir "$T/empty"
  run sync_ apply "$T/empty" --prune
  assert_status 1
  rm "$REPO"/applications/app-{1,2,3,4,5,6,7,8,9,10,11}.json
  run sync_ apply "$REPO" --prune
  assert_status 1
  assert_match "$output" '11 resources would be deleted'
  run sync_ plan "$REPO" --prune
  assert_status 1
  assert_writes 0
  run sync_ apply "$REPO"
  assert_status 0
  assert_equal "$output" 'Plan: nothing to do'
  cp -r "$REPO" "$T/part"
  rm -r "$T/part/applications" "$T/part/deployments"
  run sync_ apply "$T/part" --prune
  assert_status 0
  assert_match "$output" 'applications: the repository has no such directory'
  assert_writes 0
  run sync_ apply "$REPO" --prune --max-delete 11
  assert_status 0
  assert_calls 11 DELETE '/applications/*'
  settle
  assert_equal "$(app_names)" app-12
  nothing_stays
}

@test "gitops: the sample account copied into an empty one by one apply, references included" {
  local into=fedcba9876543210fedcba9876543210
  seed '{"applications":20,"deployments_per_application":1,"deployments":4,"secrets":5,"ssh_keys":3}'
  settle
  sync_ export "$REPO" >/dev/null
  mkdir -p "$REPO/secrets"
  local name
  for name in $(api GET /secrets | jq -r '.[].name'); do echo "value of $name" >"$REPO/secrets/$name"; done
  INTO=$into run sync_ apply "$REPO"
  assert_status 0
  settle
  INTO=$into sync_ export "$T/copy" >/dev/null
  diff -r -x secrets "$REPO" "$T/copy"
  clear_requests
  INTO=$into run sync_ apply "$REPO"
  assert_status 0
  assert_equal "$output" 'Plan: nothing to do'
  assert_writes 0
}

# halfway : an apply of forty applications, one after another, of which some are in. Sets pid.
halfway() {
  make_repo "$REPO" 40
  fault '{"method":"POST","path":"/applications","times":1000,"latency_ms":500}'
  CLOUDFLARE_ACCOUNT_ID=$ACCOUNT "$SYNC" -o "$(options),max_conns=1" apply "$REPO" >"$T/out" 2>&1 </dev/null 3>&- &
  pid=$!
  record_pid "$T/pids" "$pid"
  wait_until 60 "the first applications" some_are_in
}

@test "gitops: an interrupt stops before the next change and says what is left; the next run does the rest, once" {
  local pid
  halfway
  kill -INT "$pid"
  local status=0
  wait "$pid" || status=$?
  assert_equal "$status" 1 "$(cat "$T/out")"
  assert_match "$(cat "$T/out")" 'interrupted: [0-9]+ of 47 were applied'
  assert_match "$(cat "$T/out")" 'Plan: [0-9]+ to create'
  clear_faults
  settle
  run sync_ apply "$REPO"
  assert_status 0
  settle
  assert_equal "$(app_names | wc -l)" 40
  assert_equal "$(app_names | sort -u | wc -l)" 40
  nothing_stays
}

@test "gitops: who was killed leaves no mount, and what it had staged is done by the next run" {
  local pid
  halfway
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || true
  wait_until 60 "its mount to go" none_mounted
  clear_faults
  settle
  run sync_ apply "$REPO"
  assert_status 0
  settle
  assert_equal "$(app_names | wc -l)" 40
  run sync_ plan "$REPO"
  assert_status 0
}

@test "gitops: on a terminal the plan has colours and the apply a bar; elsewhere neither" {
  make_repo "$REPO"
  run sync_ plan "$REPO"
  assert_status 2
  [[ $output != *$'\033'* ]] || fail "colours without a terminal"
  on_terminal() {
    # A terminal of its own, whose output goes to the file.
    CLOUDFLARE_ACCOUNT_ID=$ACCOUNT TERM=xterm python3 - "$T/typescript" timeout 110 "$SYNC" -o "$(options)" "$@" <<'PYTHON' 3>&-
import os, pty, sys
with open(sys.argv[1], "wb") as out:
    def read(fd):
        data = os.read(fd, 65536)
        out.write(data)
        return data
    sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read, lambda fd: b"")))
PYTHON
  }
  run on_terminal plan "$REPO"
  assert_status 2
  grep -qF $'\033[32m+ applications/app-1.json: create\033[0m' "$T/typescript" || fail "$(cat -v "$T/typescript")"
  NO_COLOR=1 run on_terminal plan "$REPO"
  ! grep -qF $'\033[32m' "$T/typescript" || fail "colours with NO_COLOR"
  run on_terminal apply "$REPO"
  assert_status 0
  grep -qE '\[#+\.*\] [0-9]+/10 wave [0-9]/[0-9]' "$T/typescript" || fail "$(cat -v "$T/typescript")"
  grep -q 'Applied: 10 of 10' "$T/typescript"
}
