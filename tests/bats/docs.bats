#!/usr/bin/env bats
# The pages that a newcomer reads: what they show is what happens, with the account of the quick start.
load lib

# page FILE MINIMUM [OPTIONS] : its console blocks, in the mount; that many commands at least.
page() {
  local count
  start_emulator --profile live --seed sample --time-scale 5
  mount_cfcfs ${3:+-o "$3"}
  cd "$MNT" || fail "no mount"
  run python3 "$SOURCE_DIR/tests/bats/console.py" "$SOURCE_DIR/$1"
  cd /
  assert_status 0
  count=$output
  ((count >= $2)) || fail "only $count commands in $1"
}

@test "docs/TUTORIAL.md: the commands print what the page says" { page docs/TUTORIAL.md 20; }

@test "README.md: the session prints what the page says" { page README.md 15; }

# What the pictures of a terminal say; what differs from run to run, and with jq's version, is left out.
lines_of() {
  sed -n 's/^.*<text[^>]*>\(.*\)<\/text>$/\1/p' "$1" | sed -E 's/[0-9a-f]{8}-[0-9a-f-]{27}/…/; s/^.*: Invalid argument/…/'
}

@test "docs/session.svg: what the recording shows is what happens, and it needs nothing from elsewhere" {
  "$SOURCE_DIR/tools/recording" "$T/session.svg"
  [ "$(lines_of "$T/session.svg" | wc -l)" -gt 40 ]
  diff <(lines_of "$SOURCE_DIR/docs/session.svg") <(lines_of "$T/session.svg") || fail "tools/recording draws another"
  python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$SOURCE_DIR/docs/session.svg"
  assert_fails grep -E 'https?://[^w]|<script|<image|@import|url\([^#]' "$SOURCE_DIR/docs/session.svg"
  (($(stat -c %s "$SOURCE_DIR/docs/session.svg") < 200000))
}

# What is linked to is there.
@test "docs: no link leads nowhere" {
  local file link missing=''
  for file in "$SOURCE_DIR"/*.md "$SOURCE_DIR"/docs/*.md "$SOURCE_DIR"/packaging/oci/*.md; do
    while read -r link; do
      [ -e "$(dirname "$file")/$link" ] || missing+="${file#"$SOURCE_DIR"/}: $link"$'\n'
    done < <(grep -oE '\]\([^)#: ]+' "$file" | cut -c3- | grep -v '^http')
  done
  [ -z "$missing" ] || fail "$missing"
}
