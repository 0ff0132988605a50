#!/usr/bin/env bats
# The profile live: answers of the shapes that people published (tests/live), and behaviour as they saw it.
load lib

setup() {
  setup_base
  set -o pipefail # a call that fails has no answer, and jq is content with none
}

LIVE=$SOURCE_DIR/tests/live
ROOM='{"name": "example-worker-sandbox", "scheduling_policy": "default", "instances": 0, "max_instances": 5,
  "configuration": {"image": "example-worker-sandbox:v1", "instance_type": "basic", "observability": {"logs": {"enabled": true}}},
  "constraints": {"tiers": [1, 2]}, "durable_objects": {"namespace_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}}'
WEB='{"name": "web", "scheduling_policy": "default", "instances": 2, "max_instances": 4,
  "configuration": {"image": "app:v1", "instance_type": "lite", "environment_variables": [{"name": "A", "value": "b"}]}}'

# raw METHOD PATH [BODY] : the whole answer; its status is in $T/status.
raw() {
  curl -s -k -o "$T/raw" -w '%{http_code}' -X "$1" -H "authorization: Bearer $TOKEN" ${3:+-d "$3"} \
    "$URL/accounts/$ACCOUNT/containers$2" >"$T/status"
  cat "$T/raw"
}
# refuses STATUS METHOD PATH BODY REGEX : the refusal's text matches.
refuses() {
  raw "$2" "$3" "$4" >/dev/null
  assert_equal "$(<"$T/status")" "$1" "$2 $3 $4: $(<"$T/raw")"
  assert_match "$(jq -r '.errors[0].message' "$T/raw")" "$5"
}
takes() {
  raw "$1" "$2" "$3" >/dev/null
  [[ $(<"$T/status") == 20[01] ]] || fail "$1 $2 $3: $(<"$T/raw")"
}

# What an answer looks like: names in their order, types in place of values; of an array its first element.
SHAPE='def shape: if type == "object" then [keys_unsorted[] as $k | [$k, (.[$k] | shape)]]
  elif type == "array" then map(shape) | .[:1] else type end;'
