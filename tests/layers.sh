#!/bin/bash
# The layers hold: an include of ours goes down (fs -> cache -> api/base, fs -> api -> api/base), the emulator uses
# api/base alone, cfcfs-sync api's tables, and fs never sees curl. Inside fs an include goes down its rooms: run, ops, send, show, core. tests/layers.sh [SOURCE_DIR]
cd "${1:-$(dirname "$0")/..}" || exit 2

# layer PATH : the layer that a path from the top belongs to.
layer() {
  case $1 in
  api/base/*) echo base ;;
  fs/*/*)
    local room=${1#fs/}
    echo "fs/${room%%/*}"
    ;;
  api/* | cache/* | emulator/* | sync/* | tests/*) echo "${1%%/*}" ;;
  *) echo none ;;
  esac
}

declare -A may=(
  [base]=" base "
  [api]=" api base "
  [cache]=" cache base "
  [fs/core]=" fs/core cache api base "
  [fs/show]=" fs/show fs/core cache api base "
  [fs/send]=" fs/send fs/show fs/core cache api base "
  [fs/ops]=" fs/ops fs/send fs/show fs/core cache api base "
  [fs/run]=" fs/run fs/ops fs/send fs/show fs/core cache api base "
  [emulator]=" emulator base "
  [sync]=" sync api base "
)
files=0 includes=0 bad=0
complain() {
  echo "$1"
  bad=$((bad + 1))
}

while IFS= read -r file; do
  files=$((files + 1))
  from=$(layer "$file")
  while IFS=: read -r line text; do
    includes=$((includes + 1))
    case $text in
    *\"*\"*)
      text=${text#*\"}
      target=${text%%\"*}
      to=$(layer "$target")
      if [ "$to" = none ]; then
        complain "$file:$line: \"$target\" is not written from the top"
      elif [ ! -f "$target" ]; then
        complain "$file:$line: there is no $target"
      elif [[ ${may[$from]:-} != *" $to "* ]]; then
        complain "$file:$line: $from must not include $target"
      fi
      ;;
    *'<curl/'*)
      [ "$from" = api ] || complain "$file:$line: only api/ may use curl"
      ;;
    *'<fuse'*)
      [[ $from = fs/* ]] || complain "$file:$line: only fs/ may use libfuse"
      ;;
    esac
  done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' "$file")
done < <(find api cache fs emulator sync -name '*.[ch]' | LC_ALL=C sort)

# What the service offers is learned from every call: offers_call and offers_list, in place of the client's own.
while IFS=: read -r file line _; do
  complain "$file:$line: fs asks the API through fs/show/offers.h (offers_call, offers_list)"
done < <(grep -rnE --include='*.c' '\bclient_(call|list)\(' fs | grep -vE '^fs/(show/offers|run/probe)\.c:')

# Locks are visible (api/base/lock.h).
while IFS=: read -r file line _; do
  complain "$file:$line: a lock is a struct lock, which says what it guards"
done < <(grep -rnE --include='*.[ch]' '\b(pthread_mutex_|scoped_lock\()' api cache fs | grep -v '^api/base/')

echo "$includes includes in $files files, $bad against the layers"
((files > 0 && bad == 0))
