/* Where credentials come from, which files are refused, and which addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "api/base/err.h"
#include "api/credentials.h"
#include "api/credentials_secret.h"
#include "api/credentials_wrangler.h"
#include "api/url.h"

static char dir[64];

static const char *const variables[] = {
	"CREDENTIALS_DIRECTORY", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY",
	"CLOUDFLARE_EMAIL",      "XDG_CONFIG_HOME",      "CLOUDFLARE_API_BASE_URL",
};

static const char *path_of(const char *name)
{
	static char path[4][256];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, mode_t mode, const char *text)
{
	const char *path = path_of(name);
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static int clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(variables); i++)
		unsetenv(variables[i]);
	setenv("HOME", path_of("home"), 1);
	unlink(path_of("home/.config/.wrangler/config/default.toml"));
	unlink(path_of("home/.wrangler/config/default.toml"));
	unlink(path_of("cfcfs.token"));
	return 0;
}

static void expect(const char *token_file, const char *header, const char *second, const char *source)
{
	cleanup_(credentials_freep) struct credentials *c = NULL;
	struct err err = ERR_INIT;

	if (credentials_load(token_file, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(credentials_headers(c)[0], header);
	if (second)
		assert_string_equal(credentials_headers(c)[1], second);
	else
		assert_null(credentials_headers(c)[1]);
	assert_non_null(strstr(credentials_source(c), source));
	assert_null(strstr(credentials_source(c), credentials_secret(c)));
	assert_int_equal(err.errnum, 0);
}

static void expect_refused(const char *token_file, const char *text)
{
	struct credentials *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(credentials_load(token_file, &c, &err), -EACCES);
	assert_null(c);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.text);
}

#define LOGIN "# wrangler\noauth_token = \"wr-token-1\"\nrefresh_token = \"r\"\nexpiration_time = \"%s\"\nscopes = [ \"a\" ]\n"

static void put_login(const char *name, const char *expires)
{
	char text[512];

	snprintf(text, sizeof(text), LOGIN, expires);
	put(name, 0644, text);
}

static void the_first_found_counts(void **state)
{
	(void)state;
	expect_refused(NULL, "no credentials");
	put_login("home/.wrangler/config/default.toml", "2100-01-01T00:00:00.000Z");
	expect(NULL, "Authorization: Bearer wr-token-1", NULL, "home/.wrangler");
	put_login("home/.config/.wrangler/config/default.toml", "2100-01-01T00:00:00Z");
	expect(NULL, "Authorization: Bearer wr-token-1", NULL, "home/.config/.wrangler");
	setenv("CLOUDFLARE_API_KEY", "the-key", 1);
	expect(NULL, "Authorization: Bearer wr-token-1", NULL, "wrangler");
	setenv("CLOUDFLARE_EMAIL", "me@example.com", 1);
	expect(NULL, "X-Auth-Email: me@example.com", "X-Auth-Key: the-key", "CLOUDFLARE_API_KEY");
	setenv("CLOUDFLARE_API_TOKEN", "", 1);
	expect(NULL, "X-Auth-Email: me@example.com", "X-Auth-Key: the-key", "CLOUDFLARE_API_KEY");
	setenv("CLOUDFLARE_API_TOKEN", "env-token", 1);
	expect(NULL, "Authorization: Bearer env-token", NULL, "CLOUDFLARE_API_TOKEN");
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	expect(NULL, "Authorization: Bearer env-token", NULL, "CLOUDFLARE_API_TOKEN");
	/* An ACL of systemd's shows in the group's bits. */
	put("cfcfs.token", 0440, "unit-token\n");
	expect(NULL, "Authorization: Bearer unit-token", NULL, "cfcfs.token");
	put("tok", 0600, "file-token\r\n\n");
	expect(path_of("tok"), "Authorization: Bearer file-token", NULL, "token_file=");
	/* What is there but cannot be used does not lead to the next one. */
	expect_refused(path_of("missing"), "no such file");
	put("cfcfs.token", 0444, "unit-token\n");
	expect_refused(NULL, "read by others");
}