# same_shape FILE FILTER-OF-IT ANSWER FILTER-OF-THAT
same_shape() {
  local want got
  want=$(jq -c "$SHAPE $2 | shape" "$LIVE/$1") && got=$(jq -c "$SHAPE $4 | shape" <<<"$3") || fail "$1: no JSON"
  assert_equal "$got" "$want" "$1"
}
# has_shape FILE FILTER-OF-IT ANSWER FILTER-OF-THAT : every name of the file, at every depth, with its type.
has_shape() {
  local missing
  missing=$(jq -n -c --slurpfile want "$LIVE/$1" --argjson got "$3" '
    def names: [paths as $p | select($p | last | type == "string") | [($p | map(if type == "number" then 0 else . end)), (getpath($p) | type)]] | unique;
    (($want[0] | '"$2"' | names) - ($got | '"$4"' | names))')
  assert_equal "$missing" '[]' "$1: lacks"
}

make() { api POST /applications "$1" | jq -r .id; }
image_of() { jq -r '.configuration.image | sub("^.*/"; "")' <<<"$1"; }
rollout() { # ID TARGET [STEP...]
  local id=$1 target=$2 steps
  shift 2
  steps=$(jq -nc '[$ARGS.positional[] | {step_size: {percentage: tonumber}, description: "step"}]' --args "${@:-100}")
  api POST "/applications/$id/rollouts" "{\"description\":\"d\",\"strategy\":\"rolling\",\"steps\":$steps,\"target_configuration\":$target}" | jq -r .id
}

@test "live: an application, as it is created, runs, and is listed" {
  start_emulator --profile live
  local id
  id=$(make "$ROOM")
  same_shape application-get-first.json . "$(api GET "/applications/$id")" .
  api GET "/applications/$id" | jq -e '.version == 1 and .instances == 5 and .max_instances == 5 and .configuration.vcpu == 0.25
    and .configuration.memory == "1GiB" and .configuration.disk == {size_mb: 4000, size: "4GB"} and .network.bandwidth_limit_mbps == 250'
  advance 10
  same_shape application-get-running.json . "$(api GET "/applications/$id")" .
  api GET "/applications/$id" | jq -e '.health.instances | .active + .healthy == 5'
  same_shape application-get.json . "$(raw GET "/applications/$id")" .
  make "$(jq -c '.name = "large" | .configuration.instance_type = "standard-2" | .durable_objects.namespace_id = "1f2e3d4c5b6a79888a97b6c5d4e3f201"' <<<"$ROOM")" >/dev/null
  same_shape applications-list.json . "$(api GET /applications)" .
  api GET /applications | jq -e '.[1] | .network.bandwidth_limit_mbps == 1000 and .configuration.memory == "6GiB"'
}

@test "live: the other answers that were seen" {
  start_emulator --profile live
  local id app rollout
  same_shape me-limits.json . "$(api GET /me)" .limits
  id=$(make "$ROOM")
  rollout=$(rollout "$id" '{"image": "example-worker-sandbox:v2"}' 10 100)
  advance 25
  has_shape double-rollout-get.json . "$(api GET "/applications/$id/rollouts/$rollout")" .
  same_shape rollout-projection.json .progress "$(api GET "/applications/$id/rollouts/$rollout")" .progress
  same_shape rollout-projection.json .health "$(api GET "/applications/$id")" .health
  api GET "/applications/$id/rollouts" | jq -e 'type == "array" and length == 1'
  has_shape double-instances-v2.json . "$(raw GET "/applications/$id/instances-v2")" .
  has_shape double-dash-applications.json . "$(raw GET '/dash/applications?per_page=1')" .
  has_shape double-dash-instances-do.json '.result |= {instances: [], durable_objects: [.durable_objects[1]]}' \
    "$(raw GET "/dash/applications/$id/instances?per_page=50")" .
  make "$WEB" >/dev/null
  has_shape double-dash-instances.json . "$(raw GET "/dash/applications/$(app_id web)/instances?per_page=50")" .
  has_shape double-registries-list.json . "$(api GET /registries)" .
  id=$(api POST /applications '{"name": "box-sandbox", "scheduling_policy": "durable_object", "durable_objects": {"namespace_id": "00000000000000000000000000000001"}}' | jq -r .id)
  assert_equal "$id" 00000000000000000000000000000001
  api GET "/applications/$id" | jq -e 'del(.updated_at) | keys == ["account_id", "configuration", "created_at", "durable_objects", "id", "name", "scheduling_policy"]'
  has_shape double-durable-object-application.json . "$(api GET "/applications/$id")" .
  app="{\"image\": \"registry.cloudflare.com/$ACCOUNT/box@sha256:$(printf '%064d' 4)\"}"
  raw POST /image-preparations "$app" >/dev/null
  assert_equal "$(<"$T/status")" 202
  advance 5
  same_shape double-image-preparation.json . "$(api POST /image-preparations "$app")" .
  # One that has ended; and the two errors.
  seed '{"applications": 1, "durable_objects": 1}'
  id=$(api GET /applications | jq -r '.[] | select(.name | startswith("app-")).id')
  same_shape instances-row-inactive.json . "$(api GET "/applications/$id/instances?state=not-active")" '.instances[0]'
  raw POST /applications "$(jq -c '.name = "other"' <<<"$ROOM")" >/dev/null
  same_shape error-do-has-application.json . "$(jq -r '.errors[0].message' "$T/raw")" .
  jq -e '.errors[0].code == 1608' "$T/raw"
  fault "{\"method\": \"POST\", \"times\": 1, \"status\": 400, \"body\": $(<"$LIVE/error-validate-bare.json")}"
  same_shape error-validate-bare.json . "$(raw POST /applications "$WEB")" .
}

@test "live: a changed configuration is pending until its rollout completes, max_instances is not" {
  start_emulator --profile live
  local id rollout
  id=$(make "$WEB")
  api PATCH "/applications/$id" '{"max_instances": 3, "configuration": {"image": "app:v2"}}' |
    jq -e '.version == 1 and .max_instances == 3 and .instances == 3 and (.configuration.image | endswith("app:v1"))'
  advance 100
  assert_equal "$(image_of "$(api GET "/applications/$id")")" app:v1
  rollout=$(rollout "$id" '{"entrypoint": ["x"]}' 10 100)
  api GET "/applications/$id/rollouts/$rollout" | jq -e '.status == "progressing" and .current_version == 1 and .target_version == 2
    and (.target_configuration.image | endswith("app:v2")) and .target_configuration.entrypoint == ["x"]'
  advance 12
  api GET "/applications/$id" | jq -e --arg id "$rollout" '.version == 1 and .active_rollout_id == $id and (.configuration.image | endswith("app:v1"))'
  advance 10
  api GET "/applications/$id" | jq -e '.version == 2 and (.active_rollout_id | not) and (.configuration.image | endswith("app:v2"))
    and .configuration.entrypoint == ["x"] and (.configuration.environment_variables | length) == 1'
  # What waited does not wait any more.
  rollout "$id" '{"entrypoint": []}' >/dev/null
  advance 15
  api GET "/applications/$id" | jq -e '.version == 3 and .configuration.entrypoint == [] and (.configuration.image | endswith("app:v2"))'
}

@test "live: the list lags, even past the end of the rollout" {
  start_emulator --profile live
  local id rollout
  id=$(make "$WEB")
  rollout=$(rollout "$id" '{"image": "app:v2"}')
  advance 11
  assert_equal "$(api GET "/applications/$id/rollouts/$rollout" | jq -r .status)" completed
  has_shape double-detail-ahead.json . "$(api GET "/applications/$id")" .
  api GET "/applications/$id" | jq -e '.version == 2 and (.active_rollout_id | not)'
  has_shape double-list-lags.json . "$(api GET /applications)" .
  app web | jq -e --arg id "$rollout" '.version == 1 and .active_rollout_id == $id and (.configuration.image | endswith("app:v1"))'
  api PATCH "/applications/$id" '{"max_instances": 9}' >/dev/null
  app web | jq -e '.max_instances == 9'
  advance 25
  app web | jq -e '.version == 2 and (.active_rollout_id | not) and (.configuration.image | endswith("app:v2"))'
}

@test "live: versions during a rollout; 10 % of one instance is none" {
  start_emulator --profile live
  local id
  id=$(make "$(jq -c '.max_instances = 10' <<<"$WEB")")
  rollout "$id" '{"image": "app:v2"}' 50 100 >/dev/null
  same_shape double-versions-during-rollout.json '.[].configuration = {}' "$(api GET "/applications/$id/versions")" '.[].configuration = {}'
  api GET "/applications/$id/versions" | jq -e 'map([.version, .percentage]) == [[1, 50], [2, 50]]'
  advance 30
  api GET "/applications/$id/versions" | jq -e 'map([.version, .percentage]) == [[2, 100]]'
  id=$(make "$(jq -c '.name = "one" | .max_instances = 1 | .instances = 1' <<<"$WEB")")
  refuses 400 POST "/applications/$id/rollouts" '{"description": "d", "strategy": "rolling", "target_configuration": {}, "steps":
    [{"step_size": {"percentage": 10}, "description": "a"}, {"step_size": {"percentage": 100}, "description": "b"}]}' 'max_instances'
  api POST "/applications/$id/rollouts" '{"description": "d", "strategy": "rolling", "target_configuration": {"image": "app:v2"}, "step_percentage": 10}' |
    jq -e '.progress | .updated_instances == 0 and .total_instances == 1'
}

