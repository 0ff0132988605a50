#!/usr/bin/env bats
# allow_other: what another user's tools leave behind stays open to them, and to everybody else as the options say.
load lib

NOBODY=65534
# as_nobody COMMAND... : as a user who is neither the mounting one nor root.
as_nobody() { setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups -- "$@"; }

start_for_all() {
  needs_root
  command -v setpriv >/dev/null || skip "setpriv is not installed"
  start_emulator
  mount_cfcfs -o "allow_other,umask=0,file_mode=0666,dir_mode=0777,$1"
  # The folders of the test are the tester's alone until here.
  local dir=$T
  until as_nobody test -r "$APPS"; do
    [ "$dir" != / ] || fail "the mount is not open to others"
    chmod o+x "$dir"
    dir=$(dirname "$dir")
  done
  mkdir "$T/nobody"
  chown $NOBODY:$NOBODY "$T/nobody"
  web_json "$T/nobody/web.json"
  chmod a+r "$T/nobody/web.json"
  as_nobody cp "$T/nobody/web.json" "$WEB"
}
setup() {
  setup_base
  WEB=$APPS/web.json
}

# next N : the document with another number of instances.
next() {
  jq ".instances = $1" "$T/web.json" >"$T/nobody/next.json"
  chown $NOBODY:$NOBODY "$T/nobody/next.json"
  chmod 644 "$T/nobody/next.json"
}
# open_to_nobody N : the account and the file have N instances, and the user can read and write as before.
open_to_nobody() {
  assert_equal "$(app web | jq .instances)" "$1"
  assert_equal "$(as_nobody jq .instances "$WEB")" "$1"
  as_nobody test -w "$WEB" || fail "the user is locked out: $(stat -c '%a %u:%g' "$WEB")"
  as_nobody jq ".max_instances = $((30 + $1))" "$WEB" >"$T/changed.json"
  chmod a+r "$T/changed.json"
  as_nobody cp "$T/changed.json" "$WEB"
  assert_equal "$(app web | jq .max_instances)" $((30 + $1))
  assert_equal "$(stat -c '%a %u:%g' "$WEB")" "666 0:0"
}

@test "users: sed -i, cp, mv, install and rsync by another user leave the file open to them" {
  start_for_all delete_grace=1
  cp "$T/nobody/web.json" "$T/web.json"
  open_to_nobody 2
  as_nobody sed -i 's/"instances": 2/"instances": 3/' "$WEB" 2>"$T/sed.err"
  assert_equal "$(cat "$T/sed.err")" ''
  open_to_nobody 3
  next 4
  as_nobody cp "$T/nobody/next.json" "$WEB"
  open_to_nobody 4
  next 5
  as_nobody cp "$T/nobody/next.json" "$APPS/web.tmp"
  as_nobody mv "$APPS/web.tmp" "$WEB"
  open_to_nobody 5
  next 6
  as_nobody mv "$T/nobody/next.json" "$WEB"
  open_to_nobody 6
  next 7
  as_nobody install -m 0666 "$T/nobody/next.json" "$WEB"
  open_to_nobody 7
  if command -v rsync >/dev/null; then
    next 8
    as_nobody rsync --checksum "$T/nobody/next.json" "$WEB"
    open_to_nobody 8
  fi
}

@test "users: an editor's replace by another user, with a backup and without" {
  start_for_all delete_grace=1
  cp "$T/nobody/web.json" "$T/web.json"
  next 3
  # As vim with backupcopy=no does it: the resource becomes the backup, its name is written anew.
  as_nobody mv "$WEB" "$WEB~"
  assert_equal "$(as_nobody jq .instances "$WEB~")" 2
  as_nobody sh -c 'cat "$1" >"$2" && chmod 666 "$2" && rm "$2~"' sh "$T/nobody/next.json" "$WEB"
  open_to_nobody 3
  # A backup that comes back.
  as_nobody mv "$WEB" "$WEB~"
  as_nobody mv "$WEB~" "$WEB"
  open_to_nobody 3
  # A scratch file that was made for its owner alone, and a folder of scratch.
  next 4
  as_nobody sh -c 'umask 077; cat "$1" >"$2/.next" && mv "$2/.next" "$2/web.json"' sh "$T/nobody/next.json" "$APPS"
  open_to_nobody 4
  next 5
  as_nobody sh -c 'mkdir -m 700 "$2/.folder" && cat "$1" >"$2/.folder/x" && mv "$2/.folder/x" "$2/web.json" && rmdir "$2/.folder"' sh \
    "$T/nobody/next.json" "$APPS"
  open_to_nobody 5
  if command -v vim >/dev/null; then
    local copy n=5
    for copy in yes no auto; do
      as_nobody env HOME=/nonexistent vim -N -u NONE -i NONE -es -c "set backupcopy=$copy backupskip= directory=." \
        -c "%s/\"instances\": $n/\"instances\": $((n + 1))/" -c w -c q "$WEB"
      n=$((n + 1))
      open_to_nobody $n
    done
  fi
}

