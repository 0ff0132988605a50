# shellcheck shell=bash
# The file systems that tools/bench measures beside cfcfs, each a view of $SHM at a folder of $T. Status 1, and a line of
# $T/skipped, where one cannot be had.

mount_passthrough() {
  local source=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
  [ -f "$source" ] || { skip passthrough "libfuse3-dev has no examples here"; return 1; }
  # shellcheck disable=SC2046
  cc -O2 -I"$(dirname "$source")" $(pkg-config --cflags fuse3) -DHAVE_COPY_FILE_RANGE "$source" -o "$T/passthrough_ll" \
    $(pkg-config --libs fuse3) >>"$T/log" 2>&1 || { skip passthrough "it does not build"; return 1; }
  mkdir "$T/passthrough"
  background "$T/passthrough_ll" -f -o "source=$SHM,cache=always,timeout=3600" "$T/passthrough"
  until_mounted "$T/passthrough" || { skip passthrough "it does not mount"; return 1; }
}
mount_sshfs() {
  command -v sshfs >/dev/null || { skip sshfs "not installed (sshfs)"; return 1; }
  local server=/usr/lib/openssh/sftp-server
  [ -x "$server" ] || { skip sshfs "there is no sftp-server (openssh-sftp-server)"; return 1; }
  # The server as a child and no encryption: faster than any real loopback login.
  printf '#!/bin/sh\nexec %s\n' "$server" >"$T/ssh" && chmod +x "$T/ssh"
  mkdir "$T/sshfs"
  background sshfs -f -o "ssh_command=$T/ssh,dcache_timeout=3600" "localhost:$SHM" "$T/sshfs"
  until_mounted "$T/sshfs" || { skip sshfs "it does not mount"; return 1; }
}
mount_rclone() {
  command -v rclone >/dev/null || { skip rclone "not installed (rclone)"; return 1; }
  mkdir "$T/rclone"
  background rclone mount --config /dev/null --dir-cache-time 1h --attr-timeout 1h "$SHM" "$T/rclone"
  until_mounted "$T/rclone" || { skip rclone "it does not mount"; return 1; }
}
