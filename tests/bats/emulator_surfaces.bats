#!/usr/bin/env bats
# The emulator's surfaces: what each one has, and how it says that it has not; and what a null does.
load lib

setup() {
  setup_base
  set -o pipefail # a call that fails has no answer, and jq is content with none
}

# call METHOD PATH [BODY] : "STATUS CODE" of a call past the helpers; PATH is what follows the account.
call() {
  curl -s -o "$T/answer" -w '%{http_code} ' -X "$1" -H "authorization: Bearer $TOKEN" ${3:+-d "$3"} \
    "$URL/accounts/$ACCOUNT$2"
  jq -r '.errors[0].code // 0' "$T/answer" 2>/dev/null || echo -
}

# Each operation that the contract has: METHOD PATH SOURCE PREFIX, with ids in place of the parameters.
operations() {
  python3 - "$SOURCE_DIR/docs/openapi.yaml" <<'PY'
import re, sys, yaml
contract = yaml.load(open(sys.argv[1], encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
for path, item in contract["paths"].items():
    for method, op in item.items():
        if path.startswith("/accounts/") and "operationId" in op:
            path_ = re.sub(r"\{[^}]*\}", "x", path.replace("/accounts/{account_id}/containers", ""))
            print(method.upper(), path_, op.get("x-source", "official"), op.get("x-prefix", "-"))
PY
}

# Asks for each operation under both prefixes, by one program: lines of METHOD, PATH, SOURCE, PREFIX, the one it was asked
# under and the status are in $T/asked, the answers in $T/answer.1 and so on.
ask_all() {
  local n=0 method path source prefix at
  operations >"$T/operations"
  : >"$T/config"
  : >"$T/asked.how"
  while read -r method path source prefix; do
    for at in /containers /cloudchamber; do
      n=$((n + 1))
      printf '%s %s %s %s %s\n' "$method" "$path" "$source" "$prefix" "$at" >>"$T/asked.how"
      printf 'url = "%s"\nrequest = "%s"\nheader = "authorization: Bearer %s"\ndata = "{}"\noutput = "%s"\nwrite-out = "%%{http_code}\\n"\nsilent\nnext\n' \
        "$URL/accounts/$ACCOUNT$at$path" "$method" "$TOKEN" "$T/answer.$n" >>"$T/config"
    done
  done <"$T/operations"
  sed -i '$d' "$T/config"
  curl -K "$T/config" >"$T/statuses"
  paste -d ' ' "$T/asked.how" "$T/statuses" >"$T/asked"
}

# An operation that is there refuses the id or the body, or answers; one that is not is no route.
assert_surface() {
  local surface=$1 method path source prefix at status there n=0 text
  ask_all
  [ "$(wc -l <"$T/asked")" -ge 110 ] || fail "few operations: $(cat "$T/asked")"
  while read -r method path source prefix at status; do
    n=$((n + 1)) there=yes text=''
    [ ! -s "$T/answer.$n" ] || text=$(<"$T/answer.$n")
    case $surface.$source in
    official.official) [ $at = /containers ] || there=no ;;
    official.* | wrangler.unconfirmed) there=no ;;
    esac
    [ "$surface.$prefix$at" != wrangler./cloudchamber/containers ] || there=no
    if [ $there = no ]; then
      [[ $status = 404 && $text == *'Could not route to '* ]] || fail "$surface: $method $at$path is there: $status $text"
      [[ $at = /cloudchamber || $text == *'"code":7003'* ]] || fail "$surface: $method $at$path: $text"
    else
      [[ $text != *'Could not route to '* ]] || fail "$surface: $method $at$path is no route"
    fi
  done <"$T/asked"
}

@test "each surface has what the contract marks, each under its prefix" {
  local surface
  for surface in official wrangler full; do
    start_emulator --surface $surface
    assert_surface $surface
    stop_emulator
  done
}

@test "what is withheld is no route, with the code of one" {
  start_emulator --surface official --seed sample
  assert_equal "$(app_names | wc -l)" 4 "the sample account is there all the same"
  assert_equal "$(call GET /containers/me)" "404 7003"
  jq -e '.errors[0].message | startswith("Could not route to ")' "$T/answer"
  assert_equal "$(call GET /containers/applications/x/rollouts)" "404 7003" "a path that has another method"
  assert_equal "$(call PUT /containers/applications)" "405 10405" "a method that nobody has"
}

