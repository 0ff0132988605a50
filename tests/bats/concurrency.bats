#!/usr/bin/env bats
# Several writers at once, preconditions, and system calls that shells do not make.
load lib
load replace

io() { python3 "$BATS_TEST_DIRNAME/io.py" "$@"; }

@test "ten writers to ten files: each call's answer is true" {
  start_emulator --latency 30
  mount_cfcfs
  local n pids=()
  for n in {0..9}; do
    web_json "$T/$n.json" ".instances = $n | .max_instances = 50$( ((n % 3)) || echo ' | .instances = "none"')"
    { cp "$T/$n.json" "$APPS/w-$n.json" && echo 0 >"$T/$n.status" || echo 1 >"$T/$n.status"; } 2>/dev/null &
    pids+=($!)
  done
  wait "${pids[@]}" || true
  for n in {0..9}; do
    if ((n % 3)); then
      assert_equal "$(cat "$T/$n.status")" 0
      assert_equal "$(app "w-$n" | jq .instances)" "$n"
      cmp "$T/$n.json" "$APPS/w-$n.json"
    else
      assert_equal "$(cat "$T/$n.status")" 1
      assert_absent "$APPS/w-$n.json"
      cmp "$T/$n.json" "$MNT/.cfcfs/rejected/applications/w-$n.json"
    fi
  done
  assert_calls 6 POST /applications
  assert_writes 6
}

# ten COMMAND... : run at once with the numbers 1 to 10 (from 20 on) as last argument; statuses in $T/N.status.
ten() {
  local n pids=()
  for n in {20..29}; do
    sed "s/\"instances\": 10,/\"instances\": $n,/" "$T/web.json" >"$T/$n.json"
    { "$@" "$n" && echo 0 >"$T/$n.status" || echo 1 >"$T/$n.status"; } 2>/dev/null &
    pids+=($!)
  done
  wait "${pids[@]}" || true
}
# one_of_ten : what the account holds is one of those that succeeded, whole; each success is an update that was made.
one_of_ten() {
  local n now won=0
  now=$(app web | jq .instances)
  for n in {20..29}; do
    [ "$(cat "$T/$n.status")" = 0 ] && won=$((won + 1))
  done
  ((won >= 1)) || fail "none of ten succeeded"
  ((now >= 20 && now <= 29)) || fail "the account holds $now"
  assert_equal "$(cat "$T/$now.status")" 0 "the writer of what the account holds"
  # Whose writing succeeded was in the account at some time.
  for n in {20..29}; do
    [ "$(cat "$T/$n.status")" = 0 ] || continue
    requests 'select(.method == "PATCH" and .status < 300) | .body' | jq -r . | jq -e -s --argjson n "$n" 'any(.instances == $n)' >/dev/null ||
      fail "the writer of $n was told of a success"
  done
  assert_equal "$(app_id web)" "$ID"
  assert_calls 0 DELETE '*'
  assert_calls 0 POST /applications
  assert_equal "$(jq .instances "$WEB")" "$now"
  assert_equal "$(leftovers)" ''
}

@test "ten writers to one file by rename: all in, the account holds one whole" {
  start_emulator --latency 20
  mount_cfcfs
  has_web
  clear_requests
  by_rename() { cp "$T/$1.json" "$APPS/.web.$1" && mv "$APPS/.web.$1" "$WEB"; }
  ten by_rename
  one_of_ten
  assert_calls 10 PATCH "/applications/$ID"
}

@test "ten writers to one file by cp: each answer is true, the account holds one whole" {
  start_emulator --latency 20
  mount_cfcfs
  has_web
  clear_requests
  by_cp() { cp "$T/$1.json" "$WEB"; }
  ten by_cp
  one_of_ten
}

@test "ten writers to one file in small pieces: never a mixture" {
  start_emulator --latency 5
  mount_cfcfs
  has_web
  clear_requests
  by_dd() { dd if="$T/$1.json" of="$WEB" bs=16 status=none; }
  ten by_dd
  one_of_ten
}

@test "ten writers to one file by mv from elsewhere: one whole, nothing deleted" {
  start_emulator --latency 20
  mount_cfcfs
  has_web
  clear_requests
  by_mv() { cp "$T/$1.json" "$T/$1.move" && mv -f "$T/$1.move" "$WEB"; }
  ten by_mv
  flush_deletes
  one_of_ten
}

