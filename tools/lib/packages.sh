# shellcheck shell=bash
# Debian packages, and the programs that are wanted of them, by what they are needed for. One list for all of tools/.

# shellcheck disable=SC2034  # the arrays are read by name
PACKAGES_BUILD=(
  meson ninja-build pkg-config gcc libc6-dev
  libfuse3-dev fuse3 libcurl4-openssl-dev libjson-c-dev libsqlite3-dev libmicrohttpd-dev
  libsodium-dev liblz4-dev libhiredis-dev libssl-dev libseccomp-dev uthash-dev systemtap-sdt-dev
)
PROGRAMS_BUILD=(meson ninja pkg-config fusermount3)
# What the product needs to be used, and the tour of tools/quickstart.
PACKAGES_TOUR=(
  jq curl rsync attr util-linux mount ca-certificates
)
PROGRAMS_TOUR=(jq curl rsync setsid flock mount umount)
PACKAGES_UNIT=(libcmocka-dev python3-minimal redis-server)
PROGRAMS_UNIT=(python3)
PACKAGES_TEST=(
  libcmocka-dev bats jq curl rsync attr sqlite3 procps psmisc mount util-linux
  vim nano emacs-nox tmux perl moreutils ed git unzip zip cpio patch openssl ca-certificates openssh-client python3-minimal python3-yaml python3-jsonschema
  clang libclang-rt-dev nginx-light binutils zsh fish redis-server
)
PROGRAMS_TEST=(
  bats jq curl rsync getfattr setfattr sqlite3 ps pgrep fuser mount umount setsid flock setarch
  vim nano emacs tmux perl sponge ed git unzip zip cpio patch openssl ssh-keygen python3 clang nginx readelf zsh fish
)
MODULES_TEST=(yaml jsonschema)
PACKAGES_LINT=(
  clang clang-format clang-tidy cppcheck shellcheck libcmocka-dev man-db python3-minimal
)
PROGRAMS_LINT=(clang clang-format clang-tidy cppcheck shellcheck man python3)
PACKAGES_BENCH=(
  jq curl rsync nginx-light time gnuplot-nox sshfs openssh-sftp-server rclone python3-minimal redis-server
)
PROGRAMS_BENCH=(jq curl rsync gnuplot sshfs rclone python3)
PACKAGES_COVERAGE=(gcovr python3-minimal)
PROGRAMS_COVERAGE=(gcovr gcov python3)
PACKAGES_DEB=(build-essential dpkg-dev debhelper lintian git)
PROGRAMS_DEB=(dpkg-buildpackage dh lintian git)
PACKAGES_FRESH=(debootstrap git util-linux mount)
PROGRAMS_FRESH=(debootstrap git unshare mount chroot)
PACKAGES_BOOT=(systemd dbus util-linux)
PROGRAMS_BOOT=(systemctl setpriv)
PACKAGES_SAMBA=(samba smbclient)
PROGRAMS_SAMBA=(smbd smbclient)
PACKAGES_SYSTEMD=(procps curl openssl redis-server)
PROGRAMS_SYSTEMD=(pgrep curl openssl)

# release : the distribution's name of what this machine runs, "bookworm".
release() { (. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME-}"); }

# package_here : of the names on its input, how this release calls them.
package_here() {
  local clang redis=redis-server
  case $(release) in
  bookworm) clang=14 ;;
  noble) clang=18 ;;
  trixie) clang=19 redis=valkey-server ;;
  *) clang=$(apt-cache depends clang 2>/dev/null | sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p') ;;
  esac
  sed -e "s/^libclang-rt-dev\$/libclang-rt-${clang:-14}-dev/" -e "s/^redis-server\$/$redis/"
}

# listed KIND SECTION... : what the sections' lists of that kind hold, one a line, each once.
listed() {
  local kind=$1 section
  shift
  for section in "$@"; do
    local -n list="${kind}_${section^^}"
    [ -z "${list+x}" ] || printf '%s\n' "${list[@]}"
  done | sort -u
}

# packages_missing SECTION... : the names that are not installed, one a line.
packages_missing() {
  local names
  mapfile -t names < <(listed PACKAGES "$@" | package_here)
  comm -23 <(printf '%s\n' "${names[@]}" | sort -u) \
    <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${names[@]}" 2>/dev/null | sed -n 's/ installed$//p' | sort -u)
}

# programs_missing SECTION... : what cannot be run all the same, or cannot be built with, one a line.
programs_missing() {
  local name
  listed PROGRAMS "$@" | while read -r name; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$name" >/dev/null || echo "$name"
  done
  listed MODULES "$@" | while read -r name; do
    python3 -c "import $name" 2>/dev/null || echo "the module $name of $(command -v python3 || echo python3)"
  done
  name=${CC:-cc}
  [[ " $* " != *" build "* ]] || command -v "${name%% *}" >/dev/null || echo "the compiler ${name%% *}"
}

# packages_install SECTION... : installs what is missing, with no question asked, and sees that every program is there. With
# nothing missing: no network. Ends the program where something is missing still.
packages_install() {
  local missing=()
  if command -v dpkg-query >/dev/null; then
    mapfile -t missing < <(packages_missing "$@")
    ((!${#missing[@]})) || apt_install "$@"
  fi
  mapfile -t missing < <(programs_missing "$@")
  ((${#missing[@]})) || return 0
  printf '%s: missing: %s\n' "$PROGRAM" "${missing[@]}" >&2
  command -v dpkg-query >/dev/null || die "this is not a Debian machine: install these yourself, or run it on Debian 12 or 13"
  die "the packages are installed, and these are not to be found: look at PATH ($PATH)"
}
apt_install() {
  local missing=() sudo=()
  mapfile -t missing < <(packages_missing "$@")
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
