#!/usr/bin/env bats
# What was written reads back byte for byte, with the times and modes that tools set, for as long as it means the account's
# document.
# profiles: ideal live
load lib
load replace

# odd FILE : the sample with the spelling of nobody's renderer.
odd() {
  printf '\n{"max_instances" :900,\t"instances":10 ,\n\n "configuration": {"environment_variables":[{"value":"pr\\u006fduction","name":"MODE"},{"name":"LEVEL","value":"3"}],\n"instance_type":"lite" , "image":"app:v1"}, "scheduling_policy":"default"}\n\n  ' >"$1"
}
stranger() { api PATCH "/applications/$ID" "$1" >/dev/null; }

@test "written bytes read back, through the time to live, by every way to read" {
  start_emulator
  mount_with_clock
  has_web
  odd "$T/odd.json"
  cp "$T/odd.json" "$WEB"
  cmp "$T/odd.json" "$WEB"
  assert_equal "$(stat -c %s "$WEB")" "$(stat -c %s "$T/odd.json")"
  times_out
  cmp "$T/odd.json" "$WEB"
  refresh
  cmp "$T/odd.json" "$WEB"
  dd if="$WEB" bs=3 status=none | cmp - "$T/odd.json"
  assert_equal "$(tail -c 4 "$WEB" | od -An -c)" "$(tail -c 4 "$T/odd.json" | od -An -c)"
  assert_equal "$(cat "$APPS"/*.json | wc -c)" "$(stat -c %s "$T/odd.json")"
}

@test "a created application has one st_ino from then on, in every mount" {
  start
  has_web
  local ino
  ino=$(stat -c %i "$WEB")
  exec 5>>"$WEB"
  assert_equal "$(stat -Lc %i /proc/self/fd/5)" "$ino"
  exec 5>&-
  umount_cfcfs
  mount_cfcfs
  assert_equal "$(stat -c %i "$WEB")" "$ino"
}

@test "written bytes of every kind of document read back" {
  start
  echo '{"image":"app:v1",   "location":"lhr01","instance_type":"lite"}' >"$T/d.json"
  cp "$T/d.json" "$MNT/deployments/d.json"
  cmp "$T/d.json" "$MNT/deployments/d.json"
  echo '{ "domains":   [ {"path":"x","domain":"docker.io"} ] }' >"$T/p.json"
  cp "$T/p.json" "$MNT/registry-protocols/p.json"
  cmp "$T/p.json" "$MNT/registry-protocols/p.json"
  echo '{"disk_mb":8000,   "vcpus":0.5,"memory_mib":4096}' >"$T/defaults.json"
  cp "$T/defaults.json" "$MNT/account/defaults.json"
  cmp "$T/defaults.json" "$MNT/account/defaults.json"
  refresh
  cmp "$T/defaults.json" "$MNT/account/defaults.json"
  cmp "$T/d.json" "$MNT/deployments/d.json"
  cmp "$T/p.json" "$MNT/registry-protocols/p.json"
}

@test "the same document in another spelling is kept as written, without a call" {
  start_emulator
  mount_with_clock
  has_web
  odd "$T/odd.json"
  clear_requests
  cp "$T/odd.json" "$WEB"
  assert_writes 0
  cmp "$T/odd.json" "$WEB"
  times_out
  cmp "$T/odd.json" "$WEB"
}

@test "somebody else's unrelated change leaves bytes, times and modes" {
  start
  has_web
  odd "$T/odd.json"
  cp "$T/odd.json" "$WEB"
  touch -d '2020-02-03 04:05:06.789' "$WEB"
  chmod 640 "$WEB"
  api POST /applications "$(jq '.name = "other"' "$T/web.json")" >/dev/null
  api POST /secrets '{"name":"s","value":"v"}' >/dev/null
  stranger '{"instances":10}' # the version rises, the document is the same
  refresh
  assert_exists "$APPS/other.json"
  cmp "$T/odd.json" "$WEB"
  assert_equal "$(stat -c '%a %.9Y' "$WEB")" "640 $(date -d '2020-02-03 04:05:06.789' +%s.%N)"
}

