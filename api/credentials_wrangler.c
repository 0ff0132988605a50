#include "api/credentials_wrangler.h"

#include <errno.h>
#include <pwd.h>

#include "api/base/buf.h"
#include "api/base/clock.h"
#include "api/base/rand.h"
#include "api/credentials_file.h"

#define LOGIN_FILE ".wrangler/config/default.toml"
#define LOGIN_MAX  ((size_t)64 << 10)

static const char *skip_blank(const char *s)
{
	return s + strspn(s, " \t");
}

/* The key of a line ("key =", quoted or bare); s moves behind the "=". */
static bool match_key(const char **s, const char *key)
{
	const char *p = *s;
	char quote = *p == '"' || *p == '\'' ? *p++ : '\0';
	size_t n = strlen(key);

	if (strncmp(p, key, n))
		return false;
	p += n;
	if (quote && *p++ != quote)
		return false;
	p = skip_blank(p);
	if (*p != '=')
		return false;
	*s = skip_blank(p + 1);
	return true;
}

/* A basic string without \u escapes, which no token has, a literal string, or a bare value (a date). */
static int read_value(const char *s, char **ret)
{
	cleanup_buf_wipe_ struct buf out = BUF_INIT;
	char quote = *s == '"' || *s == '\'' ? *s++ : '\0';
	int r = 0;

	for (; *s && *s != '\n' && *s != '\r' && r == 0; s++) {
		if (quote ? *s == quote : strchr(" \t#", *s) != NULL)
			break;
		if (*s == '\\' && quote == '"') {
			if (!s[1] || !strchr("\"\\", s[1]))
				return -EINVAL;
			s++;
		}
		r = buf_addc(&out, *s);
	}
	if (r < 0 || (quote && *s != quote))
		return r < 0 ? r : -EINVAL;
	*ret = out.data ? strdup(out.data) : strdup("");
	return *ret ? 0 : -ENOMEM;
}

int toml_string(const char *text, const char *key, char **ret)
{
	const char *end;

	for (const char *s = text; *s; s = *end ? end + 1 : end) {
		end = s + strcspn(s, "\n");
		s = skip_blank(s);
		/* Keys behind a table's head are the table's. */
		if (*s == '[')
			break;
		if (match_key(&s, key))
			return read_value(s, ret);
	}
	return -ENOENT;
}

static char *home_dir(void)
{
	const char *home = getenv("HOME");
	cleanup_free_ char *room = NULL;
	struct passwd pw, *found = NULL;

	if (home && *home == '/')
		return strdup(home);
	/* mount(8) passes no HOME. */
	room = malloc(16384);
	if (!room || getpwuid_r(geteuid(), &pw, room, 16384, &found) || !found || !pw.pw_dir)
		return NULL;
	return strdup(pw.pw_dir);
}

static int use_login(const char *path, const char *text, char **ret_token, struct err *err)
{
	cleanup_(wipe_strp) char *token = NULL;
	cleanup_free_ char *expires = NULL;
	int64_t when;

	if (toml_string(text, "oauth_token", &token) < 0 || !*token)
		return 0;
	if (toml_string(text, "expiration_time", &expires) == 0 && clock_parse_rfc3339(expires, &when) == 0 &&
	    when <= clock_wall_ns())
		return err_set(err, EACCES, "wrangler's login (%s) expired at %.40s: run `wrangler login`", path, expires);
	*ret_token = steal_ptr(token);
	return 1;
}

static int try_path(const char *dir, const char *below, char **ret_token, char **ret_path, struct err *err)
{
	cleanup_buf_wipe_ struct buf text = { .max = LOGIN_MAX };
	cleanup_free_ char *path = NULL;
	int r;

	if (text_format(&path, "%s/%s" LOGIN_FILE, dir, below) < 0)
		return err_set(err, ENOMEM, "out of memory");
	/* wrangler itself leaves its file readable to others where the umask does. */
	r = credentials_read_file(path, 0, &text, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = use_login(path, text.data, ret_token, err);
	if (r == 1)
		*ret_path = steal_ptr(path);
	return r;
}

int wrangler_login(char **ret_token, char **ret_path, struct err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	cleanup_free_ char *home = home_dir();
	int r = 0;

	if (config && *config == '/')
		r = try_path(config, "", ret_token, ret_path, err);
	if (r == 0 && home && !(config && *config == '/'))
		r = try_path(home, ".config/", ret_token, ret_path, err);
	if (r == 0 && home)
		r = try_path(home, "", ret_token, ret_path, err);
	return r;
}
