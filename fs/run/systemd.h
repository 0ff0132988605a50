/* What the service manager is told, where it asked to be: sd_notify(3) documents the protocol, one datagram a message. */
#pragma once

#include "api/base/cleanup.h"

/* It serves; text is the line of "systemctl status". */
void systemd_ready(const char *text);
/* SIGHUP is being obeyed; systemd_ready follows. */
void systemd_reloading(void);
/* It ends; for as long as this may take in milliseconds the manager must not kill it. */
void systemd_stopping(const char *text, int64_t timeout_ms);