@test "live: a rollout that is replaced or reverted" {
  start_emulator --profile live
  local id first second
  id=$(make "$WEB")
  api PATCH "/applications/$id" '{"configuration": {"image": "app:v2"}}' >/dev/null
  first=$(rollout "$id" '{}' 10 100)
  second=$(rollout "$id" '{"image": "app:v3"}' 10 100)
  assert_equal "$(api GET "/applications/$id/rollouts/$first" | jq -r .status)" replaced
  api GET "/applications/$id" | jq -e --arg id "$second" '.active_rollout_id == $id and .version == 1'
  api POST "/applications/$id/rollouts/$second" '{"action": "revert"}' | jq -e '.rollout.status == "reverted"'
  advance 60
  api GET "/applications/$id" | jq -e '.version == 1 and (.active_rollout_id | not) and (.configuration.image | endswith("app:v1"))'
  # Neither is what had been waiting left over.
  rollout "$id" '{"command": ["c"]}' >/dev/null
  advance 15
  api GET "/applications/$id" | jq -e '.configuration.command == ["c"] and (.configuration.image | endswith("app:v1"))'
  # new_instances has a share in place of steps.
  api POST "/applications/$id/rollouts" '{"description": "d", "strategy": "new_instances", "percentage": 50, "kind": "full_manual", "target_configuration": {"image": "app:v4"}}' |
    jq -e '.percentage == 50 and .version_distribution.current_version_percentage == 100 and .health.summary and (has("steps") or has("progress") | not)'
}

