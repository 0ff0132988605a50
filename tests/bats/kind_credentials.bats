#!/usr/bin/env bats
# registries/DOMAIN/credentials.json: a request goes in, the credentials come out until they expire.
load lib
load kinds

C() { printf '%s' "$MNT/registries/registry.cloudflare.com/credentials.json"; }

@test "credentials: empty before, the answer after a request, kept in memory only" {
  start_quick
  assert_equal "$(stat -c '%a %s' "$(C)")" '600 0'
  assert_equal "$(cat "$(C)")" ''
  clear_requests
  echo '{"permissions": ["pull", "push"], "expiration_minutes": 15}' >"$(C)"
  assert_writes 1
  assert_calls 1 POST /registries/registry.cloudflare.com/credentials
  jq -e --arg a "$ACCOUNT" '.account_id == $a and .registry_host == "registry.cloudflare.com" and (.username | length) > 0
    and (.password | length) > 0' "$(C)"
  local password
  password=$(jq -r .password "$(C)")
  assert_equal "$(jq -r .password "$(C)")" "$password"
  assert_writes 1
  echo '{"permissions": ["pull"], "expiration_minutes": 5}' >"$(C)"
  [ "$(jq -r .password "$(C)")" != "$password" ] || fail "the credentials are the old ones"
  password=$(jq -r .password "$(C)")
  ! grep -rqF -- "$password" "$T/cfcfs.log" "$T/state" || fail "the password is on disk"
  umount_cfcfs
  mount_cfcfs
  assert_equal "$(cat "$(C)")" ''
  assert_sys EPERM unlink "$(C)"
}

@test "credentials: each kind of bad request is refused, and the managed registry needs both fields" {
  start_quick
  bad EINVAL "$(C)" '{}' 'permissions'
  bad EINVAL "$(C)" '{"permissions": ["pull"]}' 'expiration_minutes' 'missing'
  bad EINVAL "$(C)" '{"permissions": ["own"], "expiration_minutes": 5}' 'permissions\[0\]' 'library_push'
  bad EINVAL "$(C)" '{"permissions": "pull", "expiration_minutes": 5}' 'permissions' 'array'
  bad EINVAL "$(C)" '{"permissions": ["pull"], "expiration_minutes": 0}' 'expiration_minutes'
  bad EINVAL "$(C)" '{"permissions": ["pull"], "expiration_minutes": 5, "scope": "x"}' 'scope'
  assert_equal "$(cat "$(C)")" ''
  write "$MNT/registries/ghcr.io.json" '{"is_public": true}'
  refused EINVAL "$MNT/registries/ghcr.io/credentials.json" '{"permissions": ["pull"], "expiration_minutes": 5}' IMAGE_REGISTRY_IS_PUBLIC
}

@test "credentials: of an external registry" {
  start_quick
  write "$MNT/registries/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": "dckr_pat_0123456789"}}'
  echo '{"permissions": ["pull"], "expiration_minutes": 15}' >"$MNT/registries/docker.io/credentials.json"
  jq -e '.registry_host == "docker.io"' "$MNT/registries/docker.io/credentials.json"
  rm "$MNT/registries/docker.io.json"
  write "$MNT/registries/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": "dckr_pat_0123456789"}}'
}

@test "credentials: gone when they expire" {
  start_emulator
  mount_with_clock -o cache_ttl=0.3,status_ttl=0.2,delete_grace=0
  echo '{"permissions": ["pull"], "expiration_minutes": 1}' >"$(C)"
  jq -e .password "$(C)" >/dev/null
  pass 50
  jq -e .password "$(C)" >/dev/null
  pass 11
  assert_equal "$(cat "$(C)")" ''
  assert_equal "$(stat -c %s "$(C)")" 0
}
