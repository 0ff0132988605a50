#!/usr/bin/env bats
# Every request of cfcfs and every answer of the emulator is held against the contract, docs/openapi.yaml.
load lib
load kinds

KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna'

# every OPERATION... : each was in an exchange.
every() {
  local missing
  missing=$(comm -23 <(printf '%s\n' "$@" | sort) <(jq -r '.operation // empty' "$T/report" | sort -u))
  [ -z "$missing" ] || fail "never asked: $missing"
}

fill() {
  echo "$KEY" >"$MNT/ssh-keys/anna.pub"
  printf 'value' | tee "$MNT/secrets/db" >/dev/null
  printf 'other' | tee "$MNT/secrets/db" >/dev/null
  write "$MNT/registries/docker.io.json" '{"kind": "DockerHub", "auth": {"public_credential": "acme", "private_credential": "dckr_pat_1"}}'
  write "$MNT/registries/123456789012.dkr.ecr.eu-west-1.amazonaws.com.json" \
    '{"kind": "ECR", "auth": {"public_credential": "AKIA1", "private_credential": {"store_id": "s1", "secret_name": "ecr"}}}'
  write "$MNT/registry-protocols/corp.json" '{"domains": [{"domain": "docker.io", "path": "acme"}]}'
  write "$MNT/registry-protocols/corp.json" '{"domains": [{"domain": "docker.io", "path": "other"}]}'
  web_json "$T/web.json" '. + {constraints: {regions: ["WEUR"]}, affinities: {colocation: "datacenter"}, observability: {logs: {enabled: true}},
      rollout_active_grace_period: 10}
    | .configuration += {ssh_public_key_ids: ["ssh-keys/anna.pub"], secrets: [{type: "env", name: "DB", secret: "db"}],
      wrangler_ssh: {enabled: true}, command: ["serve"], dns: {servers: ["1.1.1.1"]},
      checks: [{type: "http", http: {method: "GET", path: "/up"}, port: "80", interval: "10s", timeout: "2s", kind: "health"}]}'
  cp "$T/web.json" "$APPS/web.json"
  write "$APPS/batch.json" '{"instances": 0, "max_instances": 1, "jobs": true, "configuration": {"image": "reports:v1", "instance_type": "lite"}}'
  write "$APPS/batch/jobs/one.json" '{"entrypoint": ["/bin/x"], "command": [], "secrets": [{"type": "env", "name": "K", "value": "v"}], "environment_variables": [{"name": "A", "value": "b"}]}'
  write "$APPS/room.json" '{"instances": 0, "max_instances": 5, "configuration": {"image": "chat:v1", "instance_type": "lite"},
    "durable_objects": {"namespace_id": "5f0c1d9a7b3e4826a1c4d8f2b6e09375"}}'
  write "$APPS/objects.json" '{"scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "C"}}'
  write "$MNT/deployments/probe.json" '{"image": "probe:v1", "location": "lhr01", "instance_type": "lite", "network": {"mode": "public", "assign_ipv4": "predefined"},
    "labels": [{"name": "team", "value": "net"}], "checks": [{"type": "tcp", "port": "80", "interval": "1s", "timeout": "1s", "kind": "ready"}]}'
  echo '{"memory_mib": 512}' >"$MNT/account/defaults.json"
}

