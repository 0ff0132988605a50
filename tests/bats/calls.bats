#!/usr/bin/env bats
# What looking costs: API calls, counted at the emulator, at 200 and at 2,000 applications.
# deadline: 600 s
load lib

# Nothing expires and nothing waits for the budget while calls are counted.
LONG=cache_ttl=3600,status_ttl=3600,negative_ttl=3600,rps=10000,burst=100000

calls() { requests 'select(.method == "GET")' | wc -l; }
further_pages() { requests 'select(.query // "" | test("page_token=|last="))' | wc -l; }
all_calls() { requests '[.method, .path, .query] | @tsv' | jq -r . | sort | uniq -c | sort -rn | head -n 25; }
# Calls of one path, sorted into what they are for: "12 /applications/*/rollouts".
families() {
  requests .path | jq -r . | sed -E 's,/[0-9a-f-]{32\,36},/*,g' | sort | uniq -c
}
nothing_twice() {
  local twice
  twice=$(requests '[.method, .path, .query] | @tsv' | jq -r . | sort | uniq -d)
  assert_equal "$twice" '' "asked twice"
}
# at_most N : calls, further pages apart; and none of them a write.
at_most() {
  local got
  got=$(($(calls) - $(further_pages)))
  ((got <= $1)) || fail "$got calls, wanted $1 at most:"$'\n'"$(families)"
  assert_writes 0
  nothing_twice
}

# look COMMAND : one way to look at the whole tree, its output counted in lines.
look() {
  case $1 in
  find) find "$MNT" | wc -l ;;
  ls) ls -lR "$MNT" | wc -l ;;
  grep) grep -rs registry "$MNT" | wc -l ;; # -s: secrets cannot be read
  rsync) rsync -ani --delete --exclude=/secrets "$MNT/" "$T/repo/" | wc -l ;;
  esac
}

# spec N : each command cold and warm, in a mount of its own, with N applications.
spec() {
  local how other lines
  start_emulator
  seed "{\"applications\":$1,\"deployments\":50,\"secrets\":20,\"ssh_keys\":5,\"registries\":2,\"protocols\":2,\"duplicate_names\":2}"
  mkdir "$T/repo"
  for how in find ls grep rsync; do
    clear_requests
    mount_cfcfs -o "$LONG,view=spec"
    lines=$(look "$how")
    ((lines >= $1)) || fail "$how shows $lines lines"
    at_most 8
    clear_requests
    assert_equal "$(look "$how")" "$lines" "$how shows something else the second time"
    assert_equal "$(calls)" 0 "$how, once more"
    # What one of them learned serves the others.
    for other in find ls grep rsync; do look "$other" >/dev/null; done
    # rsync was told to leave the secrets out.
    assert_equal "$(requests 'select(.path != "/secrets")' | wc -l)" 0 "the others after $how: $(families)"
    umount_cfcfs
  done
}

@test "view=spec, 200 applications: find, ls -lR, grep -r, rsync -n cost 8 calls cold, none warm" {
  spec 200
}

@test "view=spec, 2,000 applications: the same, and one per further page" {
  spec 2000
}

# full N : in the full view, by the table in the specification.
full() {
  local how allowed extra jobs=5 lines
  start_emulator
  seed "{\"applications\":$1,\"deployments_per_application\":1,\"deployments\":20,\"secrets\":20,\"ssh_keys\":5,\"jobs\":$jobs}"
  for how in find ls; do
    clear_requests
    mount_cfcfs -o "$LONG"
    lines=$(look "$how")
    # 8 + 2, instances and rollouts of each application, jobs of those that have them, placements of each deployment.
    allowed=$((10 + 2 * $1 + jobs + ($1 + 20)))
    extra=0
    [ "$how" = ls ] && extra=$((2 * $1))
    at_most $((allowed + extra))
    clear_requests
    assert_equal "$(look "$how")" "$lines" "$how shows something else the second time"
    assert_equal "$(calls)" 0 "$how, once more: $(families)"
    umount_cfcfs
  done
}

@test "the full view, 200 applications: find and ls -lR cost what was promised, once" {
  full 200
}

@test "the full view, 2,000 applications: find and ls -lR cost what was promised, once" {
  full 2000
}

@test "mounting, df, and ls of the root cost one call" {
  start_emulator
  seed '{"applications":20}'
  clear_requests
  mount_cfcfs -o "$LONG"
  df "$MNT" >/dev/null
  ls -l "$MNT" >/dev/null
  assert_equal "$(calls)" 1
}

