# shellcheck shell=bash
# What the programs of tools/ share. Sourced; sets SOURCE_DIR.

SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PROGRAM=${0##*/}

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() { say "$*"; exit 1; }

# shellcheck source=tools/lib/packages.sh
. "$SOURCE_DIR/tools/lib/packages.sh"

# The build folder: $CFCFS_BUILD_DIR, else build/ in the source; with a suffix for each other way to build.
build_dir() {
  local dir=${CFCFS_BUILD_DIR:-$SOURCE_DIR/build}
  case $dir in
  /*) ;;
  *) dir=$PWD/$dir ;;
  esac
  printf '%s\n' "$dir${1:+-$1}"
}

# The unit tests and sources are found, not listed, when meson configures: it must be told when there are others.
source_list() {
  (cd "$SOURCE_DIR" && find api cache fs emulator tests -name '*.c' -print | LC_ALL=C sort)
}

# build DIR [TARGET...] [-- MESON_OPTION...] : configures where needed and builds. One build of a folder at a time.
# Quiet when it works; the end of the output when it does not, and status 1.
build() {
  local dir=$1 targets=() log
  shift
  while (($#)) && [ "$1" != -- ]; do
    targets+=("$1")
    shift
  done
  (($#)) && shift
  mkdir -p "$dir" || return 1
  log=$dir/build.log
  (
    exec 9>>"$dir/build.lock" && flock 9
    {
      if [ ! -f "$dir/build.ninja" ]; then
        meson setup "$dir" "$SOURCE_DIR" "$@" && source_list >"$dir/sources.list"
      elif ! source_list | cmp -s - "$dir/sources.list"; then
        meson setup --reconfigure "$dir" "$SOURCE_DIR" && source_list >"$dir/sources.list"
      fi && ninja -C "$dir" "${targets[@]}"
    } </dev/null >"$log" 2>&1
  ) && return 0
  grep -E -A6 'FAILED:|error:|ERROR:' "$log" | head -n 60 >&2
  say "building in $dir failed; the whole output: $log"
  return 1
}