@test "live: the last old container ends long after its rollout is completed" {
  start_emulator --profile live
  local id deployment
  id=$(make "$WEB")
  rollout "$id" '{"image": "app:v2"}' >/dev/null
  advance 20
  api GET "/applications/$id/rollouts" | jq -e '.[0].status == "completed"'
  deployment=$(api GET "/applications/$id/deployments" | jq -r '.[0].id')
  api GET "/deployments/$deployment/placements" | jq -e 'map([.status.health, .terminate]) == [["running", true], ["running", false]]'
  advance 90
  api GET "/deployments/$deployment/placements" | jq -e 'map(.status.health) == ["stopped", "running"]'
}

@test "live: keys and SSH reach what runs without a rollout, and observability from the top" {
  start_emulator --profile live
  local id
  id=$(make "$ROOM")
  api PATCH "/applications/$id" '{"configuration": {"wrangler_ssh": {"enabled": true}}}' | jq -e '.version == 1 and .configuration.wrangler_ssh.enabled'
  refuses 400 PATCH "/applications/$id" '{"observability": {"logs": {"enabled": false}}}' observability
  api PATCH "/applications/$id" '{"observability": {"logs": {"enabled": true}}}' |
    jq -e '.observability.logs.enabled and (.configuration | has("observability") | not) and .version == 1'
  refuses 400 PATCH "/applications/$id" '{"observability": {"logs": {"enabled": true}, "target_instance_percentage": 10, "target_instance_count": 1}}' target_instance_count
  refuses 400 PATCH "/applications/$id" '{"observability": {"target_instance_count": 1}}' observability.logs
}

@test "live: what comes back can be sent back, and what is not known is refused" {
  start_emulator --profile live
  local id got
  id=$(make "$ROOM")
  takes PATCH "/applications/$id" "$(api GET "/applications/$id" | jq -c '{max_instances, configuration, constraints}')"
  advance 60
  api GET "/applications/$id" | jq -e '.version == 1'
  refuses 400 PATCH "/applications/$id" '{"colour": 1}' 'colour.*not a field'
  refuses 400 PATCH "/applications/$id" '{"configuration": {"colour": 1}}' 'configuration\.colour'
  refuses 400 PATCH "/applications/$id" '{"configuration": {"disk": {"colour": 1}}}' 'configuration\.disk\.colour'
  refuses 400 PATCH "/applications/$id" '{"scheduling_policy": "moon"}' scheduling_policy
  refuses 400 PATCH "/applications/$id" '{"jobs": true}' jobs
  refuses 400 PATCH "/applications/$id" '{"durable_objects": {"namespace_id": "00000000000000000000000000000001"}}' durable_objects
}

@test "live: a create is held against both policies" {
  start_emulator --profile live
  refuses 400 POST /applications "$(jq -c 'del(.max_instances) | .configuration.vcpu = "much"' <<<"$WEB")" '^\{"error":"VALIDATE_INPUT"'
  jq -r '.errors[0].message' "$T/raw" | jq -e '.details | (.max_instances | contains("received undefined")) and .["configuration.vcpu"]
    and (.scheduling_policy | contains("expected \"durable_object\"")) and (.durable_objects | contains("received undefined"))
    and (.configuration | startswith("Unrecognized keys: \"image\""))'
  refuses 400 POST /applications '{"name": "d", "scheduling_policy": "durable_object", "max_instances": 1, "durable_objects": {"namespace_id": "00000000000000000000000000000001"}}' max_instances
  jq -r '.errors[0].message' "$T/raw" | jq -e '.details | (.scheduling_policy | contains("expected \"default\"")) and .instances and .configuration'
  refuses 400 POST /applications "$(jq -c '.name = 1' <<<"$WEB")" '"name"'
  refuses 400 POST /applications '{}' scheduling_policy
}

