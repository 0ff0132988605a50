#!/usr/bin/env bats
# Jobs: written once, run from the queue to their end, named by the mount alone.
load lib
load kinds

JOB='{"entrypoint": ["/bin/report"], "command": ["--month", "10"]}'

batch() {
  write "$APPS/batch.json" '{"instances": 0, "max_instances": 5, "jobs": true, "configuration": {"image": "reports:v1", "instance_type": "lite"}}'
  JOBS=$APPS/batch/jobs
}

@test "job: created, listed under its name, read back, its xattrs" {
  start_quick
  batch
  write "$JOBS/first.json" "$JOB"
  assert_calls 1 POST '/applications/*/jobs'
  assert_equal "$(ls "$JOBS")" $'first\nfirst.json'
  assert_equal "$(cat "$JOBS/first.json")" "$JOB"
  assert_xattrs "$JOBS/first.json" job id created_at
  assert_equal "$(jq -r .id "$JOBS/first/status.json")" "$(xattr "$JOBS/first.json" id)"
  assert_equal "$(ls "$JOBS/first")" $'action\nevents.jsonl\nstatus.json'
  assert_read_only "$JOBS/first/status.json" "$JOBS/first/events.jsonl"
  assert_equal "$(jq -r .app_id "$JOBS/first/status.json")" "$(app_id batch)"
  jq -e 'has("events") | not' "$JOBS/first/status.json"
}

@test "job: runs from Queued to Stopped, and its events arrive in order" {
  start_quick --time-scale 0.001 # time passes by "advance" alone
  batch
  write "$JOBS/first.json" '{"entrypoint": ["/bin/sleep"], "command": ["sleep", "30"]}'
  assert_equal "$(health "$JOBS/first/status.json")" Queued
  assert_equal "$(cat "$JOBS/first/events.jsonl")" ''
  local step
  for step in '0.6 Scheduled' '0.5 Placed' '4 Running' '60 Stopped'; do
    advance "${step% *}"
    wait_until 5 "the file to say ${step#* }" is "${step#* }" health "$JOBS/first/status.json"
  done
  jq -es '[.[].time] | . == sort' "$JOBS/first/events.jsonl"
  assert_equal "$(jq -r .name "$JOBS/first/events.jsonl" | xargs)" \
    'SchedulerPlaced NetworkingIPAssigned ImagePulled VMStarted ContainerStarted VMStopping VMStopped'
}

@test "job: events.jsonl only ever grows" {
  start_quick
  batch
  write "$JOBS/first.json" "$JOB"
  tail -n +1 -f "$JOBS/first/events.jsonl" >"$T/tail" 2>/dev/null 3>&- &
  local tail=$!
  record_pid "$T/pids" $tail
  for _ in 1 2 3 4; do
    advance 2
    ASKS='/applications/*/jobs*' past_ttl cat "$JOBS/first/events.jsonl"
    head -c "$(stat -c %s "$JOBS/first/events.jsonl")" "$JOBS/first/events.jsonl" >"$T/now"
    [ ! -e "$T/before" ] || cmp -n "$(stat -c %s "$T/before")" "$T/before" "$T/now"
    cp "$T/now" "$T/before"
  done
  advance 60
  wait_until 8 "the last event" eval 'grep -q VMStopped "$JOBS/first/events.jsonl"'
  wait_until 8 "tail -f to show it" eval 'grep -q VMStopped "$T/tail"'
  kill $tail
  cmp "$T/tail" "$JOBS/first/events.jsonl"
}

@test "job: echo terminate > action stops one" {
  start_quick
  batch
  write "$JOBS/long.json" '{"entrypoint": ["/bin/sleep"], "command": ["sleep", "86400"]}'
  advance 10
  wait_until 5 "it to run" is Running health "$JOBS/long/status.json"
  assert_action "$JOBS/long/action" terminate
  clear_requests
  echo terminate >"$JOBS/long/action"
  assert_writes 1
  assert_equal "$(sent PATCH '/applications/*/jobs/*')" '{"terminate":true}'
  assert_equal "$(jq .terminate "$JOBS/long/status.json")" true
  advance 5
  wait_until 5 "it to stop" is Stopped health "$JOBS/long/status.json"
}

@test "job: in an application without jobs it is EPERM, and the text says why" {
  start_quick
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  clear_requests
  refused EPERM "$APPS/web/jobs/first.json" "$JOB" JOB_CREATE_NOT_ALLOWED 'jobs'
  assert_equal "$(ls -A "$APPS/web/jobs")" ''
}

@test "job: an existing name is EEXIST; rm deletes it" {
  start_quick
  batch
  write "$JOBS/first.json" "$JOB"
  clear_requests
  printf '%s\n' "$JOB" >"$T/job.json"
  assert_sys EEXIST write "$JOBS/first.json" "$T/job.json"
  assert_error EEXIST 'another name'
  assert_sys EPERM rename "$JOBS/first.json" "$JOBS/second.json"
  assert_writes 0
  assert_exists "$JOBS/first.json"
  rm "$JOBS/first.json"
  assert_calls 1 DELETE '/applications/*/jobs/*'
  assert_equal "$(ls "$JOBS")" ''
  write "$JOBS/first.json" "$JOB"
  assert_equal "$(ls "$JOBS")" $'first\nfirst.json'
}

@test "job: secret values are sent and never shown" {
  start_quick
  batch
  write "$JOBS/first.json" '{"entrypoint": ["/bin/x"], "command": [], "secrets": [{"type": "env", "name": "KEY", "value": "hunter2-hunter2"}]}'
  ASKS='/applications/*/jobs*' past_ttl cat "$JOBS/first.json"
  jq -e '.secrets == [{type: "env", name: "KEY"}]' "$JOBS/first.json"
  ! grep -rqF hunter2-hunter2 "$T/cfcfs.log" "$T/state" "$JOBS" || fail "the value is somewhere"
}

@test "job: each kind of bad document is refused" {
  start_quick
  batch
  local f=$JOBS/bad.json
  bad EINVAL "$f" '{"command": []}' 'entrypoint' 'missing'
  bad EINVAL "$f" '{"entrypoint": []}' 'command' 'missing'
  bad EINVAL "$f" '{"entrypoint": "/bin/x", "command": []}' 'entrypoint' 'array'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [1]}' 'command\[0\]'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [], "timeout": "1h"}' 'timeout'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [], "timout": 1}' 'timout' 'timeout'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [], "status": {}}' 'status' 'status.json'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [], "terminate": true}' 'terminate' 'status.json'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [], "instance_type": "lite", "vcpu": 1}' 'instance_type' 'vcpu'
  bad EINVAL "$f" '{"entrypoint": ["x"], "command": [], "secrets": [{"type": "env", "name": "A", "secret": "s"}]}' 'secrets\[0\]'
  assert_equal "$(ls -A "$JOBS")" ''
}
