/* The FUSE session: libfuse's part of the mount, from its options to its end. */
#pragma once

#include <fuse_lowlevel.h>

#include "api/base/err.h"
#include "fs/core/options.h"

/* What libfuse has to say goes to the log. */
void session_log_start(bool debug);
/* -EINVAL with text. */
int session_new(const struct options *options, void *userdata, struct fuse_session **ret, struct err *err);
/* Mounts, with the reason of libfuse or fusermount3 as the text of a failure. *ret_device: the mount's, or 0. */
int session_mount(struct fuse_session *session, const char *path, dev_t *ret_device, struct err *err);
/* Serves a device that another process mounted; it is closed with the session. 0 or -EIO. */
int session_adopt(struct fuse_session *session, int device);
/* Ends the connection: whoever waits for an answer gets an error. After the loop. */
void session_abort(struct fuse_session *session);
/* After session_abort, and after the last request was answered. NULL is fine. */
struct fuse_session *session_free(struct fuse_session *session);
