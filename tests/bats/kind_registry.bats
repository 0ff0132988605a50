#!/usr/bin/env bats
# Registries: written once, their private credential never shown.
load lib
load kinds

REG() { printf '%s' "$MNT/registries"; }
HUB='{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": "dckr_pat_0123456789"}}'

@test "registry: created, listed, read without the credential, its xattrs" {
  start_quick
  write "$(REG)/docker.io.json" "$HUB"
  assert_calls 1 POST /registries
  assert_equal "$(ls "$(REG)")" $'docker.io\ndocker.io.json\nregistry.cloudflare.com\nregistry.cloudflare.com.json'
  jq -e '.kind == "DockerHub" and .auth.public_credential == "acme"
    and (.auth.private_credential | keys) == ["secret_name", "store_id"]' "$(REG)/docker.io.json"
  assert_xattrs "$(REG)/docker.io.json" registry id created_at
  assert_equal "$(xattr "$(REG)/docker.io.json" id)" docker.io
  assert_equal "$(ls "$(REG)/docker.io")" credentials.json
  ! grep -rqF dckr_pat "$T/cfcfs.log" "$T/state" "$(REG)"/*.json || fail "the credential is somewhere"
}

@test "registry: the same again is a success without a call, something else is EPERM" {
  start_quick
  write "$(REG)/docker.io.json" "$HUB"
  cat "$(REG)/docker.io.json" >"$T/shown.json"
  clear_requests
  cp "$T/shown.json" "$(REG)/docker.io.json"
  assert_writes 0
  bad EPERM "$(REG)/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "other", "private_credential": {"store_id": "s", "secret_name": "n"}}}' 'remove'
  assert_sys EPERM rename "$(REG)/docker.io.json" "$(REG)/ghcr.io.json"
  rm "$(REG)/docker.io.json"
  assert_calls 1 DELETE /registries/docker.io
  assert_absent "$(REG)/docker.io.json"
  write "$(REG)/docker.io.json" "$HUB"
}

@test "registry: a reference to a secrets store, a public one, ECR and GAR" {
  start_quick
  write "$(REG)/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": {"store_id": "s1", "secret_name": "hub"}}}'
  sent POST /registries | jq -e '.domain == "docker.io" and .auth.private_credential.store_id == "s1"'
  write "$(REG)/123456789012.dkr.ecr.us-east-1.amazonaws.com.json" '{"kind": "ECR", "auth": {"public_credential": "AKIA", "private_credential": {"store_id": "s1", "secret_name": "aws"}}}'
  write "$(REG)/europe-docker.pkg.dev.json" '{"kind": "GAR", "auth": {"public_credential": "robot", "private_credential": {"store_id": "s1", "secret_name": "gar"}}}'
  write "$(REG)/ghcr.io.json" '{"is_public": true}'
  assert_equal "$(ls "$(REG)" | grep -c 'json$')" 5
  # Now images may come from there.
  write "$APPS/app.json" '{"instances": 0, "max_instances": 5, "configuration": {"image": "ghcr.io/acme/app:v1"}}'
}

@test "registry: the managed one is there, cannot be removed or changed, and is not declared" {
  start_quick
  assert_exists "$(REG)/registry.cloudflare.com.json"
  assert_sys EPERM unlink "$(REG)/registry.cloudflare.com.json"
  bad EPERM "$(REG)/registry.cloudflare.com.json" "$HUB" 'managed registry'
  bad EPERM "$(REG)/registry.cloudflare.com.json" '{"is_public": true}' 'managed registry'
  bad EINVAL "$(REG)/registry.cloudflare.com.json" '{"kind": }' 'line'
  # As it is: by a copy of the whole tree, say.
  cat "$(REG)/registry.cloudflare.com.json" >"$T/managed.json"
  clear_requests
  cp "$T/managed.json" "$(REG)/registry.cloudflare.com.json"
  jq -c . "$T/managed.json" >"$T/oneline.json"
  cp "$T/oneline.json" "$(REG)/registry.cloudflare.com.json"
  jq '.domain = "registry.cloudflare.com"' "$T/managed.json" >"$T/named.json"
  cp "$T/named.json" "$(REG)/registry.cloudflare.com.json"
  assert_writes 0
  umount_cfcfs
  mount_cfcfs -o view=spec
  assert_equal "$(ls "$(REG)")" ''
}

@test "registry: each kind of bad document is refused" {
  start_quick
  local f
  f=$(REG)/docker.io.json
  bad EINVAL "$f" '{"kind": "DockerHub"}' 'auth'
  bad EINVAL "$f" '{"is_public": true, "auth": {"public_credential": "a", "private_credential": "b"}}' 'is_public' 'auth'
  bad EINVAL "$f" '{"kind": "Quay", "is_public": true}' 'kind' 'DockerHub'
  bad EINVAL "$f" '{"auth": {"private_credential": "b"}}' 'auth.public_credential' 'missing'
  bad EINVAL "$f" '{"auth": {"public_credential": "a"}}' 'auth.private_credential' 'missing'
  bad EINVAL "$f" '{"auth": {"public_credential": "a", "private_credential": 5}}' 'auth.private_credential'
  bad EINVAL "$f" '{"auth": {"public_credential": "a", "private_credential": {"store_id": "x"}}}' 'secret_name'
  bad EINVAL "$f" '{"domain": "ghcr.io", "is_public": true}' 'domain' 'docker.io'
  bad EINVAL "$f" '{"is_public": "yes"}' 'is_public'
  refused EINVAL "$(REG)/not_a_domain.json" '{"is_public": true}' VALIDATE_INPUT 'domain'
  assert_equal "$(ls "$(REG)")" $'registry.cloudflare.com\nregistry.cloudflare.com.json'
  assert_absent "$MNT/.cfcfs/rejected/registries/nothing"
}

@test "registry: the kind is that of the domain" {
  start_quick
  local ref='"auth": {"public_credential": "a", "private_credential": {"store_id": "s", "secret_name": "n"}}' f
  local ecr=123456789012.dkr.ecr.eu-west-1.amazonaws.com
  bad EINVAL "$(REG)/$ecr.json" "{\"kind\": \"DockerHub\", $ref}" kind ECR "$ecr"
  bad EINVAL "$(REG)/docker.io.json" "{\"kind\": \"GAR\", $ref}" kind DockerHub
  bad EINVAL "$(REG)/europe-docker.pkg.dev.json" "{\"kind\": \"ECR\", $ref}" kind GAR
  bad EINVAL "$(REG)/ghcr.io.json" "{\"kind\": \"DockerHub\", $ref}" kind ghcr.io
  for f in "$ecr:ECR" docker.io:DockerHub europe-docker.pkg.dev:GAR; do
    write "$(REG)/${f%:*}.json" "{\"kind\": \"${f#*:}\", $ref}"
  done
  mkdir -p "$T/registries"
  echo "{\"kind\": \"DockerHub\", $ref}" >"$T/registries/ghcr.io.json"
  run "$CFCFS" --check "$T/registries/ghcr.io.json"
  assert_status 1
  assert_match "$output" 'kind'
}

@test "registry: what the service as it is refuses is told by its field" {
  start_quick --profile live
  local ref='"auth": {"public_credential": "a", "private_credential": {"store_id": "s", "secret_name": "n"}}'
  refused EINVAL "$(REG)/docker.io.json" '{"kind": "DockerHub", "is_public": true}' is_public false
  refused EINVAL "$(REG)/docker.io.json" "{$ref}" kind required
  refused EINVAL "$(REG)/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "a", "private_credential": "text"}}' \
    auth.private_credential reference
  write "$(REG)/docker.io.json" "{\"kind\": \"DockerHub\", \"is_public\": false, $ref}"
}
