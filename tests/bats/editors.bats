#!/usr/bin/env bats
# vim, nano and Emacs: open, change, save, quit; one update, no scratch name at the API, nothing left behind.
# deadline: 420 s
load lib
load replace

setup() {
  setup_base
  unset TMUX
  export TERM=xterm
}
needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# The new line of the document; each editor puts it in with its own commands.
LINE() { grep -o '"instances": [^,]*,' "$T/src/web.json"; }

# no_scratch : all that ever reached the API is the application, and the mount's folder has nothing beside it.
no_scratch() {
  requests 'select(.method == "POST") | .body' | jq -r . | jq -r '.name // empty' | grep -vx web && fail "a scratch name at the API"
  assert_equal "$(requests 'select(.path | test("swp|swx|~|4913|#|\\.tmp"))')" '' "scratch paths at the API"
  assert_equal "$(leftovers)" '' "left behind"
}

# vim_with SETTINGS...
vim_with() {
  local set=() s
  for s in "$@"; do set+=(-c "set $s"); done
  vim -N -u NONE -i NONE -es "${set[@]}" -c "%s/\"instances\": [^,]*,/$(LINE)/" -c 'w' -c 'q' "$WEB"
}

VIM_SETTINGS=(
  'backupcopy=yes'
  'backupcopy=no'
  'backupcopy=auto'
  'backupcopy=yes backup'
  'backupcopy=no backup'
  'backupcopy=auto backup'
  'backupcopy=auto nowritebackup'
  'backupcopy=no undofile'
  'backupcopy=auto backup undofile'
  'backupcopy=auto,breaksymlink'
)

