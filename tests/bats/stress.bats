#!/usr/bin/env bats
# Many processes read, write and delete at random, with cfcfs built by the sanitizers: no report, and in the end the tree
# is what the account holds.
# alone
# deadline: 2400 s
load lib
# The long form of the chaos has its time; bats reads this before a test begins.
((${CFCFS_CHAOS_SECONDS:-0} < 15)) || BATS_TEST_TIMEOUT=$((CFCFS_CHAOS_SECONDS + 300))

# A setarch that turns address randomisation off, which ThreadSanitizer's runtime cannot always place itself beside.
no_aslr() { setarch "$(uname -m)" -R true 2>/dev/null && echo "setarch $(uname -m) -R"; }

# begin NAME DIR : a mount by the cfcfs of this build folder.
begin() {
  CFCFS=$2/fs/cfcfs
  [ -x "$CFCFS" ] || skip "no $1 build: run it by tools/test"
  export ASAN_OPTIONS=log_path=$T/report:exitcode=99:detect_leaks=1:halt_on_error=0:abort_on_error=0
  export UBSAN_OPTIONS=log_path=$T/report:print_stacktrace=1
  export TSAN_OPTIONS=log_path=$T/report:exitcode=99:halt_on_error=0:second_deadlock_stack=1:history_size=4
  # shellcheck disable=SC2155
  export CFCFS_WRAP=$(no_aslr)
  start -o max_delete=10000,burst=100000,rps=10000,delete_grace=0.2,cache_ttl=0.5,status_ttl=0.3,negative_ttl=0.1,rollout=none,timeout=30
  SEED=${CFCFS_STRESS_SEED:-$(($(date +%s) % 100000))}
  echo "seed $SEED"
}

# end STATUS : the load's exit status; no report, and the tree is the account.
end() {
  local same=yes
  kill -0 "$MOUNT_PID" || fail "cfcfs died: $(head -n 60 "$T"/report.* 2>/dev/null)"
  sync "$APPS" || true
  # Names in hiding come back by themselves.
  wait_until 30 "names in hiding to be back" nothing_hides || true
  sync "$APPS" || true
  tree_is_account || same=no
  umount_cfcfs
  cat "$T"/report.* 2>/dev/null | head -n 150
  ! compgen -G "$T/report.*" >/dev/null || fail "the sanitizer reports"
  assert_equal "$same" yes "the tree is the account"
  assert_equal "$MOUNT_STATUS" 0 "cfcfs's exit status"
  assert_equal "$1" 0 "the load's exit status"
}

stress() {
  local status=0
  begin "$@"
  timeout 100 "$HAMMER" "$APPS" "${CFCFS_STRESS_PROCESSES:-32}" "${CFCFS_STRESS_SECONDS:-20}" "$SEED" >"$T/hammer.out" 3>&- || status=$?
  cat "$T/hammer.out"
  end "$status"
}

# Three processes of several threads each, on the same few names. CFCFS_CHAOS_SECONDS=600 is the long form.
chaos() {
  local i status=0 pids=() seconds=${CFCFS_CHAOS_SECONDS:-15}
  begin "$@"
  for i in 1 2 3; do
    timeout $((seconds + 60)) python3 "$SOURCE_DIR/tests/bats/chaos.py" "$APPS" "$seconds" $((SEED + i)) >"$T/chaos.$i" 2>&1 3>&- &
    pids+=("$!")
    record_pid "$T/pids" "$!"
  done
  for i in "${pids[@]}"; do wait "$i" || status=$?; done
  cat "$T"/chaos.*
  # What editors would have left: names come back, drafts are gone.
  rm -rf "$APPS"/.[!.]* "$APPS"/*~ "$APPS"/*.tmp
  wait_until 30 "names in hiding to be back" nothing_hides
  end "$status"
}
# By name: as many, one that hides and a draft that is nowhere else would do.
nothing_hides() {
  [ "$(ls "$APPS" | sed -n 's/\.json$//p' | sort)" = "$(api GET '/applications?per_page=1000' | jq -r '.[].name' | sort)" ]
}

# What each side says of an application, one a line.
of_tree() {
  local file
  for file in "$APPS"/*.json; do
    [ -e "$file" ] || continue
    jq -c --arg name "$(basename "$file" .json)" \
      '[$name, .instances // 0, .max_instances, (.configuration.image | sub(".*/"; "")), .configuration.environment_variables]' "$file"
  done | sort
}
of_account() {
  api GET '/applications' | jq -c \
    '.[] | [.name, .instances // 0, .max_instances, (.configuration.image | sub(".*/"; "")), .configuration.environment_variables]' | sort
}
tree_is_account() {
  advance 120 # what the service is still deleting is gone then
  refresh
  of_tree >"$T/tree"
  of_account >"$T/account"
  diff "$T/tree" "$T/account" || return 1
  # What was refused never reached the API.
  [ -z "$(requests 'select(.body | contains("many")) | .path')" ] || {
    echo "a refused document was sent"
    return 1
  }
}

@test "32 processes for 20 seconds: address sanitizer" {
  stress address "${CFCFS_ASAN_DIR:-$BUILD-address}"
}

@test "32 processes for 20 seconds: thread sanitizer" {
  stress thread "${CFCFS_TSAN_DIR:-$BUILD-thread}"
}

@test "whatever can be done to a few names: address sanitizer" {
  chaos address "${CFCFS_ASAN_DIR:-$BUILD-address}"
}

@test "whatever can be done to a few names: thread sanitizer" {
  chaos thread "${CFCFS_TSAN_DIR:-$BUILD-thread}"
}

@test "umount -f with deletes due and a fetch in flight: address sanitizer" {
  begin address "${CFCFS_ASAN_DIR:-$BUILD-address}"
  needs_root
  umount_cfcfs
  local app reader
  app=$(api POST /applications '{"name":"web","scheduling_policy":"default","instances":0,"max_instances":1,"jobs":true,
    "configuration":{"image":"registry.cloudflare.com/app:v1","instance_type":"lite"}}' | jq -r .id)
  api POST "/applications/$app/jobs" '{"entrypoint":["sleep"],"command":["1"]}' >/dev/null
  mount_cfcfs -o rollout=none,timeout=30,retries=0,delete_grace=1
  fault '{"method":"GET","path":"/secrets","latency_ms":4000}'
  ls "$MNT/secrets" >/dev/null 2>&1 3>&- &
  reader=$!
  wait_until 30 "the fetch" secrets_asked
  kill "$reader" # the reader leaves, its fetch flies on
  wait "$reader" || true
  rm "$APPS"/web/jobs/*.json
  umount -f "$MNT"
  wait_until 30 "the process to end" gone "$MOUNT_PID"
  ! compgen -G "$T/report.*" >/dev/null || fail "$(cat "$T"/report.*)"
  assert_calls 1 DELETE '*'
}
secrets_asked() { [ "$(count_calls GET /secrets)" -gt 0 ]; }
