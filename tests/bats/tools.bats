#!/usr/bin/env bats
# Every tool that writes a file, over an application that exists: one update, the id unchanged, no delete; and refused, the
# tool's own error.
# deadline: 420 s
load lib
load replace

# The ways to write, each a function: FROM is the new document, TO the application's file. Functions, for `bash -c` too.
tool_cp() { cp "$FROM" "$TO"; }
tool_cp_p() { cp -p "$FROM" "$TO"; }
tool_cp_a() { cp -a "$FROM" "$TO"; }
tool_cp_reflink() { cp --reflink=auto "$FROM" "$TO"; }
tool_cp_sparse() { cp --sparse=always "$FROM" "$TO"; }
tool_cp_remove() { cp --remove-destination "$FROM" "$TO"; }
tool_cp_f() { cp -f "$FROM" "$TO"; }
tool_cp_backup() { cp --backup=simple "$FROM" "$TO"; }
tool_mv() { cp "$FROM" "$FROM.moved" && mv "$FROM.moved" "$TO"; }
tool_mv_backup() { cp "$FROM" "$FROM.moved" && mv -b "$FROM.moved" "$TO"; }
tool_install() { install -m 644 "$FROM" "$TO"; }
tool_install_backup() { install -b -m 644 "$FROM" "$TO"; }
tool_dd() { dd if="$FROM" of="$TO" status=none; }
tool_dd_1() { dd if="$FROM" of="$TO" bs=1 status=none; }
tool_dd_fsync() { dd if="$FROM" of="$TO" bs=64 conv=fsync status=none; }
tool_tee() { tee "$TO" <"$FROM" >/dev/null; }
tool_sponge() { sponge "$TO" <"$FROM"; }
tool_sed_i() { sed -i "$(edit)" "$TO"; }
tool_sed_i_backup() { sed -i.bak "$(edit)" "$TO"; }
tool_perl_i() { perl -pi -e "$(edit)" "$TO"; }
tool_perl_i_backup() { perl -pi.bak -e "$(edit)" "$TO"; }
tool_python() { python3 -c 'import sys
f = open(sys.argv[2], "w")
f.write(open(sys.argv[1]).read())
f.close()' "$FROM" "$TO"; }
tool_python_with() { python3 -c 'import sys
with open(sys.argv[2], "wb", 0) as f: f.write(open(sys.argv[1], "rb").read())' "$FROM" "$TO"; }
tool_python_replace() { python3 -c 'import os, sys
with open(sys.argv[2] + ".tmp", "w") as f: f.write(open(sys.argv[1]).read())
os.replace(sys.argv[2] + ".tmp", sys.argv[2])' "$FROM" "$TO"; }
tool_python_plus() { python3 -c 'import sys
with open(sys.argv[2], "r+") as f: f.write(open(sys.argv[1]).read()); f.truncate()' "$FROM" "$TO"; }
tool_jq() { jq . "$FROM" >"$TO"; }
tool_jq_scratch() { jq . "$FROM" >"$TO.new" && mv "$TO.new" "$TO"; }
tool_cat() { cat "$FROM" >"$TO"; }
tool_echo() { echo "$(<"$FROM")" >"$TO"; }
tool_printf() { printf '%s\n' "$(<"$FROM")" >"$TO"; }
tool_dash() { dash -c 'cat "$1" >"$2"' - "$FROM" "$TO"; }
tool_dash_lines() { dash -c 'while IFS= read -r line; do printf "%s\n" "$line"; done <"$1" >"$2"' - "$FROM" "$TO"; }
tool_two_cats() {
  head -c 57 "$FROM" >"$FROM.1" && tail -c +58 "$FROM" >"$FROM.2"
  { cat "$FROM.1"; cat "$FROM.2"; } >"$TO"
}
tool_patch() { diff -u "$TO" "$FROM" | sed "1,2s|\t.*||" | patch -s "$TO"; }
tool_patch_stdin() { (cd "$(dirname "$TO")" && diff -u "$TO" "$FROM" | sed '1s|.*|--- a/web.json|; 2s|.*|+++ b/web.json|' | patch -s -p1); }
tool_ed() { printf '%s\n' ",s/\"instances\": [^,]*,/$(new_line),/" w q | ed -s "$TO"; }
tool_ex() { vim -es -u NONE -i NONE -c "set backupskip=" -c "%s/\"instances\": [^,]*,/$(new_line),/" -c 'x' "$TO"; }
tool_tar() { tar -C "$(dirname "$FROM")" -cf - web.json | tar -C "$(dirname "$TO")" -xf -; }
tool_tar_overwrite() { tar -C "$(dirname "$FROM")" -cf - web.json | tar -C "$(dirname "$TO")" --overwrite -xf -; }
tool_tar_unlink() { tar -C "$(dirname "$FROM")" -cf - web.json | tar -C "$(dirname "$TO")" --unlink-first -xf -; }
tool_unzip() {
  rm -f "$FROM.zip"
  (cd "$(dirname "$FROM")" && zip -q "$FROM.zip" web.json)
  unzip -qo "$FROM.zip" -d "$(dirname "$TO")"
}
tool_git() {
  local dir
  dir=$(dirname "$FROM")/git
  if [ ! -d "$dir" ]; then git init -q "$dir"; fi
  cp "$FROM" "$dir/web.json"
  git -C "$dir" add web.json
  git -C "$dir" -c user.name=T -c user.email=t@example.com commit -q -m next
  git --git-dir="$dir/.git" --work-tree="$(dirname "$TO")" checkout -q -f HEAD -- web.json
}
tool_curl() { curl -sSf "file://$FROM" -o "$TO"; }
tool_cpio() { (cd "$(dirname "$FROM")" && echo web.json | cpio -o --quiet) | (cd "$(dirname "$TO")" && cpio -iu --quiet); }
tool_rsync() { rsync "$FROM" "$TO"; }
tool_truncate_write() { truncate -s 0 "$TO" 2>/dev/null; cat "$FROM" >"$TO"; }

edit() { echo "s/\"instances\": [^,]*,/$(new_line),/"; }
new_line() { grep -o '"instances": [^,]*' "$FROM"; }
export -f edit new_line
mapfile -t TOOLS < <(compgen -A function tool_)

# What a machine may lack.
lacks() {
  case $1 in
  tool_cpio) ! command -v cpio >/dev/null ;;
  *) return 1 ;;
  esac
}
# shellcheck disable=SC2034  # $LEFT, and $SENT below, are for replace.bash
# left_by TOOL : a backup is a tool's own to leave; it never reaches the API.
left_by() {
  case $1 in
  *_sed_i_backup | *_perl_i_backup) LEFT='\.bak$' ;;
  *_backup) LEFT='~$' ;;
  *_patch*) LEFT='\.(orig|rej)$' ;;
  *) LEFT='^$' ;;
  esac
}
setup() {
  setup_base
  export FROM=$T/src/web.json TO=$APPS/web.json
}