@test "live: sizes, regions and names of images as the contract has them" {
  start_emulator --profile live
  local doc
  doc() { jq -c "$1" <<<"$WEB"; }
  refuses 400 POST /applications "$(doc '.configuration += {instance_type: null, vcpu: 1, memory_mib: 1024} | del(.configuration.instance_type)')" memory_mib
  refuses 400 POST /applications "$(doc '.configuration += {vcpu: 0.5, memory_mib: 6144} | del(.configuration.instance_type)')" vcpu
  refuses 400 POST /applications "$(doc '.configuration += {vcpu: 1, memory_mib: 3072, disk: {size_mb: 20000}} | del(.configuration.instance_type)')" disk
  refuses 400 POST /applications "$(doc '.configuration.vcpu = 1')" 'vcpu'
  takes POST /applications "$(doc '.name = "a" | .configuration += {vcpu: 1, memory: "4GiB", disk: {size: "5GB"}} | del(.configuration.instance_type)')"
  app a | jq -e '.configuration | .memory_mib == 4096 and .disk.size_mb == 5000 and (.image | startswith("registry.cloudflare.com/0123456789abcdef0123456789abcdef/app"))'
  # One number of a size is laid over the others, one spelling over the other.
  refuses 400 PATCH "/applications/$(app_id a)" '{"configuration": {"memory": "2GiB"}}' memory_mib
  takes PATCH "/applications/$(app_id a)" '{"configuration": {"instance_type": "standard-4"}}'
  refuses 400 POST /applications "$(doc '.constraints.regions = ["weur"]')" constraints.regions
  refuses 400 POST /applications "$(doc '.constraints.regions = ["ME", "AFR"]')" 'another region'
  refuses 400 POST /applications "$(doc '.constraints = {regions: ["ENAM"], jurisdiction: "eu"}')" jurisdiction
  takes POST /applications "$(doc '.name = "r" | .constraints = {regions: ["EEUR", "WEUR"], jurisdiction: "eu"}')"
}

@test "live: a deleted application lingers in the list; the rest knows it no more" {
  start_emulator --profile live
  local id
  id=$(make "$WEB")
  api DELETE "/applications/$id" | jq -e .message
  refuses 404 PATCH "/applications/$id" '{"max_instances": 1}' 'not found'
  jq -e '.errors[0].code == 1609' "$T/raw"
  api GET "/applications/$id" >/dev/null
  advance 4
  refuses 404 GET "/applications/$id" '' 'not found'
  assert_equal "$(app_id web)" "$id"
  advance 8
  assert_equal "$(app_names)" ''
}

@test "live: a Durable Object's namespace has one application" {
  start_emulator --profile live
  local doc='{"name": "box", "scheduling_policy": "durable_object", "durable_objects": {"script_name": "s", "class_name": "C"}}' id
  id=$(make "$doc")
  assert_match "$id" '^[0-9a-f]{32}$'
  assert_equal "$(make "$doc")" "$id" "the same again"
  refuses 400 POST /applications "${doc/box/other}" ALREADY_HAS_APPLICATION
  refuses 400 POST /applications "$(jq -c --arg id "$id" '.durable_objects.namespace_id = $id' <<<"$ROOM")" ALREADY_HAS_APPLICATION
  refuses 400 POST /applications "$(jq -c '.durable_objects.namespace_id = "0"' <<<"$doc")" 'durable_objects'
  refuses 400 POST "/applications/$id/rollouts" '{"description": "d", "strategy": "rolling", "target_configuration": {}}' durable_object
  api PATCH "/applications/$id" '{"observability": {"logs": {"enabled": true}}, "configuration": {"wrangler_ssh": {"enabled": true}}}' |
    jq -e '.observability.logs.enabled and .configuration == {wrangler_ssh: {enabled: true}}'
  refuses 400 PATCH "/applications/$id" '{"max_instances": 3}' max_instances
  api DELETE "/applications/$id" >/dev/null
  advance 4
  assert_equal "$(make "$doc")" "$id" "after its end, while the list still has the old one"
  api GET "/applications/$id" >/dev/null
}

@test "live: what the gateway says of ids that are none, and of the rate" {
  start_emulator --profile live --rate 50/300
  refuses 405 GET /applications/nothing '' 'not allowed'
  jq -e '.errors[0].code == 10405' "$T/raw"
  refuses 404 GET /applications/00000000-0000-4000-8000-000000000000 '' 'not found'
  local n
  for n in 1 2 3; do
    curl -s -o /dev/null -D "$T/head" -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/applications"
    grep -q '^Ratelimit: "default";r=49;t=' "$T/head" || fail "$(cat "$T/head")"
    grep -q '^Ratelimit-Policy: "default";q=50;w=300' "$T/head"
  done
}

