#!/usr/bin/env bats
# Images of the managed registry: registries/DOMAIN/images/REPOSITORY/TAG.
load lib

DOMAIN=registry.cloudflare.com

# start_images [EMULATOR ARGUMENT...] : an emulator and a mount that knows its registry; OPTIONS are the mount's.
start_images() {
  start_emulator "$@"
  mount_images
}
mount_images() {
  mount_cfcfs -o "registry_url=${URL%/client/v4},${OPTIONS:-cache_ttl=60}"
  IMAGES=$MNT/registries/$DOMAIN/images
}
# push NAME TAG CONTENT : past the mount; prints the digest.
push() {
  local password
  password=$(api POST "/registries/$DOMAIN/credentials" '{"permissions": ["pull", "push"], "expiration_minutes": 5}' | jq -r .password)
  curl -sS --fail -k -X PUT -u "v1:$password" -D - -o /dev/null --data-binary "$3" "${URL%/client/v4}/v2/$ACCOUNT/$1/manifests/$2" |
    sed -n 's/^docker-content-digest: \(.*\)\r$/\1/Ip'
}
calls() { requests 'select(.path | test("/v2/|credentials")) | "\(.method) \(.path)"'; }
# uses IMAGE [NAME] : an application with it, past the mount.
uses() {
  api POST /applications "{\"name\": \"${2:-user}\", \"scheduling_policy\": \"default\", \"instances\": 0, \"max_instances\": 1,
    \"configuration\": {\"image\": \"$1\", \"instance_type\": \"lite\"}}" >/dev/null
}

@test "ls and cat: the full reference, for one credential and one call of the catalogue" {
  start_images --seed sample
  ls "$MNT/registries/$DOMAIN" >/dev/null
  clear_requests
  assert_equal "$(ls "$IMAGES")" $'chat\nprobe\nreports\nweb'
  assert_equal "$(ls "$IMAGES/probe")" $'latest\nv1'
  assert_equal "$(cat "$IMAGES/web/v3")" "$DOMAIN/$ACCOUNT/web:v3"
  grep -r . "$IMAGES" >/dev/null
  ls -lR "$IMAGES" >/dev/null
  assert_equal "$(calls | wc -l)" 2
  assert_equal "$(calls | sed -n 2p)" '"GET /v2/_catalog"'
  refresh
  ls "$IMAGES/web" >/dev/null
  # The credential is still good.
  assert_equal "$(calls | grep -c POST)" 1
  assert_equal "$(stat -c %a "$IMAGES/web/v3")" 444
  assert_sys EACCES write "$IMAGES/web/v3" /dev/null
  assert_sys ENOENT stat "$IMAGES/web/v9"
  assert_sys ENOENT stat "$IMAGES/nothing"
  assert_equal "$(tail -n 1 "$MNT/.cfcfs/errors.jsonl" | jq -r 'select(.errno != "EACCES")')" ''
}

@test "rm of a free tag takes it alone: its twin of the same digest stays" {
  start_images --seed sample
  local digest
  digest=$(xattr "$IMAGES/probe/v1" digest)
  assert_match "$digest" '^sha256:[0-9a-f]{64}$'
  assert_equal "$(xattr "$IMAGES/probe/latest" digest)" "$digest"
  clear_requests
  rm "$IMAGES/probe/latest"
  assert_calls 1 DELETE "/v2/$ACCOUNT/probe/manifests/latest"
  assert_calls 1 PUT /v2/gc/layers
  assert_absent "$IMAGES/probe/latest"
  assert_equal "$(ls "$IMAGES/probe")" v1
  refresh
  assert_equal "$(ls "$IMAGES/probe")" v1
  assert_equal "$(xattr "$IMAGES/probe/v1" digest)" "$digest"
  push free a '{"schemaVersion": 2, "n": 1}' >/dev/null
  push free b '{"schemaVersion": 2, "n": 2}' >/dev/null
  refresh
  rm -r "$IMAGES/free"
  assert_absent "$IMAGES/free"
  refresh
  assert_absent "$IMAGES/free"
}

