#!/usr/bin/env bats
# What is changed at the API behind the mount's back is seen within the time to live, whole: size and bytes together.
# deadline: 420 s
load lib

# The time to live of 50 ms, and two ticks of the kernel, which keeps its own times in ticks. A look that begins later than
# this after the change must see it, on a loaded machine too.
WITHIN=0.06

# What this machine is late by beside: as late as a sleep of the watcher ended.
# watch HOW TIMES WITHIN : changes an application at the API again and again and looks at its file; says how often it was
# late, torn or went back.
watch() {
  python3 - "$URL/accounts/$ACCOUNT/containers" "$TOKEN" "$APPS" "$(app_id app-00001)" "$@" <<'PYTHON'
import http.client, json, os, subprocess, sys, time, urllib.parse
base, token, apps, ident, how, times, within = sys.argv[1:8]
times, within = int(times), float(within)
url = urllib.parse.urlsplit(base)
conn = http.client.HTTPConnection(url.hostname, url.port)
path = apps + "/app-00001.json"
folder = os.open(apps, os.O_RDONLY | os.O_DIRECTORY)   # open all the time
late = torn = backwards = 0
worst = 0.0

def change(value):
    conn.request("PATCH", url.path + "/applications/" + ident, json.dumps({"max_instances": value}),
                 {"authorization": "Bearer " + token, "content-type": "application/json"})
    answer = conn.getresponse()
    answer.read()
    assert answer.status == 200, answer.status

def by_stat_and_read():
    fd = os.open("app-00001.json", os.O_RDONLY, dir_fd=folder)
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, 1 << 20)
        rest = os.read(fd, 1 << 20)
        return size, data + rest, os.fstat(fd).st_size
    finally:
        os.close(fd)

def by_cat():
    data = subprocess.run(["cat", path], stdout=subprocess.PIPE, check=True).stdout
    return len(data), data, len(data)

look = by_cat if how == "cat" else by_stat_and_read
last = None
for i in range(1, times + 1):
    # Longer and shorter numbers: the size changes too.
    value = i if i % 2 else 90000 + i
    change(value)
    done, stall = time.monotonic(), 0.0
    while True:
        began = time.monotonic()
        size, data, after = look()
        try:
            seen = json.loads(data)["max_instances"]
        except ValueError:
            seen, torn = None, torn + 1
            print("torn:", size, len(data), data[-40:])
        if size != len(data) or after != size:
            torn += 1
            print("size", size, "then", after, "bytes", len(data))
        if seen == value:
            break
        if None not in (seen, last) and seen != last:
            backwards += 1
            print("after", last, "and before", value, "it was", seen)
        if began - done > within + 5 * stall:
            print('late', began - done, 'the machine', stall)
            late += 1
            break
        asleep = time.monotonic()
        time.sleep(0.002)  # poll
        stall = max(stall, time.monotonic() - asleep - 0.002)
    worst = max(worst, began - done)
    last = value
print(f"{times} changes: {late} late, {torn} torn, {backwards} backwards, worst {worst * 1000:.0f} ms")
sys.exit(bool(late or torn or backwards))
PYTHON
}

@test "1,000 changes in a row, seen by a process that has the directory open, size and bytes together" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "cache_ttl=0.05,status_ttl=0.05,negative_ttl=0.05,rps=10000,burst=100000"
  # The time to live, and a machine that has other work to do.
  watch read 1000 "$WITHIN"
}

@test "1,000 changes in a row, seen by cat" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "cache_ttl=0.05,status_ttl=0.05,negative_ttl=0.05,rps=10000,burst=100000"
  watch cat 1000 "$WITHIN"
}

