#!/usr/bin/env bats
# The short forms of what tools/prove runs for as long as it is told.
# deadline: 420 s
load lib

# shown PROGRAM ARGUMENT... : it ends with 0, and its last line says that there are no flags.
shown() {
  local program=$1 status=0
  shift
  CFCFS_BUILD_DIR=$BUILD CFCFS_BIN=$CFCFS TMPDIR=$T python3 "$SOURCE_DIR/tests/prove/$program.py" "$@" >"$T/$program.out" 2>&1 3>&- || status=$?
  grep -E '^(FLAG|FAILED|Traceback)|flags$' "$T/$program.out" || tail -n 20 "$T/$program.out"
  assert_equal "$status" 0 "exit status of $program"
  tail -n 1 "$T/$program.out" | grep -qE '[1-9][0-9]* .*, 0 flags$' || fail "it tried nothing"
}

@test "faults: every eleventh cell of the matrix" { shown faults --short --workers 4; }

@test "crash: twelve rounds of kill -9 under several writers" { shown crash --rounds 12; }

@test "apply: eight rounds of kill -9 while sixty staged changes are applied" { shown apply --rounds 8; }

@test "soak: a mixed load with faults for a while: the tree is the account" { shown soak --minutes 0.3; }

@test "needle: no secret, token or credential is left anywhere" {
  needs_root
  needs_own_free
  shown needle --only http1
}

@test "users: what others try" {
  needs_root
  shown users
}
