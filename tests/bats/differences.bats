#!/usr/bin/env bats
# What counts as a difference reaches the account, once; what the service filled in by itself is none.
load lib
load kinds

DEP() { printf '%s' "$MNT/deployments/d.json"; }
# The document as a file of its own; FILTER is applied to it.
doc() { # FILE [FILTER]
  jq -n '{image: "app:v1", location: "lhr01"}' | jq "${2:-.}" >"$1"
}
made() { api GET /deployments/v2 | jq -c '.[] | select(.app_id == null)'; }
check='{type: "tcp", port: "80", interval: "5s", timeout: "1s", kind: "ready"}'

# writes N FILE DOCUMENT-FILE : writing it makes so many changes; and again, here and after another mount: none.
writes() {
  clear_requests
  cp "$3" "$2" || fail "refused: $(last_error .message)"
  assert_writes "$1"
  clear_requests
  cmp -s "$3" "$2" || fail "does not read back as written: $(cat "$2")"
  cp "$3" "$2"
  refresh
  cp "$3" "$2"
  assert_writes 0
}

@test "each field of a check counts, added, removed or changed by others; what the service fills in does not" {
  start
  doc "$T/plain.json" ".checks = [$check, $check]"
  cp "$T/plain.json" "$(DEP)"
  made | jq -e '.checks[0] | .name and .attempts_before_failure and .tls == false'
  writes 0 "$(DEP)" "$T/plain.json"
  for set in '.name = "mine"' '.attempts_before_failure = 7' '.grace_period = "9s"' '.tls = true'; do
    jq ".checks[1]$set" "$T/plain.json" >"$T/with.json"
    writes 1 "$(DEP)" "$T/with.json"
    made | jq -e "(.checks[1]$set) == ." || fail "not sent: $set"
    writes 1 "$(DEP)" "$T/plain.json"
    made | jq -e "(.checks[1]$set) != ." || fail "not removed: $set"
  done
  umount_cfcfs
  mount_cfcfs
  writes 0 "$(DEP)" "$T/plain.json"
  # What another tool changed is put right.
  api PATCH "/deployments/$(made | jq -r .id)/v2" "$(made | jq -c '{checks: (.checks | .[0].attempts_before_failure = 9)}')" >/dev/null
  refresh
  writes 1 "$(DEP)" "$T/plain.json"
  made | jq -e '.checks[0].attempts_before_failure == 3'
}

@test "each field of an application's check counts" {
  start
  web_json "$T/plain.json" ".configuration.checks = [$check]"
  cp "$T/plain.json" "$APPS/web.json"
  for set in '.name = "mine"' '.attempts_before_failure = 7' '.grace_period = "9s"' '.tls = false'; do
    jq ".configuration.checks[0]$set" "$T/plain.json" >"$T/with.json"
    writes 2 "$APPS/web.json" "$T/with.json"
    app web | jq -e "(.configuration.checks[0]$set) == ." || fail "not sent: $set"
    writes 2 "$APPS/web.json" "$T/plain.json"
    app web | jq -e "(.configuration.checks[0]$set) != ." || fail "not removed: $set"
  done
}

@test "an instance type that was written and removed again is no default of the service" {
  start
  doc "$T/plain.json"
  cp "$T/plain.json" "$(DEP)"
  for size in 'del(.x)' '.vcpu = 0.25' '.memory_mib = 1024' '.disk = {size: "4GB"}'; do
    for type in basic standard; do
      doc "$T/typed.json" ".instance_type = \"$type\""
      writes 1 "$(DEP)" "$T/typed.json"
      doc "$T/sized.json" "$size"
      writes 1 "$(DEP)" "$T/sized.json"
      made | jq -e '(.vcpu == 0.0625 or .memory_mib == 256) and .instance_type == null' || fail "$type, then $size: $(made)"
    done
  done
}

@test "the same in an application, however the service modifies what is nested" {
  local mode type
  for mode in replace merge; do
    start_emulator --patch $mode
    mount_cfcfs -o rollout=none
    web_json "$T/plain.json" 'del(.configuration.instance_type)'
    cp "$T/plain.json" "$APPS/web.json"
    for type in basic standard; do
      jq ".configuration.instance_type = \"$type\"" "$T/plain.json" >"$T/typed.json"
      writes 1 "$APPS/web.json" "$T/typed.json"
      writes 1 "$APPS/web.json" "$T/plain.json"
      app web | jq -e '.configuration | .vcpu == 0.0625 and .memory_mib == 256 and .instance_type == null' || fail "$mode: $(app web)"
    done
    umount_cfcfs
    stop_emulator
  done
}
