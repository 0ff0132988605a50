#!/usr/bin/env bats
# The programs of tools/ themselves: a build folder is configured again when what it was configured with has changed; what is
# missing, or did not run, is said and is a failure.
load lib

# A clone as small as can be built: the bottom layer, a program, and a unit test of its own.
setup() {
  setup_base
  CLONE=$T/clone
  mkdir -p "$CLONE/fs" "$CLONE/tests/unit" "$CLONE/tests/bats" "$CLONE/cache" "$CLONE/emulator" "$CLONE/api"
  cp -r "$SOURCE_DIR/tools" "$SOURCE_DIR/meson_options.txt" "$CLONE/"
  cp -r "$SOURCE_DIR/api/base" "$CLONE/api/"
  cp "$SOURCE_DIR/tests/bats/lib.bash" "$CLONE/tests/bats/"
  sed -E "/^subdir\('(api|cache|emulator|sync|man|packaging)'\)/d" "$SOURCE_DIR/meson.build" >"$CLONE/meson.build"
  sed '/^$/,$d' "$SOURCE_DIR/tests/meson.build" >"$CLONE/tests/meson.build"
  cp "$SOURCE_DIR/tests/unit/meson.build" "$CLONE/tests/unit/"
  echo 'int main(void) { return 0; }' >"$CLONE/fs/main.c"
  echo "executable('cfcfs', 'main.c')" >"$CLONE/fs/meson.build"
  unit_test one 'assert_true(1)'
  unset CFCFS_TEST_FILTER
  export CFCFS_BUILD_DIR=$T/build
}
# unit_test NAME STATEMENT
unit_test() {
  cat >"$CLONE/tests/unit/$1_test.c" <<C
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
static void it(void **state)
{
	(void)state;
	$2;
}
int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
C
}
# A pkg-config folder that has all that this machine has, but for NAME.
without_library() {
  local dir=$T/pkgconfig pc
  mkdir -p "$dir"
  for pc in $(pkg-config --variable pc_path pkg-config | tr : ' '); do
    [ ! -d "$pc" ] || find "$pc" -name '*.pc' ! -name "$1.pc" -exec ln -sft "$dir" {} +
  done
  export PKG_CONFIG_LIBDIR=$dir
}
build_in() { (cd "$CLONE" && . tools/lib/common.sh && build "$@"); }

@test "a folder that was configured without cmocka gets the unit tests when cmocka has come" {
  without_library cmocka
  build_in "$CFCFS_BUILD_DIR" api/base/libbase.a
  # As it stands, tests that were expected and did not run are a failure, not silence.
  run "$CLONE/tools/test" unit
  assert_status 1
  assert_match "$output" "one_test: was not built"
  assert_equal "${lines[-1]}" "0 passed, 1 failed"
  # Now cmocka is there.
  unset PKG_CONFIG_LIBDIR
  run "$CLONE/tools/test" unit --filter one_test
  assert_status 0
  assert_equal "${lines[-1]}" "1 passed, 0 failed"
  grep -q 'library cmocka' "$CFCFS_BUILD_DIR/build.log" || fail "it does not say why it was configured: $(head -n 5 "$CFCFS_BUILD_DIR/build.log")"
  # And the next time nothing is configured.
  run "$CLONE/tools/test" unit --filter one_test
  assert_status 0
  assert_fails grep -q 'configured again' "$CFCFS_BUILD_DIR/build.log"
}

@test "another test, another compiler, another flag: configured again" {
  build_in "$CFCFS_BUILD_DIR" api/base/libbase.a
  unit_test two 'assert_true(0)'
  run "$CLONE/tools/test" unit --filter '^(one|two)_test'
  assert_status 1
  assert_equal "${lines[-1]}" "1 passed, 1 failed"
  CFLAGS=-DANOTHER build_in "$CFCFS_BUILD_DIR" api/base/libbase.a
  grep -q 'CFLAGS -DANOTHER' "$CFCFS_BUILD_DIR/build.log"
  grep -q -- -DANOTHER "$CFCFS_BUILD_DIR/build.ninja"
  printf '#!/bin/sh\nexec gcc "$@"\n' >"$T/other-cc" && chmod +x "$T/other-cc"
  CC=$T/other-cc build_in "$CFCFS_BUILD_DIR" api/base/libbase.a
  grep -qF "$T/other-cc" "$CFCFS_BUILD_DIR/build.ninja"
  CC=$T/other-cc build_in "$CFCFS_BUILD_DIR" api/base/libbase.a -- -Dwerror=true
  grep -q -- -Werror "$CFCFS_BUILD_DIR/build.ninja"
}

@test "a program that is missing is named before anything starts" {
  local tool
  mkdir "$T/bin"
  for tool in /usr/bin/* /usr/sbin/*; do
    # Not apt-get either: below, one that fails stands in its place.
    case ${tool##*/} in bats | rclone | shellcheck | apt-get) ;; *) ln -sf "$tool" "$T/bin/" ;; esac
  done
  [ ! -e "$T/bin/apt-get" ] || fail "that is the machine's own"
  printf '#!/bin/sh\nexit 1\n' >"$T/bin/apt-get" && chmod +x "$T/bin/apt-get"
  sed -i 's,PATH=$PATH:/usr/sbin:/sbin ,,' "$CLONE/tools/lib/packages.sh"
  for tool in 'test bats' 'bench rclone' 'lint shellcheck'; do
    run env PATH="$T/bin" "$CLONE/tools/${tool% *}"
    assert_status 1
    assert_match "$output" "${tool#* }|could not install"
    [ ! -e "$CFCFS_BUILD_DIR" ] || fail "tools/${tool% *} had begun to build"
  done
}

@test "a test that passes the second time has failed, and is called flaky" {
  # Written so that bats does not take them for tests of this file.
  printf '@%s "%s" {\n%s\n}\n' test sound true \
    test 'odd (the first time)' "[ -e '$T/seen' ] || { touch '$T/seen'; false; }" >"$CLONE/tests/bats/odd.bats"
  echo "project('odd', 'c')" >"$CLONE/meson.build" # what is built does not matter
  # The clock that bats sets each test is a process, which can miss that a test this short is over: then bats waits for its end.
  export BATS_TEST_TIMEOUT=10
  run "$CLONE/tools/test" odd
  assert_status 1
  assert_match "$output" "flaky - odd: odd \(the first time\)"
  assert_equal "${lines[-1]}" "1 passed, 1 failed"
  : >"$CLONE/tests/bats/empty.bats"
  run "$CLONE/tools/test" empty
  assert_equal "${lines[-1]}" "0 passed, 1 failed"
}

@test "what is built is hardened" {
  local program
  for program in "$BUILD/fs/cfcfs" "$BUILD/emulator/cfcfs-emulator"; do
    readelf -hldW --dyn-syms "$program" >"$T/elf"
    grep -q 'Type: *DYN' "$T/elf" || fail "$program is not position independent"
    grep -q GNU_RELRO "$T/elf" || fail "$program has no read-only relocations"
    grep -q BIND_NOW "$T/elf" || fail "$program is bound lazily"
    grep -Eq 'GNU_STACK .* RW ' "$T/elf" || fail "$program has an executable stack"
    grep -q __stack_chk_fail "$T/elf" || fail "$program has no stack protector"
    grep -Eq '__(mem|str|v?snprintf|v?fprintf)[a-z]*_chk' "$T/elf" || fail "$program is not fortified"
  done
}
