#!/usr/bin/env bats
# The managed registry's own API in the emulator: credentials, the catalogue, tags and digests.
load lib

setup() {
  setup_base
  set -o pipefail
}

# password [PERMISSION...] : new credentials; prints the password.
password() {
  local words
  words=$(jq -nc '$ARGS.positional' --args "${@:-pull}")
  api POST "/registries/${HOST:-registry.cloudflare.com}/credentials" "{\"permissions\": $words, \"expiration_minutes\": 5}" | jq -r .password
}
# v2 METHOD PATH [PASSWORD] [BODY] : the status; the body is in $T/v2, the headers in $T/v2.head.
v2() {
  local how=(-X "$1")
  [ "$1" != HEAD ] || how=(-I)
  curl -s -k -o "$T/v2" -D "$T/v2.head" -w '%{http_code}' "${how[@]}" ${3:+-u "v1:$3"} ${4:+-d "$4"} "${URL%/client/v4}/v2/$2"
}
header() { sed -n "s/^$1: \\(.*\\)\\r\$/\\1/Ip" "$T/v2.head"; }

@test "images: credentials are asked for, hold for what they were made for, and end" {
  start_emulator --seed sample
  local pull push other
  assert_equal "$(v2 GET '_catalog?tags=true')" 401
  assert_match "$(header WWW-Authenticate)" '^Basic'
  jq -e '.errors[0].code == "UNAUTHORIZED"' "$T/v2"
  assert_equal "$(v2 GET _catalog nonsense)" 401
  pull=$(password pull)
  assert_equal "$(v2 GET '' "$pull")" 200
  assert_equal "$(v2 GET '_catalog?tags=true' "$pull")" 200
  jq -e --arg a "$ACCOUNT" '.repositories == {"\($a)/chat": ["v7"], "\($a)/probe": ["latest", "v1"], "\($a)/reports": ["v12"], "\($a)/web": ["v2", "v3"]}' "$T/v2"
  assert_equal "$(v2 DELETE "$ACCOUNT/web/manifests/v2" "$pull")" 403
  assert_equal "$(v2 HEAD "${ACCOUNT//0/1}/web/manifests/v2" "$pull")" 403
  assert_equal "$(v2 GET _catalog "${pull%?}x")" 401
  push=$(password pull push)
  advance 301
  assert_equal "$(v2 DELETE "$ACCOUNT/web/manifests/v2" "$push")" 401
  # A client that was told this host for the registry asks for credentials by its name.
  local at=${URL#*://}
  other=$(HOST=${at%%/*} password pull)
  assert_equal "$(v2 GET _catalog "$other")" 200
}

@test "images: a tag goes alone, a digest takes every tag of it along" {
  start_emulator --seed sample
  local push digest
  push=$(password pull push)
  assert_equal "$(v2 HEAD "$ACCOUNT/probe/manifests/v1" "$push")" 200
  digest=$(header Docker-Content-Digest)
  assert_match "$digest" '^sha256:[0-9a-f]{64}$'
  assert_equal "$(v2 HEAD "$ACCOUNT/probe/manifests/latest" "$push")" 200
  assert_equal "$(header Docker-Content-Digest)" "$digest"
  assert_equal "$(v2 DELETE "$ACCOUNT/probe/manifests/v1" "$push")" 202
  assert_equal "$(v2 HEAD "$ACCOUNT/probe/manifests/v1" "$push")" 404
  assert_equal "$(v2 HEAD "$ACCOUNT/probe/manifests/latest" "$push")" 200
  assert_equal "$(v2 PUT "$ACCOUNT/team/probe/manifests/v1" "$push" '{"schemaVersion": 2}')" 201
  assert_equal "$(v2 PUT "$ACCOUNT/team/probe/manifests/v2" "$push" '{"schemaVersion": 2}')" 201
  digest=$(header Docker-Content-Digest)
  assert_equal "$(v2 GET "$ACCOUNT/team/probe/manifests/$digest" "$push")" 200
  jq -e '.schemaVersion == 2' "$T/v2"
  assert_equal "$(v2 DELETE "$ACCOUNT/team/probe/manifests/$digest" "$push")" 202
  assert_equal "$(v2 GET "$ACCOUNT/team/probe/manifests/v2" "$push")" 404
  assert_equal "$(v2 PUT gc/layers "$push")" 200
  assert_equal "$(requests 'select(.path == "/v2/gc/layers").status')" 200
}

@test "images: a catalogue of several pages, a repository on two of them" {
  start_emulator
  seed '{"images": 40, "tags_per_image": 6}'
  local push path='_catalog?tags=true' pages=0
  push=$(password pull)
  : >"$T/all"
  while [ -n "$path" ]; do
    assert_equal "$(v2 GET "$path" "$push")" 200
    jq -c '.repositories | to_entries[] | .key as $k | .value[] | [$k, .]' "$T/v2" >>"$T/all"
    jq -r '.repositories | keys[]' "$T/v2" >>"$T/names"
    path=$(header Link | sed -n 's|^</v2/\(.*\)>; rel="next"$|\1|p')
    pages=$((pages + 1))
  done
  assert_equal "$pages" 3
  assert_equal "$(sort -u "$T/all" | wc -l)" 280
  assert_equal "$(wc -l <"$T/all")" 280
  (($(wc -l <"$T/names") == 42)) || fail "$(wc -l <"$T/names") repositories, wanted 40 and two that stand on two pages"
}

@test "images: faults reach the registry too, and the official surface has none" {
  start_emulator
  fault '{"path": "/v2/*", "times": 1, "status": 503, "body": "<html>"}'
  local pull
  pull=$(password pull)
  assert_equal "$(v2 GET _catalog "$pull")" 503
  assert_equal "$(v2 GET _catalog "$pull")" 200
  stop_emulator
  start_emulator --surface official
  pull=$(password pull)
  assert_equal "$(v2 GET _catalog "$pull")" 404
}
