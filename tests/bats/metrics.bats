#!/usr/bin/env bats
# /.cfcfs/metrics: one text in any pieces, in the form that Prometheus takes, of many mounts at once, and for no call.
load lib

METRICS=.cfcfs/metrics
check_form() { python3 "$SOURCE_DIR/tests/bats/prometheus.py" "$@"; }

@test "what a scraper takes, with the labels of the account and the mount" {
  start_emulator --seed sample
  MNT="$T/a \"b\" \\c"
  APPS=$MNT/applications
  MOUNT_AT=$MNT mount_cfcfs
  ls -lR "$MNT" >/dev/null
  cat "$MNT/.cfcfs/overview" >/dev/null
  cat "$MNT/$METRICS" >"$T/metrics"
  check_form "$T/metrics"
  [ "$(grep -c '^# TYPE ' "$T/metrics")" -gt 20 ]
  grep -Fq "cfcfs_info{account=\"$ACCOUNT\",mount=\"$T/a \\\"b\\\" \\\\c\",version=\"" "$T/metrics"
}

@test "promtool accepts it" {
  command -v promtool >/dev/null || skip "promtool (Debian's prometheus) is not installed; prometheus.py checks the same form"
  start_emulator --seed sample
  mount_cfcfs
  cat "$MNT/.cfcfs/overview" >/dev/null
  promtool check metrics <"$MNT/$METRICS"
}

@test "promtool accepts the metrics of a mount that uses all there is: a share, a stage, failures, images, hidden collections" {
  command -v promtool >/dev/null || skip "promtool (Debian's prometheus) is not installed; prometheus.py checks the same form"
  load share
  start_emulator --seed sample
  start_server
  web_json "$T/web.json"
  mount_cfcfs -o "share=unix:$SOCKET,stage,hide=ips,registry_url=${URL%/client/v4}"
  find "$MNT" >/dev/null
  cp "$T/web.json" "$APPS/web2.json"
  run cp /dev/null "$APPS/web2.json"
  fault '{"method":"GET","path":"/secrets","status":429,"retry_after":1,"times":1}'
  echo / >"$MNT/.cfcfs/refresh"
  ls -lR "$MNT" >/dev/null
  cat "$MNT/.cfcfs/plan" "$MNT/.cfcfs/overview" >/dev/null
  cat "$MNT/$METRICS" >"$T/metrics"
  grep -q '^cfcfs_share_up{' "$T/metrics"
  check_form "$T/metrics"
  run promtool check metrics <"$T/metrics"
  assert_status 0
  assert_equal "$output" ''
}

@test "two mounts' metrics can be scraped together" {
  start_emulator --seed sample
  mount_cfcfs
  MOUNT_AT=$T/other mount_cfcfs
  cat "$MNT/.cfcfs/overview" "$T/other/.cfcfs/overview" >/dev/null
  cat "$MNT/$METRICS" >"$T/one"
  cat "$T/other/$METRICS" >"$T/two"
  check_form "$T/one" "$T/two"
  MOUNT_AT=$T/other umount_cfcfs
}

@test "the account's gauges are of what is cached: right, and without a call" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=60,status_ttl=60
  clear_requests
  cat "$MNT/$METRICS" >"$T/before"
  run ! grep -q '^cfcfs_account_' "$T/before"
  assert_calls 0 '*' '*'
  cat "$MNT/.cfcfs/overview" >/dev/null
  clear_requests
  cat "$MNT/$METRICS" >"$T/metrics"
  assert_calls 0 '*' '*'
  local labels="account=\"$ACCOUNT\",mount=\"$MNT\""
  grep -Fqx "cfcfs_account_applications{$labels} 4" "$T/metrics"
  grep -Fqx "cfcfs_account_rollouts_active{$labels} 0" "$T/metrics"
  assert_equal "$(grep -F "cfcfs_account_instances{$labels,health=\"active\"}" "$T/metrics" | cut -d' ' -f2)" \
    "$(api GET /applications | jq '[.[].health.instances.active] | add')"
  assert_equal "$(sed -n 's/^cfcfs_account_vcpus{.*} //p' "$T/metrics" | jq '. + 0')" "$(api GET /usage | jq .usage.vcpus)"
  assert_equal "$(sed -n 's/^cfcfs_account_memory_bytes{.*} //p' "$T/metrics" | jq ". + 0")" "$(api GET /usage | jq '.usage.memory_mib * 1048576')"
  assert_equal "$(sed -n 's/^cfcfs_account_memory_limit_bytes{.*} //p' "$T/metrics" | jq ". + 0")" \
    "$(api GET /usage | jq '.maximum.memory_mib * 1048576')"
}

@test "one consistent text in any pieces, by any reader, while the mount works" {
  start_emulator --seed sample
  mount_cfcfs -o cache_ttl=0.1
  (while :; do ls -l "$APPS" >/dev/null; done) 3>&- &
  local busy=$! n
  record_pid "$T/pids" "$busy"
  for n in 1 2 3 4 5; do
    dd if="$MNT/$METRICS" bs=1 status=none of="$T/one-$n"
    dd if="$MNT/$METRICS" bs=7 status=none of="$T/seven-$n"
    python3 - "$MNT/$METRICS" "$T/back-$n" "$T/whole-$n" <<'PY'
import os
import sys
fd = os.open(sys.argv[1], os.O_RDONLY)
size = len(os.pread(fd, 1 << 20, 0))
pieces = [os.pread(fd, 100, at) for at in range((size // 100) * 100, -1, -100)]
open(sys.argv[2], "wb").write(b"".join(reversed(pieces)))
open(sys.argv[3], "wb").write(os.pread(fd, 1 << 20, 0))
PY
    cmp "$T/back-$n" "$T/whole-$n"
  done
  kill "$busy"
  for n in "$T"/one-* "$T"/seven-* "$T"/whole-*; do
    check_form "$n"
  done
}
