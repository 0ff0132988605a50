#!/usr/bin/env bats
# 32 processes read, write and delete at random, with cfcfs built by the sanitizers: no report, and in the end the tree
# is what the account holds.
# alone
# deadline: 420 s
load lib

# A setarch that turns address randomisation off, which ThreadSanitizer's runtime cannot always place itself beside.
no_aslr() { setarch "$(uname -m)" -R true 2>/dev/null && echo "setarch $(uname -m) -R"; }

# stress NAME DIR : the whole of it, with the cfcfs of this build folder.
stress() {
  CFCFS=$2/fs/cfcfs
  [ -x "$CFCFS" ] || skip "no $1 build: run it by tools/test"
  export ASAN_OPTIONS=log_path=$T/report:exitcode=99:detect_leaks=1:halt_on_error=0:abort_on_error=0
  export UBSAN_OPTIONS=log_path=$T/report:print_stacktrace=1
  export TSAN_OPTIONS=log_path=$T/report:exitcode=99:halt_on_error=0:second_deadlock_stack=1:history_size=4
  # shellcheck disable=SC2155
  export CFCFS_WRAP=$(no_aslr)
  start -o max_delete=10000,burst=100000,rps=10000,delete_grace=0.2,cache_ttl=0.5,status_ttl=0.3,negative_ttl=0.1,rollout=none,timeout=30
  local seed=${CFCFS_STRESS_SEED:-$(($(date +%s) % 100000))} status=0
  echo "seed $seed"
  timeout 100 "$HAMMER" "$APPS" "${CFCFS_STRESS_PROCESSES:-32}" "${CFCFS_STRESS_SECONDS:-20}" "$seed" >"$T/hammer.out" 3>&- || status=$?
  cat "$T/hammer.out"
  kill -0 "$MOUNT_PID" || fail "cfcfs died"
  sync "$APPS" || true
  sleep 1
  sync "$APPS" || true
  local same=yes
  tree_is_account || same=no
  umount_cfcfs
  cat "$T"/report.* 2>/dev/null | head -n 150
  ! compgen -G "$T/report.*" >/dev/null || fail "the sanitizer reports"
  assert_equal "$same" yes "the tree is the account"
  assert_equal "$MOUNT_STATUS" 0 "cfcfs's exit status"
  assert_equal "$status" 0 "the load's exit status"
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