static void unusable_files_are_refused(void **state)
{
	char big[20000];
	(void)state;

	put("tok", 0640, "abcdefgh");
	expect_refused(path_of("tok"), "read by others");
	put("tok", 0604, "abcdefgh");
	expect_refused(path_of("tok"), "read by others");
	put("tok", 0400, "abcdefgh");
	expect(path_of("tok"), "Authorization: Bearer abcdefgh", NULL, "tok");
	put("tok", 0600, "\n \n");
	expect_refused(path_of("tok"), "empty");
	put("tok", 0600, "two words");
	expect_refused(path_of("tok"), "character");
	put("tok", 0600, "evil\r\nX-Header: 1");
	expect_refused(path_of("tok"), "character");
	put("tok", 0600, "nicht-\xc3\xa4scii");
	expect_refused(path_of("tok"), "character");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	put("tok", 0600, big);
	expect_refused(path_of("tok"), "too large");
	expect_refused(dir, "not a regular file");
	unlink(path_of("fifo"));
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	expect_refused(path_of("fifo"), "not a regular file");
	if (geteuid() == 0) {
		put("tok", 0600, "abcdefgh");
		assert_int_equal(chown(path_of("tok"), 65534, (gid_t)-1), 0);
		expect_refused(path_of("tok"), "another user");
	}
}

static void an_expired_login_says_what_to_run(void **state)
{
	cleanup_(credentials_freep) struct credentials *c = NULL;
	(void)state;
	put_login("home/.config/.wrangler/config/default.toml", "2020-01-01T00:00:00.000Z");
	expect_refused(NULL, "`wrangler login`");
	/* XDG_CONFIG_HOME takes the place of ~/.config. */
	setenv("XDG_CONFIG_HOME", path_of("nowhere"), 1);
	expect_refused(NULL, "no credentials");
	setenv("XDG_CONFIG_HOME", path_of("home/.config"), 1);
	expect_refused(NULL, "`wrangler login`");
	/* mount(8) passes no HOME. */
	unsetenv("HOME");
	unsetenv("XDG_CONFIG_HOME");
	(void)credentials_load(NULL, &c, NULL);
}

