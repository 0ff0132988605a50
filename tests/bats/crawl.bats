#!/usr/bin/env bats
# A crawl is noticed, and its lists are fetched side by side: fewer waits, and not one call more.
load lib

LATENCY_MS=1000
OPTIONS=view=spec,cache_ttl=3600,status_ttl=3600,negative_ttl=3600,rps=10000,burst=100000

# Round trips to the API, one after another: how many times the latency lies between the first arrival and the last answer.
# What the machine needs in between is less than half of the latency each.
round_trips() { requests .time_ms | python3 -c '
import sys
times = [float(line) for line in sys.stdin]
print(round((max(times) - min(times)) / float(sys.argv[1]) + 1))' "$LATENCY_MS"; }

cold() {
  start_emulator
  seed '{"applications":200,"deployments":10,"secrets":5,"ssh_keys":3,"registries":2,"protocols":1}'
  # What the service offers is known to the state already.
  mount_cfcfs -o "$OPTIONS"
  find "$MNT" >/dev/null
  umount_cfcfs
  fault '{"method":"GET","path":"*","times":1000,"latency_ms":'"$LATENCY_MS"'}'
  mount_cfcfs -o "$OPTIONS"
  clear_requests
}
crawl() { # crawl COMMAND...
  cold
  "$@" >/dev/null || [ "$1" = grep ] # secrets cannot be read
  local took
  took=$(round_trips)
  ((took <= 4)) || fail "$took round trips one after another: $(requests '[.time_ms, .path]')"
  assert_writes 0
  (($(requests .path | wc -l) <= 8)) || fail "$(requests .path)"
  assert_equal "$(requests '[.path, .query]' | sort | uniq -d)" '' 'asked twice'
}

@test "find: at most 4 round trips one after another, and no call twice" { crawl find "$MNT"; }
@test "ls -lR: the same" { crawl ls -lR "$MNT"; }
@test "grep -r: the same" { crawl grep -rs registry "$MNT"; }
@test "rsync to a new repository: the same" { crawl rsync -a --exclude=/secrets "$MNT/" "$T/repo/"; }

@test "looking at one collection, or at two by name, is no crawl" {
  cold
  ls "$MNT" >/dev/null
  ls "$APPS" >/dev/null
  round_trip
  assert_equal "$(requests .path | sort -u)" '"/applications"'
  clear_requests
  ls "$MNT/secrets" "$MNT/ssh-keys" >/dev/null
  round_trip
  assert_equal "$(requests .path | sort -u)" $'"/applications"\n"/secrets"\n"/ssh-public-keys"'
}
# round_trip : some calls, one after another: what would be fetched beside is under way by their end.
round_trip() {
  local i
  for i in 1 2 3; do
    refresh /applications
    ls "$APPS" >/dev/null
  done
}

@test "a collection that cannot be listed is no hindrance, and is asked for no more often" {
  cold
  clear_faults
  fault '{"method":"GET","path":"/registries","status":403}'
  run find "$MNT"
  assert_match "$output" 'registries.*(Permission denied|Operation not permitted)'
  assert_match "$output" 'ssh-keys/.*\.pub'
  (($(count_calls GET /registries) <= 2)) || fail "$(requests .path)"
}
