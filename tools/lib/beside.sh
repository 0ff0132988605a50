# shellcheck shell=bash
# The file systems that tools/bench measures beside cfcfs, each a view of $SHM at a folder of $T. NAME_lacks says what is not
# there to have it, with status 1; mount_NAME mounts it.

PASSTHROUGH=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
SFTP_SERVER=/usr/lib/openssh/sftp-server

passthrough_lacks() {
  [ -f "$PASSTHROUGH" ] || { echo "there is no $PASSTHROUGH (libfuse3-dev, installed with its documentation)"; return 1; }
}
mount_passthrough() {
  # shellcheck disable=SC2046
  cc -O2 -I"$(dirname "$PASSTHROUGH")" $(pkg-config --cflags fuse3) -DHAVE_COPY_FILE_RANGE "$PASSTHROUGH" -o "$T/passthrough_ll" \
    $(pkg-config --libs fuse3) >>"$T/log" 2>&1 || return 1
  mkdir "$T/passthrough"
  background "$T/passthrough_ll" -f -o "source=$SHM,cache=always,timeout=3600" "$T/passthrough"
  until_mounted "$T/passthrough"
}
sshfs_lacks() {
  command -v sshfs >/dev/null || { echo "there is no sshfs"; return 1; }
  [ -x "$SFTP_SERVER" ] || { echo "there is no $SFTP_SERVER (openssh-sftp-server)"; return 1; }
}
mount_sshfs() {
  # The server as a child and no encryption: faster than any real loopback login.
  printf '#!/bin/sh\nexec %s\n' "$SFTP_SERVER" >"$T/ssh" && chmod +x "$T/ssh"
  mkdir "$T/sshfs"
  background sshfs -f -o "ssh_command=$T/ssh,dcache_timeout=3600" "localhost:$SHM" "$T/sshfs"
  until_mounted "$T/sshfs"
}
rclone_lacks() { command -v rclone >/dev/null || { echo "there is no rclone"; return 1; }; }
mount_rclone() {
  mkdir "$T/rclone"
  background rclone mount --config /dev/null --dir-cache-time 1h --attr-timeout 1h "$SHM" "$T/rclone"
  until_mounted "$T/rclone"
}
