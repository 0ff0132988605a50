#!/usr/bin/env bats
# The manual: its tables are those of the table of kinds, each path has an example, and the examples work as printed.
load lib
load kinds

TABLE=$BUILD/tests/kinds-table
PAGE=$SOURCE_DIR/man/cfcfs.5

# examples : commands and what they print, of all .EX blocks, as a person sees them.
examples() {
  sed -n '/^\.EX$/,/^\.EE$/p' "$PAGE" | grep -v '^\.E[XE]$' | sed -e 's/\\-/-/g' -e 's/\\(aq/'"'"'/g' -e 's/\\e/\\/g' -e 's/\\&//g'
}
# commands : one a line, continued lines joined.
commands() { examples | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' | sed -n 's/^\$ //p'; }

@test "manual: the tables are what the table of kinds makes" {
  sed -n '/^\.\\" from here to \.TE: kinds-table tree$/,/^\.TE$/p' "$PAGE" | tail -n +2 | diff - <("$TABLE" tree)
  sed -n '/^\.\\" from here to the end of FIELDS: kinds-table fields$/,/^\.SH WRITING$/p' "$PAGE" | sed '1d;$d' |
    diff - <("$TABLE" fields)
}

@test "manual: every path of the tree has an example" {
  local path re missing=''
  commands >"$T/commands"
  while read -r path; do
    re=$(sed -e 's/[.]/\\./g' -e 's/\b[A-Z][A-Z]*\b/[^\/ ]+/g' <<<"$path")
    grep -Eq "(^|[ ><])$re( |\$|;)" "$T/commands" || missing+="$path "
  done < <("$TABLE" paths)
  [ -z "$missing" ] || fail "no example for: $missing"
}

# give FILE DOCUMENT : where an example prints a document of the account, the account is given it first.
give() { [ -e "$1" ] || printf '%s\n' "$2" >"$1" || fail "cannot write $1: $(last_error .message)"; }

@test "manual: the examples work as printed" {
  start_emulator --profile live --seed '{"applications":0}'
  mount_cfcfs -o rps=500,burst=5000
  mkdir "$HOME/.ssh"
  echo 'correct horse battery' >"$HOME/password.txt"
  echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna' >"$HOME/.ssh/id_ed25519.pub"
  echo '{"instances": 2' >"$HOME/bad.json"
  write "$MNT/deployments/address.json" '{"image": "a:1", "location": "lhr01", "network": {"mode": "public", "assign_ipv4": "predefined"}}'
  cd "$MNT"
  examples | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' >"$T/lines"
  local line command='' want='' n=0
  run_one() {
    local got status=0
    [ -n "$command" ] || return 0
    if [[ $command == "cat "*.json && $want == "{"* ]]; then
      give "${command#cat }" "$want"
      advance 30
      refresh
    fi
    got=$(timeout 20 bash -c "$command" 2>&1) || status=$?
    n=$((n + 1))
    if [[ $command == "timeout "* ]]; then
      [ "$status" = 124 ] || fail "$command ended: $status: $got"
    elif [[ $want == "cp: "* ]]; then
      [ "$status" != 0 ] || fail "$command: did not fail"
      [[ $got == *"Invalid argument"* ]] || fail "$command: $got"
    else
      [ "$status" = 0 ] || fail "$command: status $status: $got: $(last_error .message)"
      [ -z "$want" ] || [ "$got" = "$want" ] || fail "$command printed: $got; the manual says: $want"
    fi
  }
  while IFS= read -r line; do
    if [[ $line == '$ '* ]]; then
      run_one
      command=${line#\$ } want=''
    else
      want+=${want:+$'\n'}$line
    fi
  done <"$T/lines"
  run_one
  cd /
  ((n >= 40)) || fail "only $n examples"
}
