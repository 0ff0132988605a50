# shellcheck shell=bash
# promtool, for the tests of metrics and of the recipe's alert rules. Debian 12 has it in the package prometheus alone, which starts a
# server on whatever machine it is installed on and takes 96 MB (from Debian 13 on promtool has one of its own); so the one program is taken out of the package, which apt verified,
# and kept in the user's cache: 19 MB once, 48 MB kept. Where that cannot be had the tests are skipped, and say so.

# promtool_get : puts its folder behind PATH. 1: there is none.
promtool_get() {
  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/cfcfs-tools package version='' dir
  ! command -v promtool >/dev/null || return 0
  for package in promtool prometheus; do
    version=$(apt-cache policy "$package" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)$/\1/p')
    [ -z "$version" ] || break
  done
  dir=$cache/promtool-${version//[^0-9A-Za-z.+~-]/_}
  if [ -n "$version" ] && [ ! -x "$dir/promtool" ]; then
    say "taking promtool out of Debian's package $package"
    promtool_fetch "$package" "$dir" || say "promtool cannot be had: what needs it is skipped"
  fi
  [ -x "$dir/promtool" ] && PATH=$PATH:$dir
}

# In a folder beside, so that several at once do not meet.
promtool_fetch() {
  local package=$1 to=$2 work status=0
  mkdir -p "${to%/*}" && work=$(mktemp -d "${to%/*}/get.XXXXXX") || return 1
  (cd "$work" && apt-get -q -o APT::Sandbox::User= download "$package" && dpkg-deb --fsys-tarfile ./*.deb |
    tar -x --strip-components=3 ./usr/bin/promtool && ./promtool --version) >"$work/log" 2>&1 || status=1
  if ((!status)); then
    mkdir -p "$to" && mv "$work/promtool" "$to/promtool" || status=1
  else
    tail -n 2 "$work/log" >&2
  fi
  rm -rf "$work"
  return "$status"
}