@test "live: pages, and the rules of registries" {
  start_emulator --profile live
  local id token
  seed '{"applications": 120, "deployments_per_application": 0}'
  raw GET /applications | jq -e '(.result | length) == 120 and (.result_info | has("next_page_token") | not)'
  refuses 400 GET '/applications?per_page=501' '' per_page
  token=$(raw GET '/applications?per_page=50' | jq -r .result_info.next_page_token)
  raw GET "/applications?page_token=$token" | jq -e '(.result | length) == 70'
  refuses 400 GET "/applications?page_token=$token&name=app-00001" '' page_token
  id=$(make "$(jq -c '.instances = 150 | .max_instances = 150' <<<"$WEB")")
  raw GET "/applications/$id/instances-v2" | jq -e '(.result | length) == 100 and .result_info.next_page_token'
  raw GET "/applications/$id/instances" | jq -e '(.result.instances | length) == 150'
  refuses 400 GET "/applications/$id/instances-v2?per_page=1001" '' per_page
  id=$(make "$(jq -c '.name = "moon" | .scheduling_policy = "moon"' <<<"$WEB")")
  refuses 400 GET "/applications/$id/instances-v2" '' 'not enabled'
  refuses 400 GET "/applications/$id/instances" '' 'not enabled'
  local ecr=123456789012.dkr.ecr.eu-west-1.amazonaws.com ref='{"public_credential": "a", "private_credential": {"store_id": "s1", "secret_name": "n"}}'
  refuses 400 POST /registries "{\"domain\": \"$ecr\", \"kind\": \"DockerHub\", \"auth\": $ref}" kind
  refuses 400 POST /registries "{\"domain\": \"ghcr.io\", \"kind\": \"DockerHub\", \"auth\": $ref}" kind
  refuses 400 POST /registries "{\"domain\": \"$ecr\", \"auth\": $ref}" kind
  refuses 400 POST /registries "{\"domain\": \"$ecr\", \"kind\": \"ECR\", \"is_public\": true, \"auth\": $ref}" is_public
  refuses 400 POST /registries "{\"domain\": \"$ecr\", \"kind\": \"ECR\", \"auth\": {\"public_credential\": \"a\", \"private_credential\": \"b\"}}" private_credential
  takes POST /registries "{\"domain\": \"$ecr\", \"kind\": \"ECR\", \"auth\": $ref}"
  make "$(jq -c --arg image "$ecr/app:v1" '.name = "ecr" | .configuration.image = $image' <<<"$WEB")" >/dev/null
  refuses 409 DELETE "/registries/$ecr" '' referenced
  refuses 403 DELETE /registries/registry.cloudflare.com '' managed
  raw POST /registries/registry.cloudflare.com/credentials '{"permissions": ["pull"], "expiration_minutes": 5}' >/dev/null
  assert_equal "$(<"$T/status")" 201
}

@test "live: times have two to nine digits, or none, and are the same each time" {
  start_emulator --profile live
  local n times
  for n in 1 2 3 4 5 6 7 8 9; do
    make "$(jq -c ".name = \"w$n\"" <<<"$WEB")" >/dev/null
  done
  times=$(api GET /applications | jq -r '.[].created_at')
  assert_equal "$(api GET /applications | jq -r '.[].created_at')" "$times"
  assert_equal "$(grep -Ecv '^2[0-9-]+T[0-9:]{8}(\.[0-9]{2,9})?Z$' <<<"$times")" 0
  (($(sed 's/.*\.//' <<<"$times" | awk '{print length}' | sort -u | wc -l) > 1)) || fail "all alike: $times"
}

@test "ideal: a change shows at once, everywhere" {
  start_emulator --profile ideal
  local id
  id=$(make "$WEB")
  api PATCH "/applications/$id" '{"configuration": {"image": "app:v2"}, "max_instances": 7}' | jq -e '.version == 2 and (.configuration.image | endswith("app:v2")) and .instances == 2'
  app web | jq -e '.version == 2 and .configuration.instance_type == "lite" and (.configuration | has("runtime") | not)'
  api DELETE "/applications/$id" >/dev/null
  advance 4
  assert_equal "$(app_names)" ''
}
