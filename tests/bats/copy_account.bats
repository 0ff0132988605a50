#!/usr/bin/env bats
# A copy of one account's view=spec tree into an empty account recreates everything.
# profiles: ideal live
load lib
load kinds

OTHER=fedcba9876543210fedcba9876543210
KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna'

fill() {
  echo "$KEY" >"$MNT/ssh-keys/anna.pub"
  printf 'value' | tee "$MNT/secrets/db" >/dev/null
  write "$MNT/registries/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": {"store_id": "s1", "secret_name": "hub"}}}'
  write "$MNT/registry-protocols/corp.json" '{"domains": [{"domain": "docker.io", "path": "acme"}]}'
  web_json "$T/web.json" '.configuration += {ssh_public_key_ids: ["ssh-keys/anna.pub"], secrets: [{type: "env", name: "DB", secret: "db"}]}'
  cp "$T/web.json" "$APPS/web.json"
  write "$APPS/corp.json" '{"instances": 1, "max_instances": 5, "configuration": {"image": "corp://app:v1", "instance_type": "lite"}}'
  write "$APPS/100%25.json" '{"instances": 0, "max_instances": 5, "jobs": true, "configuration": {"image": "docker.io/acme/app:v1", "instance_type": "lite"}}'
  write "$APPS/room.json" '{"instances": 0, "max_instances": 5, "configuration": {"image": "chat:v1", "instance_type": "lite"},
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}'
  write "$MNT/deployments/probe.json" '{"image": "probe:v1", "location": "lhr01", "instance_type": "lite", "ssh_public_key_ids": ["ssh-keys/anna.pub"], "labels": [{"name": "team", "value": "net"}]}'
  echo '{"vcpus": 0.125, "memory_mib": 512, "disk_mb": 3000}' >"$MNT/account/defaults.json"
}
listing() { (cd "$1" && find . -type f | sort); }

@test "copy: secrets by hand, then keys and registries, then the rest" {
  start
  fill
  umount_cfcfs
  # Nothing is remembered: the documents are the account's own.
  rm -rf "$T/state"
  mount_cfcfs -o view=spec
  mkdir "$T/repo"
  cp -r "$MNT"/{account,applications,deployments,registries,registry-protocols,ssh-keys} "$T/repo"
  ! grep -rqF "$ACCOUNT" "$T/repo" || fail "a file holds the account's id"
  listing "$MNT" >"$T/before"

  local at=$T/other
  ACCOUNT=$OTHER MOUNT_AT=$at mount_cfcfs -o view=spec
  printf 'value' | tee "$at/secrets/db" >/dev/null
  cp -r "$T/repo"/{ssh-keys,registries,registry-protocols} "$at"
  cp -r "$T/repo"/* "$at"
  listing "$at" >"$T/after"
  diff "$T/before" "$T/after"

  # Another mount of the copy shows what the first account has, file by file.
  fusermount3 -u "$at"
  ACCOUNT=$OTHER MOUNT_AT=$T/third mount_cfcfs -o view=spec,state_dir=$T/state3
  local file
  while read -r file; do
    [[ $file == ./secrets/* ]] || cmp "$T/repo/$file" "$T/third/$file"
  done <"$T/before"

  # The references are the other account's own, and so is the image.
  ACCOUNT=$OTHER app web | jq -e --arg a "$OTHER" --arg k "$(xattr "$T/third/ssh-keys/anna.pub" id)" \
    '.configuration.image == "registry.cloudflare.com/\($a)/app:v1" and .configuration.ssh_public_key_ids == [$k]'
  assert_equal "$(ACCOUNT=$OTHER app '100%' | jq .jobs)" true

  # And a second copy changes nothing.
  clear_requests
  cp -r "$T/repo"/* "$T/third"
  assert_writes 0
}

@test "copy: into an account without the secret the reason is told, and nothing is half made" {
  start
  fill
  mkdir "$T/repo"
  cp "$APPS/web.json" "$T/repo"
  local at=$T/other
  ACCOUNT=$OTHER MOUNT_AT=$at mount_cfcfs -o view=spec
  clear_requests
  assert_sys EINVAL write "$at/applications/web.json" "$T/repo/web.json"
  # The unknown key is refused before anything is sent.
  assert_writes 0
  MNT=$at assert_error EINVAL 'ssh-keys/anna.pub'
  echo "$KEY" >"$at/ssh-keys/anna.pub"
  assert_sys EINVAL write "$at/applications/web.json" "$T/repo/web.json"
  MNT=$at assert_error EINVAL VALIDATE_INPUT 'db'
  assert_equal "$(ls "$at/applications")" ''
}
