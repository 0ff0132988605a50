#!/usr/bin/env bats
# A 2xx that lacks what the operation must answer: a failure, and never an empty list or a success.
load lib

# What a service that lost its manners answers, each with 200 unless a status stands in front.
ODD='{"success":true,"result":null}
{"success":true}
{}
{"error":"INTERNAL"}
{"success":"false","result":[],"result_info":{}}
{"success":true,"result":{},"result_info":{}}
{"success":true,"result":[{"name":"x"}],"result_info":{}}
{"success":true,"result":[]}
[]
204'

odd_fault() { # METHOD PATH TIMES ANSWER
  if [ "$4" = 204 ]; then
    fault "$(jq -nc --arg m "$1" --arg p "$2" --argjson n "$3" '{method:$m,path:$p,times:$n,status:204,body:""}')"
  else
    fault "$(jq -nc --arg m "$1" --arg p "$2" --argjson n "$3" --arg b "$4" '{method:$m,path:$p,times:$n,status:200,body:$b}')"
  fi
}

@test "a list that was not understood is EIO, not empty" {
  start_emulator
  seed '{"applications":3}'
  mount_cfcfs -o cache_ttl=0.1,stale_ttl=0
  local odd
  while IFS= read -r odd; do
    odd_fault GET /applications 100 "$odd"
    refresh
    run -2 ls "$APPS"
    [[ $output == *'Input/output error'* ]] || fail "$odd: $output"
    assert_error applications EIO
    clear_faults
    refresh
    assert_equal "$(ls "$APPS" | grep -c '\.json$')" 3 "after $odd"
  done <<<"$ODD"
}

@test "rsync makes and deletes nothing on the strength of a list that was not understood" {
  start_emulator
  seed '{"applications":3,"deployments_per_application":0}'
  mount_cfcfs -o view=spec,delete_grace=0,cache_ttl=0.2,stale_ttl=0
  local odd
  mkdir "$T/repo"
  rsync -a --delete --exclude=/secrets "$MNT/" "$T/repo/"
  cp -r "$T/repo" "$T/before"
  sed -i 's/"max_instances": [0-9]*/"max_instances": 30/' "$T"/repo/applications/*.json
  while IFS= read -r odd; do
    odd_fault GET /applications 100 "$odd"
    refresh
    run rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
    [ "$status" != 0 ] || fail "rsync in: $odd"
    cp -r "$T/before/." "$T/out/" 2>/dev/null || cp -r "$T/before" "$T/out"
    run rsync -a --delete --exclude=/secrets "$MNT/" "$T/out/"
    [ "$status" != 0 ] || fail "rsync out: $odd"
    diff -r "$T/before" "$T/out" || fail "rsync out deleted: $odd"
    clear_faults
    assert_equal "$(count_calls POST '*')" 0 "$odd"
    assert_equal "$(count_calls DELETE '*')" 0 "$odd"
    assert_equal "$(app_names | wc -l)" 3
  done <<<"$ODD"
}

@test "a change whose answer does not say that it was made: once in the account, or an error" {
  start -o cache_ttl=0.2
  web_json "$T/web.json"
  local odd n=0
  # Each is looked for in the account as long as a lost answer would be.
  for odd in '{"success":true,"result":null}' 204; do
    n=$((n + 1))
    # The fault keeps the change from being made.
    odd_fault POST /applications 100 "$odd"
    assert_fails cp "$T/web.json" "$APPS/web$n.json"
    assert_error EIO
    clear_faults
    assert_equal "$(app_names | grep -c "web$n")" 0
  done
}
