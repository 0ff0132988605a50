# shellcheck shell=bash
# What the programs of tools/ share. Sourced; sets SOURCE_DIR.

SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PROGRAM=${0##*/}

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() { say "$*"; exit 1; }

# shellcheck source=tools/lib/packages.sh
. "$SOURCE_DIR/tools/lib/packages.sh"

# shellcheck source=tools/lib/build.sh
. "$SOURCE_DIR/tools/lib/build.sh"
