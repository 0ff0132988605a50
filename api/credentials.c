#include "api/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "api/base/buf.h"
#include "api/base/invariant.h"
#include "api/base/log.h"
#include "api/base/rand.h"
#include "api/credentials_file.h"
#include "api/credentials_secret.h"
#include "api/credentials_wrangler.h"

#define TOKEN_FILE_MAX ((size_t)16 << 10)
#define TOKEN_MAX      8192
#define LINES_MAX      2

struct credentials {
	char *token_file;           /* owned; the option, or NULL */
	char *lines[LINES_MAX + 1]; /* owned, wiped; NULL-terminated */
	char *secret;               /* owned, wiped: what must not be shown */
	char *source;               /* owned */
};

int credentials_read_file(const char *path, unsigned refused_mode, struct buf *out, struct err *err)
{
	/* Without O_NONBLOCK a FIFO would hold the start-up. */
	cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char chunk[4096];
	struct stat st;
	ssize_t n;
	int r = buf_add(out, "", 0);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ENOENT, "%s: there is no such file", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, EACCES, "%s cannot be read: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EACCES, "%s is not a regular file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, EACCES, "%s belongs to another user", path);
	if (st.st_mode & refused_mode)
		return err_set(err, EACCES, "%s can be read by others (mode %04o): run chmod 600 on it", path,
			       (unsigned)st.st_mode & 07777);
	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		r = buf_add(out, chunk, (size_t)n);
	wipe(chunk, sizeof(chunk));
	if (r == 0 && n < 0)
		return err_set(err, EACCES, "%s cannot be read: %s", path, strerror(errno));
	return r < 0 ? err_set(err, EACCES, "%s is too large for a token", path) : 0;
}

static void forget(struct credentials *c)
{
	for (size_t i = 0; i < LINES_MAX; i++)
		c->lines[i] = wipe_str(c->lines[i]);
	c->secret = wipe_str(c->secret);
	free(steal_ptr(c->source));
}

