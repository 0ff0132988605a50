#!/usr/bin/env bats
# The state file at work: a foreign lock on it stalls nobody, and a file of another version or kind is left alone.
# deadline: 180 s
load lib

# sql TEXT : as another program has the file open.
sql() {
  python3 - "$T/state/cfcfs.db" "$1" <<'P'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
for row in db.execute(sys.argv[2]): print(*row, sep="|")
P
}

# hold_lock : another program begins to write to the file, and does not end before release_lock.
hold_lock() {
  python3 - "$T/state/cfcfs.db" "$T/locked" <<'P' >"$T/locker.out" 2>&1 3>&- &
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w").close()
signal.pause()
P
  LOCKER=$!
  record_pid "$T/pids" "$LOCKER"
  disown "$LOCKER"
  wait_until 20 "the lock" test -e "$T/locked"
}
release_lock() { kill -9 "$LOCKER"; }

has_fingerprint() { [ "$(sql "SELECT count(*) FROM rows WHERE tbl = 'fingerprints'")" -ge 1 ]; }

@test "nothing waits for a foreign lock on the state file, and what was to be remembered then is" {
  start -o rollout=none,cache_ttl=0.2,status_ttl=0.2,rps=10000,burst=100000
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  hold_lock
  local before took
  before=$(date +%s%N)
  for n in 1 2 3 4; do
    sed "s/production/prod$n/" "$T/web.json" >"$T/changed.json"
    cp "$T/changed.json" "$APPS/web.json"
    printf 'value %s' "$n" >"$T/value" && cp "$T/value" "$MNT/secrets/one"
    ls "$APPS" "$MNT/secrets" >/dev/null
    stat "$APPS/web.json" "$MNT/.cfcfs/version" >/dev/null
    rm "$MNT/secrets/one"
  done
  took=$((($(date +%s%N) - before) / 1000000))
  # One wait for the lock would be two seconds; each of these turns has a dozen operations that once waited for it.
  ((took < 30000)) || fail "it took $took ms"
  release_lock
  cp "$T/value" "$MNT/secrets/kept"
  wait_until 20 "the fingerprint" has_fingerprint
  umount_cfcfs
  clear_requests
  mount_cfcfs
  cp "$T/value" "$MNT/secrets/kept"
  assert_writes 0
}

@test "a state file of a newer version is left alone, and the log says so" {
  start
  umount_cfcfs
  sql 'PRAGMA user_version = 999'
  mount_cfcfs
  grep -q 'is of version 999, written by a newer cfcfs' "$T/cfcfs.log" || fail "$(cat "$T/cfcfs.log")"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  printf value >"$T/value" && cp "$T/value" "$MNT/secrets/one"
  umount_cfcfs
  assert_equal "$(sql 'PRAGMA user_version')" 999
  assert_equal "$(sql 'SELECT count(*) FROM rows')" 0
}