change() {
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  mv "$APPS/web.json" "$APPS/site.json"
  jq 'del(.constraints, .configuration.dns)' "$APPS/site.json" >"$T/site.json"
  cp "$T/site.json" "$APPS/site.json"
  write "$APPS/site/rollouts/again.json" '{"description": "d", "strategy": "rolling", "kind": "full_manual", "step_percentage": 50, "target_configuration": {"image": "app:v3"}}'
  echo next >"$APPS/site/rollouts/again/action"
  echo revert >"$APPS/site/rollouts/again/action"
  echo terminate >"$APPS/batch/jobs/one/action"
  sed -i 's/probe:v1/probe:v2/' "$MNT/deployments/probe.json"
  mv "$MNT/deployments/probe.json" "$MNT/deployments/named.json"
  echo replace >"$MNT/deployments/named/action"
  echo recreate >"$MNT/deployments/named/action"
  echo '{"permissions": ["pull"], "expiration_minutes": 5}' >"$MNT/registries/registry.cloudflare.com/credentials.json"
  local dir
  dir=$(ls -d "$APPS/site/deployments"/*/ | head -n 1)
  echo recreate >"$dir/action"
}

remove() {
  rm "$APPS/site/rollouts/again.json" "$APPS/batch/jobs/one.json" "$MNT/deployments/named.json"
  rm "$APPS"/*.json "$MNT/registries"/{docker.io,*.amazonaws.com}.json "$MNT/registry-protocols/corp.json"
  advance 10
  rm -f "$MNT/secrets/db" "$MNT/ssh-keys/anna.pub"
}

look() {
  refresh
  find "$MNT" -type f ! -path "*/secrets/*" -exec cat {} + >/dev/null
}

@test "schema: a run of every kind through cfcfs keeps the contract" {
  start_emulator
  start_contract
  mount_cfcfs -o rps=500,burst=5000,delete_grace=0
  fill
  look
  advance 10
  change
  look
  advance 60
  look
  remove
  no_violations
  every getMe modifyMe getUsage listApplications createApplication modifyApplication deleteApplication getApplicationStatus \
    listApplicationVersions listInstances recreateApplicationDeployment createApplicationJob listApplicationJobs \
    modifyApplicationJob deleteApplicationJob createApplicationRollout listApplicationRollouts updateApplicationRollout \
    deleteApplicationRollout createDeploymentV2 listDeploymentsV2 modifyDeploymentV2 deleteDeploymentV2 recreateDeployment \
    listPlacements replaceDeployment listSecrets createSecret modifySecret deleteSecret listSshPublicKeys createSshPublicKey \
    deleteSshPublicKey listImageRegistries createImageRegistry deleteImageRegistry generateImageRegistryCredentials \
    listImageRegistryProtocols createImageRegistryProtocol modifyImageRegistryProtocol deleteImageRegistryProto listIPs
}

@test "schema: refusals keep the contract" {
  start_emulator
  start_contract
  mount_cfcfs -o cache_ttl=0.3,delete_grace=0
  local f=$APPS/bad.json
  write "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "secrets": [{"name": "A", "type": "env", "secret": "none"}]}}' 2>/dev/null || true
  write "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "quay.io/a/b:1"}}' 2>/dev/null || true
  write "$f" '{"instances": 1, "max_instances": 5, "configuration": {"image": "a:1", "vcpu": 64}}' 2>/dev/null || true
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  write "$APPS/web/jobs/one.json" '{"entrypoint": ["x"], "command": []}' 2>/dev/null || true
  sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  rm "$APPS/web/rollouts"/*.json 2>/dev/null || true
  curl -s -H 'authorization: Bearer wrong' "$URL/accounts/$ACCOUNT/containers/me" >/dev/null
  curl -s -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/secrets/none" >/dev/null
  curl -s -H "authorization: Bearer $TOKEN" -X POST -d '{' "$URL/accounts/$ACCOUNT/containers/secrets" >/dev/null
  jq -e 'select(.status >= 400)' "$T/report" >/dev/null
  no_violations
}

# Every operation that cfcfs does not need, and a look at the sample account through it.
rest() {
  start_emulator --seed sample --profile "$1"
  start_contract
  local app dep dapp room job place rollout id image
  app=$(app_id web)
  room=$(app_id chat-room)
  job=$(app_id reports)
  dapp=$(api GET "/applications/$app/deployments" | jq -r '.[0].id')
  api GET "/applications/$app" >/dev/null
  api GET "/applications/$app/deployments/$dapp" >/dev/null
  for id in "$app" "$room"; do
    api GET "/applications/$id/instances?per_page=1" >/dev/null
    api GET "/applications/$id/instances-v2?per_page=1&state=active" >/dev/null
    api GET "/dash/applications/$id/instances?per_page=10" >/dev/null
  done
  id=$(api GET "/applications/$room/instances-v2" | jq -r '.[0].id')
  api GET "/applications/$room/instances/$id" >/dev/null
  api GET "/instances/$(api GET "/applications/$app/instances-v2" | jq -r '.[0].id')/ssh" >/dev/null
  api GET '/dash/applications?per_page=2' >/dev/null
  api GET "/applications/$job/jobs" >/dev/null
  api GET "/applications/$job/jobs/$(api GET "/applications/$job/jobs" | jq -r '.[0].id')" >/dev/null
  dep=$(api GET /deployments/v2 | jq -r '[.[] | select(.app_id == null)][0].id')
  api GET "/deployments/$dep/v2" >/dev/null
  place=$(api GET "/deployments/$dep/placements" | jq -r '.[0].id')
  api GET "/placements/$place" >/dev/null
  api GET /secrets/stripe-key >/dev/null
  rollout=$(api POST "/applications/$app/rollouts" '{"description":"d","strategy":"rolling","step_percentage":25,"target_configuration":{"image":"web:v4"}}' | jq -r .id)
  api GET "/applications/$app/rollouts/$rollout" >/dev/null
  api GET "/applications/$app/rollouts?limit=1" >/dev/null
  api POST "/applications/$app/rollouts" '{"description":"d","strategy":"new_instances","percentage":50,"kind":"full_manual","target_configuration":{}}' >/dev/null
  api GET "/applications/$app/versions" >/dev/null
  api GET "/applications/$app/status" >/dev/null
  id=$(api POST /applications '{"name": "box", "scheduling_policy": "durable_object", "durable_objects": {"namespace_id": "00000000000000000000000000000001"}}' | jq -r .id)
  api GET "/applications/$id" >/dev/null
  api PATCH "/applications/$id" '{"observability": {"logs": {"enabled": true}}}' >/dev/null
  api POST /applications '{"name": "broken", "scheduling_policy": "default", "instances": 1, "max_instances": 2, "configuration": {"image": "bad-image:v1"}}' >/dev/null
  image=registry.cloudflare.com/$ACCOUNT/web@sha256:$(printf '%064d' 4)
  api POST /image-preparations "{\"image\":\"$image\"}" >/dev/null
  advance 5
  api POST /image-preparations "{\"image\":\"$image\"}" >/dev/null
  for id in applications deployments/v2 me registries secrets ips; do
    curl -sS --fail-with-body -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/cloudchamber/$id" >/dev/null
  done
  mount_cfcfs
  look
  no_violations
  every getApplication getApplicationDeployment listDeploymentsByApplication listInstancesV1 getInstance getInstanceSSH \
    listDashApplications listDashApplicationInstances getApplicationJob getDeploymentV2 getPlacement getSecret \
    getApplicationRollout prepareImage
}

@test "schema: the operations that cfcfs does not need, and the sample account" { rest ideal; }
@test "schema: the same under the profile live" { rest live; }
