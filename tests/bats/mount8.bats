#!/usr/bin/env bats
# Installed, and mounted by the real mount(8). Everything runs in a mount namespace of its own, with a /usr/local and an
# /etc/fstab that only it sees: the machine's stay as they are.
load lib

# inside SCRIPT : bash -e in the namespace, after "meson install"; sees T, MNT, URL, ACCOUNT, BUILD.
inside() {
  needs_root
  unshare -m true 2>/dev/null || skip "no mount namespaces here"
  cat >"$T/prelude" <<'PRELUDE'
set -e
mount --make-rprivate /
mount -t tmpfs none /usr/local
flock "$BUILD/install.lock" meson install -C "$BUILD" --no-rebuild --quiet >"$T/install.out" 2>&1 || { cat "$T/install.out"; exit 1; }
test -x /usr/local/bin/cfcfs
touch "$T/fstab"
mount --bind "$T/fstab" /etc/fstab
# As at boot: mount(8) gets neither a PATH to it nor a home.
plain() { /usr/bin/env -i "$@"; }
pid_of() { pgrep -f "^[^ ]*cfcfs .*$MNT" | head -n 1; }
ended() { for i in $(seq 300); do grep -q "^State:[[:space:]]*[^Z]" "/proc/$1/status" 2>/dev/null || return 0
  sleep 0.1 # poll
done; echo "process $1 goes on"; return 1; }
never() { if "$@"; then echo "should fail: $*"; exit 1; fi; }
token=$(cat "$T/token") # not in the environment
shows_token() { ps axwwe | grep -v -e grep -e cfcfs-emulator | grep -F -- "$token"; }
report() {
  local status=$?
  ((status == 0)) || { cat "$T/cfcfs.log" "$T/emulator.err"; cat /proc/self/mounts | grep cfcfs; } 2>/dev/null || true
  umount -l "$MNT" 2>/dev/null || true
  exit $status
}
trap report EXIT
PRELUDE
  cat "$T/prelude" - >"$T/script"
  export T MNT URL ACCOUNT BUILD
  run alone bash "$T/script" 3>&-
  # shellcheck disable=SC2154
  printf '%s\n' "$output"
  assert_status 0
}

@test "mount -t fuse.cfcfs ACCOUNT MNT, umount ends the process, ps shows no credential" {
  start_emulator
  seed '{"applications":3}'
  inside <<'SCRIPT'
plain /usr/bin/mount -t fuse.cfcfs "$ACCOUNT" "$MNT" -o "token_file=$T/token,url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log"
ls "$MNT/applications" | grep -c 'json$' | grep -qx 3
grep " $MNT fuse.cfcfs " /proc/self/mounts
findmnt -n -o SOURCE,FSTYPE "$MNT"
pid=$(pid_of)
test -n "$pid"
never shows_token
never grep -a -q -F -- "$token" "/proc/$pid/environ"
printf '{"scheduling_policy":"default","instances":1,"max_instances": 5, "configuration":{"image":"app:v1"}}\n' >"$T/web.json"
cp "$T/web.json" "$MNT/applications/web.json"
cmp "$T/web.json" "$MNT/applications/web.json"
/usr/bin/umount "$MNT"
ended "$pid"
never grep -q " $MNT " /proc/self/mounts
SCRIPT
  assert_equal "$(app web | jq .instances)" 1
}

@test "an /etc/fstab line, mounted by its mount point" {
  start_emulator
  seed '{"applications":3}'
  inside <<'SCRIPT'
echo "$ACCOUNT $MNT fuse.cfcfs noauto,_netdev,nofail,x-systemd.automount,noatime,allow_other,token_file=$T/token,url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log 0 0" >"$T/fstab"
plain /usr/bin/mount "$MNT"
ls "$MNT/applications" | grep -c 'json$' | grep -qx 3
pid=$(pid_of)
never shows_token
/usr/bin/umount "$MNT"
ended "$pid"
plain /usr/bin/mount -a -O _netdev
never grep -q " $MNT " /proc/self/mounts # noauto
SCRIPT
}

# As x-systemd.automount has it: whoever is not of the automounter's process group waits for the mount, and mounts nothing.
@test "an automount point is mounted when somebody looks" {
  [ -e /dev/autofs ] || grep -q autofs /proc/filesystems || skip "no autofs here"
  start_emulator
  seed '{"applications":3}'
  export SOURCE_DIR
  inside <<'SCRIPT'
mkdir "$T/auto"
python3 "$SOURCE_DIR/tests/bats/automount.py" "$T/auto" \
  /usr/local/bin/cfcfs -o "token_file=$T/token,url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log" "$ACCOUNT" "$T/auto" >"$T/seen" || { cat "$T/seen"; exit 1; }
grep -qx applications "$T/seen"
pid=$(pgrep -f "^[^ ]*cfcfs .*$T/auto" | head -n 1)
# And they are nobody's children by then: sessions of their own.
test "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid"
keeper=$(pgrep -P "$pid")
test "$(ps -o sid= -p "$keeper" | tr -d ' ')" = "$keeper"
/usr/bin/umount "$T/auto"
ended "$pid"
umount "$T/auto"
SCRIPT
}

