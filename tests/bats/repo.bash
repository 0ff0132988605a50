# shellcheck shell=bash
# A repository of documents, as people keep it in git, and what the tests that sync it share.

KEY_ANNA='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna@example.com'

# make_repo DIR [APPLICATIONS] : applications, deployments, secrets, keys, registries, protocols and defaults that refer to
# each other. Times are whole seconds in the past, as a checkout's are.
make_repo() {
  local dir=$1 count=${2:-3} n
  mkdir -p "$dir"/{applications,deployments,secrets,ssh-keys,registries,registry-protocols,account}
  printf 'the-password\n' >"$dir/secrets/db-password"
  printf 'the-api-key\n' >"$dir/secrets/api-key"
  printf '%s\n' "$KEY_ANNA" >"$dir/ssh-keys/anna.pub"
  cat >"$dir/registries/docker.io.json" <<'JSON'
{
  "kind": "DockerHub",
  "auth": {
    "public_credential": "acme",
    "private_credential": { "store_id": "0123456789abcdef0123456789abcdef", "secret_name": "docker-token" }
  }
}
JSON
  echo '{ "domains": [ { "domain": "docker.io", "path": "acme" } ] }' >"$dir/registry-protocols/acme.json"
  echo '{ "vcpus": 0.25, "memory_mib": 1024, "disk_mb": 4000 }' >"$dir/account/defaults.json"
  for ((n = 1; n <= count; n++)); do
    cat >"$dir/applications/app-$n.json" <<JSON
{
  "scheduling_policy": "default",
  "instances": 1,
  "max_instances": 5,
  "configuration": {
    "image": "registry.cloudflare.com/app:v1",
    "instance_type": "lite",
    "ssh_public_key_ids": ["ssh-keys/anna.pub"],
    "secrets": [{ "name": "PASSWORD", "type": "env", "secret": "db-password" }],
    "environment_variables": [{ "name": "NUMBER", "value": "$n" }]
  }
}
JSON
  done
  cat >"$dir/deployments/probe.json" <<'JSON'
{
  "image": "docker.io/acme/probe:v1",
  "location": "lhr01",
  "instance_type": "lite",
  "labels": [{ "name": "team", "value": "network" }]
}
JSON
  find "$dir" -type f -exec touch -d '2026-01-02 03:04:05' {} +
}

# sync_first REPO MNT : what others refer to goes first; a secret is never deleted by a sync.
sync_first() {
  rsync -a "$1/secrets/" "$2/secrets/" &&
    rsync -a "$1/ssh-keys/" "$2/ssh-keys/" &&
    rsync -a "$1/registries/" "$2/registries/" &&
    rsync -a "$1/registry-protocols/" "$2/registry-protocols/"
}
sync_all() { rsync -a --delete --exclude=/secrets "$1/" "$2/"; }

count_reads() { requests 'select(.method == "GET") | .method' | wc -l; }
assert_reads_at_most() {
  local got
  got=$(count_reads)
  ((got <= $1)) || fail "$got reads, at most $1 wanted:"$'\n'"$(requests 'select(.method == "GET") | .path')"
}
