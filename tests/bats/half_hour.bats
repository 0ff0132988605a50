#!/usr/bin/env bats
# The first half hour of use, on what the real service offers: the official operations alone, or those and wrangler's, with the service
# as slow to show what it accepted as people saw it.
load lib

begin() { # begin SURFACE
  start_emulator --surface "$1" --profile live --time-scale 60
  mount_cfcfs -o cache_ttl=1,status_ttl=1,delete_grace=0.2
}
works() { # works COMMAND... : ends with 0.
  run "$@"
  [ "$status" = 0 ] || fail "$*: status $status: $output; $(last_error .message)"
}
half_hour() { # half_hour SURFACE
  begin "$1"
  # Look.
  works ls "$MNT"
  works ls -la "$MNT" "$APPS"
  works find "$MNT"
  works ls -lR "$MNT"
  # Make one.
  web_json "$T/web.json"
  works cp "$T/web.json" "$APPS/web.json"
  works cmp "$T/web.json" "$APPS/web.json"
  works cat "$APPS/web.json" "$APPS/web/status.json" "$APPS/web/versions.json"
  works find "$APPS/web" -type f
  works grep -r production "$APPS"
  # A clone.
  works cp "$APPS/web.json" "$APPS/copy.json"
  ls "$APPS" | grep -Fx copy.json
  # Change.
  works sed -i 's/app:v1/app:v2/' "$APPS/web.json"
  works grep app:v2 "$APPS/web.json"
  works sed -i 's/"max_instances": 5/"max_instances": 6/' "$APPS/web.json"
  works grep '"max_instances": 6' "$APPS/web.json"
  works ls "$APPS/web/rollouts"
  works ls -lR "$APPS/web"
  # Out by rsync, and back: not one write.
  mkdir "$T/repo"
  works rsync -a --exclude=/secrets "$MNT/applications/" "$T/repo/applications/"
  umount_cfcfs
  mount_cfcfs -o view=spec,delete_grace=0.2
  works rsync -a --exclude=/secrets "$MNT/" "$T/whole/"
  clear_requests
  works rsync -a --delete --exclude=/secrets "$T/whole/" "$MNT/"
  assert_writes 0
  # One changed in the repository, one removed from it.
  sed -i 's/app:v2/app:v3/' "$T/whole/applications/web.json"
  rm "$T/whole/applications/copy.json"
  works rsync -a --delete --exclude=/secrets "$T/whole/" "$MNT/"
  works grep app:v3 "$APPS/web.json"
  works sync "$APPS"
  assert_absent "$APPS/copy.json"
  # Rename and remove.
  works mv "$APPS/web.json" "$APPS/site.json"
  works grep app:v3 "$APPS/site.json"
  works rm "$APPS/site.json"
  works sync "$APPS"
  assert_equal "$(ls "$APPS")" ''
  works find "$MNT"
  assert_equal "$(cat "$MNT/.cfcfs/errors.jsonl")" '' failures
}

@test "the first half hour: official" { half_hour official; }

@test "the first half hour: wrangler" {
  half_hour wrangler
  # What is under the other prefix.
  echo '{"image": "docker.io/acme/probe:v1", "location": "lhr01", "instance_type": "lite"}' >"$T/probe.json"
  works cp "$T/probe.json" "$MNT/deployments/probe.json"
  works sed -i s/v1/v2/ "$MNT/deployments/probe.json"
  works rsync -a --exclude=/secrets "$MNT/" "$T/again/"
  works grep v2 "$T/again/deployments/probe.json"
  works rm "$MNT/deployments/probe.json"
  works sync "$MNT/deployments"
  works find "$MNT"
  assert_equal "$(cat "$MNT/.cfcfs/errors.jsonl")" '' failures
}

@test "the first half hour: full" { half_hour full; }
