# shellcheck shell=bash
# Build folders: configured where they are not, or were configured with something else, and built. Sourced by common.sh.

# The build folder: $CFCFS_BUILD_DIR, else build/ in the source; with a suffix for each other way to build.
build_dir() {
  local dir=${CFCFS_BUILD_DIR:-$SOURCE_DIR/build}
  case $dir in
  /*) ;;
  *) dir=$PWD/$dir ;;
  esac
  printf '%s\n' "$dir${1:+-$1}"
}

# What a folder is configured with, a fact a line. Of the first, meson remembers all for the folder's life: a change makes it
# configure from nothing. The others are what it looks for and finds.
configured_with() {
  local compiler=${CC:-cc} name
  echo "meson $(meson --version)"
  # shellcheck disable=SC2086  # it may be "ccache gcc"
  echo "compiler $compiler $($compiler --version 2>/dev/null | head -n 1)"
  for name in CFLAGS CPPFLAGS LDFLAGS; do echo "$name ${!name-}"; done
  printf 'option %s\n' "$@"
  # Its defaults are taken at the first time only.
  sed -n '/^project(/,/)$/p' "$SOURCE_DIR/meson.build"
}
found_with() {
  local module name
  for name in PKG_CONFIG_PATH PKG_CONFIG_LIBDIR; do echo "$name ${!name-}"; done
  sed -n "s/.*dependency('\([^']*\)'.*/\1/p" "$SOURCE_DIR/meson.build" | sort -u | while read -r module; do
    echo "library $module $(pkg-config --modversion --cflags --libs "$module" 2>/dev/null | tr '\n' ' ')"
  done
  dpkg-query -W -f 'package ${Package} ${Version}\n' "${PACKAGES_BUILD[@]}" 2>/dev/null
  # meson has no glob: what the meson.build files find by themselves, they find when they are configured.
  (cd "$SOURCE_DIR" && find api cache fs emulator tests -name '*.c' -printf 'source %p\n' | LC_ALL=C sort)
}

# configure DIR [MESON_OPTION...] : where it is needed.
configure() {
  local dir=$1
  shift
  configured_with "$@" >"$dir/configured-with.new"
  found_with >"$dir/found-with.new"
  if [ ! -f "$dir/build.ninja" ] || ! cmp -s "$dir/configured-with.new" "$dir/configured-with"; then
    changed "$dir" configured-with
    # The folder's other contents stay: what is built already may still hold, and tools/quickstart keeps its account there.
    rm -rf "$dir/meson-private" "$dir/meson-info" "$dir/build.ninja" "$dir/found-with"
    meson setup "$dir" "$SOURCE_DIR" "$@" || return 1
  elif ! cmp -s "$dir/found-with.new" "$dir/found-with"; then
    changed "$dir" found-with
    meson configure --clearcache "$dir" && meson setup --reconfigure "$dir" "$SOURCE_DIR" || return 1
  fi
  mv "$dir/configured-with.new" "$dir/configured-with" && mv "$dir/found-with.new" "$dir/found-with"
}
# changed DIR RECORD : says what is other than it was.
changed() {
  [ -f "$1/$2" ] || return 0
  echo "configured again, because this changed:"
  diff "$1/$2" "$1/$2.new" | grep '^[<>]'
  return 0
}

# build DIR [TARGET...] [-- MESON_OPTION...] : one build of a folder at a time. Quiet when it works; the errors of the output
# when it does not, and status 1.
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
    { configure "$dir" "$@" && ninja -C "$dir" "${targets[@]}"; } </dev/null >"$log" 2>&1
  ) && return 0
  grep -E -A6 'FAILED:|error:|ERROR:' "$log" | head -n 60 >&2
  say "building in $dir failed; the whole output: $log"
  return 1
}
