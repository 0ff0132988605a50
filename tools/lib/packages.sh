# shellcheck shell=bash
# Debian packages, by what they are needed for. One list for tools/quickstart, tools/test, tools/lint and tools/bench.

# shellcheck disable=SC2034  # the arrays are read by name
PACKAGES_BUILD=(
  meson ninja-build pkg-config gcc libc6-dev
  libfuse3-dev fuse3 libcurl4-openssl-dev libjson-c-dev libsqlite3-dev libmicrohttpd-dev
  libsodium-dev liblz4-dev uthash-dev
)
# What the product needs to be used, and the tour of tools/quickstart.
PACKAGES_TOUR=(
  jq curl rsync attr
)
PACKAGES_TEST=(
  libcmocka-dev bats jq curl rsync attr sqlite3 procps psmisc mount util-linux
  vim nano emacs-nox tmux perl moreutils ed git unzip zip cpio patch openssl python3-minimal python3-yaml python3-jsonschema
  clang libclang-rt-14-dev nginx-light
)
PACKAGES_LINT=(
  clang clang-format clang-tidy cppcheck shellcheck libcmocka-dev man-db
)
PACKAGES_BENCH=(
  jq curl rsync nginx-light time gnuplot-nox sshfs openssh-sftp-server rclone python3-minimal
)

# packages_missing SECTION... : the names that are not installed, one a line.
packages_missing() {
  local section list
  for section in "$@"; do
    local -n list="PACKAGES_${section^^}"
    printf '%s\n' "${list[@]}"
  done | sort -u | while read -r name; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# packages_install SECTION... : installs what is missing, with no question asked. With nothing missing: no network.
packages_install() {
  local missing=() sudo=()
  command -v dpkg-query >/dev/null ||
    die "this is not a Debian machine: install these yourself, or run it on Debian 12"
  mapfile -t missing < <(packages_missing "$@")
  ((${#missing[@]})) || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "these packages are missing, and there is no sudo; as root, run: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  (
    # Two runs at once: the second waits, and then finds nothing missing.
    exec 9>>"${TMPDIR:-/tmp}/cfcfs-apt.$(id -u).lock" && flock 9
    mapfile -t names < <(packages_missing "$@")
    ((${#names[@]})) || exit 0
    log=$(mktemp) && trap 'rm -f "$log"' EXIT
    apt_get() {
      # 9>&-: a service that a package starts must not keep the lock.
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Options::=--force-confold "$@" </dev/null >"$log" 2>&1 9>&-
    }
    install() { apt_get install --no-install-recommends "${names[@]}"; }
    install || { apt_get update && install; } || { tail -n 20 "$log" >&2; exit 1; }
  ) || die "apt-get could not install: ${missing[*]}"
}