@test "mount -a, with user and ro in the line" {
  start_emulator
  seed '{"applications":1}'
  inside <<'SCRIPT'
echo "$ACCOUNT $MNT fuse.cfcfs ro,users,token_file=$T/token,url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log 0 0" >"$T/fstab"
plain /usr/bin/mount -a
grep " $MNT fuse.cfcfs ro" /proc/self/mounts
cat "$MNT"/applications/*.json | jq -e .configuration.image
never touch "$MNT/applications/x.json"
pid=$(pid_of)
/usr/bin/umount "$MNT"
ended "$pid"
SCRIPT
}

@test "mount -o remount,ro and remount,rw: the kernel's answer, and the modes" {
  start_emulator
  seed '{"applications":1}'
  inside <<'SCRIPT'
echo "$ACCOUNT $MNT fuse.cfcfs noauto,noexec,token_file=$T/token,url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log 0 0" >"$T/fstab"
plain /usr/bin/mount "$MNT"
file=$(ls "$MNT"/applications/*.json)
mode() { for i in $(seq 300); do [ "$(stat -c %A "$file")" = "$1" ] && return
  sleep 0.1 # poll
done; stat -c %A "$file"; return 1; }
line() { grep " $MNT fuse.cfcfs " /proc/self/mounts; }
mode -rw-r--r--
# With the line of fstab, and without it (what the kernel shows of the mount).
plain /usr/bin/mount -o remount,ro "$MNT"
line | grep 'fuse.cfcfs ro,.*noexec'
never touch "$MNT/applications/x.json" 2>"$T/err"
grep 'Read-only file system' "$T/err"
mode -r--r--r--
: >"$T/fstab"
plain /usr/bin/mount -o remount,rw "$MNT"
line | grep 'fuse.cfcfs rw,.*noexec'
mode -rw-r--r--
sed 's/"max_instances": [0-9]*/"max_instances": 9/' "$file" >"$T/new" && cp "$T/new" "$file"
# A file that is being written is in the way, and is not lost.
exec 5>"$MNT/applications/y.json"
never plain /usr/bin/mount -o remount,ro "$MNT" 2>"$T/err"
grep 'open for writing' "$T/err"
jq -c .configuration "$T/new" >/dev/null
sed 's/"name": "[^"]*"/"name": "y"/' "$T/new" >&5
exec 5>&-
test -s "$MNT/applications/y.json"
pid=$(pid_of)
/usr/bin/umount "$MNT"
ended "$pid"
# Mounted ro, and then not.
echo "$ACCOUNT $MNT fuse.cfcfs ro,noauto,token_file=$T/token,url=$URL,state_dir=$T/state,logfile=$T/cfcfs.log 0 0" >"$T/fstab"
plain /usr/bin/mount "$MNT"
file=$(ls "$MNT"/applications/*.json | head -n 1)
mode -r--r--r--
plain /usr/bin/mount -o remount,rw "$MNT"
mode -rw-r--r--
sed 's/"max_instances": [0-9]*/"max_instances": 8/' "$file" >"$T/new" && cp "$T/new" "$file"
never cfcfs -o remount,ro "$T" 2>"$T/err"
grep 'no mount of cfcfs' "$T/err"
pid=$(pid_of)
/usr/bin/umount "$MNT"
ended "$pid"
SCRIPT
}

@test "mount(8) fails with a reason where the credentials are refused" {
  start_emulator
  inside <<'SCRIPT'
umask 077
echo wrong >"$T/wrong"
if plain /usr/bin/mount -t fuse.cfcfs "$ACCOUNT" "$MNT" -o "token_file=$T/wrong,url=$URL,state_dir=$T/state" 2>"$T/err"; then
  echo "mounted"
  exit 1
fi
test -s "$T/err"
never grep -q " $MNT " /proc/self/mounts
SCRIPT
}

@test "what meson installs" {
  inside <<'SCRIPT'
cd /usr/local
ls bin/cfcfs bin/cfcfs-emulator share/man/man1/cfcfs.1* share/man/man1/cfcfs-emulator.1* share/man/man5/cfcfs.5*
ls share/bash-completion/completions/cfcfs
bin/cfcfs --version
bin/cfcfs-emulator --version || bin/cfcfs-emulator --help >/dev/null
bash -c '. share/bash-completion/completions/cfcfs; COMP_WORDS=(cfcfs -o cache_t) COMP_CWORD=2; _cfcfs cfcfs cache_t -o; echo "${COMPREPLY[@]}" | grep -q cache_ttl='
SCRIPT
}
