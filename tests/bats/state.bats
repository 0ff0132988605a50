#!/usr/bin/env bats
# The state file: what the mount remembers across remounts and crashes, and a mount without it.
load lib
load kinds

JOB='{"entrypoint": ["/bin/sleep"], "command": ["sleep", "86400"]}'
batch() { write "$APPS/batch.json" '{"instances": 1, "max_instances": 1, "jobs": true, "configuration": {"image": "reports:v1", "instance_type": "lite"}}'; }
rollout() {
  write "$APPS/batch/rollouts/slow.json" '{"description": "d", "strategy": "rolling", "kind": "full_manual", "step_percentage": 50,
    "target_configuration": {"image": "reports:v2", "instance_type": "lite"}}'
}
shows_other() {
  refresh
  [ -e "$APPS/batch/jobs/other.json" ]
}
state_file() { find "$T/state" -type f ! -name '*-wal' ! -name '*-shm' | head -n 1; }

@test "state: jobs and rollouts keep their names across a remount" {
  start
  batch
  write "$APPS/batch/jobs/nightly.json" "$JOB"
  rollout
  umount_cfcfs
  mount_cfcfs
  assert_equal "$(ls "$APPS/batch/jobs")" $'nightly\nnightly.json'
  assert_equal "$(ls "$APPS/batch/rollouts")" $'slow\nslow.json'
  jq -e '.command == ["sleep", "86400"]' "$APPS/batch/jobs/nightly.json"
  echo terminate >"$APPS/batch/jobs/nightly/action"
  assert_calls 1 PATCH '/applications/*/jobs/*'
}

@test "state: it survives kill -9" {
  start
  batch
  write "$APPS/batch/jobs/nightly.json" "$JOB"
  rollout
  printf 'value' | tee "$MNT/secrets/db" >/dev/null
  wait_until 10 "the fingerprint on the disk" eval '[ "$(sqlite3 "$(state_file)" "SELECT count(*) FROM rows WHERE tbl = '"'fingerprints'"'")" -ge 1 ]'
  crash_mount
  mount_cfcfs
  assert_equal "$(ls "$APPS/batch/jobs")" $'nightly\nnightly.json'
  assert_equal "$(ls "$APPS/batch/rollouts")" $'slow\nslow.json'
  clear_requests
  printf 'value' | tee "$MNT/secrets/db" >/dev/null
  assert_writes 0
  # And again and again, in the middle of writing.
  local n
  for n in 1 2 3; do
    (for i in 1 2 3 4 5 6 7 8 9; do echo "$JOB" >"$APPS/batch/jobs/j$n$i.json" || break; done) 2>/dev/null &
    wait_until 30 "some of them" test -e "$APPS/batch/jobs/j$n$((n * 2)).json"
    crash_mount
    wait $! || true
    mount_cfcfs
    # Each that was made before is still under its name.
    assert_exists "$APPS/batch/jobs/nightly.json"
    assert_equal "$(sqlite3 "$(state_file)" 'PRAGMA integrity_check')" ok
  done
}

@test "state: without it jobs and rollouts show by their id" {
  start
  batch
  write "$APPS/batch/jobs/nightly.json" "$JOB"
  rollout
  local job rollout
  job=$(xattr "$APPS/batch/jobs/nightly.json" id)
  rollout=$(xattr "$APPS/batch/rollouts/slow.json" id)
  umount_cfcfs
  rm -rf "$T/state"
  mount_cfcfs
  assert_equal "$(ls "$APPS/batch/jobs")" "$job"$'\n'"$job.json"
  assert_equal "$(ls "$APPS/batch/rollouts")" "$rollout"$'\n'"$rollout.json"
}

@test "state: where the service offers no list of jobs, the mount's own are shown" {
  start_emulator
  fault '[{"method":"GET","path":"/applications/*/jobs","status":404,"body":{"success":false,"errors":[{"code":7003,"message":"no route"}]}}]'
  mount_cfcfs
  batch
  write "$APPS/batch/jobs/nightly.json" "$JOB"
  umount_cfcfs
  mount_cfcfs
  assert_equal "$(ls "$APPS/batch/jobs")" $'nightly\nnightly.json'
  assert_equal "$(jq -r .id "$APPS/batch/jobs/nightly/status.json")" "$(xattr "$APPS/batch/jobs/nightly.json" id)"
  clear_faults
  fault '[{"method":"GET","path":"/applications/*/jobs","status":405,"body":{"success":false,"errors":[{"code":7001,"message":"no"}]}}]'
  kill -HUP "$MOUNT_PID"
  wait_until 10 "the list to be asked for again" asked_again
  assert_equal "$(ls "$APPS/batch/jobs")" $'nightly\nnightly.json'
}
asked_again() {
  ls "$APPS/batch/jobs" >/dev/null
  (($(requests 'select(.method == "GET" and .status == 405) | .path' | wc -l)))
}

@test "state: a removed field that the service keeps showing is not sent again, across a remount" {
  start_emulator
  web_json "$T/web.json"
  mount_cfcfs -o cache_ttl=0.2
  jq '.rollout_active_grace_period = 60' "$T/web.json" >"$T/with.json"
  cp "$T/with.json" "$APPS/web.json"
  cp "$T/web.json" "$APPS/web.json"
  clear_requests
  umount_cfcfs
  mount_cfcfs
  cp "$T/web.json" "$APPS/web.json"
  assert_writes 0
}

@test "state: the file is 0600, two mounts share it, and a damaged one is no reason not to mount" {
  start
  batch
  write "$APPS/batch/jobs/nightly.json" "$JOB"
  assert_equal "$(stat -c %a "$(state_file)")" 600
  MOUNT_AT=$T/second mount_cfcfs
  assert_equal "$(ls "$T/second/applications/batch/jobs")" $'nightly\nnightly.json'
  write "$T/second/applications/batch/jobs/other.json" "$JOB"
  refresh
  wait_until 20 "the other mount's name" shows_other
  assert_equal "$(ls "$APPS/batch/jobs")" $'nightly\nnightly.json\nother\nother.json'
  fusermount3 -u "$T/second"
  MOUNT_PID=${MOUNT_PIDS[0]} umount_cfcfs
  local file
  file=$(state_file)
  rm -f "$file"-*
  echo 'this is no database at all, and it is longer than a header of SQLite would be: so it must be put aside' >"$file"
  mount_cfcfs
  assert_equal "$(ls "$APPS/batch/jobs" | grep -c json)" 2
  write "$APPS/batch/jobs/third.json" "$JOB"
  assert_exists "$APPS/batch/jobs/third/status.json"
}

@test "state: a mount works without it" {
  start_emulator
  echo x >"$T/state" # a file where the directory should be stops root too
  mount_cfcfs
  batch
  write "$APPS/batch/jobs/nightly.json" "$JOB"
  assert_exists "$APPS/batch/jobs/nightly/status.json"
}