/* Takes "name value" as the next header line, unless value is not fit for one. */
static int add_line(struct credentials *c, const char *name, const char *value, struct err *err)
{
	size_t i = c->lines[0] ? 1 : 0;

	if (!*value)
		return err_set(err, EACCES, "%s is empty", c->source);
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return err_set(err, EACCES, "%s holds a character that no token has (at byte %zu)", c->source,
				       (size_t)(p - value) + 1);
	}
	if (strlen(value) > TOKEN_MAX)
		return err_set(err, EACCES, "%s is too long for a token", c->source);
	if (text_format(&c->lines[i], "%s%s", name, value) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

static int use_token(struct credentials *c, const char *token, struct err *err)
{
	int r = add_line(c, "Authorization: Bearer ", token, err);

	if (r < 0)
		return r;
	log_redact(token);
	c->secret = strdup(token);
	return c->secret ? 1 : err_set(err, ENOMEM, "out of memory");
}

static int set_source(struct credentials *c, const char *what, const char *detail)
{
	return text_format(&c->source, "%s%s", what, detail) < 0 ? -ENOMEM : 0;
}

/* Each source: 1 where it gave credentials, 0 where it is not there, -errno with text where it cannot be used. */

static int from_file(struct credentials *c, const char *path, unsigned refused_mode, struct err *err)
{
	cleanup_buf_wipe_ struct buf text = { .max = TOKEN_FILE_MAX };
	int r = credentials_read_file(path, refused_mode, &text, err);

	if (r < 0)
		return r;
	if (memchr(text.data, '\0', text.len))
		return err_set(err, EACCES, "%s holds a NUL byte", c->source);
	while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
		buf_resize(&text, text.len - 1);
	return use_token(c, text.data, err);
}

static int from_option(struct credentials *c, struct err *err)
{
	int r;

	if (!c->token_file)
		return 0;
	if (set_source(c, "token_file=", c->token_file) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = from_file(c, c->token_file, 077, err);
	if (r == -ENOENT)
		return err_set(err, EACCES, "token_file=%s: there is no such file", c->token_file);
	return r;
}

static int from_systemd(struct credentials *c, struct err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	int r;

	if (!dir || *dir != '/')
		return 0;
	if (set_source(c, dir, "/cfcfs.token") < 0)
		return err_set(err, ENOMEM, "out of memory");
	/* systemd gives a service's user its access by an ACL, which shows in the group's bits. */
	r = from_file(c, c->source, 007, err);
	return r == -ENOENT ? 0 : r;
}

static int from_token_variable(struct credentials *c, struct err *err)
{
	const char *token = getenv("CLOUDFLARE_API_TOKEN");

	if (!token || !*token)
		return 0;
	if (set_source(c, "CLOUDFLARE_API_TOKEN", "") < 0)
		return err_set(err, ENOMEM, "out of memory");
	return use_token(c, token, err);
}

static int from_key_variables(struct credentials *c, struct err *err)
{
	const char *key = getenv("CLOUDFLARE_API_KEY"), *email = getenv("CLOUDFLARE_EMAIL");
	int r;

	if (!key || !*key || !email || !*email)
		return 0;
	if (set_source(c, "CLOUDFLARE_API_KEY with CLOUDFLARE_EMAIL", "") < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = add_line(c, "X-Auth-Email: ", email, err);
	if (r == 0)
		r = add_line(c, "X-Auth-Key: ", key, err);
	if (r < 0)
		return r;
	log_redact(key);
	c->secret = strdup(key);
	return c->secret ? 1 : err_set(err, ENOMEM, "out of memory");
}

static int from_wrangler(struct credentials *c, struct err *err)
{
	cleanup_(wipe_strp) char *token = NULL;
	cleanup_free_ char *path = NULL;
	int r = wrangler_login(&token, &path, err);

	if (r <= 0)
		return r;
	if (set_source(c, "wrangler's login in ", path) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return use_token(c, token, err);
}

static int fill(struct credentials *c, struct err *err)
{
	static int (*const sources[])(struct credentials * c, struct err * err) = {
		from_option, from_systemd, from_token_variable, from_key_variables, from_wrangler,
	};

	for (size_t i = 0; i < array_len(sources); i++) {
		int r = sources[i](c, err);

		if (r < 0)
			return r;
		if (r == 1) {
			err_clear(err);
			return 0;
		}
		forget(c);
	}
	return err_set(err, EACCES, "no credentials: set token_file=PATH or CLOUDFLARE_API_TOKEN%s, or run `wrangler login`",
		       getenv("CLOUDFLARE_API_KEY") ? ", or CLOUDFLARE_EMAIL beside CLOUDFLARE_API_KEY" : "");
}

/* A daemon reads it again from another directory. */
static char *absolute(const char *path)
{
	cleanup_free_ char *here = *path == '/' ? NULL : getcwd(NULL, 0);

	if (!here)
		return strdup(path);
	return text_new("%s/%s", here, path);
}

int credentials_load(const char *token_file, struct credentials **ret, struct err *err)
{
	cleanup_(credentials_freep) struct credentials *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	if (token_file) {
		c->token_file = absolute(token_file);
		if (!c->token_file)
			return err_set(err, ENOMEM, "out of memory");
	}
	r = fill(c, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(c);
	return 0;
}

struct credentials *credentials_free(struct credentials *c)
{
	if (c) {
		forget(c);
		free(c->token_file);
		free(c);
	}
	return NULL;
}

static bool same_line(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

int credentials_reload(struct credentials *c, struct err *err)
{
	cleanup_(credentials_freep) struct credentials *fresh = NULL;
	int r = credentials_load(c->token_file, &fresh, err);

	if (r < 0)
		return r;
	assert_return(fresh, -EIO);
	if (same_line(c->lines[0], fresh->lines[0]) && same_line(c->lines[1], fresh->lines[1]))
		return 0;
	if (!same_line(c->secret, fresh->secret))
		log_forget(c->secret);
	forget(c);
	memcpy(c->lines, fresh->lines, sizeof(c->lines));
	memset(fresh->lines, 0, sizeof(fresh->lines));
	c->secret = steal_ptr(fresh->secret);
	c->source = steal_ptr(fresh->source);
	return 1;
}

const char *const *credentials_headers(const struct credentials *c)
{
	return (const char *const *)c->lines;
}

const char *credentials_source(const struct credentials *c)
{
	return c->source;
}

const char *credentials_secret(const struct credentials *c)
{
	return c->secret;
}