@test "vim with every backupcopy, backups and undo files: one update each" {
  needs vim
  start
  has_web
  local settings
  for settings in "${VIM_SETTINGS[@]}"; do
    LEFT='^$'
    [[ $settings != *' backup'* ]] || LEFT='~$'
    [[ $settings != *undofile* ]] || LEFT+='|\.un~$'
    # shellcheck disable=SC2086
    changes vim_with backupskip= directory=. undodir=. $settings
    no_scratch
    rm -f "$APPS"/*~ "$APPS"/.*.un~
  done
}

@test "vim whose change is refused: E-numbers on its screen, and nothing lost" {
  needs vim
  start
  has_web
  local settings
  export -f vim_with LINE
  export T WEB
  for settings in 'backupcopy=yes' 'backupcopy=no' 'backupcopy=auto' 'backupcopy=no backup' 'backupcopy=auto nowritebackup'; do
    # shellcheck disable=SC2086
    refuses vim_refused backupskip= directory=. $settings
    rm -f "$APPS"/*~
  done
}
# vim exits 0 from -es whatever :w said: its own view of the outcome is asked.
vim_refused() {
  local set=() s
  for s in "$@"; do set+=(-c "set $s"); done
  timeout 60 vim -N -u NONE -i NONE -es "${set[@]}" -c "%s/\"instances\": [^,]*,/$(LINE)/" \
    -c 'try | w | catch | cquit 7 | endtry' -c 'if &modified | cquit 8 | endif' -c 'q!' "$WEB"
}
export -f vim_refused

# in_tmux COMMAND... : a screen of its own; keys are typed with `keys`.
in_tmux() {
  SOCKET=$T/tmux
  tmux -S "$SOCKET" -f /dev/null new-session -d -x 100 -y 30 "$(printf '%q ' "$@"); echo \$? >'$T/status'; exec cat"
  record_pid "$T/pids" "$(tmux -S "$SOCKET" display-message -p '#{pid}')"
  rm -f "$T/status"
}
keys() { tmux -S "$SOCKET" send-keys "$@"; }
screen_has() { tmux -S "$SOCKET" capture-pane -p | grep -q -e "$1"; }
screen() { wait_until "${2:-10}" "$1 on the screen" screen_has "$1"; }
end_tmux() { tmux -S "$SOCKET" kill-server 2>/dev/null || true; }

@test "vim on a screen, as a user starts it: swap file, two saves, quit" {
  needs vim
  needs tmux
  start
  has_web
  next
  in_tmux vim -N -u NONE -i NONE -c 'set backupskip= swapfile writebackup' "$WEB"
  screen '"instances": 10'
  assert_exists "$APPS/.web.json.swp"
  keys -l ":%s/\"instances\": 10,/$(LINE)/"
  keys Enter
  screen "$(LINE)"
  keys -l ':w'
  keys Enter
  screen written
  assert_calls 1 PATCH "/applications/$ID"
  keys -l ':wq'
  keys Enter
  wait_until 10 "vim to end" test -s "$T/status"
  assert_equal "$(cat "$T/status")" 0
  flush_deletes
  assert_calls 1 PATCH "/applications/$ID"
  assert_writes 1
  no_scratch
  end_tmux
}

@test "vim: a refused :w says so, the second with a good text saves" {
  needs vim
  needs tmux
  start
  has_web
  clear_requests
  in_tmux vim -N -u NONE -i NONE -c 'set backupskip=' "$WEB"
  screen '"instances": 10'
  keys -l ':%s/"instances": 10,/"instances": "ten",/'
  keys Enter
  keys -l ':w'
  keys Enter
  screen 'E[0-9]*:' 15
  assert_writes 0
  keys Enter
  keys -l ':%s/"instances": "ten",/"instances": 11,/'
  keys Enter
  keys -l ':wq!'
  keys Enter
  wait_until 10 "vim to end" test -s "$T/status"
  flush_deletes
  assert_writes 1
  assert_equal "$(app web | jq -r '"\(.id) \(.instances)"')" "$ID 11"
  no_scratch
  end_tmux
}

# nano_change OPTION... : replaces the line of the instances, saves and leaves.
nano_change() {
  in_tmux nano --ignorercfiles "$@" +3,1 "$WEB"
  screen '"instances"'
  keys C-k
  keys -l "  $(LINE)"
  keys Enter
  keys C-o
  screen 'File Name to Write\|Write to File' # nano 7, nano 8
  keys Enter
}
nano_saves() {
  nano_change "$@"
  screen 'Wrote'
  keys C-x
  wait_until 10 "nano to end" test -s "$T/status"
  end_tmux
}

@test "nano, with locks and backups: one update each" {
  needs nano
  needs tmux
  start
  has_web
  changes nano_saves
  no_scratch
  changes nano_saves --locking
  no_scratch
  LEFT='~$'
  changes nano_saves --backup
  no_scratch
  rm -f "$APPS"/*~
}

@test "nano whose change is refused says so" {
  needs nano
  needs tmux
  start
  has_web
  next
  spoil "$T/src/web.json"
  nano_change
  LEFT='\.save$' # nano's own rescue of the text when it is ended
  screen 'Error writing' 15
  assert_writes 0
  grep -q -F "$SPOILT" "$MNT/.cfcfs/rejected/applications/web.json"
  end_tmux
  assert_same_json "$T/web.json" "$WEB"
  assert_equal "$(leftovers)" ''
}

emacs_with() {
  emacs -Q --batch --eval "(progn $1)" --eval "(progn
    (find-file \"$WEB\")
    (goto-char (point-min))
    (re-search-forward \"\\\"instances\\\": [^,]*,\")
    (replace-match \"$(LINE | sed 's/"/\\"/g')\" t t)
    (save-buffer)
    (kill-emacs 0))" 2>&1
}

@test "Emacs with lock links, backups by copying and by renaming: one update each" {
  needs emacs
  start
  has_web
  changes emacs_with '(setq make-backup-files nil)'
  no_scratch
  LEFT='~$'
  local settings
  for settings in '(setq backup-inhibited nil make-backup-files t)' \
    '(setq make-backup-files t backup-by-copying t)' \
    '(setq make-backup-files t backup-by-copying nil)' \
    '(setq make-backup-files t version-control t)' \
    '(setq file-precious-flag t)' \
    '(setq create-lockfiles t make-backup-files t auto-save-default t)'; do
    changes emacs_with "$settings"
    no_scratch
    rm -f "$APPS"/*~
  done
}

@test "Emacs whose change is refused says so" {
  needs emacs
  start
  has_web
  export -f emacs_with LINE
  export T WEB
  local settings
  for settings in '(setq make-backup-files nil)' '(setq make-backup-files t)' '(setq make-backup-files t backup-by-copying t)' \
    '(setq file-precious-flag t)'; do
    refuses emacs_with "$settings"
    rm -f "$APPS"/*~
  done
}

@test "a lock link of Emacs is a link, local, and gone with its unlink" {
  start
  has_web
  clear_requests
  ln -s user@host.1234:567 "$APPS/.#web.json"
  assert_equal "$(readlink "$APPS/.#web.json")" user@host.1234:567
  assert_fails ln -s other "$APPS/.#web.json"
  rm "$APPS/.#web.json"
  assert_absent "$APPS/.#web.json"
  assert_writes 0
  assert_equal "$(leftovers)" ''
}