# ---- preconditions

@test "another version in the document: ESTALE, nothing sent, the text in rejected/" {
  start
  has_web
  local version
  version=$(jq .version "$APPS/web/status.json")
  jq ".version = $version | .instances = 11" "$T/web.json" >"$T/new.json"
  clear_requests
  cp "$T/new.json" "$WEB"
  assert_writes 1
  requests 'select(.method == "PATCH") | .body' | jq -r . | jq -e 'has("version") | not'
  cmp "$T/new.json" "$WEB"
  # The version is another now: the same text again is no change, and another text is refused.
  cp "$T/new.json" "$WEB"
  assert_writes 1
  jq ".version = $version | .instances = 12" "$T/web.json" >"$T/late.json"
  clear_requests
  assert_sys ESTALE write "$WEB" "$T/late.json"
  assert_fails cp "$T/late.json" "$WEB"
  assert_fails bash -c 'cat "$1" >"$2"' - "$T/late.json" "$WEB"
  cp "$T/late.json" "$APPS/.late" && assert_sys "rename ESTALE" rename "$APPS/.late" "$WEB"
  rm "$APPS/.late"
  assert_writes 0
  assert_error web.json ESTALE version
  cmp "$T/late.json" "$MNT/.cfcfs/rejected/applications/web.json"
  assert_equal "$(app web | jq .instances)" 11
}

@test "somebody else's change makes the precondition fail too" {
  start
  has_web
  local version
  version=$(jq .version "$APPS/web/status.json")
  api PATCH "/applications/$ID" '{"instances":5}' >/dev/null
  refresh
  clear_requests
  jq ".version = $version | .instances = 11" "$T/web.json" >"$T/new.json"
  assert_sys ESTALE write "$WEB" "$T/new.json"
  assert_writes 0
  jq ".version = $((version + 1)) | .instances = 11" "$T/web.json" >"$T/new.json"
  assert_sys ok write "$WEB" "$T/new.json"
  assert_calls 1 PATCH "/applications/$ID"
}

@test "a version alone is never a change" {
  start
  has_web
  clear_requests
  jq ".version = 77" "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$WEB"
  assert_writes 0
}

# ---- system calls

# A way of io.py's to write a document over the application's file; one update each.
io_changes() { changes io "$@" "$T/src/web.json" "$WEB"; }

@test "O_APPEND, O_RDWR, ftruncate, odd offsets, copy_file_range, fallocate, one byte at a time" {
  start
  has_web
  local way
  for way in rdwr rdwr_read append_truncated ftruncate_shorter ftruncate_zero odd_offsets backwards copy_file_range \
    fallocate_keep one_byte writev fsync_twice two_descriptors dup mkstemp_rename o_excl_rename sendfile; do
    io_changes "$way"
  done
}

@test "the same calls with a refused document fail, and the account is untouched" {
  start
  has_web
  local way
  export -f io
  export BATS_TEST_DIRNAME
  for way in rdwr append_truncated ftruncate_shorter ftruncate_zero odd_offsets backwards copy_file_range one_byte writev \
    fsync_twice mkstemp_rename sendfile; do
    refuses io "$way" "$T/src/web.json" "$WEB"
    rm -f "$APPS"/.scratch*
  done
}

@test "a document of more than a mebibyte is EFBIG, whatever the call" {
  start
  has_web
  clear_requests
  { cat "$T/web.json" && head -c 1M /dev/zero | tr '\0' ' '; } >"$T/big"
  assert_sys "write EFBIG" pieces 4096 "$WEB" "$T/big"
  assert_sys EFBIG truncate "$WEB" 2000000
  assert_sys EFBIG pwrite "$WEB" 1048576 x
  assert_writes 0
  assert_same_json "$T/web.json" "$WEB"
}

