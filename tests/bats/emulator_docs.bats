#!/usr/bin/env bats
# docs/EMULATOR.md: its commands do what it says, and its table is that of the contract.
load lib

DOC=$SOURCE_DIR/docs/EMULATOR.md

@test "docs: the script for CI starts the emulator, asks it, and ends it" {
  sed -n '/^```sh$/,/^```$/p' "$DOC" | sed '/^```/d' >"$T/ci.sh"
  [ -s "$T/ci.sh" ] || fail "there is no script"
  cd "$T"
  PATH=$(dirname "$EMULATOR"):$PATH run -0 timeout 60 bash -e ci.sh
  assert_equal "$output" $'web\nreports\nchat-room\nthumbnails'
}

@test "docs: each operation of the contract stands in the table, with where it is known from" {
  python3 - "$SOURCE_DIR/docs/openapi.yaml" >"$T/want" <<'PY'
import sys, yaml
contract = yaml.load(open(sys.argv[1], encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
for path, item in contract["paths"].items():
    for method, op in item.items():
        if "operationId" in op:
            under = " (under cloudchamber)" if op.get("x-prefix") else ""
            print(f"| {method.upper()} | `{path.replace('/accounts/{account_id}/containers', '')}` | {op.get('x-source', 'official')}{under} |")
PY
  grep -E '^\| (GET|POST|PATCH|PUT|DELETE|HEAD) ' "$DOC" | diff "$T/want" -
}
