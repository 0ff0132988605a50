#!/usr/bin/env bats
# Names of all sorts list, read, update and delete; two resources of one name both show.
load lib

LONG=$(printf 'n%.0s' {1..300})
# The identity and its file name, without ".json".
declare -gA FILE=(
  ['two words']='two words'
  ['100% sure']='100%25 sure'
  ['Grüße-日本-😀']='Grüße-日本-😀'
  ['.hidden']='%2Ehidden'
  ['site.json']='site%2Ejson'
  ['a/b']='a%2Fb'
  ['v1.2.3']='v1.2.3'
  ["quote\"and'back\\slash"]="quote\"and'back\\slash"
  ['-dash']='-dash'
  ['file~12345678']='file%7E12345678'
  ['#hash#x']='#hash#x'
)

# Through the API, past the mount.
make() { api POST /applications "$(jq --arg name "$1" '.name = $name' "$T/web.json")" >/dev/null; }

setup() {
  setup_base
  web_json "$T/web.json"
}

# whole_life NAME FILE : read, update, delete of the application that is there.
whole_life() {
  local name=$1 file=$2 id
  id=$(app_id "$name")
  [ -n "$id" ] || fail "the API has no application named $name"
  assert_exists "$file"
  assert_equal "$(jq .instances "$file")" 2
  assert_equal "$(jq -r .id "${file%.json}/status.json")" "$id"
  sed -i 's/"instances": 2/"instances": 3/' "$file"
  assert_equal "$(app "$name" | jq -r '"\(.id) \(.instances)"')" "$id 3"
  assert_equal "$(jq .instances "$file")" 3
  rm "$file"
  assert_absent "$file"
  sync "$APPS"
  assert_calls 1 DELETE "/applications/$id"
  clear_requests
}

@test "spaces, percent, Unicode, a leading dot, .json at the end: made by the API" {
  start_emulator
  local name
  for name in "${!FILE[@]}"; do make "$name"; done
  mount_cfcfs -o max_delete=1000
  for name in "${FILE[@]}"; do printf '%s\n%s.json\n' "$name" "$name"; done | LC_ALL=C sort >"$T/want"
  ls -A "$APPS" | LC_ALL=C sort | diff - "$T/want"
  for name in "${!FILE[@]}"; do whole_life "$name" "$APPS/${FILE[$name]}.json"; done
  assert_equal "$(ls -A "$APPS")" ''
}

@test "spaces, percent, Unicode, a leading dot, .json at the end: made by cp" {
  start -o max_delete=1000
  local name
  for name in "${!FILE[@]}"; do
    cp "$T/web.json" "$APPS/${FILE[$name]}.json"
    cmp "$T/web.json" "$APPS/${FILE[$name]}.json"
  done
  app_names | LC_ALL=C sort >"$T/got"
  printf '%s\n' "${!FILE[@]}" | LC_ALL=C sort | diff "$T/got" -
  for name in "${!FILE[@]}"; do whole_life "$name" "$APPS/${FILE[$name]}.json"; done
}

@test "a name of 300 bytes: a cut file name, the whole name in the document" {
  start_emulator
  make "$LONG"
  make "${LONG}x"
  make "$(printf 'ü%.0s' {1..150})"
  mount_cfcfs
  ls "$APPS" | grep '\.json$' >"$T/names"
  assert_equal "$(wc -l <"$T/names")" 3
  local file name
  while IFS= read -r file; do
    assert_equal "$(printf '%s' "$file" | wc -c | awk '{ print ($1 <= 255) }')" 1 "a file name over 255 bytes"
    printf '%s' "$file" | iconv -f utf-8 -t utf-8 >/dev/null
    name=$(jq -r .name "$APPS/$file")
    assert_equal "$(printf '%s' "$name" | wc -c | awk '{ print ($1 >= 300) }')" 1 "the document lacks the whole name"
    # Written back as it is: nothing.
    cp "$APPS/$file" "$T/copy.json"
    clear_requests
    cp "$T/copy.json" "$APPS/$file"
    assert_writes 0
    whole_life "$name" "$APPS/$file"
  done <"$T/names"
  assert_equal "$(ls "$APPS")" ''
}

@test "a cut name can be made again, by the document that it had, and by no other" {
  start_emulator
  make "$LONG"
  mount_cfcfs -o delete_grace=0
  local file
  file=$(ls "$APPS" | grep 'json$')
  cp "$APPS/$file" "$T/saved.json"
  rm "$APPS/$file"
  advance 60
  refresh
  jq 'del(.name)' "$T/saved.json" >"$T/nameless.json"
  assert_sys EINVAL write "$APPS/$file" "$T/nameless.json"
  assert_error 'whole name'
  cp "$T/saved.json" "$APPS/$file"
  assert_equal "$(app_names)" "$LONG"
}

@test "a rename to a name that must be encoded, and back" {
  start
  cp "$T/web.json" "$APPS/web.json"
  mv "$APPS/web.json" "$APPS/100%25.json"
  assert_equal "$(app_names)" '100%'
  mv "$APPS/100%25.json" "$APPS/.web.json" # a dot-name is scratch: an editor's backup, not a rename
  assert_equal "$(app_names)" '100%'
  mv "$APPS/.web.json" "$APPS/100%25.json"
  mv "$APPS/100%25.json" "$APPS/%2Eweb.json"
  assert_equal "$(app_names)" '.web'
}

