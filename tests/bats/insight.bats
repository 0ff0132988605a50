#!/usr/bin/env bats
# What an application's instances use and write: metrics.json and logs.jsonl, that open by name alone.
load lib

WEB_DIR=applications/web
# count PATH : calls of a path past /containers.
count() { count_calls POST "$1"; }
LOGS=/workers/observability/telemetry/query

@test "metrics.json: the last hour of each instance in five-minute steps, and the application's sums" {
  start_emulator --seed sample
  mount_cfcfs
  local file=$MNT/$WEB_DIR/metrics.json id
  cat "$file" >"$T/metrics"
  id=$(app_id web)
  assert_equal "$(jq -c '.instances | keys' "$T/metrics")" "$(api GET "/applications/$id/instances-v2" | jq -c 'map(.id) | sort')"
  jq -e '.step_seconds == 300 and (.application | length >= 12 and length <= 14)' "$T/metrics"
  jq -e '[.application[].time] | . == sort' "$T/metrics"
  jq -e '.instances[] | length >= 12 and all(.[]; .cpu_p95 > 0 and .cpu_p95 < 1 and .memory_p95_bytes > 0
    and .memory_max_bytes >= .memory_p95_bytes and .disk_bytes > 0 and .rx_bytes > 0 and .tx_bytes > 0 and .uptime_seconds > 0)' "$T/metrics"
  # The sums are those of the instances.
  jq -e '. as $all | [.application[] | .time as $t | .memory_max_bytes
    - ([$all.instances[][] | select(.time == $t) | .memory_max_bytes] | add) | fabs < 1] | all' "$T/metrics"
  # Against what the analytics say themselves.
  local from query
  from=$(jq -r .from "$T/metrics")
  query="{viewer{accounts(filter:{accountTag:\"$ACCOUNT\"}){containersMetricsAdaptiveGroups(limit:1000,filter:{datetime_geq:\"$from\",
    applicationId:\"$id\"},orderBy:[datetimeFiveMinutes_ASC]){dimensions{datetimeFiveMinutes instanceId} max{memory} quantiles{cpuUtilizationP95}}}}}"
  jq -nc --arg q "$query" '{query: $q}' | curl -sS -H "authorization: Bearer $TOKEN" -d @- "$URL/graphql" >"$T/graphql"
  jq -e --slurpfile file "$T/metrics" '.data.viewer.accounts[0].containersMetricsAdaptiveGroups
    | map(select(.dimensions.datetimeFiveMinutes < $file[0].to[:15])) | length >= 20 and all(.[]; . as $g
      | $file[0].instances[.dimensions.instanceId][] | select(.time == $g.dimensions.datetimeFiveMinutes)
      | .memory_max_bytes == $g.max.memory or .time == $file[0].application[0].time or .time == $file[0].application[-1].time)' "$T/graphql"
  # Asked for once a minute.
  cat "$file" "$file" >/dev/null
  stat "$file" >/dev/null
  assert_equal "$(requests 'select(.path == "/graphql" and (.body | tostring | contains("cpuTimeSec"))) | .path' | wc -l)" 1
}

@test "they are not listed: a crawl fetches neither, and status.json names them" {
  start_emulator --seed sample
  mount_cfcfs
  clear_requests
  grep -r nothing-has-this "$MNT/applications" || true
  ls -lR "$MNT" >/dev/null
  find "$MNT" -type f >"$T/files"
  run ! grep -E 'metrics.json|logs.jsonl' "$T/files"
  assert_equal "$(count /graphql)$(count "$LOGS")" 00
  assert_equal "$(jq -c .see_also "$MNT/$WEB_DIR/status.json")" '["metrics.json","logs.jsonl"]'
  assert_exists "$MNT/$WEB_DIR/metrics.json"
}

