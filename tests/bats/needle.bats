#!/usr/bin/env bats
# Secrets are gone from the process once they were sent or refused: its whole memory is searched for them.
# deadline: 240 s
load lib

# needles TEXT : how often it stands in the memory of the mount, and what stands before it.
needles() {
  python3 - "$MOUNT_PID" "$1" <<'P'
import re, sys
pid, needle, hits = sys.argv[1], sys.argv[2].encode(), []
for line in open(f"/proc/{pid}/maps"):
    m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
    if "r" not in m[3] or m[4] in ("[vvar]", "[vsyscall]"): continue
    try:
        with open(f"/proc/{pid}/mem", "rb", 0) as f:
            f.seek(int(m[1], 16)); data = f.read(int(m[2], 16) - int(m[1], 16))
    except OSError: continue
    at = data.find(needle)
    while at >= 0:
        hits.append((m[4] or "anonymous", hex(int(m[1], 16) + at), data[max(0, at - 60):at])); at = data.find(needle, at + 1)
print(len(hits)); [print(*h) for h in hits]
P
}
has_none() { [ "$(needles "$1" | head -n 1)" = 0 ]; }
assert_none() {
  wait_until 15 "no trace of it" has_none "$1" || fail "$2: $(needles "$1")"
}
# random : 24 letters that stand nowhere else.
random() { head -c 18 /dev/urandom | base64 | tr '+/' 'xy'; }

start_searchable() {
  needs_root
  command -v python3 >/dev/null || skip "needs python3"
  needs_own_free
  start -o "delete_grace=0,$*"
}

@test "the search finds what is there" {
  start_searchable cache_ttl=60
  web_json "$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  cat "$APPS/web.json" >/dev/null
  [ "$(needles production | head -n 1)" -gt 0 ] || fail "a document that is cached is not found"
}

@test "a secret's value is nowhere in memory once it was sent, by whatever tool" {
  start_searchable cache_ttl=1
  local value
  for way in redirect cp tee long again; do
    value=$(random)
    case $way in
    redirect) printf '%s' "$value" >"$MNT/secrets/one" ;;
    cp) printf '%s\n' "$value" >"$T/value" && cp "$T/value" "$MNT/secrets/two" ;;
    tee) printf '%s' "$value" | tee "$MNT/secrets/three" >/dev/null ;;
    long) { printf '%s' "$value" && head -c 3000 /dev/zero | tr '\0' a; } | tee "$MNT/secrets/four" >/dev/null ;;
    again) for n in 1 2 3; do printf '%s' "$value" | tee "$MNT/secrets/five" >/dev/null; done ;;
    esac
    ls -l "$MNT/secrets" >/dev/null
    assert_none "$value" "$way"
  done
}

@test "a refused secret is not kept" {
  start_searchable cache_ttl=1
  local value
  value=$(random)
  fault '{"method":"POST","path":"/secrets","times":1,"status":400}'
  printf '%s' "$value" >"$T/value"
  assert_fails cp "$T/value" "$MNT/secrets/one"
  assert_none "$value" "refused by the service"
  fault '{"method":"POST","path":"/secrets","times":1,"status":500}'
  value=$(random)
  printf '%s' "$value" >"$T/value"
  cp "$T/value" "$MNT/secrets/two" 2>/dev/null || true
  assert_none "$value" "a failure of the service"
}

@test "a job's secret values and a registry's credential are gone, accepted or refused" {
  start_searchable cache_ttl=1
  local value jobs=$APPS/web/jobs
  jq -n '{instances: 0, max_instances: 5, jobs: true, configuration: {image: "registry.cloudflare.com/app:v1", instance_type: "lite"}}' >"$T/web.json"
  cp "$T/web.json" "$APPS/web.json"
  for way in accepted refused malformed; do
    value=$(random)
    jq -n --arg v "$value" '{entrypoint: ["/bin/x"], command: [], secrets: [{type: "env", name: "KEY", value: $v}]}' >"$T/job.json"
    [ $way != refused ] || fault '{"method":"POST","path":"/applications/*/jobs","times":1,"status":400}'
    [ $way != malformed ] || sed -i 's/"command"/"comand"/' "$T/job.json"
    if [ $way = accepted ]; then cp "$T/job.json" "$jobs/$way.json"; else assert_fails cp "$T/job.json" "$jobs/$way.json"; fi
    cat "$jobs"/*.json >/dev/null 2>&1 || true
    assert_none "$value" "a job, $way"
  done
  for way in accepted refused; do
    value=$(random)
    jq -n --arg v "$value" '{kind: "DockerHub", auth: {public_credential: "acme", private_credential: $v}}' >"$T/registry.json"
    [ $way != refused ] || fault '{"method":"POST","path":"/registries","times":1,"status":400}'
    cp "$T/registry.json" "$MNT/registries/$way.example.com.json" 2>/dev/null || true
    assert_none "$value" "a registry, $way"
  done
}

@test "over TLS too" {
  needs_root
  command -v python3 >/dev/null || skip "needs python3"
  needs_own_free
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
  start_emulator --tls-cert "$T/cert.pem" --tls-key "$T/key.pem"
  mount_cfcfs -o "cacert=$T/cert.pem,cache_ttl=1"
  local value
  for n in 1 2 3; do
    value=$(random)
    printf '%s' "$value" | tee "$MNT/secrets/one" >/dev/null
    ls "$MNT/secrets" >/dev/null
    assert_none "$value" "secret $n"
  done
}

@test "staged: none is left once it is applied or discarded" {
  start_searchable stage
  local value job
  value=$(random) job=$(random)
  printf '%s' "$value" | tee "$MNT/secrets/db" >/dev/null
  web_json "$T/web.json" '.jobs = true'
  cp "$T/web.json" "$APPS/web.json"
  jq -n --arg v "$job" '{entrypoint: ["/bin/x"], command: ["x"], secrets: [{type: "env", name: "S", value: $v}]}' >"$APPS/web/jobs/j.json"
  cat "$MNT/.cfcfs/plan" "$MNT/.cfcfs/plan.json" >/dev/null
  echo apply >"$MNT/.cfcfs/apply"
  assert_equal "$(tail -n 1 "$MNT/.cfcfs/plan")" 'Plan: nothing to do'
  assert_none "$value" "a secret, applied"
  assert_none "$job" "a job's secret, applied"
  value=$(random)
  printf '%s' "$value" | tee "$MNT/secrets/other" >/dev/null
  echo discard >"$MNT/.cfcfs/apply"
  assert_none "$value" "a secret, discarded"
}
