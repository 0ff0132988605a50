#!/usr/bin/env bats
# What met in the wrong order once: each of these hung, hid or killed something.
# deadline: 300 s
load lib

spawn() { "$@" 3>&- & SPAWNED=$!; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
sent() { requests "select(.method == \"$1\" and (.path | test(\"$2\")))" | grep -q .; }

@test "a close meets a rename to a backup's name: the process lives, and the loser gets ESTALE" {
  start -o rollout=none,rps=10000,burst=100000
  run timeout 60 python3 - "$APPS" <<'P'
import errno, os, sys, threading, time
folder, end, seen, closes = sys.argv[1], time.time() + 8, set(), [0]
def writer():
    while time.time() < end:
        try:
            fd = os.open(folder + "/f.json", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
            os.write(fd, b'{ "instances": ')
            closes[0] += 1
            os.close(fd)
        except OSError as e:
            seen.add(errno.errorcode[e.errno])
def renamer():
    while time.time() < end:
        try: os.rename(folder + "/f.json", folder + "/.f.bak")
        except OSError as e: seen.add(errno.errorcode[e.errno])
threads = [threading.Thread(target=f) for f in (writer, renamer)]
[t.start() for t in threads]; [t.join() for t in threads]
print(closes[0], sorted(seen))
sys.exit(bool(seen - {"EINVAL", "ENOENT", "ESTALE"}) or closes[0] < 100)
P
  assert_status 0
  kill -0 "$MOUNT_PID" || fail "cfcfs died"
  ls "$APPS" >/dev/null
}

@test "a rename for which nothing was sent yet ends with its process" {
  start -o rollout=none,timeout=40
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  web_json "$T/a" '.instances = 3'
  web_json "$T/b" '.instances = 4'
  cp "$T/b" "$APPS/.b"
  fault '{"method":"PATCH","path":"/applications/*","latency_ms":15000,"times":1}'
  spawn cp "$T/a" "$APPS/web.json"
  local first=$SPAWNED second began took
  wait_until 10 "the first change to be sent" sent PATCH /applications/
  spawn python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$APPS/.b" "$APPS/web.json"
  second=$SPAWNED
  wait_until 10 "the second to wait" waits_in_rename "$second"
  began=$(now_ms)
  kill -TERM "$second"
  wait "$second" && fail "the second rename succeeded"
  took=$(($(now_ms) - began))
  ((took < 10000)) || fail "gone after $took ms only"
  gone "$first" && fail "the first one, which was sent, was not waited for"
  wait "$first"
  assert_calls 1 PATCH '/applications/*'
  assert_exists "$APPS/.b"
}
waits_in_rename() { [ "$(awk '{print $1}' "/proc/$1/syscall" 2>/dev/null)" = 82 ] || [ "$(awk '{print $1}' "/proc/$1/syscall" 2>/dev/null)" = 316 ]; }

@test "a name that a backup took comes back after a draft over it failed, however late" {
  start_emulator
  mount_with_clock -o rollout=none
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  mv "$APPS/web.json" "$APPS/web.json~"
  exec 4>"$APPS/web.json"
  pass 60 # past the time that the name stays in hiding
  printf '{ "instances": ' >&4
  exec 4>&- || true
  # A second after the draft's end.
  wait_until 30 "the resource to be back" test -e "$APPS/web.json"
  assert_equal "$(app_names)" web
  assert_same_json "$APPS/web.json" "$T/web.json"
  wait_until 4 "the failure to be told" told_back
}
told_back() { last_error .message | grep -q 'nothing was deleted'; }

@test "140 syncs of directories with deletes pending, beside 135 slow writes: all end, and so does the process" {
  start_emulator
  mount_cfcfs -o max_delete=10000,max_conns=256,rollout=none,delete_grace=3600,rps=10000,burst=100000,timeout=20
  seed '{"applications":0}'
  python3 - "$URL" "$TOKEN" "$ACCOUNT" <<'P'
import json, sys, urllib.request
url, token, account = sys.argv[1:4]
def call(path, body):
    request = urllib.request.Request(f"{url}/accounts/{account}/containers{path}", method="POST", data=json.dumps(body).encode(),
                                     headers={"authorization": "Bearer " + token, "content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["result"]["id"]
for i in range(140):
    app = call("/applications", {"name": f"j{i:03}", "scheduling_policy": "default", "instances": 0, "max_instances": 1,
        "jobs": True, "configuration": {"image": "registry.cloudflare.com/app:v1", "instance_type": "lite"}})
    call(f"/applications/{app}/jobs", {"entrypoint": ["sleep"], "command": ["1"]})
P
  refresh
  rm "$APPS"/j*/jobs/*.json
  fault '{"method":"POST","path":"/applications","latency_ms":4000}'
  web_json "$T/web.json"
  local i pids=()
  for i in {1..135}; do
    spawn cp "$T/web.json" "$APPS/w$i.json" 2>/dev/null
    pids+=("$SPAWNED")
  done
  wait_until 20 "the writes to be sent" sent POST '^/applications$'
  run timeout 60 python3 - "$APPS" <<'P'
import glob, os, sys, threading
folders, done = sorted(glob.glob(sys.argv[1] + "/j*/jobs")), []
def flush(folder):
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    done.append(folder)
threads = [threading.Thread(target=flush, args=(f,), daemon=True) for f in folders]
[t.start() for t in threads]; [t.join(50) for t in threads]
print(len(done)); sys.stdout.flush()
os._exit(len(done) != 140)
P
  assert_status 0
  assert_calls 140 DELETE '*'
  wait "${pids[@]}" || true
  kill -TERM "$MOUNT_PID"
  wait_until 25 "the process to end" gone "$MOUNT_PID"
}

@test "tail -f of errors.jsonl goes on past the failures that are kept, and a new look has the last 256" {
  start -o rollout=none
  local i
  for i in {1..300}; do echo '{"x":1}' >"$APPS/e$i.json" || true; done 2>/dev/null
  tail -n +1 -f -s 0.2 "$MNT/.cfcfs/errors.jsonl" >"$T/tailed" 2>"$T/tail.err" 3>&- &
  local tail=$!
  record_pid "$T/pids" "$tail"
  wait_until 10 "what is kept" has_lines 256
  for i in {301..310}; do echo '{"x":1}' >"$APPS/e$i.json" || true; done 2>/dev/null
  wait_until 10 "ten more" has_lines 266
  for i in {311..600}; do echo '{"x":1}' >"$APPS/e$i.json" || true; done 2>/dev/null
  wait_until 10 "what came after" last_is e600.json
  kill "$tail"
  [ ! -s "$T/tail.err" ] || fail "$(cat "$T/tail.err")"
  assert_equal "$(wc -l <"$MNT/.cfcfs/errors.jsonl")" 256
  assert_equal "$(stat -c %s "$MNT/.cfcfs/errors.jsonl")" "$(cat "$MNT/.cfcfs/errors.jsonl" | wc -c)"
  jq -e . "$MNT/.cfcfs/errors.jsonl" >/dev/null
}
has_lines() { [ "$(wc -l <"$T/tailed")" = "$1" ]; }
last_is() { tail -n 1 "$T/tailed" | grep -q "/$1\""; }

@test "a draft's time is that of its last write, until a tool sets another" {
  start -o rollout=none
  echo a >"$APPS/.scratch"
  local before
  before=$(stat -c %.9Y "$APPS/.scratch")
  echo b >>"$APPS/.scratch"
  [ "$(stat -c %.9Y "$APPS/.scratch")" != "$before" ] || fail "the time did not move"
  touch -d 2001-02-03T04:05:06Z "$APPS/.scratch"
  assert_equal "$(stat -c %Y "$APPS/.scratch")" 981173106
  echo c >>"$APPS/.scratch"
  (($(stat -c %Y "$APPS/.scratch") > 981173106)) || fail "the time did not move after one was set"
}

@test "a listing's numbers are those of stat, everywhere" {
  start_emulator
  seed '{"applications":3,"deployments_per_application":1,"secrets":2,"ssh_keys":1}'
  mount_cfcfs
  echo a >"$APPS/.scratch"
  mkdir "$APPS/.folder"
  echo '{"x":1}' >"$APPS/bad.json" || true
  python3 - "$MNT" <<'P' || fail "they differ"
import os, sys
bad = 0
def look(folder, depth):
    global bad
    for e in list(os.scandir(folder)):
        want = os.lstat(e.path).st_ino
        if e.inode() != want: bad += 1; print(e.path, e.inode(), want)
        if e.is_dir(follow_symlinks=False) and depth: look(e.path, depth - 1)
for top in ("", "/.cfcfs"): look(sys.argv[1] + top, 4)
sys.exit(bool(bad))
P
}

@test "a symbolic link or a directory renamed onto a resource's name: EPERM, and the text says why" {
  start -o rollout=none
  ln -s foo "$APPS/.#lock"
  assert_sys EPERM rename "$APPS/.#lock" "$APPS/new.json"
  assert_error 'symbolic link cannot become'
  mkdir "$APPS/.folder"
  assert_sys EPERM rename "$APPS/.folder" "$APPS/new.json"
  assert_error 'directory cannot become'
}

@test "a resource renamed onto a name that only a backup hides: EEXIST, and no second resource of the name" {
  start -o rollout=none
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/a0.json"
  cp "$T/web.json" "$APPS/a1.json"
  mv "$APPS/a1.json" "$APPS/a1.json~"
  assert_sys EEXIST rename "$APPS/a0.json" "$APPS/a1.json"
  assert_error 'lives'
  assert_equal "$(app_names | tr '\n' ' ')" 'a0 a1 '
  # What an editor does next still works: the backup comes back, untouched.
  mv "$APPS/a1.json~" "$APPS/a1.json"
  assert_same_json "$APPS/a1.json" "$T/web.json"
}

# ---- a name is taken off what is on its way

# begins METHOD PATH : the document in $T/a is written to web.json, which takes that call two seconds; it is on its way.
begins() {
  fault "{\"method\":\"$1\",\"path\":\"$2\",\"latency_ms\":2000,\"times\":1}"
  spawn cp "$T/a" "$APPS/web.json"
  wait_until 10 "the change to be sent" sent "$1" '^/applications'
}
deleted() { [ -z "$(app_names)" ]; }

@test "rm of a name whose create is on its way removes what was made" {
  start -o rollout=none
  web_json "$T/a"
  begins POST /applications
  rm "$APPS/web.json"
  wait "$SPAWNED"
  assert_absent "$APPS/web.json"
  flush_deletes
  assert_calls 1 POST /applications
  assert_calls 1 DELETE '/applications/*'
  wait_until 10 "the application to be gone" deleted
  assert_absent "$APPS/web.json"
}

@test "rm of a name whose update is on its way removes it; one whose create is refused is only a draft" {
  start -o rollout=none
  web_json "$T/a" '.instances = 3'
  cp "$T/a" "$APPS/web.json"
  web_json "$T/a" '.instances = 4'
  begins PATCH '/applications/*'
  rm "$APPS/web.json"
  wait "$SPAWNED"
  assert_absent "$APPS/web.json"
  flush_deletes
  assert_calls 1 DELETE '/applications/*'
  wait_until 10 "the application to be gone" deleted
  clear_requests
  fault '{"method":"POST","path":"/applications","latency_ms":1500,"times":1,"status":400}'
  spawn cp "$T/a" "$APPS/web.json"
  wait_until 10 "the create to be sent" sent POST '^/applications'
  # The draft may have ended by then.
  rm -f "$APPS/web.json"
  wait "$SPAWNED" && fail "the create succeeded"
  flush_deletes
  assert_calls 0 DELETE '/applications/*'
}

@test "mv of a name whose create is on its way renames what was made, and makes no second one" {
  start -o rollout=none
  web_json "$T/a"
  begins POST /applications
  mv "$APPS/web.json" "$APPS/api.json"
  wait "$SPAWNED"
  assert_equal "$(app_names)" api
  assert_absent "$APPS/web.json"
  assert_same_json "$APPS/api.json" "$T/a"
  assert_calls 1 POST /applications
}

@test "mv to a backup's name of what is on its way hides what was made" {
  start_emulator
  mount_with_clock -o rollout=none
  web_json "$T/a"
  begins POST /applications
  mv "$APPS/web.json" "$APPS/web.json~"
  wait "$SPAWNED"
  assert_absent "$APPS/web.json"
  assert_equal "$(app_names)" web
  # As an editor's backup it comes back.
  pass 10
  wait_until 10 "the resource to be back" test -e "$APPS/web.json"
}

@test "mv onto a name whose DELETE is on its way waits for the answer" {
  start -o rollout=none
  web_json "$T/a" '.instances = 3'
  cp "$T/a" "$APPS/web.json"
  cp "$T/a" "$APPS/api.json"
  fault '{"method":"DELETE","path":"/applications/*","latency_ms":2000,"times":1}'
  rm "$APPS/api.json"
  wait_until 10 "the DELETE to be sent" sent DELETE .
  mv "$APPS/web.json" "$APPS/api.json"
  assert_same_json "$APPS/api.json" "$T/a"
  assert_absent "$APPS/web.json"
  # One that fails leaves the name taken.
  cp "$T/a" "$APPS/web.json"
  clear_requests
  fault '{"method":"DELETE","path":"/applications/*","latency_ms":2000,"times":1,"status":409}'
  rm "$APPS/api.json"
  wait_until 10 "the DELETE to be sent" sent DELETE .
  assert_sys EEXIST rename "$APPS/web.json" "$APPS/api.json"
  assert_exists "$APPS/web.json"
  assert_exists "$APPS/api.json"
}

@test "what is written through a descriptor after its rename sent it is ESTALE, and not lost in silence" {
  start -o rollout=none
  web_json "$T/a" '.instances = 3'
  web_json "$T/b" '.instances = 4'
  run python3 - "$T/a" "$T/b" "$APPS" <<'P'
import errno, os, sys
a, b, folder = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read(), sys.argv[3]
def fails(what, call, *args):
    try: call(*args)
    except OSError as e: return e.errno == errno.ESTALE or sys.exit(f"{what}: {e}")
    sys.exit(f"{what} succeeded")
fd = os.open(folder + "/.new", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
os.write(fd, a)
os.rename(folder + "/.new", folder + "/web.json")
# What changes nothing is no loss.
os.fsync(fd)
os.ftruncate(fd, len(a))
assert os.pread(fd, 1 << 20, 0) == a
fails("pwrite", os.pwrite, fd, b, 0)
fails("write", os.write, fd, b"x")
fails("ftruncate", os.ftruncate, fd, 3)
fails("fallocate", os.posix_fallocate, fd, 0, 4000)
os.close(fd)
P
  assert_status 0
  assert_error 'open it by its new name'
  assert_same_json "$APPS/web.json" "$T/a"
}

@test "what is written while the rename is answered is ESTALE" {
  start -o rollout=none
  web_json "$T/a" '.instances = 3'
  fault '{"method":"POST","path":"/applications","latency_ms":2000,"times":1}'
  exec 4>"$APPS/.new"
  cat "$T/a" >&4
  spawn mv "$APPS/.new" "$APPS/web.json"
  wait_until 10 "the create to be sent" sent POST .
  # Once it is answered: the kernel lets one at a time at the file.
  run python3 -c 'import os; os.write(4, b"more")'
  assert_match "$output" 'Stale file handle'
  wait "$SPAWNED"
  exec 4>&-
  assert_same_json "$APPS/web.json" "$T/a"
}