@test "a null is refused, clears, or is not there" {
  local mode
  web_json "$T/web.json" '.name = "web"'
  for mode in refuse clear ignore; do
    start_emulator --null $mode --patch merge
    api POST /applications "$(<"$T/web.json")" >/dev/null
    got=$(call PATCH "/containers/applications/$(app_id web)" '{"max_instances": 4, "configuration": {"environment_variables": null}, "constraints": null}')
    case $mode in
    refuse)
      assert_equal "$got" "400 1400"
      jq -e '.errors[0].message | fromjson | .details | keys == ["configuration.environment_variables", "constraints"]' "$T/answer"
      app web | jq -e '.max_instances == 5 and (.configuration.environment_variables | length) == 2'
      ;;
    clear)
      assert_equal "$got" "200 0"
      app web | jq -e '.max_instances == 4 and (.configuration.environment_variables | not)'
      ;;
    ignore)
      assert_equal "$got" "200 0"
      app web | jq -e '.max_instances == 4 and (.configuration.environment_variables | length) == 2'
      ;;
    esac
    stop_emulator
  done
}

@test "a PATCH of the configuration is merged member by member, or stands for the whole" {
  web_json "$T/web.json" '.name = "web" | .configuration += {network: {mode: "public"}, command: ["a"]}'
  start_emulator --patch merge
  api POST /applications "$(<"$T/web.json")" >/dev/null
  api PATCH "/applications/$(app_id web)" '{"configuration": {"command": ["b"], "dns": {"servers": ["1.1.1.1"]}}}' >/dev/null
  app web | jq -e '.configuration | .command == ["b"] and .image and .environment_variables and .network and .dns'
  api PATCH "/applications/$(app_id web)" '{"configuration": {"dns": {"searches": ["net"]}}}' >/dev/null
  app web | jq -e '.configuration.dns == {searches: ["net"]}'
  stop_emulator
  start_emulator --patch replace
  api POST /applications "$(<"$T/web.json")" >/dev/null
  api PATCH "/applications/$(app_id web)" '{"configuration": {"image": "app:v2"}}' >/dev/null
  app web | jq -e '.configuration | (.image | endswith("app:v2")) and (.command | not)'
}

@test "an option that takes a word names its words" {
  local option
  for option in --surface --profile --patch --null; do
    run -2 "$EMULATOR" $option nonsense
    assert_match "$output" "$option nonsense: expected "
  done
}

# control_status HEADER... : of a request to the control interface with these headers.
control_status() { curl -s -o /dev/null -w '%{http_code}' "${@/#/-H}" "$CONTROL/requests"; }

@test "the control interface answers to its own address alone, and to no page of another origin" {
  start_emulator
  local at=${URL#http://}
  at=${at%%/*}
  assert_equal "$(control_status)" 200
  assert_equal "$(control_status "Host: localhost:${at##*:}")" 200
  assert_equal "$(control_status "Origin: http://$at" 'Sec-Fetch-Site: same-origin')" 200
  assert_equal "$(control_status 'Sec-Fetch-Site: none')" 200
  assert_equal "$(control_status "Host: attacker.example:${at##*:}")" 403
  assert_equal "$(control_status 'Host: attacker.example')" 403
  assert_equal "$(control_status 'Host: 127.0.0.1:1')" 403
  assert_match "$(control_status 'Host:')" '^40[03]$' # 400: from libmicrohttpd 1.0 itself
  assert_equal "$(control_status 'Origin: http://attacker.example')" 403
  assert_equal "$(control_status "Origin: http://attacker.example/$at")" 403
  assert_equal "$(control_status 'Origin: null')" 403
  assert_equal "$(control_status 'Sec-Fetch-Site: cross-site')" 403
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE -H 'Origin: http://localhost:1' "$CONTROL/state")" 403
  # The API has its token.
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: any.example' -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/applications")" 200
}

@test "the state of another version of the emulator is said to be that; its own is gone on with" {
  start_emulator --db "$T/state.db" --seed sample
  stop_emulator
  start_emulator --db "$T/state.db"
  assert_equal "$(app_names | wc -l)" 4
  stop_emulator
  python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version = 1")' "$T/state.db"
  run -1 "$EMULATOR" --db "$T/state.db"
  assert_match "$output" 'another version of the emulator; remove it'
  : >"$T/empty.db"
  start_emulator --db "$T/empty.db"
}
