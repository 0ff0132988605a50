#!/usr/bin/env bats
# The emulator's page at /__emulator/: one file, for its own address alone; in a browser, where there is one.
# deadline: 300 s
load lib

setup() {
  setup_base
  set -o pipefail
}

teardown() {
  [ -z "${SESSION-}" ] || driver DELETE "session/$SESSION" >/dev/null 2>&1 || true
  teardown_base
}

# ---- a browser, spoken to by WebDriver

needs_browser() {
  command -v chromedriver >/dev/null && command -v chromium >/dev/null || skip "there is no chromium with chromedriver"
}
# driver METHOD PATH [JSON] : prints the value of the answer.
driver() {
  curl -sS -m 60 -X "$1" ${3:+-H 'content-type: application/json' -d "$3"} "http://127.0.0.1:$DRIVER/$2" >"$T/driver.out"
  jq -e '.value | if type == "object" and has("error") then error(.message) else . end' "$T/driver.out" >"$T/driver.value" ||
    [ "$(<"$T/driver.value")" = null ] || fail "driver $1 $2: $(head -c 400 "$T/driver.out")"
  cat "$T/driver.value"
}
start_browser() {
  DRIVER=$((20000 + RANDOM % 20000))
  chromedriver --port=$DRIVER >"$T/chromedriver.log" 2>&1 </dev/null 3>&- &
  record_pid "$T/pids" $!
  wait_until 60 "the driver" curl -s -o /dev/null "http://127.0.0.1:$DRIVER/status"
  SESSION=$(driver POST session "{\"capabilities\": {\"alwaysMatch\": {\"goog:chromeOptions\": {\"args\": [\"--headless=new\", \"--no-sandbox\",
    \"--disable-gpu\", \"--disable-dev-shm-usage\", \"--user-data-dir=$T/browser\"]}}}}" | jq -r .sessionId)
}
# js EXPRESSION : its value in the page.
js() { driver POST "session/$SESSION/execute/sync" "$(jq -nc --arg s "return $1" '{script: $s, args: []}')" | jq -r .; }
is_true() { [ "$(js "$1" 2>/dev/null)" = true ]; }
# click SELECTOR : as a mouse does it.
click() {
  local element
  element=$(driver POST "session/$SESSION/element" "$(jq -nc --arg v "$1" '{using: "css selector", value: $v}')" | jq -r '.[]')
  driver POST "session/$SESSION/element/$element/click" '{}' >/dev/null
}

@test "page: one file, without anything from elsewhere" {
  start_emulator
  curl -s -D "$T/head" -o "$T/page" "$CONTROL/"
  cmp "$T/page" "$SOURCE_DIR/emulator/page.html"
  grep -qi '^content-type: text/html; charset=utf-8' "$T/head"
  grep -qi "^content-security-policy: default-src 'none'" "$T/head"
  ! grep -E 'https?://|src=|<link|@import|url\(' "$T/page" || fail "it refers to something"
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: attacker.example' "$CONTROL/")" 403
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -H 'Sec-Fetch-Site: cross-site' "$CONTROL/")" 403
}

@test "page: what it shows is what is there" {
  start_emulator --seed sample --rate 1200/300
  api GET /applications >/dev/null
  control GET overview | jq -e --arg a "$ACCOUNT" '.profile == "ideal" and .surface == "full" and .time_scale == 1
    and (.accounts | length == 1 and (.[0] | .id == $a and .rate.left == 1199 and .rate.quota == 1200 and .counts.applications == 4
      and .counts.secrets == 2 and ([.applications[].name] == ["web", "reports", "chat-room", "thumbnails"])))'
  control DELETE rate >/dev/null
  control GET overview | jq -e '.accounts[0].rate.left == 1200'
}

@test "page: in a browser, resources appear, requests stream in, buttons do what they say" {
  needs_browser
  start_emulator --seed sample --rate 1200/300
  start_browser
  driver POST "session/$SESSION/url" "{\"url\": \"$CONTROL/\"}" >/dev/null
  wait_until 30 "the applications" is_true 'document.querySelectorAll("#applications tr").length === 4'
  assert_match "$(js 'document.querySelector("#applications").innerText')" 'thumbnails'
  assert_match "$(js 'document.querySelector("#rate").innerText')" '1200 of 1200 left'
  # Requests as they come.
  api GET /secrets >/dev/null
  wait_until 30 "the request" is_true 'document.querySelector("#requests").innerText.includes("/secrets")'
  # A fault by a button.
  js '(document.querySelector("#path").value = "/secrets", true)' >/dev/null
  click "button[data-fault*='\"status\":500']"
  wait_until 30 "the fault" is_true 'document.querySelector("#faults").innerText.includes("status 500")'
  assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -H "authorization: Bearer $TOKEN" "$URL/accounts/$ACCOUNT/containers/secrets")" 500
  api GET /secrets >/dev/null
  # The clock.
  local before
  before=$(control GET clock | jq .now_ms)
  click 'button[data-advance="3600"]'
  wait_until 30 "the clock" eval '(($(control GET clock | jq .now_ms) >= before + 3600000))'
  # More of everything.
  click 'button[data-seed*="applications"]'
  wait_until 30 "the seed" is_true 'document.querySelectorAll("#applications tr").length === 24'
}