@test "bytes, times and modes end when the resource drifts" {
  start
  has_web
  odd "$T/odd.json"
  cp "$T/odd.json" "$WEB"
  touch -d '2020-02-03 04:05:06' "$WEB"
  chmod 640 "$WEB"
  stranger '{"max_instances":901}'
  refresh
  jq -e '.max_instances == 901' "$WEB"
  assert_fails cmp -s "$T/odd.json" "$WEB"
  assert_equal "$(stat -c %a "$WEB")" 644
  assert_equal "$(stat -c %y "$WEB" | cut -c1-4)" "$(date +%Y)"
  # The document that comes back by another hand is the account's own spelling, not what was once written.
  stranger '{"max_instances":900}'
  refresh
  jq -e '.max_instances == 900' "$WEB"
  is_live || assert_same_json "$T/web.json" "$WEB" # live: instances is computed, and what nobody said comes beside it
  assert_fails cmp -s "$T/odd.json" "$WEB"
}

@test "cp -p, rsync -a, touch and install leave their times and modes" {
  start_emulator
  mount_with_clock
  has_web
  touch -d '2021-01-02 03:04:05' "$T/web.json"
  chmod 600 "$T/web.json"
  jq '.instances = 11' "$T/web.json" >"$T/new.json"
  touch -d '2021-01-02 03:04:05.123456789' "$T/new.json"
  chmod 640 "$T/new.json"
  cp -p "$T/new.json" "$WEB"
  assert_equal "$(stat -c '%a %.9Y' "$WEB")" "$(stat -c '%a %.9Y' "$T/new.json")" "cp -p"
  sed -i 's/11,/12,/' "$T/new.json"
  touch -d '2021-01-02 03:04:05' "$T/new.json"
  rsync -a "$T/new.json" "$WEB"
  assert_equal "$(stat -c '%a %Y' "$WEB")" "$(stat -c '%a %Y' "$T/new.json")" "rsync -a"
  times_out
  assert_equal "$(stat -c '%a %Y' "$WEB")" "$(stat -c '%a %Y' "$T/new.json")" "after the time to live"
  sed -i 's/12,/13,/' "$T/new.json"
  install -p -m 604 "$T/new.json" "$WEB"
  assert_equal "$(stat -c '%a %Y' "$WEB")" "604 $(stat -c %Y "$T/new.json")" "install -p"
  sed -i 's/13,/14,/' "$T/new.json"
  touch -d '2022-01-02 03:04:05' "$T/new.json"
  mv "$T/new.json" "$WEB"
  assert_equal "$(stat -c %Y "$WEB")" "$(date -d '2022-01-02 03:04:05' +%s)" "mv"
  touch -d '2023-01-02 03:04:05' "$APPS" "$WEB"
  assert_equal "$(stat -c %Y "$APPS" "$WEB" | uniq | wc -l)" 1 "touch"
  chown "$(id -u):$(id -g)" "$WEB" "$APPS"
  chmod 700 "$APPS"
  assert_equal "$(stat -c %a "$APPS")" 700
  assert_equal "$(stat -c %Y "$WEB")" "$(date -d '2023-01-02 03:04:05' +%s)"
}

@test "a new file gets the times of now, and a written one new ones" {
  start
  has_web
  local now
  now=$(date +%s)
  (($(stat -c %Y "$WEB") >= now - 5 && $(stat -c %Y "$WEB") <= now + 5)) || fail "mtime $(stat -c %Y "$WEB"), now $now"
  touch -d '2020-01-01' "$WEB"
  jq '.instances = 11' "$T/web.json" >"$T/new.json"
  cat "$T/new.json" >"$WEB"
  (($(stat -c %Y "$WEB") >= now - 5)) || fail "a written file kept an old time"
}

@test "a refused write leaves bytes, times and modes as they were" {
  start
  has_web
  odd "$T/odd.json"
  cp "$T/odd.json" "$WEB"
  touch -d '2020-02-03 04:05:06' "$WEB"
  chmod 640 "$WEB"
  echo '{"instances": "x"}' >"$T/bad.json"
  assert_fails cp "$T/bad.json" "$WEB"
  assert_fails bash -c 'cat "$1" >"$2"' - "$T/bad.json" "$WEB"
  assert_fails rsync -a "$T/bad.json" "$WEB"
  cmp "$T/odd.json" "$WEB"
  assert_equal "$(stat -c '%a %Y' "$WEB")" "640 $(date -d '2020-02-03 04:05:06' +%s)"
}

@test "a renamed application keeps its bytes and times" {
  start
  has_web
  odd "$T/odd.json"
  cp "$T/odd.json" "$WEB"
  touch -d '2020-02-03 04:05:06' "$WEB"
  mv "$WEB" "$APPS/site.json"
  cmp "$T/odd.json" "$APPS/site.json"
  assert_equal "$(stat -c %Y "$APPS/site.json")" "$(date -d '2020-02-03 04:05:06' +%s)"
}