# each_of PATTERN CHECK
each_of() {
  local tool n=0
  start
  has_web
  for tool in "${TOOLS[@]}"; do
    # shellcheck disable=SC2053  # a pattern is meant
    [[ $tool == $1 ]] || continue
    if lacks "$tool"; then continue; fi
    left_by "$tool"
    # shellcheck disable=SC2163
    export -f "$tool"
    "$2" "$tool"
    rm -f "$APPS"/*~ "$APPS"/*.bak "$APPS"/*.orig "$APPS"/*.rej
    n=$((n + 1))
  done
  ((n > 0)) || fail "no tool matches $1"
}

@test "cp in all its forms makes one update" { each_of 'tool_cp*' changes; }
@test "mv from another filesystem makes one update" { each_of 'tool_mv*' changes; }
@test "install makes one update" { each_of 'tool_install*' changes; }
@test "dd, tee and sponge make one update" { each_of 'tool_@(dd*|tee|sponge)' changes; }
@test "sed -i and perl -i make one update" { each_of 'tool_@(sed*|perl*)' changes; }
@test "python makes one update" { each_of 'tool_python*' changes; }
@test "redirections of shells make one update" { each_of 'tool_@(jq*|cat|echo|printf|dash*|two_cats|truncate_write)' changes; }
@test "patch, ed and ex make one update" { each_of 'tool_@(patch*|ed|ex)' changes; }
@test "tar, unzip, cpio and git checkout make one update" { each_of 'tool_@(tar*|unzip|cpio|git)' changes; }
@test "curl and rsync make one update" { each_of 'tool_@(curl|rsync)' changes; }

@test "a refused cp is cp's error, and the account is untouched" { each_of 'tool_cp*' refuses; }
@test "a refused mv and a refused install" { each_of 'tool_@(mv|install)*' refuses; }
@test "a refused dd, tee and sponge" { each_of 'tool_@(dd*|tee|sponge)' refuses; }
@test "a refused sed -i and perl -i" { each_of 'tool_@(sed*|perl*)' refuses; }
@test "a refused python write" { each_of 'tool_python*' refuses; }
@test "a refused redirection" { each_of 'tool_@(jq*|cat|echo|printf|dash|two_cats|truncate_write)' refuses; }
@test "a refused patch, ed and ex" { each_of 'tool_@(patch*|ed|ex)' refuses; }
@test "a refused tar, unzip, cpio and git checkout" { each_of 'tool_@(tar*|unzip|cpio|git)' refuses; }
@test "a refused curl and rsync" { each_of 'tool_@(curl|rsync)' refuses; }

@test "a document that the API itself refuses ends the same way" {
  SENT=1 SPOILT='"instances": 9999999'
  export FROM TO
  start
  has_web
  fault '{"method":"PATCH","path":"/applications/*","times":1000,"status":400,"body":"{\"success\":false,\"result\":null,\"messages\":[],\"errors\":[{\"code\":1000,\"message\":\"{\\\"error\\\":\\\"VALIDATE_INPUT\\\",\\\"details\\\":{\\\"instances\\\":\\\"no\\\"}}\"}]}"}'
  local tool
  for tool in tool_cp tool_mv tool_install tool_dd_1 tool_tee tool_sed_i tool_perl_i tool_cat tool_two_cats tool_patch \
    tool_tar tool_unzip tool_git tool_ex; do
    spoil() { sed -i "s/\"instances\": [0-9]*,/$SPOILT,/" "$1"; }
    left_by "$tool"
    # shellcheck disable=SC2163
    export -f "$tool"
    # git itself writes a file a second time when the first failed.
    # shellcheck disable=SC2034
    [ "$tool" = tool_git ] && SENT=2 || SENT=1
    refuses "$tool"
    rm -f "$APPS"/*~ "$APPS"/*.orig "$APPS"/*.rej
  done
}

@test "printf >> file: what completes a document is sent, as one update" {
  start
  has_web
  next
  # The newline of a whole document is no change.
  unchanged bash -c 'printf "\n" >>"$1"' - "$WEB"
  # A second opener with O_APPEND adds to what the first wrote.
  head -c 60 "$T/src/web.json" >"$T/head" && tail -c +61 "$T/src/web.json" >"$T/tail"
  clear_requests
  exec 5>"$WEB"
  cat "$T/head" >&5
  assert_writes 0
  cat "$T/tail" >>"$WEB"
  exec 5>&-
  assert_writes 1
  assert_calls 1 PATCH "/applications/$ID"
  assert_same_json "$T/src/web.json" "$WEB"
  # What makes no document is a failure that is on record; a shell cannot see it.
  clear_requests
  printf 'garbage' >>"$WEB" || true
  assert_writes 0
  assert_error web.json EINVAL
  grep -q garbage "$MNT/.cfcfs/rejected/applications/web.json"
  assert_same_json "$T/src/web.json" "$WEB"
}

@test "the same document again by any tool sends nothing" {
  local tool
  start
  has_web
  for tool in "${TOOLS[@]}"; do
    lacks "$tool" && continue
    cp "$T/web.json" "$T/src/web.json"
    [[ $tool == tool_patch* || $tool == tool_git ]] && continue
    unchanged "$tool"
    rm -f "$APPS"/*~ "$APPS"/*.bak
  done
  flush_deletes
  assert_writes 0
  assert_equal "$(app_id web)" "$ID"
}

@test "a new application by any tool is one create" {
  local tool
  start -o max_delete=1000
  has_web
  for tool in "${TOOLS[@]}"; do
    case $tool in *sed* | *perl* | *patch* | *_ed | *_ex | *plus) continue ;; esac
    lacks "$tool" && continue
    next
    export TO=$APPS/new/web.json
    TO=$APPS/web.json
    rm "$TO" && sync "$APPS" && advance 60 && refresh
    clear_requests
    "$tool" || fail "$tool: status $?"
    assert_calls 1 POST /applications
    assert_writes 1
    assert_equal "$(app web | jq .instances)" "$N"
    rm -f "$APPS"/*~
  done
}

@test "tar of a whole mount sees no file that changed under it, neither at the first look nor after a change" {
  start_emulator --seed sample
  mount_cfcfs
  web_json "$T/web.json"
  local n
  for n in 1 2 3; do
    tar -C "$MNT" --exclude=./secrets/* -cf - . >"$T/all.tar" || fail "tar of look $n"
    cp "$T/web.json" "$APPS/new-$n.json"
  done
  # The time of a directory is that of the last change in it.
  touch "$T/stamp"
  rm "$APPS/new-1.json"
  assert_equal "$(cd "$MNT" && find . -maxdepth 1 -type d -newer "$T/stamp")" ./applications
}
