# shellcheck shell=bash
# Steps of a trial in a root of its own (try-deb, try-systemd): each says whether it went well, and what it printed where it did not.
# Sourced.

passed=0 failed=0
# step NAME COMMAND...
step() {
  local name=$1 out
  shift
  if out=$("$@" 2>&1); then
    echo "ok - $name" && passed=$((passed + 1))
  else
    echo "not ok - $name" && failed=$((failed + 1))
    sed 's/^/    /' <<<"$out" | tail -n 20
  fi
}
chapter() { echo "# $*"; }
# refused COMMAND... : it is to fail.
refused() { ! "$@"; }
# until_true SECONDS COMMAND...
until_true() {
  local tries=$(($1 * 10))
  shift
  until "$@"; do ((tries-- > 0)) || return 1; sleep 0.1; done
}
summary() {
  echo "$passed passed, $failed failed"
  ((failed == 0))
}
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null; }