@test "logs.jsonl: what the instances wrote, oldest first, against what the telemetry has" {
  start_emulator --seed sample
  mount_cfcfs
  cat "$MNT/$WEB_DIR/logs.jsonl" >"$T/logs"
  jq -se 'length > 100 and length <= 1000 and (map(.time) | . == sort) and all(.message and .id and .instance and .level)' "$T/logs"
  assert_equal "$(jq -r .id "$T/logs" | sort | uniq -d)" ''
  assert_equal "$(jq -r .instance "$T/logs" | sort -u)" "$(api GET "/applications/$(app_id web)/instances-v2" | jq -r '.[].id' | sort)"
  local body first last
  first=$(jq -sr '.[0].time' "$T/logs")
  last=$(jq -sr '.[-1].time' "$T/logs")
  body=$(jq -nc --arg app "$(app_id web)" --argjson from "$(date -d "$first" +%s%3N)" --argjson to "$(date -d "$last" +%s%3N)" '{queryId: "x",
    timeframe: {from: $from, to: $to}, view: "events", limit: 2000, parameters: {filters: [{key: "$metadata.service", operation: "eq", type: "string", value: $app}]}}')
  curl -sS -H "authorization: Bearer $TOKEN" -d "$body" "$URL/accounts/$ACCOUNT$LOGS" | jq -r '.result.events.events[]["$metadata"].id' | sort >"$T/ids"
  diff <(jq -r .id "$T/logs" | sort) "$T/ids"
  # A second look within five seconds costs nothing.
  clear_requests
  wc -l "$MNT/$WEB_DIR/logs.jsonl" >/dev/null
  (($(count "$LOGS") <= 1))
}

@test "tail -f of logs.jsonl goes on" {
  start_emulator --seed sample
  mount_cfcfs
  tail -n 1 -s 0.2 -f "$MNT/$WEB_DIR/logs.jsonl" >"$T/tail" 2>"$T/tail.err" 3>&- &
  local tail=$!
  record_pid "$T/pids" "$tail"
  grown() { [ "$(wc -l <"$T/tail")" -ge 4 ]; }
  wait_until 60 "new lines" grown
  kill "$tail"
  wait "$tail" || true
  # No line twice, none torn; and the hole-free text of one reader.
  sed '$!b; /}$/!d' "$T/tail" | jq -se '(map(.id) | length == (unique | length)) and (map(.time) | . == sort)'
  assert_equal "$(cat "$T/tail.err")" ''
}

@test "a token without the permission: no such file, and no error of a walk" {
  start_emulator --seed sample --token "plain=containers:write,cloudchamber:write" --token "all=containers:write,cloudchamber:write,analytics:read,observability:read"
  (umask 077 && echo plain >"$T/token")
  mount_cfcfs
  assert_sys ENOENT stat "$MNT/$WEB_DIR/metrics.json"
  assert_sys ENOENT stat "$MNT/$WEB_DIR/logs.jsonl"
  ls -lR "$MNT/applications" >/dev/null
  jq -e .id "$MNT/$WEB_DIR/status.json" >/dev/null
  assert_equal "$(cat "$MNT/.cfcfs/errors.jsonl")" ''
  # And with it they are there.
  (umask 077 && echo all >"$T/token")
  kill -HUP "$MOUNT_PID"
  there() { [ -e "$MNT/$WEB_DIR/metrics.json" ] && [ -e "$MNT/$WEB_DIR/logs.jsonl" ]; }
  wait_until 30 "them to be there" there
}

@test "the analytics' own limit is obeyed, and takes nothing of the other one" {
  start_emulator --seed '{"applications": 120}'
  mount_cfcfs -o timeout=3,rps=1000,burst=1000
  ls "$APPS" >/dev/null
  clear_requests
  # 60 at once, and 0.8 a second from then on; what is past that waits for its turn, and is told that it did not come.
  local from n now
  from=$(date +%s%N)
  find "$APPS" -mindepth 1 -maxdepth 1 -type d -printf '%p/metrics.json\0' | xargs -0 -n 1 -P 120 timeout 60 head -c 1 >/dev/null 2>&1 || true
  n=$(count /graphql)
  now=$(date +%s%N)
  ((n >= 20 && n <= 61 + (now - from) * 8 / 10000000000)) || fail "$n queries in $(((now - from) / 1000000)) ms"
  # The account's own calls are not in its way.
  ls "$MNT/secrets" >/dev/null
}