@test "a document with a secret in it is never kept: it reads back without it" {
  assumes_ideal "a private credential as text, which FedRAMP High alone takes"
  start
  cat >"$T/r.json" <<'JSON'
{ "kind": "DockerHub", "auth": { "public_credential": "acme", "private_credential": "sekret-of-the-registry" } }
JSON
  cp "$T/r.json" "$MNT/registries/docker.io.json"
  assert_fails grep -F sekret-of-the-registry "$MNT/registries/docker.io.json"
  jq -e '.auth.public_credential == "acme"' "$MNT/registries/docker.io.json"
}

@test "a delete by another hand, right after a change of ours, shows" {
  start
  has_web
  refresh
  assert_exists "$WEB" # a list has shown it
  jq '.instances = 11' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$WEB"
  api DELETE "/applications/$ID" >/dev/null
  advance 60
  refresh
  assert_absent "$WEB"
  assert_equal "$(ls -A "$APPS")" ''
}

@test "what has no time of its own has the one when its content was first seen" {
  start_emulator
  mount_with_clock -o cache_ttl=0.2
  local file=$MNT/registry-protocols/acme.json first
  api POST /registries/protos '{"proto":"acme","domains":[{"domain":"docker.io","path":"acme"}]}' >/dev/null
  wait_until 5 "the protocol" test -e "$file"
  first=$(stat -c %.9Y "$file")
  pass 2
  assert_equal "$(stat -c %.9Y "$file")" "$first"
  # A list that shows the same content tells nothing new.
  ASKS=/registries/protos past_ttl stat --cached=never "$file"
  assert_equal "$(stat --cached=never -c %.9Y "$file")" "$first"
  refresh /registry-protocols
  api PUT /registries/protos '{"proto":"acme","domains":[{"domain":"docker.io","path":"acmf"}]}' >/dev/null
  wait_until 5 "the other content" grep -q acmf "$file"
  [ "$(stat -c %.9Y "$file")" != "$first" ]
  [ "$(stat -c %Y "$file")" -gt "${first%.*}" ]
}

@test "times before 1970, and beyond what can be kept, are as near to what was set as they can be" {
  start
  has_web
  local when
  for when in 1969-12-31T23:59:59.999999999Z 1960-02-29T12:00:00.5Z 1901-12-14T00:00:00Z 2200-01-01T00:00:00Z; do
    touch -d $when "$T/stamp" "$APPS" "$WEB"
    assert_equal "$(stat -c %.9Y "$WEB")" "$(stat -c %.9Y "$T/stamp")" "$when"
    assert_equal "$(stat -c %.9Y "$APPS")" "$(stat -c %.9Y "$T/stamp")" "$when, of a directory"
    cp -p "$WEB" "$T/copy.json"
    assert_equal "$(stat -c %.9Y "$T/copy.json")" "$(stat -c %.9Y "$T/stamp")" "cp -p of $when"
    cp -p "$T/copy.json" "$APPS/.scratch"
    assert_equal "$(stat -c %.9Y "$APPS/.scratch")" "$(stat -c %.9Y "$T/stamp")" "scratch of $when"
  done
  # Nanoseconds end in 1677 and 2262: the last one there is, as other file systems do with their own.
  touch -d 2500-01-01T00:00:00Z "$WEB"
  assert_equal "$(stat -c %Y "$WEB")" 9223372036
  touch -d 1600-01-01T00:00:00Z "$WEB"
  assert_equal "$(stat -c %Y "$WEB")" -9223372037
}

@test "what changes by the moment is no attribute that a copy would carry" {
  start
  has_web
  # Where a write failed, too.
  assert_sys 'write EINVAL' write "$WEB" - <<<'{"x":1}'
  python3 - "$WEB" "$APPS" <<'P'
import os, sys
momentary = {"user.cfcfs." + n for n in ("age", "stale", "pending", "error")}
for path in sys.argv[1:]:
    names = set(os.listxattr(path))
    assert not names & momentary, names
assert os.listxattr(sys.argv[1]), "nothing is listed"
float(os.getxattr(sys.argv[1], "user.cfcfs.age"))
assert os.getxattr(sys.argv[1], "user.cfcfs.stale") == b"false"
assert os.getxattr(sys.argv[1], "user.cfcfs.error")
P
  # A copy with xattrs settles: the second run has nothing to do.
  mkdir "$T/copy"
  rsync -aX "$WEB" "$T/copy/"
  assert_equal "$(rsync -aXi "$WEB" "$T/copy/")" ''
}