@test "users: a new file is its maker's to chmod, and then everybody's as the options say" {
  start_for_all delete_grace=0
  as_nobody cp --preserve=mode,timestamps "$T/nobody/web.json" "$APPS/other.json"
  as_nobody sh -c 'exec 3>"$1" && chmod 600 "$1" && stat -c "%a %u" "$1" && echo "{" >&3' sh "$APPS/.scratch" >"$T/out"
  assert_equal "$(cat "$T/out")" "600 $NOBODY"
  as_nobody rm "$APPS/.scratch"
  # What a tool set itself stays with the content.
  assert_equal "$(stat -c %a "$APPS/other.json")" "$(stat -c %a "$T/nobody/web.json")"
  assert_equal "$(stat -c %u "$APPS/other.json")" $NOBODY
  as_nobody chmod 664 "$APPS/other.json"
  assert_equal "$(stat -c %a "$APPS/other.json")" 664
  # What root made is the mounting user's, and nobody else's to chmod.
  cp "$T/nobody/web.json" "$APPS/third.json"
  assert_fails as_nobody chmod 600 "$APPS/third.json"
  assert_equal "$(stat -c '%a %u' "$APPS/third.json")" "666 0"
}

@test "users: without allow_other what is made is the mounting user's, and its mode the resource's" {
  start
  web_json "$T/web.json"
  (umask 077 && cat "$T/web.json" >"$APPS/.next")
  assert_equal "$(stat -c '%a %u' "$APPS/.next")" "600 $(id -u)"
  mv "$APPS/.next" "$WEB"
  assert_equal "$(stat -c '%a %u' "$WEB")" "644 $(id -u)"
  cp "$T/web.json" "$APPS/.next"
  chmod 640 "$APPS/.next"
  mv "$APPS/.next" "$WEB"
  assert_equal "$(stat -c '%a %u' "$WEB")" "640 $(id -u)"
}

# copied_as_own FILE COMMAND... : what an ordinary user copied with all its attributes is the user's, and stays open to them.
copied_as_own() {
  assert_equal "$(stat -c '%a %u %Y' "$1")" "640 $NOBODY 981173106"
  "${@:2}" sed -i 's/"instances": 2/"instances": 3/' "$1"
  assert_equal "$(app "$(basename "$1" .json)" | jq .instances)" 3
}

@test "users: cp -p, cp -a, install -p and rsync -a of another's file by an ordinary user of a shared mount" {
  start_for_all delete_grace=0
  cp "$T/nobody/web.json" "$T/web.json"
  touch -d 2001-02-03T04:05:06Z "$T/web.json"
  chmod 640 "$T/web.json"
  chgrp $NOBODY "$T/web.json"
  as_nobody cp -p "$T/web.json" "$APPS/by-p.json"
  copied_as_own "$APPS/by-p.json" as_nobody
  as_nobody cp -a "$T/web.json" "$APPS/by-a.json"
  copied_as_own "$APPS/by-a.json" as_nobody
  as_nobody install -p -m 640 "$T/web.json" "$APPS/by-install.json"
  copied_as_own "$APPS/by-install.json" as_nobody
  as_nobody rsync -a "$T/web.json" "$APPS/by-rsync.json"
  copied_as_own "$APPS/by-rsync.json" as_nobody
}

@test "users: cp -p, cp -a and rsync -a of root's file by the ordinary user whose mount it is" {
  as_ordinary_user && return
  start -o delete_grace=0
  # Anybody may read it, it is root's, and its mode is nothing that the user could write.
  local source=/etc/passwd how
  [ "$(stat -c %u $source)" = 0 ]
  for how in 'cp -p' 'cp -a' 'rsync -a'; do
    $how $source "$APPS/.scratch"
    assert_equal "$(stat -c '%u %Y' "$APPS/.scratch")" "$(id -u) $(stat -c %Y $source)" "$how"
    echo more >>"$APPS/.scratch"
    rm "$APPS/.scratch"
  done
  web_json "$T/web.json"
  chmod 444 "$T/web.json"
  cp -p "$T/web.json" "$APPS/web.json"
  assert_equal "$(stat -c '%a %u' "$APPS/web.json")" "444 $(id -u)"
  chmod u+w "$APPS/web.json"
  sed -i 's/"instances": 2/"instances": 3/' "$APPS/web.json"
  assert_equal "$(app web | jq .instances)" 3
}
