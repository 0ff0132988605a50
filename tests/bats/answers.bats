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

@test "an answer about another resource is none: nothing is compared with it, kept of it, or removed for it" {
  start -o cache_ttl=0.2,delete_grace=0
  local other body neu
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  sed 's/"max_instances": 5/"max_instances": 6/' "$T/web.json" >"$T/other.json"
  cp "$T/other.json" "$APPS/other.json"
  other=$(jq -c '{success: true, result: .}' <<<"$(app other)")
  clear_requests
  # Before the change is sent the account is asked. This answer has it already.
  fault "$(jq -nc --arg p "/applications/$(app_id web)" --arg b "$other" '{method:"GET",path:$p,times:100,status:200,body:$b}')"
  refresh
  assert_fails cp "$T/other.json" "$APPS/web.json"
  assert_error EIO
  clear_faults
  assert_writes 0
  refresh
  grep -q '"max_instances": 5' "$APPS/web.json"
  # What a create made is not what was there before it.
  body=$(jq -c '.result.name = "neu"' <<<"$other")
  fault "$(jq -nc --arg b "$body" '{method:"POST",path:"/applications",times:1,status:201,body:$b}')"
  cp "$T/web.json" "$APPS/neu.json"
  assert_exists "$APPS/other.json"
  neu=$(app_id neu)
  rm "$APPS/neu.json"
  assert_calls 1 DELETE '*'
  assert_calls 1 DELETE "/applications/$neu"
}

@test "a secret's value that another secret's answer came to is not taken for the other's" {
  start -o cache_ttl=0.2
  printf one >"$T/one"
  printf two >"$T/two"
  cp "$T/one" "$MNT/secrets/A"
  cp "$T/one" "$MNT/secrets/B"
  local answer
  answer=$(jq -c '{success: true, result: .}' <<<"$(api GET /secrets/B)")
  fault "$(jq -nc --arg b "$answer" '{method:"PATCH",path:"/secrets/A",times:1,status:200,body:$b}')"
  assert_fails cp "$T/two" "$MNT/secrets/A"
  clear_requests
  cp "$T/two" "$MNT/secrets/B"
  assert_calls 1 PATCH /secrets/B
}
