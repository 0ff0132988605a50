#!/usr/bin/env bats
# What the emulator tells of its containers: GraphQL, the telemetry, and the permissions that each of them needs.
load lib

setup() {
  setup_base
  set -o pipefail
}

# graphql QUERY [VARIABLES] : the answer. AS=TOKEN asks as somebody else.
graphql() {
  local body
  body=$(jq -nc --arg q "$1" --argjson v "${2:-{\}}" '{query: $q, variables: $v}')
  curl -s -H "authorization: Bearer ${AS:-$TOKEN}" -d "$body" "$URL/graphql"
}
# telemetry NAME BODY : the answer.
telemetry() { curl -s -H "authorization: Bearer ${AS:-$TOKEN}" -d "$2" "$URL/accounts/$ACCOUNT/workers/observability/telemetry/$1"; }
now_ms() { control GET clock | jq -r .now_ms; }
iso() { date -u -d "@$(($1 / 1000))" +%FT%TZ; }
status_as() { # TOKEN METHOD PATH [BODY]
  curl -s -o /dev/null -w '%{http_code}' -X "$2" -H "authorization: Bearer $1" ${4:+-d "$4"} "$URL/accounts/$ACCOUNT$3"
}

METRICS='query($a:String,$app:String,$s:Time,$e:Time){viewer{accounts(filter:{accountTag:$a}){containersMetricsAdaptiveGroups(limit:100,
  filter:{datetime_geq:$s,datetime_leq:$e,applicationId:$app},orderBy:[datetimeFiveMinutes_ASC]){count dimensions{datetimeFiveMinutes instanceId}
  avg{containerUptime} max{memory} sum{cpuTimeSec allocatedMemory} quantiles{cpuUtilizationP95 memoryP50}}}}}'

@test "metrics: five-minute steps of each instance, the same each time" {
  start_emulator --seed sample
  local app now vars got
  app=$(app_id web)
  now=$(now_ms)
  vars=$(jq -nc --arg a "$ACCOUNT" --arg app "$app" --arg s "$(iso $((now - 1800000)))" --arg e "$(iso "$now")" '$ARGS.named')
  got=$(graphql "$METRICS" "$vars" | jq -c '.data.viewer.accounts[0].containersMetricsAdaptiveGroups')
  jq -e 'length >= 12 and length <= 14' <<<"$got"
  jq -e '[.[].dimensions.datetimeFiveMinutes] | . == sort and all(test("^2[0-9-]+T[0-9:]+Z$"))' <<<"$got"
  assert_equal "$(jq -c '[.[].dimensions.instanceId] | unique' <<<"$got")" "$(api GET "/applications/$app/instances-v2" | jq -c 'map(.id) | sort')"
  jq -e 'all(.max.memory > 0 and .max.memory < 1073741824 and .quantiles.memoryP50 <= .max.memory
    and .quantiles.cpuUtilizationP95 > 0 and .quantiles.cpuUtilizationP95 < 1 and .sum.cpuTimeSec > 0
    and .sum.allocatedMemory == .count * 60 * 1073741824)' <<<"$got"
  assert_equal "$(graphql "$METRICS" "$vars" | jq -c '.data.viewer.accounts[0].containersMetricsAdaptiveGroups')" "$got"
  # What is stopped uses nothing more.
  api DELETE "/applications/$app" >/dev/null
  advance 7200
  now=$(now_ms)
  vars=$(jq -c --arg s "$(iso $((now - 600000)))" --arg e "$(iso "$now")" '. + {s: $s, e: $e}' <<<"$vars")
  graphql "$METRICS" "$vars" | jq -e '.data.viewer.accounts[0].containersMetricsAdaptiveGroups == []'
}

@test "metrics: sums of the account, aliases, labels, filters; errors come with 200" {
  start_emulator --seed sample
  local q now from
  now=$(now_ms)
  from=$(iso $((now - 1800000)))
  q="{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){a:containersUsageAdaptiveGroups(limit:10,filter:{datetime_geq:\"$from\"},orderBy:[sum_txBytes_DESC]){dimensions{app:applicationId} sum{cpuTimeSec allocatedDisk txBytes}}}}}"
  graphql "$q" | jq -e '.errors == null and (.data.viewer.accounts[0].a | length >= 3 and ([.[].sum.txBytes] | . == (sort | reverse)))'
  q="{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:10,filter:{AND:[{datetime_geq:\"$from\"},{labels_has:\"team:shop\"}]}){dimensions{team:label(name:\"team\")} count}}}}"
  graphql "$q" | jq -e '.data.viewer.accounts[0].containersMetricsAdaptiveGroups | length == 1 and .[0].dimensions.team == "shop" and .[0].count > 30'
  for q in '{viewer{accounts{x}}}' '{viewer{' "{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){nothing{count}}}}" \
    "{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:1){max{colour}}}}}" \
    "{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:1,filter:{colour:\"x\"}){count}}}}" \
    "{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:100000){count}}}}" '{secrets{name}}' '{viewer{x}}'; do
    graphql "$q" | jq -e '.data == null and (.errors[0].message | length > 0)' >/dev/null || fail "$q: $(graphql "$q")"
  done
  # What is null or no word at all orders nothing.
  q="query(\$n:String){viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:5,orderBy:[\$n,nothing,sum_x_ASC,_]){count dimensions{instanceId}}}}}"
  graphql "$q" | jq -e '.data.viewer.accounts[0].containersMetricsAdaptiveGroups | length == 5'
  graphql "{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){settings{containersMetricsAdaptiveGroups{enabled maxPageSize}}}}}" |
    jq -e '.data.viewer.accounts[0].settings.containersMetricsAdaptiveGroups | .enabled and .maxPageSize > 0'
}

