# shellcheck shell=bash
# What the tests of the stage share. Loaded after lib.

# stage [OPTIONS] : a mount that stages.
stage() { mount_cfcfs -o "stage${1:+,$1}"; }
plan() { cat "$MNT/.cfcfs/plan"; }
plan_json() { jq "$@" "$MNT/.cfcfs/plan.json"; }
sum() { plan | tail -n 1; }
# apply [!] [PATH]
apply() { echo "apply${1-}${2:+ $2}" >"$MNT/.cfcfs/apply"; }
# order ERRNO WORDS : the write fails so.
order() { assert_sys "write $1" write "$MNT/.cfcfs/apply" <(echo "$2"); }
assert_nothing_staged() { assert_equal "$(sum)" 'Plan: nothing to do'; }

# api_app NAME [JQ-FILTER] : an application that is made past the mount.
api_app() { api POST /applications "$(web_body "$1" "${2-.}")" >/dev/null; }
web_body() {
  web_json "$T/body.json" "$2"
  jq -c --arg name "$1" '.name = $name' "$T/body.json"
}
# with_refs FILE SECRET KEY : an application that refers to both.
with_refs() {
  web_json "$1" ".configuration.secrets = [{name: \"DB\", type: \"env\", secret: \"$2\"}]
    | .configuration.ssh_public_key_ids = [\"ssh-keys/$3.pub\"]"
}
# make_key NAME : NAME.pub in $T.
make_key() { ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$T/$1"; }

begun() { grep -q '"event":"begin"' "$MNT/.cfcfs/apply.jsonl"; }
over() { [ "$(jq -s 'last.event' "$MNT/.cfcfs/apply.jsonl")" = '"end"' ]; }