@test "one in use is EBUSY, with the names: by tag, by digest, by a version, by a rollout" {
  start_images
  local digest n
  for n in tag digest version rollout free; do
    push app "$n" "{\"schemaVersion\": 2, \"n\": \"$n\"}" >"$T/$n"
  done
  digest=$(cat "$T/digest")
  uses "$DOMAIN/app:tag" by-tag
  uses "$DOMAIN/app@$digest" by-digest
  uses "$DOMAIN/app:version" by-version
  api PATCH "/applications/$(app_id by-version)" '{"configuration": {"image": "registry.cloudflare.com/other:v1"}}' >/dev/null
  uses "$DOMAIN/other:v1" by-rollout
  api PATCH "/applications/$(app_id by-rollout)" '{"max_instances": 5, "instances": 4}' >/dev/null
  api POST "/applications/$(app_id by-rollout)/rollouts" '{"description": "r", "strategy": "rolling", "kind": "full_manual",
    "steps": [{"step_size": {"percentage": 50}, "description": "a"}, {"step_size": {"percentage": 100}, "description": "b"}],
    "target_configuration": {"image": "registry.cloudflare.com/app:rollout"}}' >/dev/null
  refresh
  ls "$IMAGES/app" >/dev/null
  for n in tag digest version rollout; do
    assert_sys EBUSY unlink "$IMAGES/app/$n"
    assert_error "app:$n is used by applications/by-$n.json"
    assert_equal "$(xattr "$IMAGES/app/$n" used_by)" "applications/by-$n.json"
  done
  assert_calls 0 DELETE '*'
  run getfattr -n user.cfcfs.used_by "$IMAGES/app/free"
  assert_status 1
  rm "$IMAGES/app/free"
  assert_equal "$(ls "$IMAGES/app")" $'digest\nrollout\ntag\nversion'
}

@test "where it cannot be told who uses one, it stays" {
  start_images --seed sample
  OPTIONS=retries=0
  push free a '{"schemaVersion": 2}' >/dev/null
  refresh
  ls "$IMAGES/free" >/dev/null
  fault '{"method": "GET", "path": "/deployments/v2", "times": 50, "status": 500}'
  assert_sys EIO unlink "$IMAGES/free/a"
  assert_error 'whether deployments use free:a cannot be told'
  assert_calls 0 DELETE '*'
  clear_faults
  freed() { rm -f "$IMAGES/free/a"; }
  wait_until 30 "the list to be asked for again" freed
  assert_absent "$IMAGES/free/a"
}

@test "a catalogue of three pages, with a repository on two of them" {
  start_emulator
  seed '{"images": 40, "tags_per_image": 6}'
  mount_images
  ls -R "$IMAGES" >"$T/list"
  assert_calls 3 GET '/v2/_catalog'
  assert_equal "$(ls "$IMAGES" | wc -l)" 40
  assert_equal "$(find "$IMAGES" -type f | wc -l)" 280
}

@test "a slash in a name; the credential is made anew when it is over" {
  start_images
  push team/probe v1 '{"schemaVersion": 2}' >/dev/null
  refresh
  assert_equal "$(ls "$IMAGES")" team%2Fprobe
  assert_equal "$(cat "$IMAGES/team%2Fprobe/v1")" "$DOMAIN/$ACCOUNT/team/probe:v1"
  advance 1000
  refresh
  clear_requests
  assert_equal "$(ls "$IMAGES/team%2Fprobe")" v1
  assert_equal "$(requests 'select(.path == "/v2/_catalog") | .status' | tr '\n' ' ')" '401 200 '
  rm "$IMAGES/team%2Fprobe/v1"
  assert_equal "$(ls "$IMAGES")" ''
}

@test "not under ro, nor in view=spec, nor where no registry is known; nodelete keeps them" {
  start_emulator --seed sample
  local options
  for options in ro view=spec; do
    OPTIONS=$options mount_images
    assert_absent "$IMAGES"
    ls -lR "$MNT/registries" >/dev/null
    assert_equal "$(calls)" ''
    umount_cfcfs
  done
  mount_cfcfs
  assert_absent "$MNT/registries/$DOMAIN/images"
  umount_cfcfs
  OPTIONS=nodelete mount_images
  assert_sys EPERM unlink "$IMAGES/web/v2"
  assert_calls 0 DELETE '*'
}

@test "a service without a registry: no error of a walk, and then no directory" {
  start_images --seed sample --surface official
  ls -lR "$MNT/registries" >"$T/list"
  left_out() { ! ls "$MNT/registries/$DOMAIN" | grep -q images; }
  wait_until 30 "it to be left out" left_out
  ls -lR "$MNT/registries" >"$T/list"
  assert_equal "$(cat "$MNT/.cfcfs/errors.jsonl")" ''
  jq -e .kind "$MNT/registries/$DOMAIN.json"
}

@test "a catalogue that was seen and answers 404 is a failure: no empty or missing directory" {
  start_images --seed sample
  local before missing='{"method":"GET","path":"/v2/_catalog","times":100,"status":404,"body":"{\"errors\":[{\"code\":\"NOT_FOUND\"}]}"}'
  before=$(ls "$IMAGES")
  [ -n "$before" ]
  fault "$missing"
  refresh
  run -2 ls "$IMAGES"
  assert_error EIO
  assert_exists "$IMAGES"
  # Nor for the next mount of this state.
  umount_cfcfs
  mount_images
  run -2 ls "$IMAGES"
  assert_error EIO
  clear_faults
  refresh
  assert_equal "$(ls "$IMAGES")" "$before"
}