@test "metrics: a limit of their own beside the other one" {
  start_emulator --rate 1000/300
  local n
  for n in $(seq 300); do echo "url=\"$URL/graphql\""; done >"$T/urls"
  curl -s -o /dev/null -H "authorization: Bearer $TOKEN" -d '{"query":"{viewer{x}}"}' -K "$T/urls"
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -H "authorization: Bearer $TOKEN" -d '{}' "$URL/graphql")" 429
  api GET /applications >/dev/null
}

@test "telemetry: the lines of an application's instances, page by page" {
  start_emulator --seed sample
  local app now body last all
  app=$(app_id web)
  now=$(now_ms)
  body=$(jq -nc --argjson to "$now" --arg app "$app" '{queryId: "any", timeframe: {from: ($to - 120000), to: $to}, view: "events", limit: 10,
    parameters: {datasets: [], filters: [{key: "$metadata.service", operation: "eq", type: "string", value: $app}]}}')
  telemetry query "$body" | jq -e --arg app "$app" '.success and (.result.events | .count >= 22 and .count <= 26 and (.events | length == 10)
    and ([.events[].timestamp] | . == (sort | reverse)) and all(.events[]; .["$metadata"].service == $app and .["$metadata"].type == "cf-container"
      and (.["$metadata"].message | length > 0) and .["$containers"].instanceId and .source))'
  : >"$T/ids"
  last=''
  while :; do
    all=$(telemetry query "$(jq -c --arg o "$last" 'if $o == "" then . else . + {offset: $o, offsetDirection: "next"} end' <<<"$body")" | jq -r '.result.events.events[]["$metadata"].id')
    [ -n "$all" ] || break
    echo "$all" >>"$T/ids"
    last=$(tail -n 1 <<<"$all")
  done
  assert_equal "$(sort -u "$T/ids" | wc -l)" "$(telemetry query "$body" | jq .result.events.count)"
  assert_equal "$(wc -l <"$T/ids")" "$(sort -u "$T/ids" | wc -l)"
  # Lines grow with time; filters and the other questions.
  advance 20
  telemetry query "$(jq -c --argjson to "$((now + 20000))" '.timeframe = {from: ($to - 19999), to: $to}' <<<"$body")" | jq -e '.result.events.count >= 2'
  telemetry query "$(jq -c '.parameters.filters += [{key: "$metadata.level", operation: "eq", value: "nothing"}]' <<<"$body")" | jq -e '.result.events.count == 0'
  telemetry keys '{}' | jq -e '[.result[].key] | index("$containers.instanceId")'
  telemetry values "$(jq -c '.key = "$containers.instanceId"' <<<"$body")" | jq -e '.result | length == 2'
  assert_equal "$(telemetry query '{"queryId": "x"}' | jq .success)" false
}

@test "permissions: each can be refused" {
  start_emulator --token "ro=containers:read" --token "rw=containers:write" --token "cc=containers:write,cloudchamber:write" \
    --token "an=analytics:read" --token "lo=observability:read" --token "no=none"
  local doc='{"name": "s", "value": "v"}' logs='{"queryId": "x", "timeframe": {"from": 0, "to": 1}}' metrics
  metrics="{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:1){count}}}}"
  assert_equal "$(status_as ro GET /containers/secrets)$(status_as ro POST /containers/secrets "$doc")" 200403
  assert_equal "$(status_as rw POST /containers/secrets "$doc")$(status_as rw GET /cloudchamber/secrets)" 201403
  assert_equal "$(status_as cc GET /cloudchamber/secrets)$(status_as cc GET /containers/secrets)" 200200
  assert_equal "$(status_as an GET /containers/secrets)$(status_as an POST /workers/observability/telemetry/query "$logs")" 403403
  assert_equal "$(status_as lo POST /workers/observability/telemetry/query "$logs")" 200
  assert_equal "$(status_as no GET /containers/applications)$(status_as other GET /containers/applications)" 403401
  AS=an graphql "$metrics" | jq -e '.errors == null'
  AS=rw graphql "$metrics" | jq -e '.data == null and (.errors[0].message | contains("not authorized"))'
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -H 'authorization: Bearer other' -d '{}' "$URL/graphql")" 401
  run -2 "$EMULATOR" --token "x=containers:own"
  assert_match "$output" 'expected permissions of'
}
