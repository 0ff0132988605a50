#include "fs/core/options.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>

#include "api/base/buf.h"
#include "api/base/parse.h"
#include "cache/state.h"

enum option_type {
	OPTION_TEXT,
	OPTION_FLAG,
	OPTION_SECONDS,
	OPTION_UNSIGNED,
	OPTION_NUMBER,
	OPTION_MIB,
	OPTION_MODE,
	OPTION_WORD
};

struct option_row {
	const char *name;
	enum option_type type;
	size_t offset;
	double min, max;
	/* OPTION_WORD: sets the field from the text. */
	int (*set)(struct options *o, const char *value);
	const char *words; /* what set takes, for the message */
	const char *hint;  /* where a number comes from, for the message; NULL: none */
	const char *help;
};

static int set_view(struct options *o, const char *value)
{
	if (!strcmp(value, "full"))
		o->view = VIEW_FULL;
	else if (!strcmp(value, "spec"))
		o->view = VIEW_SPEC;
	else
		return -EINVAL;
	return 0;
}

static int set_validate(struct options *o, const char *value)
{
	static const char *const words[] = { [VALIDATE_STRICT] = "strict", [VALIDATE_WARN] = "warn", [VALIDATE_OFF] = "off" };
	_Static_assert(array_len(words) == VALIDATE_OFF + 1, "each mode has a word");

	for (size_t i = 0; i < array_len(words); i++) {
		if (!strcmp(value, words[i])) {
			o->validate = (enum validate_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_newline(struct options *o, const char *value)
{
	if (strcmp(value, "keep") && strcmp(value, "drop"))
		return -EINVAL;
	o->secret_newline_keep = !strcmp(value, "keep");
	return 0;
}

static int set_loglevel(struct options *o, const char *value)
{
	return log_level_parse(value, &o->loglevel);
}

/* Hides the kinds of this directory name; false: there are none. */
static bool hide_dir(struct options *o, const char *dir, size_t len)
{
	bool found = false;

	for (const struct kind *const *k = kinds; *k; k++) {
		if (strlen((*k)->dir) != len || strncmp((*k)->dir, dir, len))
			continue;
		o->hidden |= UINT64_C(1) << kind_number(*k);
		found = true;
	}
	return found;
}

/* "deployments:ips". */
static int set_hide(struct options *o, const char *value)
{
	for (;;) {
		size_t len = strcspn(value, ":");

		if (!hide_dir(o, value, len))
			return -EINVAL;
		if (!value[len])
			return 0;
		value += len + 1;
	}
}

static int set_instances(struct options *o, const char *value)
{
	if (strcmp(value, "active") && strcmp(value, "all"))
		return -EINVAL;
	o->instances_all = !strcmp(value, "all");
	return 0;
}

/* "10:100", "manual:25:50:100", "100", "none". */
static int set_rollout(struct options *o, const char *value)
{
	unsigned steps[ROLLOUT_STEPS_MAX], count = 0;
	enum rollout_mode mode = ROLLOUT_AUTO;

	if (!strcmp(value, "none")) {
		o->rollout = ROLLOUT_NONE;
		return 0;
	}
	if (!strncmp(value, "manual:", 7)) {
		mode = ROLLOUT_MANUAL;
		value += 7;
	}
	for (;;) {
		char *end;
		unsigned long v = strtoul(value, &end, 10);

		if (!isdigit((unsigned char)*value) || v < 1 || v > 100 || count == ROLLOUT_STEPS_MAX ||
		    (count && v <= steps[count - 1]))
			return -EINVAL;
		steps[count++] = (unsigned)v;
		if (!*end)
			break;
		if (*end != ':')
			return -EINVAL;
		value = end + 1;
	}
	if (steps[count - 1] != 100)
		return -EINVAL;
	memcpy(o->rollout_steps, steps, sizeof(steps));
	o->rollout_steps_count = count;
	o->rollout = mode;
	return 0;
}

/* Documents hold environment variables: others are let in, but not to everything. */
#define UMASK_SHARED 027u
#define UMASK_UNSET  (~0u)

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
	{ "url", OPTION_TEXT, AT(url), .help = "base address of the API" },
	{ "registry_url", OPTION_TEXT, AT(registry_url), .help = "address of the managed registry of images" },
	{ "token_file", OPTION_TEXT, AT(token_file), .help = "file with the API token, readable by its owner alone" },
	{ "cacert", OPTION_TEXT, AT(cacert), .help = "file with a certificate authority to trust as well" },
	{ "state_dir", OPTION_TEXT, AT(state_dir), .help = "directory of the state file" },
	{ "share", OPTION_TEXT, AT(share), .help = "Valkey or Redis server that mounts of this account share by" },
	{ "share_secret_file", OPTION_TEXT, AT(share_secret_file), .help = "file with that server's password" },
	{ "view", OPTION_WORD, .set = set_view, .words = "full or spec", .help = "full, or spec: only what a person declares" },
	{ "hide", OPTION_WORD, .set = set_hide, .words = "names of collections with ':' between them, such as deployments:ips",
	  .help = "collections that are left out, with ':' between them" },
	{ "instances", OPTION_WORD, .set = set_instances, .words = "active or all",
	  .help = "all: instances/ has those of three months too (active)" },
	{ "ro", OPTION_FLAG, AT(ro), .help = "read-only" },
	{ "stage", OPTION_FLAG, AT(stage), .help = "send nothing until it is applied (.cfcfs/plan, .cfcfs/apply)" },
	{ "nodelete", OPTION_FLAG, AT(nodelete), .help = "refuse every delete" },
	{ "delete_grace", OPTION_SECONDS, AT(delete_grace_ms), 0, 3600, .help = "seconds between rm and the DELETE (1)" },
	{ "history", OPTION_UNSIGNED, AT(history), 0, 1000000,
	  .help = "changes that .cfcfs/history.jsonl keeps; 0: none (10000)" },
	{ "max_delete", OPTION_UNSIGNED, AT(max_delete), 0, 10000, .help = "deletes within 10 s that a full view takes (10)" },
	{ "rollout", OPTION_WORD, .set = set_rollout,
	  .words = "rising steps in percent that end with 100 (10:100), manual:STEPS, or none",
	  .help = "rollout after a changed configuration: STEPS, manual:STEPS or none (10:100)" },
	{ "validate", OPTION_WORD, .set = set_validate, .words = "strict, warn or off", .help = "check of documents (strict)" },
	{ "secret_newline", OPTION_WORD, .set = set_newline, .words = "keep or drop",
	  .help = "keep: a secret's last newline is part of it" },
	{ "cache_ttl", OPTION_SECONDS, AT(cache_ttl_ms), 0, 86400, .help = "seconds that settings stay fresh (5)" },
	{ "status_ttl", OPTION_SECONDS, AT(status_ttl_ms), 0, 86400, .help = "seconds that status stays fresh (2)" },
	{ "negative_ttl", OPTION_SECONDS, AT(negative_ttl_ms), 0, 86400,
	  .help = "seconds that a missing name is remembered (1)" },
	{ "stale_ttl", OPTION_SECONDS, AT(stale_ttl_ms), 0, 604800,
	  .help = "seconds that old answers serve when the API is away (300)" },
	{ "max_cache_size", OPTION_MIB, AT(max_cache_bytes), 1, 65536, .help = "MiB of memory for what the API said (64)" },
	{ "rps", OPTION_NUMBER, AT(rps), 0.01, 10000, .help = "API calls a second (3)" },
	{ "burst", OPTION_UNSIGNED, AT(burst), 1, 100000, .help = "API calls at once (200)" },
	{ "max_conns", OPTION_UNSIGNED, AT(max_conns), 1, 256, .help = "connections at a time (8)" },
	{ "retries", OPTION_UNSIGNED, AT(retries), 0, 100, .help = "repeats of a call that failed (4)" },
	{ "connect_timeout", OPTION_SECONDS, AT(connect_timeout_ms), 0.01, 3600, .help = "seconds to connect (10)" },
	{ "timeout", OPTION_SECONDS, AT(timeout_ms), 0.05, 3600, .help = "seconds for a whole operation (60)" },
	{ "uid", OPTION_UNSIGNED, AT(uid), 0, 4294967294.0, .help = "owner of the files",
	  .hint = " (id -u NAME prints a user's)" },
	{ "gid", OPTION_UNSIGNED, AT(gid), 0, 4294967294.0, .help = "group of the files",
	  .hint = " (getent group NAME prints a group's)" },
	{ "umask", OPTION_MODE, AT(umask), .help = "permission bits that no file has (0; 027 with allow_other)" },
	{ "file_mode", OPTION_MODE, AT(file_mode), .help = "mode of writable files (0644)" },
	{ "dir_mode", OPTION_MODE, AT(dir_mode), .help = "mode of directories (0755)" },
	{ "allow_other", OPTION_FLAG, AT(allow_other), .help = "let other users in, by their permissions" },
	{ "replace_dead", OPTION_FLAG, AT(replace_dead), .help = "unmount a cfcfs whose process died, and mount in its place" },
	{ "loglevel", OPTION_WORD, .set = set_loglevel, .words = "error, warning, info or debug", .help = "(warning)" },
	{ "logfile", OPTION_TEXT, AT(logfile), .help = "append the log to this file" },
};

/* Options meant for mount(8), fstab and systemd. nosuid and nodev always hold. */
static const char *const ignored[] = { "defaults",   "auto",   "noauto",   "user",       "users",       "nouser",
				       "owner",      "group",  "dev",      "nodev",      "suid",        "nosuid",
				       "_netdev",    "nofail", "relatime", "norelatime", "strictatime", "diratime",
				       "nodiratime", "async",  "nousers",  "noowner",    "nogroup" };
/* What the kernel shows of a mount of FUSE: mount(8) gives it back with -o remount. */
static const char *const shown[] = { "user_id", "group_id", "default_permissions", "max_read", "blksize" };
/* Options that go on to the kernel. */
static const char *const passed[] = { "exec", "noexec", "atime", "noatime", "sync" };

static bool in_list(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(word, list[i]))
			return true;
	}
	return false;
}

void options_init(struct options *o)
{
	*o = (struct options){
		.delete_grace_ms = 1000,
		.max_delete = 10,
		.history = STATE_HISTORY_MAX,
		.cache_ttl_ms = 5000,
		.status_ttl_ms = 2000,
		.negative_ttl_ms = 1000,
		.stale_ttl_ms = 300000,
		.connect_timeout_ms = 10000,
		.timeout_ms = 60000,
		.max_cache_bytes = (size_t)64 << 20,
		.rps = 3,
		.burst = 200,
		.max_conns = 8,
		.retries = 4,
		.uid = geteuid(),
		.gid = getegid(),
		.umask = UMASK_UNSET,
		.loglevel = LOG_LEVEL_WARNING,
	};
}

void options_free(struct options *o)
{
	free(o->account_id);
	free(o->mountpoint);
	free(o->url);
	free(o->registry_url);
	free(o->token_file);
	free(o->cacert);
	free(o->state_dir);
	free(o->logfile);
	free(o->share);
	free(o->share_secret_file);
	free(o->fuse_options);
}

static int set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int bad_value(const struct option_row *row, const char *value, struct err *err)
{
	switch (row->type) {
	case OPTION_FLAG:
		return err_set(err, EINVAL, "option %s takes no value", row->name);
	case OPTION_WORD:
		return err_set(err, EINVAL, "option %s=%s: must be %s", row->name, value, row->words);
	case OPTION_MODE:
		return err_set(err, EINVAL, "option %s=%s: must be an octal number of permission bits", row->name, value);
	case OPTION_SECONDS:
		return err_set(err, EINVAL, "option %s=%s: must be seconds from %.15g to %.15g", row->name, value, row->min,
			       row->max);
	default:
		return err_set(err, EINVAL, "option %s=%s: must be a number from %.15g to %.15g%s", row->name, value, row->min,
			       row->max, row->hint ? row->hint : "");
	}
}

static int set_number(struct options *o, const struct option_row *row, const char *value)
{
	char *at = (char *)o + row->offset;
	int64_t n = 0;
	double d = 0;
	int r;

	if (row->type == OPTION_UNSIGNED || row->type == OPTION_MIB)
		r = parse_int64(value, (int64_t)row->min, (int64_t)row->max, &n);
	else
		r = parse_double(value, row->min, row->max, &d);
	if (r < 0)
		return r;
	if (row->type == OPTION_UNSIGNED)
		*(unsigned *)at = (unsigned)n;
	else if (row->type == OPTION_MIB)
		*(size_t *)at = (size_t)n << 20;
	else if (row->type == OPTION_SECONDS)
		*(int64_t *)at = (int64_t)(d * 1000 + 0.5);
	else
		*(double *)at = d;
	return 0;
}

static int set_row(struct options *o, const struct option_row *row, const char *value, struct err *err)
{
	char *at = (char *)o + row->offset;
	int r = 0;

	if (row->type == OPTION_FLAG) {
		if (value)
			return bad_value(row, value, err);
		*(bool *)at = true;
		return 0;
	}
	if (!value || !*value)
		return err_set(err, EINVAL, "option %s needs a value: %s=…", row->name, row->name);
	if (row->type == OPTION_TEXT)
		r = set_text((char **)at, value);
	else if (row->type == OPTION_WORD)
		r = row->set(o, value);
	else if (row->type == OPTION_MODE)
		r = parse_mode(value, (unsigned *)at);
	else
		r = set_number(o, row, value);
	return r < 0 ? bad_value(row, value, err) : 0;
}

static int unknown_option(const char *word, struct err *err)
{
	const char *names[array_len(rows)];
	const char *nearest;

	for (size_t i = 0; i < array_len(rows); i++)
		names[i] = rows[i].name;
	nearest = parse_nearest(word, names, array_len(rows));
	if (nearest)
		return err_set(err, EINVAL, "unknown option '%s': did you mean '%s'?", word, nearest);
	return err_set(err, EINVAL, "unknown option '%s'; cfcfs --help lists them", word);
}

/* token=, api_token=… on a command line show in ps and in a shell's history. */
static bool is_credential(const char *word)
{
	static const char *const words[] = { "token", "api_token", "api_key", "key", "password" };

	return in_list(word, words, array_len(words));
}

static int refuse_credential(struct err *err)
{
	return err_set(err, EINVAL,
		       "a token on the command line can be seen by others: use token_file=PATH or CLOUDFLARE_API_TOKEN");
}

/* Words of mount(8) that mean something here. */
static bool set_mount8(struct options *o, const char *word)
{
	if (!strcmp(word, "rw"))
		o->ro = false; /* the last one counts */
	else if (!strcmp(word, "remount"))
		o->remount = true;
	else
		return false;
	return true;
}

static int add_option(struct options *o, char *text, struct err *err)
{
	char *value = strchr(text, '=');

	if (!*text || !strncmp(text, "x-", 2) || !strncmp(text, "comment=", 8) || !strncmp(text, "X-", 2))
		return 0;
	if (value)
		*value++ = '\0';
	for (char *p = text; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	if (is_credential(text))
		return refuse_credential(err);
	for (size_t i = 0; i < array_len(rows); i++) {
		if (!strcmp(text, rows[i].name))
			return set_row(o, &rows[i], value, err);
	}
	if (in_list(text, shown, array_len(shown)) || (!value && in_list(text, ignored, array_len(ignored))))
		return 0;
	if (!value && set_mount8(o, text))
		return 0;
	if (!value && in_list(text, passed, array_len(passed))) {
		cleanup_buf_ struct buf b = BUF_INIT;

		if (buf_addf(&b, "%s%s%s", o->fuse_options ? o->fuse_options : "", o->fuse_options ? "," : "", text) < 0)
			return err_set(err, ENOMEM, "out of memory");
		free(o->fuse_options);
		o->fuse_options = buf_steal(&b);
		return 0;
	}
	return unknown_option(text, err);
}

/* Comma-separated; "\," is a comma inside a value, as in libfuse. */
static int add_options(struct options *o, const char *list, struct err *err)
{
	cleanup_free_ char *copy = strdup(list);
	char *word = copy, *out = copy;
	int r = 0;

	if (!copy)
		return err_set(err, ENOMEM, "out of memory");
	for (const char *in = list; r == 0; in++) {
		if (*in == '\\' && in[1] == ',') {
			*out++ = *++in;
		} else if (*in == ',' || !*in) {
			*out = '\0';
			r = add_option(o, word, err);
			word = ++out;
			if (!*in)
				break;
		} else {
			*out++ = *in;
		}
	}
	return r;
}

static bool is_account_id(const char *word)
{
	return strlen(word) == 32 && strspn(word, "0123456789abcdefABCDEF") == 32;
}

static int check_account(struct options *o, struct err *err)
{
	const char *env = getenv("CLOUDFLARE_ACCOUNT_ID");

	if (!o->account_id && env && *env && set_text(&o->account_id, env) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (!o->account_id)
		return err_set(err, EINVAL, "no account: give ACCOUNT_ID or set CLOUDFLARE_ACCOUNT_ID");
	if (!is_account_id(o->account_id))
		return err_set(err, EINVAL, "account id '%.64s': must be 32 hexadecimal digits", o->account_id);
	for (char *p = o->account_id; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

static int check_words(char **words, int count, struct err *err)
{
	if (count == 0)
		return err_set(err, EINVAL, "no mount point given; cfcfs --help shows the usage");
	if (count > 2)
		return err_set(err, EINVAL, "too many arguments: '%s'", words[2]);
	if (count == 1 && is_account_id(words[0]) && access(words[0], F_OK) < 0)
		return err_set(err, EINVAL, "no mount point given: cfcfs %s MOUNTPOINT, with an empty directory", words[0]);
	if (count == 2 && is_account_id(words[1]) && !is_account_id(words[0]))
		return err_set(err, EINVAL, "the account comes first, and then the mount point: cfcfs %s %s", words[1], words[0]);
	return 0;
}

static int add_positional(struct options *o, char **words, int count, struct err *err)
{
	int r = check_words(words, count, err);

	if (r < 0)
		return r;
	/* mount(8) passes "none" or the account as the source. */
	if (count == 2 && strcmp(words[0], "none") && set_text(&o->account_id, words[0]) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (set_text(&o->mountpoint, words[count - 1]) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return o->remount ? 0 : check_account(o, err);
}

/* "--url=X", "--token X": what other programs take. */
static int unknown_flag(const char *word, struct err *err)
{
	cleanup_free_ char *name = strndup(word + 2, strcspn(word + 2, "="));

	if (!name)
		return err_set(err, ENOMEM, "out of memory");
	for (char *p = name; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	if (is_credential(name))
		return refuse_credential(err);
	for (size_t i = 0; i < array_len(rows); i++) {
		if (!strcmp(name, rows[i].name))
			return err_set(err, EINVAL, "unknown option '--%s': it is given as -o %s%s", name, name,
				       rows[i].type == OPTION_FLAG ? "" : "=…");
	}
	return err_set(err, EINVAL, "unknown option '%s'; cfcfs --help lists them", word);
}

static int parse_flag(struct options *o, const char *word, struct err *err)
{
	if (!strcmp(word, "--help"))
		o->help = true;
	else if (!strcmp(word, "--version"))
		o->version = true;
	else if (word[1] == '-')
		return unknown_flag(word, err);
	else
		for (const char *p = word + 1; *p; p++) {
			if (*p == 'f')
				o->foreground = true;
			else if (*p == 'd')
				o->debug = o->foreground = true;
			else if (*p == 'h')
				o->help = true;
			else if (*p == 'V')
				o->version = true;
			else if (!strchr("snvw", *p)) /* flags of mount(8) that mean nothing here */
				return err_set(err, EINVAL, "unknown option '-%c'; cfcfs --help lists them", *p);
		}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
	char *words[3];
	int count = 0, r = 0;
	bool only_words = false;

	for (int i = 1; i < argc && r == 0; i++) {
		if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			if (count < 3)
				words[count++] = argv[i];
		} else if (!strcmp(argv[i], "--")) {
			only_words = true;
		} else if (!strncmp(argv[i], "-o", 2)) {
			const char *list = argv[i][2] ? argv[i] + 2 : i + 1 < argc ? argv[++i] : NULL;

			r = list ? add_options(o, list, err) : err_set(err, EINVAL, "-o needs a list of options");
		} else {
			r = parse_flag(o, argv[i], err);
		}
	}
	if (r < 0 || o->help || o->version)
		return r;
	if (o->umask == UMASK_UNSET)
		o->umask = o->allow_other ? UMASK_SHARED : 0;
	return add_positional(o, words, count, err);
}

void options_help(FILE *out)
{
	fprintf(out, "usage: cfcfs [-o OPTIONS] [ACCOUNT_ID] MOUNTPOINT\n"
		     "       cfcfs --check [--kind KIND] FILE...\n"
		     "       cfcfs --schema KIND\n\n"
		     "Mounts an account of Cloudflare Containers as a directory.\n\n"
		     "  -o OPTIONS   comma-separated, see below\n"
		     "  -f           stay in the foreground\n"
		     "  -d           stay in the foreground and show every FUSE request\n"
		     "  --help       this text\n"
		     "  --version    the version\n\noptions (- and _ are the same):\n");
	for (size_t i = 0; i < array_len(rows); i++) {
		bool flag = rows[i].type == OPTION_FLAG;

		/* printf counts bytes, and the ellipsis is one column. */
		fprintf(out, "  %s%-*s %s\n", rows[i].name, (int)((flag ? 20 : 22) - strlen(rows[i].name)), flag ? "" : "=…",
			rows[i].help);
	}
	fprintf(out, "\nCredentials: token_file=PATH, $CREDENTIALS_DIRECTORY/cfcfs.token, CLOUDFLARE_API_TOKEN,\n"
		     "CLOUDFLARE_API_KEY with CLOUDFLARE_EMAIL, or wrangler's login, in this order.\n"
		     "Exit status: 0 mounted, 2 usage, 3 credentials refused, 4 API out of reach, 5 mount failed.\n"
		     "See cfcfs(1) and cfcfs(5).\n");
}
