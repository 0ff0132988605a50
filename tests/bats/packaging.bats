#!/usr/bin/env bats
# What an installation brings beside the programs: completions that know every option, units, mount.cfcfs.
load lib

installed() {
  DESTDIR=$T/root meson install -C "$BUILD" --no-rebuild --quiet >/dev/null
  PREFIX=$T/root$(meson introspect "$BUILD" --buildoptions | jq -r '.[] | select(.name == "prefix").value')
}

# What the programs' own help names.
cfcfs_options() { "$CFCFS" --help | sed -n '/^options/,/^$/s/^  \([a-z_]*=\{0,1\}\).*/\1/p'; }
emulator_options() { "$EMULATOR" --help | grep -o '^  --[a-z-]*' | sed 's/^ *--//'; }

@test "the completion of bash knows every option" {
  local option missing=''
  [ "$(cfcfs_options | wc -l)" -gt 20 ]
  for option in $(cfcfs_options); do
    grep -qE "(^|[^a-z_])${option%=}([^a-z_]|\$)" "$SOURCE_DIR/packaging/bash-completion" || missing+="$option "
  done
  for option in $(emulator_options); do
    grep -qF -- "--$option" "$SOURCE_DIR/packaging/bash-completion" || missing+="--$option "
  done
  [ -z "$missing" ] || fail "no completion for: $missing"
}

@test "the completions of fish and zsh know every option" {
  local option missing=''
  for option in $(emulator_options); do
    grep -qF -- "--${option}[" "$SOURCE_DIR/packaging/zsh/_cfcfs" || missing+="zsh: --$option "
    grep -qE -- "-l $option( |\$)" "$SOURCE_DIR/packaging/fish/cfcfs-emulator.fish" || missing+="fish: --$option "
  done
  [ -z "$missing" ] || fail "no completion for: $missing"
  export PATH=$T/bin:$PATH
  mkdir "$T/bin" && ln -s "$CFCFS" "$T/bin/cfcfs"
  fish --no-config -c "source $SOURCE_DIR/packaging/fish/cfcfs.fish; complete -C 'cfcfs -o ro,'" >"$T/fish"
  for option in $(cfcfs_options); do
    grep -q "^ro,$option" "$T/fish" || missing+="fish: $option "
  done
  # zsh's system wants a terminal: here its last step prints what it is given.
  zsh -f -c "_arguments() { _cfcfs_options; }; _values() { printf '%s\n' \"\$@\"; }; service=cfcfs; source $SOURCE_DIR/packaging/zsh/_cfcfs" >"$T/zsh"
  for option in $(cfcfs_options); do
    grep -qF "${option}[" "$T/zsh" || missing+="zsh: $option "
  done
  [ -z "$missing" ] || fail "no completion for: $missing; fish says: $(head -n 3 "$T/fish"), zsh says: $(head -n 3 "$T/zsh")"
}

@test "the completions know every option and verb of cfcfs-sync" {
  local word missing=''
  for word in $("$BUILD/sync/cfcfs-sync" --help | grep -oE -- '--[a-z-]+' | sort -u); do
    grep -qE -- "(^|[ '])$word([ '\\[]|\$)" "$SOURCE_DIR/packaging/bash-completion" || missing+="bash: $word "
    grep -qF -- "${word}[" "$SOURCE_DIR/packaging/zsh/_cfcfs" || missing+="zsh: $word "
    grep -qE -- "-l ${word#--}( |\$)" "$SOURCE_DIR/packaging/fish/cfcfs-sync.fish" || missing+="fish: $word "
    sed 's/\\-/-/g; s/Fl -/--/g' "$SOURCE_DIR/man/cfcfs-sync.1" | grep -qE -- "$word( |\$)" || missing+="man: $word "
  done
  for word in plan apply export wait; do
    grep -qE "^\.It Cm $word\$" "$SOURCE_DIR/man/cfcfs-sync.1" || missing+="man: $word "
  done
  [ -z "$missing" ] || fail "missing: $missing"
}

@test "mount.cfcfs gives cfcfs what mount(8) gives it" {
  installed
  local helper=$PREFIX/sbin/mount.cfcfs
  printf '#!/bin/sh\nprintf "<%%s>" "$@"\n' >"$T/cfcfs" && chmod +x "$T/cfcfs"
  sed -i "s,^exec [^ ]*,exec $T/cfcfs," "$helper"
  assert_equal "$("$helper" "$ACCOUNT" /mnt/x -o rw,url=http://127.0.0.1:1)" "<-o><rw,url=http://127.0.0.1:1><$ACCOUNT></mnt/x>"
  assert_equal "$("$helper" "$ACCOUNT" '/mnt/a b' -v -n -o ro)" "<-o><ro><$ACCOUNT></mnt/a b>"
  assert_equal "$("$helper" none /mnt/x)" "</mnt/x>"
  assert_equal "$("$helper" "$ACCOUNT" /mnt/x -f -o ro)" "" "a mount that is only pretended"
  run "$helper" "$ACCOUNT"
  assert_status 2
}

@test "the units are what systemd understands, and the service is hardened" {
  command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
  installed
  mkdir "$T/units"
  cp "$PREFIX/lib/systemd/system/cfcfs@.service" "$SOURCE_DIR"/packaging/systemd/mnt-cf.* "$T/units/"
  # The program is not where it will be; its pages are not either.
  sed -i -e 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' -e '/^Documentation=/d' "$T"/units/*
  run systemd-analyze verify "$T/units/cfcfs@x.service" "$T/units/mnt-cf.mount" "$T/units/mnt-cf.automount"
  assert_status 0
  assert_equal "$output" ""
  # A namespace of its own would hide the mount from everybody else.
  assert_fails grep -E '^(Private(Tmp|Devices|Mounts|Users)|Protect(System|Home|Kernel|Control|Proc)|ProcSubset|ReadOnly|Inaccessible|Bind|Root)' \
    "$T/units/cfcfs@.service"
  systemd-analyze security --offline=yes --threshold=45 "$T/units/cfcfs@.service" >"$T/score" || fail "$(tail -n 2 "$T/score")"
}
