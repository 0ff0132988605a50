#!/bin/bash
# No test waits for a fixed time: each waits for what it needs to have happened (wait_until, past_ttl, flush_deletes, pass, advance
# in tests/bats/lib.bash). A pause inside a loop that polls says so: "# poll" at the end of its line.
cd "${1:-$(dirname "$0")/..}" || exit 1
# shellcheck disable=SC2016
found=$(grep -nE '(^|[;&|({]|\b(do|then|else)|\$\()[[:space:]]*(command[[:space:]]+)?sleep[[:space:]]+["$0-9]|\btime\.sleep\(' \
  tests/bats/*.bats tests/bats/*.bash tests/bats/*.py | grep -v '# poll$')
[ -z "$found" ] && exit 0
echo "$found"
echo "$(wc -l <<<"$found") fixed sleeps in tests: wait for a condition (see tests/bats/lib.bash)"
exit 1