@test "ls, ls -l, cat of one collection cost the list alone" {
  start_emulator
  seed '{"applications":200}'
  mount_cfcfs -o "$LONG"
  clear_requests
  ls "$APPS" >/dev/null
  ls -l "$APPS" >/dev/null
  cat "$APPS"/*.json >/dev/null
  cat "$APPS"/*/status.json >/dev/null
  getfattr -h -d -m user.cfcfs "$APPS/app-00007.json" >/dev/null
  stat "$APPS/missing.json" 2>/dev/null || true
  # ls -l shows sizes of files and of directories, neither of which costs a call of its own.
  at_most 1
}

@test "100 processes that miss the same thing at once make one call" {
  start_emulator
  seed '{"applications":50}'
  mount_cfcfs -o "$LONG,timeout=30"
  fault '{"method":"GET","path":"/applications","latency_ms":700}'
  clear_requests
  local i pids=()
  for i in {1..100}; do
    cat "$APPS/app-00001.json" >"$T/out.$i" 2>&1 3>&- &
    pids+=($!)
  done
  wait "${pids[@]}"
  assert_equal "$(cat "$T"/out.* | grep -c '"image"')" 100
  at_most 1
  clear_faults
  clear_requests
  fault '{"method":"GET","path":"/applications/*/rollouts","latency_ms":700}'
  pids=()
  for i in {1..100}; do
    ls "$APPS/app-00001/rollouts" >/dev/null 2>&1 3>&- &
    pids+=($!)
  done
  wait "${pids[@]}"
  at_most 1
}

@test "a second look within the time to live costs nothing, one past it the lists again" {
  start_emulator
  seed '{"applications":50,"deployments":5,"secrets":5}'
  mount_with_clock -o "cache_ttl=60,status_ttl=60,negative_ttl=60,rps=10000,burst=100000,view=spec"
  find "$MNT" >/dev/null
  clear_requests
  find "$MNT" >/dev/null
  assert_equal "$(calls)" 0
  pass 61
  ls -lR "$MNT" >/dev/null
  at_most 8
  (($(calls) >= 5)) || fail "only $(calls) calls after the time to live"
}

@test "rsync of an unchanged repository: no write and 8 reads; of one changed file: one PATCH and one rollout" {
  start_emulator
  seed '{"applications":200,"deployments":10,"secrets":5,"ssh_keys":3,"registries":1,"protocols":1}'
  mkdir "$T/repo"
  mount_cfcfs -o "$LONG,view=spec,delete_grace=0"
  rsync -a --exclude=/secrets "$MNT/" "$T/repo/"
  umount_cfcfs
  clear_requests
  mount_cfcfs -o "$LONG,view=spec,delete_grace=0"
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  at_most 8
  # The times of the files differ, so that each is compared by its content.
  find "$T/repo" -name '*.json' -exec touch -d '2020-01-01' {} +
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  at_most 8
  clear_requests
  sed -i 's/"max_instances": [0-9]*/"max_instances": 17/' "$T/repo/applications/app-00003.json"
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  assert_writes 1
  assert_calls 1 PATCH '/applications/*'
  clear_requests
  jq --indent 2 '.configuration.image = "registry.cloudflare.com/app:v77"' "$T/repo/applications/app-00004.json" >"$T/new"
  cp "$T/new" "$T/repo/applications/app-00004.json"
  rsync -a --delete --exclude=/secrets "$T/repo/" "$MNT/"
  assert_writes 1
  assert_calls 1 POST '/applications/*/rollouts'
}

@test "looking changes nothing" {
  start_emulator
  seed '{"applications":20,"deployments":5,"secrets":5,"ssh_keys":2,"jobs":2,"durable_objects":2}'
  mount_cfcfs -o "$LONG"
  clear_requests
  find "$MNT" -type f -exec stat {} + >/dev/null
  find "$MNT" -type f -exec getfattr -h -d -m - {} + >/dev/null 2>&1
  find "$MNT" -type f -exec cat {} + >/dev/null 2>&1 || true
  find "$MNT" -type f -exec test -w {} \; 2>/dev/null
  tar -C "$MNT" -cf - . >/dev/null 2>&1 || true
  du -s "$MNT" >/dev/null
  assert_writes 0
}

@test "an API that is slower than the time to live costs a look few calls, and not one for each name" {
  start_emulator
  seed '{"applications":60}'
  mount_cfcfs -o "cache_ttl=0.6,status_ttl=0.6,negative_ttl=0.6,rps=10000,burst=100000,view=spec"
  fault '{"method":"GET","path":"/applications","latency_ms":900}'
  clear_requests
  assert_equal "$(ls -l "$APPS" | grep -c 'app-')" 60
  cat "$APPS"/*.json >/dev/null
  (($(calls) <= 6)) || fail "$(families)"
}
