#!/usr/bin/env bats
# Random sequences of calls against a reference model of the specification (tests/model/): 1,000 of them.
# $CFCFS_MODEL_SEED repeats one that was printed; $CFCFS_MODEL_SEQUENCES is how many each test runs.
# deadline: 480 s
load lib

agrees() {
  local options=$1
  shift
  start -o "max_delete=10000,rollout=none,cache_ttl=3600,negative_ttl=3600,status_ttl=3600,rps=10000,burst=10000,$options"
  python3 "$SOURCE_DIR/tests/model/run.py" "$MNT" "$URL" "$CONTROL" "$TOKEN" "$ACCOUNT" \
    "${CFCFS_MODEL_SEED:-$RANDOM$RANDOM}" "${CFCFS_MODEL_SEQUENCES:-250}" "$@"
}

@test "250 random sequences, deletes inside the call" { agrees delete_grace=0; }
@test "250 more, deletes inside the call" { agrees delete_grace=0; }
@test "250 random sequences, deletes that wait" { agrees delete_grace=3600 grace; }
@test "250 more, deletes that wait" { agrees delete_grace=3600 grace; }