@test "a change is seen within the time to live by ls -l, stat and cat, with the kernel's caches warm" {
  start_emulator
  seed '{"applications":50}'
  mount_cfcfs -o "cache_ttl=0.5,status_ttl=0.5"
  local id i size
  id=$(app_id app-00007)
  for i in 1 2 3 4; do
    ls -l "$APPS" >/dev/null
    cat "$APPS"/*.json >/dev/null
    cat "$APPS/app-00007.json" >"$T/before"
    api PATCH "/applications/$id" "{\"max_instances\":$((10 ** (i + 1)))}" >/dev/null
    lived 0.6
    size=$(stat -c %s "$APPS/app-00007.json")
    assert_equal "$(ls -l "$APPS/app-00007.json" | awk '{ print $5 }')" "$size"
    assert_match "$(cat "$APPS/app-00007.json")" "\"max_instances\": $((10 ** (i + 1)))"
    assert_equal "$(wc -c <"$APPS/app-00007.json")" "$size"
  done
}

@test "what is made and removed at the API shows and goes within the time to live, in a directory that is open" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs -o "cache_ttl=0.5,negative_ttl=0.3"
  web_json "$T/web.json"
  exec 7<"$APPS"
  assert_absent "$APPS/new.json"
  jq '.name = "new"' "$T/web.json" >"$T/body.json"
  api POST /applications "$(cat "$T/body.json")" >/dev/null
  lived 0.6
  assert_exists "$APPS/new.json"
  assert_exists "/proc/self/fd/7/new.json"
  grep -qx new.json <(ls "$APPS")
  api DELETE "/applications/$(app_id new)" >/dev/null
  advance 10
  lived 0.6
  assert_absent "$APPS/new.json"
  run ! grep -qx new.json <(ls "$APPS")
  exec 7<&-
}

@test "a name made anew at the API right after a miss is seen within negative_ttl" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs -o "cache_ttl=0.2,negative_ttl=0.2"
  local i
  web_json "$T/web.json"
  for i in 1 2 3 4 5; do
    assert_absent "$APPS/n$i.json"
    jq ".name = \"n$i\"" "$T/web.json" >"$T/body.json"
    api POST /applications "$(cat "$T/body.json")" >/dev/null
    lived 0.45
    cat "$APPS/n$i.json" >/dev/null
  done
}

@test "an open file keeps the version it was opened on, while the name has the new one" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs -o "cache_ttl=0.2"
  local id
  id=$(app_id app-00002)
  cat "$APPS/app-00002.json" >"$T/old"
  exec 8<"$APPS/app-00002.json"
  api PATCH "/applications/$id" '{"max_instances":87654}' >/dev/null
  lived 0.3
  assert_match "$(cat "$APPS/app-00002.json")" 87654
  assert_equal "$(stat -L -c %s "/proc/self/fd/8")" "$(stat -c %s "$T/old")"
  cmp "$T/old" <(cat <&8)
  exec 8<&-
}

@test "status follows at status_ttl, though settings may be older" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs -o "cache_ttl=60,status_ttl=0.3"
  cat "$APPS/app-00001/status.json" >"$T/old"
  local id
  id=$(app_id app-00001)
  api PATCH "/applications/$id" '{"max_instances":77}' >/dev/null
  lived 0.5
  run ! cmp -s "$T/old" "$APPS/app-00001/status.json"
}

@test "the mount's own writes are never undone by a list that began before them" {
  start_emulator
  seed '{"applications":5}'
  mount_cfcfs -o "cache_ttl=0.05,status_ttl=0.05,rps=10000,burst=100000,rollout=none,delete_grace=0"
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  fault '{"method":"GET","path":"/applications","latency_ms":30}'
  local i crawl
  while :; do ls "$APPS" >/dev/null; done 3>&- &
  crawl=$!
  record_pid "$T/pids" "$crawl"
  for i in {10..80}; do
    sed "s/\"max_instances\": 5/\"max_instances\": $i/" "$T/web.json" >"$T/next.json"
    cp "$T/next.json" "$APPS/web.json"
    grep -q "\"max_instances\": $i" "$APPS/web.json" || fail "change $i was undone"
    cmp "$T/next.json" "$APPS/web.json"
  done
  kill "$crawl"
  wait "$crawl" || true
}