static void toml_is_read_tolerantly(void **state)
{
	static const struct {
		const char *text, *value;
	} texts[] = {
		{ "oauth_token = \"v\"", "v" },
		{ "  oauth_token=\"v\" # why\r\n", "v" },
		{ "# oauth_token = \"no\"\n\noauth_token = 'v'\n", "v" },
		{ "oauth_token_2 = \"no\"\n\"oauth_token\" = \"v\"\n", "v" },
		{ "oauth_token = \"a\\\"b\\\\c#d\"", "a\"b\\c#d" },
		{ "oauth_token = 2024-01-01T00:00:00Z # bare\n", "2024-01-01T00:00:00Z" },
		{ "[table]\noauth_token = \"no\"\n", NULL },
		{ "oauth_token = \"unfinished", NULL },
		{ "oauth_token = \"esc\\u0041\"", NULL },
		{ "oauth_token", NULL },
		{ "", NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(texts); i++) {
		cleanup_free_ char *value = NULL;
		int r = toml_string(texts[i].text, "oauth_token", &value);

		if (texts[i].value ? r < 0 || strcmp(value, texts[i].value) : r == 0)
			fail_msg("text %zu: %d %s", i, r, value ? value : "-");
	}
}

static void reload_tells_whether_they_changed(void **state)
{
	cleanup_(credentials_freep) struct credentials *c = NULL;
	struct err err = ERR_INIT;
	(void)state;

	put("tok", 0600, "first-token");
	assert_int_equal(credentials_load(path_of("tok"), &c, &err), 0);
	assert_int_equal(credentials_reload(c, &err), 0);
	put("tok", 0600, "second-token");
	assert_int_equal(credentials_reload(c, &err), 1);
	assert_string_equal(credentials_headers(c)[0], "Authorization: Bearer second-token");
	assert_string_equal(credentials_secret(c), "second-token");
	put("tok", 0644, "third-token");
	assert_int_equal(credentials_reload(c, &err), -EACCES);
	assert_string_equal(credentials_headers(c)[0], "Authorization: Bearer second-token");
}

static void addresses_are_checked(void **state)
{
	static const struct {
		const char *url, *result;
	} urls[] = {
		{ "https://api.example.com/client/v4", "https://api.example.com/client/v4" },
		{ "https://api.example.com/client/v4///", "https://api.example.com/client/v4" },
		{ "https://api.example.com:8443", "https://api.example.com:8443" },
		{ "HTTPS://api.example.com/", "https://api.example.com" },
		{ "http://127.0.0.1:8080/client/v4", "http://127.0.0.1:8080/client/v4" },
		{ "http://127.9.9.9/", "http://127.9.9.9" },
		{ "http://localhost:1", "http://localhost:1" },
		{ "http://[::1]:99/x", "http://[::1]:99/x" },
		{ "http://api.example.com", NULL },
		{ "http://127.0.0.1.example.com", NULL },
		{ "http://localhost.example.com", NULL },
		{ "http://128.0.0.1", NULL },
		{ "http://[::2]", NULL },
		{ "http://0.0.0.0", NULL },
		{ "https://user@api.example.com", NULL },
		{ "https://user:pw@api.example.com", NULL },
		{ "http://127.0.0.1@api.example.com", NULL },
		{ "https://api.example.com/?x", NULL },
		{ "https://api.example.com/#x", NULL },
		{ "https://api.example.com/a b", NULL },
		{ "https://api.example.com/a\nb", NULL },
		{ "ftp://api.example.com", NULL },
		{ "file:///etc/passwd", NULL },
		{ "api.example.com", NULL },
		{ "https://", NULL },
		{ "", NULL },
	};
	(void)state;

	for (size_t i = 0; i < array_len(urls); i++) {
		cleanup_free_ char *url = NULL;
		struct err err = ERR_INIT;
		int r = url_resolve(urls[i].url, &url, &err);

		if (urls[i].result ? r < 0 || strcmp(url, urls[i].result) : r != -EINVAL || url || !err.text[0])
			fail_msg("%s: %d %s %s", urls[i].url, r, url ? url : "-", err.text);
		assert_null(strstr(err.text, "pw@"));
	}
}

static void the_address_has_a_default(void **state)
{
	cleanup_free_ char *url = NULL, *from_env = NULL;
	(void)state;

	assert_int_equal(url_resolve(NULL, &url, NULL), 0);
	assert_string_equal(url, "https://api.cloudflare.com/client/v4");
	assert_false(url_is_loopback(url));
	setenv("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:5/client/v4/", 1);
	assert_int_equal(url_resolve(NULL, &from_env, NULL), 0);
	assert_string_equal(from_env, "http://127.0.0.1:5/client/v4");
	assert_true(url_is_loopback(from_env));
}

static int setup(void **state)
{
	static const char *const dirs[] = {
		"home",           "home/.config",         "home/.config/.wrangler", "home/.config/.wrangler/config",
		"home/.wrangler", "home/.wrangler/config"
	};
	(void)state;

	snprintf(dir, sizeof(dir), "/tmp/cfcfs-credentials-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	for (size_t i = 0; i < array_len(dirs); i++) {
		if (mkdir(path_of(dirs[i]), 0700))
			return 1;
	}
	return 0;
}

static int teardown(void **state)
{
	char command[128];
	(void)state;

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_found_counts, clean),
		cmocka_unit_test_setup(unusable_files_are_refused, clean),
		cmocka_unit_test_setup(an_expired_login_says_what_to_run, clean),
		cmocka_unit_test_setup(toml_is_read_tolerantly, clean),
		cmocka_unit_test_setup(reload_tells_whether_they_changed, clean),
		cmocka_unit_test_setup(addresses_are_checked, clean),
		cmocka_unit_test_setup(the_address_has_a_default, clean),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
