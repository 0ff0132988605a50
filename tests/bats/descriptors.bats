#!/usr/bin/env bats
# Files that are reached without their names: by a descriptor (/proc/self/fd, as Samba and others open what they looked up), or a bind
# mount of one file. Who asks the kernel for the name again, as ESTALE tells it to, cannot here.
load lib

# through HOW : a process that has the file open by HOW (O_PATH, O_RDONLY) and does all through that descriptor. The account's
# document changes meanwhile, by its name and behind the mount's back.
through() {
  python3 - "$1" "$WEB" "$URL/accounts/$ACCOUNT/containers/applications/$(app_id web)" "$TOKEN" "$T/web.json" <<'P'
import json, os, sys, time, urllib.request
how, path, url, token, source = sys.argv[1:]
document = json.load(open(source))
def api(method, body=None):
    request = urllib.request.Request(url, method=method, data=json.dumps(body).encode() if body else None,
                                     headers={"authorization": "Bearer " + token, "content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["result"]["max_instances"]
def text(n): return json.dumps({**document, "max_instances": n}, indent=2).encode()
def whole(name):
    fd = os.open(name, os.O_RDONLY)
    try:
        data = b"".join(iter(lambda: os.read(fd, 4096), b""))
        return json.loads(data)["max_instances"], len(data)
    finally: os.close(fd)
def until(what, good):
    end = time.monotonic() + 30
    while True:
        got = what()
        if good(got): return
        if time.monotonic() > end: sys.exit("waited in vain: %r" % (got,))
        time.sleep(0.05)  # poll
def write(name, n, flags, first=None):
    fd = os.open(name, os.O_RDWR | flags)
    try:
        if not flags: os.ftruncate(fd, 0)
        assert os.write(fd, text(n)) == len(text(n))
    finally: os.close(fd)

fd = os.open(path, getattr(os, how))
link = "/proc/self/fd/%d" % fd
assert whole(link)[0] == 5, whole(link)
n = 50
for round in range(3):
    for flags in (os.O_TRUNC, 0):
        # Written through the descriptor: there, by its name, and through the descriptor again.
        n += 1
        write(link, n, flags)
        assert api("GET") == n, (n, api("GET"))
        assert whole(path) == (n, len(text(n))), (n, whole(path))
        assert whole(link) == (n, len(text(n))), (n, whole(link))
        assert os.stat(link).st_size == len(text(n))
        # By its name, longer and shorter.
        n = n * 1000
        write(path, n, flags)
        assert whole(path)[0] == n
        until(lambda: whole(link) + (os.stat(link).st_size,), lambda got: got == (n, len(text(n)), len(text(n))))
        n = n // 1000 + 1
        # Behind its back.
        api("PATCH", {"max_instances": n * 1000 + 7})
        until(lambda: whole(path)[0], lambda got: got == n * 1000 + 7)
        until(lambda: (whole(link)[0], whole(link)[1] - os.stat(link).st_size), lambda got: got == (n * 1000 + 7, 0))
        os.chmod(link, 0o640)
        os.utime(link, (5, 5))
        assert os.getxattr(link, "user.cfcfs.kind") == b"application"
# What is refused says so by this way, too, and leaves the account alone.
before = api("GET")
fd2 = os.open(link, os.O_RDWR | os.O_TRUNC)
for call in (lambda: os.write(fd2, b'{ "max_instances": "many" }'), lambda: os.close(fd2)):
    try: call()
    except OSError as e: assert e.errno == 22, e
    else: sys.exit("a refused document was taken")
assert api("GET") == before
P
}

setup() {
  setup_base
  WEB=$APPS/web.json
  web_json "$T/web.json"
}

begin() {
  start -o rollout=none,cache_ttl=1,status_ttl=1,rps=10000,burst=100000
  cp "$T/web.json" "$WEB"
  cat "$WEB" >/dev/null
}

@test "a file is read and written through /proc/self/fd of a descriptor that was only looked up" {
  begin
  through O_PATH
}

@test "a file is read and written through /proc/self/fd of a descriptor that is open" {
  begin
  through O_RDONLY
}

@test "an open file keeps its version while others are opened through /proc/self/fd" {
  begin
  cat "$WEB" >"$T/old"
  exec 7<"$WEB"
  api PATCH "/applications/$(app_id web)" '{"max_instances":98765}' >/dev/null
  wait_until 30 "the new version" grep -q 98765 "$WEB"
  cat /proc/self/fd/7 >/dev/null
  cmp "$T/old" <(cat <&7)
  assert_equal "$(stat -L -c %s /proc/self/fd/7)" "$(stat -c %s "$T/old")"
  exec 7<&-
}

@test "a file that is bind-mounted elsewhere follows the account, and is written there" {
  needs_root
  begin
  touch "$T/bound"
  cat >"$T/inside" <<'SH'
set -e
mount --bind "$WEB" "$T/bound"
say() { jq .max_instances "$1"; }
until_says() {
  local tries=600
  until [ "$(say "$T/bound")" = "$1" ] && [ "$(wc -c <"$T/bound")" = "$(cat "$T/bound" | wc -c)" ]; do
    ((tries-- > 0)) || { echo "the bound file says $(say "$T/bound"), not $1, or its size differs" >&2; exit 1; }
    sleep 0.05 # poll
  done
}
[ "$(say "$T/bound")" = 5 ]
for n in 98765 8; do
  curl -sS --fail -X PATCH -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \
    --data-binary "{\"max_instances\": $n}" "$URL/accounts/$ACCOUNT/containers/applications/$ID" >/dev/null
  until_says $n
  sed "s/\"max_instances\": 5/\"max_instances\": $((n + 1))/" "$T/web.json" >"$T/next.json"
  cp "$T/next.json" "$T/bound"
  [ "$(say "$WEB")" = $((n + 1)) ]
  [ "$(say "$T/bound")" = $((n + 1)) ]
  sed "s/\"max_instances\": 5/\"max_instances\": $((n + 2))/" "$T/web.json" >"$WEB"
  until_says $((n + 2))
  sed "s/\"max_instances\": 5/\"max_instances\": $((n + 3))/" "$T/web.json" >"$T/bound"
  [ "$(say "$WEB")" = $((n + 3)) ]
done
SH
  ID=$(app_id web)
  export ID URL TOKEN ACCOUNT T WEB
  alone timeout 100 bash "$T/inside" 3>&-
  assert_equal "$(app web | jq .max_instances)" 11
}

@test "a name that cannot be told of while its directory changes: stat sees the new version, not the old one" {
  start -o rollout=none,timeout=40,cache_ttl=1,status_ttl=1
  cp "$T/web.json" "$WEB"
  cp "$T/web.json" "$APPS/other.json"
  cat "$WEB" >"$T/old"
  local id old
  id=$(app_id web)
  old=$(stat -c %s "$T/old")
  fault '{"method":"PATCH","path":"/applications/*","latency_ms":4000,"times":1}'
  mv "$APPS/other.json" "$APPS/moved.json" 3>&- &
  local mv=$!
  wait_until 20 "the rename to be sent" eval 'requests "select(.method == \"PATCH\")" | grep -q .'
  api PATCH "/applications/$id" '{"max_instances":98765}' >/dev/null
  wait_until 30 "stat to see another size" eval '[ "$(stat -c %s "$WEB")" != "$old" ]'
  assert_equal "$(stat -c %s "$WEB")" "$(cat "$WEB" | wc -c)"
  wait "$mv"
  assert_match "$(cat "$WEB")" 98765
}
