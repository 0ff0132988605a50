/* Options of the command line, of mount(8) and of the environment (specification, "Options"). */
#pragma once

#include <sys/types.h>

#include "api/base/err.h"
#include "api/base/log.h"
#include "api/doc.h"

enum view_mode { VIEW_FULL, VIEW_SPEC };
enum rollout_mode { ROLLOUT_AUTO, ROLLOUT_MANUAL, ROLLOUT_NONE };

#define ROLLOUT_STEPS_MAX 16

struct options {
	char *account_id, *mountpoint;                         /* owned */
	char *registry_url;                                    /* owned; NULL: not given */
	char *url, *token_file, *cacert, *state_dir, *logfile; /* owned; NULL: not given */
	char *share, *share_secret_file;                       /* owned; NULL: not given */
	enum view_mode view;
	uint64_t hidden; /* kinds that are left out: a set of their numbers */
	bool stage;      /* nothing is sent until it is applied */
	bool ro, nodelete, allow_other, secret_newline_keep;
	bool instances_all; /* history too */
	enum rollout_mode rollout;
	unsigned rollout_steps[ROLLOUT_STEPS_MAX]; /* percent, rising to 100 */
	unsigned rollout_steps_count;              /* 0: the default, 10:100 */
	enum validate_mode validate;
	/* Milliseconds: */
	int64_t delete_grace_ms, cache_ttl_ms, status_ttl_ms, negative_ttl_ms, stale_ttl_ms;
	int64_t connect_timeout_ms, timeout_ms;
	size_t max_cache_bytes;
	double rps;
	unsigned burst, max_conns, retries;
	unsigned history;    /* lines that history.jsonl keeps */
	unsigned max_delete; /* root resources within a few seconds, in a full view */
	uid_t uid;
	gid_t gid;
	unsigned umask, file_mode, dir_mode; /* modes: 0 is "as the table says" */
	enum log_level loglevel;
	bool remount;      /* not a new mount: ro or rw for the one that stands there */
	bool replace_dead; /* a mount of ours whose process died is taken off the mount point first */
	bool foreground, debug, help, version;
	char *fuse_options; /* owned; what libfuse and the kernel take, comma-separated */
};

void options_init(struct options *o);
void options_free(struct options *o);
/* 0, or -EINVAL with a sentence that names the word and the nearest known one. Values come from argv alone, but for the
   account id ($CLOUDFLARE_ACCOUNT_ID). */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_help(FILE *out);