@test "a file open for reading keeps its content and size while it is overwritten; st_ino stays" {
  start
  has_web
  io keeps "$WEB" "$T/web.json" >"$T/io.out" 2>&1 &
  local reader=$! ino
  ino=$(stat -c %i "$WEB")
  wait_until 10 "the reader" grep -q opened "$T/io.out"
  sed 's/"instances": 10,/"instances": 77,/; s/900/1000/; s/production/a-much-longer-word-than-before/' "$T/web.json" >"$T/long.json"
  cp "$T/long.json" "$WEB"
  assert_equal "$(stat -c %i "$WEB")" "$ino" "st_ino after a write in place"
  cmp "$T/long.json" "$WEB"
  cp "$T/web.json" "$APPS/.n" && mv "$APPS/.n" "$WEB"
  cmp "$T/web.json" "$WEB"
  api PATCH "/applications/$ID" '{"max_instances":77}' >/dev/null
  refresh
  jq -e '.max_instances == 77' "$WEB"
  assert_equal "$(stat -c %i "$WEB")" "$ino" "st_ino after drift"
  touch "$T/go"
  wait "$reader" || fail "$(cat "$T/io.out")"
}

@test "mmap reads what the file holds, before and after a change" {
  start
  has_web
  io mmap "$WEB" >"$T/out"
  cmp "$T/out" "$T/web.json"
  sed 's/"instances": 10,/"instances": 11,/' "$T/web.json" >"$T/new.json"
  cp "$T/new.json" "$WEB"
  io mmap "$WEB" >"$T/out"
  cmp "$T/out" "$T/new.json"
  api PATCH "/applications/$ID" '{"max_instances":12}' >/dev/null
  refresh
  io mmap "$WEB" | jq -e '.max_instances == 12'
}

@test "while a draft is open for writing, every reader and stat sees the draft" {
  start
  has_web
  exec 5>"$WEB"
  printf '{ "instances": 3' >&5
  assert_equal "$(cat "$WEB")" '{ "instances": 3'
  assert_equal "$(stat -c %s "$WEB")" 16
  assert_writes 1 # the create
  exec 5>&- || true
  assert_same_json "$T/web.json" "$WEB"
  cmp "$T/web.json" "$WEB"
}

# descriptors CODE : Python, with fd open for writing on web.json (made anew), the documents a and b, and the folder.
descriptors() {
  web_json "$T/a" '.instances = 3'
  web_json "$T/b" '.instances = 4'
  python3 -c 'import fcntl, os, sys
a, b, folder, flags = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read(), sys.argv[3], int(sys.argv[4])
fd = os.open(folder + "/web.json", os.O_CREAT | os.O_WRONLY | flags, 0o644)
'"$1" "$T/a" "$T/b" "$APPS" "${2-0}"
}

@test "emptied and written again, a descriptor's document is tried again" {
  start -o rollout=none
  fault '{"method":"POST","path":"/applications","times":1,"status":403}'
  descriptors '
try: os.pwrite(fd, a, 0)
except PermissionError: pass
else: sys.exit("the refused one succeeded")
try: os.fsync(fd)
except PermissionError: pass
else: sys.exit("the answer is not repeated")
os.ftruncate(fd, 0)
os.pwrite(fd, a, 0)
os.close(fd)'
  assert_same_json "$APPS/web.json" "$T/a"
  assert_calls 2 POST /applications
}

@test "of two open files on one name the last write counts, the same text as before too" {
  start -o rollout=none
  descriptors '
os.pwrite(fd, a, 0)
other = os.open(folder + "/web.json", os.O_WRONLY | os.O_TRUNC)
os.write(other, b)
os.close(other)
os.pwrite(fd, a, 0)
os.close(fd)'
  assert_same_json "$APPS/web.json" "$T/a"
  assert_equal "$(app web | jq .instances)" 3
  # A close is no write.
  descriptors '
os.pwrite(fd, a, 0)
other = os.open(folder + "/web.json", os.O_WRONLY | os.O_TRUNC)
os.write(other, b)
os.close(other)
os.fsync(fd)
os.close(fd)'
  assert_equal "$(app web | jq .instances)" 4
}

@test "O_APPEND is what the descriptor says at the write" {
  start -o rollout=none
  descriptors '
os.write(fd, a[:-9])
fcntl.fcntl(fd, fcntl.F_SETFL, 0)
os.pwrite(fd, a[:-9], 0)
fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
os.pwrite(fd, a[-9:], 0)
os.close(fd)' "$(python3 -c 'import os; print(os.O_APPEND)')"
  assert_same_json "$APPS/web.json" "$T/a"
}