@test "a file name that no identity has is refused" {
  start
  assert_fails cp "$T/web.json" "$APPS/a%zz.json"
  assert_fails cp "$T/web.json" "$APPS/a%41.json"
  assert_sys ENAMETOOLONG write "$APPS/$LONG.json" "$T/web.json"
  assert_absent "$APPS/a%41.json"
  assert_writes 0
}

@test "two applications of one name both show" {
  start_emulator
  seed '{"applications":3,"duplicate_names":2}'
  mount_cfcfs
  api GET '/applications' >"$T/all.json"
  local total name file id
  total=$(jq length "$T/all.json")
  name=$(jq -r 'group_by(.name) | map(select(length > 1))[0][0].name' "$T/all.json")
  [ "$name" != null ] || fail "the emulator has no two applications of one name"
  assert_equal "$(ls "$APPS" | grep -c '\.json$')" "$total"
  # Each file is another one, and the oldest has the name.
  for file in "$APPS"/*.json; do jq -r .id "${file%.json}/status.json"; done | sort >"$T/ids"
  jq -r '.[].id' "$T/all.json" | sort | diff "$T/ids" -
  id=$(jq -r --arg name "$name" 'map(select(.name == $name)) | sort_by(.created_at)[0].id' "$T/all.json")
  jq -r --arg name "$name" '.[] | select(.name == $name) | .id' "$T/all.json" >"$T/twins"
  assert_equal "$(jq -r .id "$APPS/$name/status.json")" "$id"
  while read -r id; do
    [ "$id" = "$(jq -r .id "$APPS/$name/status.json")" ] || assert_exists "$APPS/$name~${id:0:8}.json"
  done <"$T/twins"
  # A change of one is a change of that one.
  id=$(jq -r --arg name "$name" 'map(select(.name == $name)) | sort_by(.created_at)[-1].id' "$T/all.json")
  clear_requests
  file=$APPS/$name~${id:0:8}.json
  jq '.instances = 0 | .max_instances = 77' "$file" >"$T/new.json"
  cp "$T/new.json" "$file"
  assert_calls 1 PATCH "/applications/$id"
  rm "$APPS/$name.json"
  sync "$APPS"
  assert_calls 0 DELETE "/applications/$id"
  assert_calls 1 DELETE '/applications/*'
  refresh
  assert_equal "$(ls "$APPS" | grep -c '\.json$')" $((total - 1))
}

@test "a name that is not allowed is EBADMSG from rename, EINVAL from create, and the text says what to write" {
  start
  cp "$T/web.json" "$APPS/loop.json"
  clear_requests
  local name
  declare -A want=(
    ['x%.json']='x%25.json'
    ['100%41.json']='100%2541.json'
    ['a.json.json']='a%2Ejson.json'
    ['~12345678.json']='%7E12345678.json'
    ['web~12345678.json']='web%7E12345678.json'
    [$'a\nb.json']='a%0Ab.json'
  )
  for name in "${!want[@]}"; do
    assert_sys EBADMSG rename "$APPS/loop.json" "$APPS/$name"
    assert_error EBADMSG "write '${want[$name]}'"
    assert_sys EINVAL create "$APPS/$name"
    assert_error EINVAL "write '${want[$name]}'"
    # A scratch file stays where the name is refused.
    cp "$T/web.json" "$APPS/.scratch"
    assert_sys EBADMSG rename "$APPS/.scratch" "$APPS/$name"
    assert_exists "$APPS/.scratch"
  done
  run mv "$APPS/loop.json" "$APPS/x%.json"
  assert_match "$output" 'Bad message'
  assert_writes 0
  # What the text says works.
  mv "$APPS/loop.json" "$APPS/x%25.json"
  assert_equal "$(app_names)" 'x%'
}

@test "whole names at the edge of 255 bytes: made by cp, and made again from what was read" {
  start -o delete_grace=0,max_delete=1000
  local length name file
  for length in 249 250 251; do
    name=$(printf 'n%.0s' $(seq "$length"))
    file=$name.json
    if ((length > 250)); then
      # Its file name would be longer than the kernel takes: it is made by its document alone.
      assert_sys ENAMETOOLONG write "$APPS/$file" "$T/web.json"
      make "$name"
      refresh
      file=$(ls "$APPS" | grep '\.json$')
      ((${#file} <= 255))
    else
      cp "$T/web.json" "$APPS/$file"
    fi
    assert_equal "$(app_names)" "$name"
    cp "$APPS/$file" "$T/saved.json"
    rm "$APPS/$file"
    advance 60
    refresh
    assert_equal "$(app_names)" ''
    cp "$T/saved.json" "$APPS/.saved"
    mv "$APPS/.saved" "$APPS/$file"
    assert_equal "$(app_names)" "$name"
    assert_same_json "$T/saved.json" "$APPS/$file"
    sed -i 's/"instances": 2/"instances": 3/' "$APPS/$file"
    assert_equal "$(app "$name" | jq .instances)" 3
    rm "$APPS/$file"
    advance 60
    refresh
  done
}
