#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fs/core/options.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"

static int reset(void **state)
{
	(void)state;
	unsetenv("CLOUDFLARE_ACCOUNT_ID");
	return 0;
}

/* Parses "cfcfs -o LIST ACCOUNT /mnt". */
static int parse(struct options *o, const char *list, struct err *err)
{
	char *argv[] = { (char[]){ "cfcfs" }, (char[]){ "-o" }, strdup(list), (char[]){ ACCOUNT }, (char[]){ "/mnt" }, NULL };
	int r;

	options_init(o);
	*err = (struct err)ERR_INIT;
	r = options_parse(o, 5, argv, err);
	free(argv[2]);
	return r;
}

static int parse_words(struct options *o, struct err *err, int argc, ...)
{
	char *argv[16] = { (char[]){ "cfcfs" } };
	va_list ap;

	va_start(ap, argc);
	for (int i = 1; i <= argc; i++)
		argv[i] = va_arg(ap, char *);
	va_end(ap);
	options_init(o);
	*err = (struct err)ERR_INIT;
	return options_parse(o, argc + 1, argv, err);
}

static void refused(const char *list, const char *first, const char *second)
{
	struct options o;
	struct err err;

	assert_int_equal(parse(&o, list, &err), -EINVAL);
	if (!strstr(err.text, first) || (second && !strstr(err.text, second)))
		fail_msg("'%s': '%s' lacks '%s' or '%s'", list, err.text, first, second ? second : "");
	options_free(&o);
}

static void test_collections_that_are_left_out(void **state)
{
	struct options o;
	struct err err;
	const struct kind *deployments = kind_by_dir(NULL, "deployments"), *ips = kind_by_dir(NULL, "ips");

	(void)state;
	assert_int_equal(parse(&o, "view=full", &err), 0);
	assert_int_equal(o.hidden, 0);
	assert_false(o.instances_all);
	assert_int_equal(o.max_delete, 10);
	options_free(&o);
	assert_int_equal(parse(&o, "hide=deployments:ips,instances=all,max_delete=0", &err), 0);
	assert_true(o.hidden >> kind_number(deployments) & 1);
	assert_true(o.hidden >> kind_number(ips) & 1);
	/* An application's deployments, too. */
	assert_true(o.hidden >> kind_number(kind_find("application deployment")) & 1);
	assert_false(o.hidden >> kind_number(kind_find("application")) & 1);
	assert_true(o.instances_all);
	assert_int_equal(o.max_delete, 0);
	options_free(&o);
	refused("hide=deployment", "hide=deployment", "collections");
	refused("hide=ips:", "hide=ips:", NULL);
	refused("hide=ips::jobs", "hide", NULL);
	refused("instances=some", "active or all", NULL);
	refused("max_delete=-1", "max_delete", NULL);
}

static void test_defaults(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "rw", &err), 0);
	assert_string_equal(o.account_id, ACCOUNT);
	assert_string_equal(o.mountpoint, "/mnt");
	assert_int_equal(o.cache_ttl_ms, 5000);
	assert_int_equal(o.status_ttl_ms, 2000);
	assert_int_equal(o.negative_ttl_ms, 1000);
	assert_int_equal(o.stale_ttl_ms, 300000);
	assert_int_equal(o.delete_grace_ms, 1000);
	assert_int_equal(o.connect_timeout_ms, 10000);
	assert_int_equal(o.timeout_ms, 60000);
	assert_int_equal(o.max_cache_bytes, (size_t)64 << 20);
	assert_true(o.rps == 3);
	assert_int_equal(o.burst, 200);
	assert_int_equal(o.max_conns, 8);
	assert_int_equal(o.retries, 4);
	assert_int_equal(o.view, VIEW_FULL);
	assert_false(o.ro || o.nodelete || o.allow_other || o.foreground || o.debug || o.secret_newline_keep);
	options_free(&o);
}

static void test_values(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o,
			       "view=spec,ro,nodelete,allow-other,cache-ttl=0.5,delete_grace=0,max_cache_size=1,rps=0.5,"
			       "burst=7,uid=12,umask=077,file_mode=600,dir-mode=0700,validate=off,secret_newline=keep,"
			       "loglevel=debug,url=https://h/x\\,y,retries=0",
			       &err),
			 0);
	assert_int_equal(o.view, VIEW_SPEC);
	assert_true(o.ro && o.nodelete && o.allow_other && o.secret_newline_keep);
	assert_int_equal(o.cache_ttl_ms, 500);
	assert_int_equal(o.delete_grace_ms, 0);
	assert_int_equal(o.max_cache_bytes, 1 << 20);
	assert_int_equal(o.burst, 7);
	assert_int_equal(o.retries, 0);
	assert_int_equal(o.uid, 12);
	assert_int_equal(o.umask, 077);
	assert_int_equal(o.file_mode, 0600);
	assert_int_equal(o.dir_mode, 0700);
	assert_int_equal(o.loglevel, LOG_LEVEL_DEBUG);
	assert_string_equal(o.url, "https://h/x,y");
	options_free(&o);
}

static void test_rollout(void **state)
{
	static const char *const bad[] = { "rollout=",       "rollout=50:20",   "rollout=0:100",
					   "rollout=10",     "rollout=10:101",  "rollout=10::100",
					   "rollout=manual", "rollout=10:100:", "rollout= 100" };
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "rollout=manual:25:50:100", &err), 0);
	assert_int_equal(o.rollout, ROLLOUT_MANUAL);
	assert_int_equal(o.rollout_steps_count, 3);
	assert_int_equal(o.rollout_steps[1], 50);
	options_free(&o);
	assert_int_equal(parse(&o, "rollout=none", &err), 0);
	assert_int_equal(o.rollout, ROLLOUT_NONE);
	options_free(&o);
	for (size_t i = 0; i < array_len(bad); i++)
		refused(bad[i], "rollout", NULL);
}

static void test_mount_words(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o,
			       "rw,defaults,auto,noauto,user,users,nouser,owner,group,dev,nodev,suid,nosuid,exec,noexec,atime,"
			       "noatime,relatime,sync,_netdev,nofail,x-systemd.automount,x-a=b,comment=hello",
			       &err),
			 0);
	assert_string_equal(o.fuse_options, "exec,noexec,atime,noatime,sync");
	assert_false(o.ro);
	options_free(&o);
}

static void test_refused(void **state)
{
	(void)state;
	refused("cach_ttl=5", "cach_ttl", "cache_ttl");
	refused("tokenfile=x", "tokenfile", "token_file");
	refused("cache_ttl=soon", "cache_ttl", "soon");
	refused("cache_ttl=-1", "cache_ttl", NULL);
	refused("cache_ttl=nan", "cache_ttl", NULL);
	refused("cache_ttl", "cache_ttl", NULL);
	refused("ro=1", "ro", NULL);
	refused("view=half", "view", "spec");
	refused("burst=0", "burst", NULL);
	refused("umask=9", "umask", NULL);
	refused("token=abcdef", "token", NULL);
	refused("api-key=abcdef", "token", NULL);
	refused("qqqqqqqqqqqqqqq", "qqqqqqqqqqqqqqq", "--help");
}

/* The token itself is never repeated: it would stand in a terminal's log. */
static void test_token_not_quoted(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "token=hunter2", &err), -EINVAL);
	assert_null(strstr(err.text, "hunter2"));
	options_free(&o);
}

static void test_words(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse_words(&o, &err, 0), -EINVAL);
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 1, "/mnt"), -EINVAL);
	assert_non_null(strstr(err.text, "CLOUDFLARE_ACCOUNT_ID"));
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 2, "not-an-account", "/mnt"), -EINVAL);
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 3, ACCOUNT, "/mnt", "more"), -EINVAL);
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 3, "--frob", ACCOUNT, "/mnt"), -EINVAL);
	assert_non_null(strstr(err.text, "frob"));
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 3, ACCOUNT, "/mnt", "-o"), -EINVAL);
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 1, "--help"), 0);
	assert_true(o.help);
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 5, "-f", ACCOUNT, "/mnt", "-ocache_ttl=1", "-oro"), 0);
	assert_true(o.foreground && o.ro && o.cache_ttl_ms == 1000);
	options_free(&o);
}

static void test_account_of_environment(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	setenv("CLOUDFLARE_ACCOUNT_ID", "0123456789ABCDEF0123456789ABCDEF", 1);
	assert_int_equal(parse_words(&o, &err, 1, "/mnt"), 0);
	assert_string_equal(o.account_id, ACCOUNT);
	options_free(&o);
	assert_int_equal(parse_words(&o, &err, 2, "none", "/mnt"), 0);
	assert_string_equal(o.account_id, ACCOUNT);
	options_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, reset),
		cmocka_unit_test_setup(test_collections_that_are_left_out, reset),
		cmocka_unit_test_setup(test_values, reset),
		cmocka_unit_test_setup(test_rollout, reset),
		cmocka_unit_test_setup(test_mount_words, reset),
		cmocka_unit_test_setup(test_refused, reset),
		cmocka_unit_test_setup(test_token_not_quoted, reset),
		cmocka_unit_test_setup(test_words, reset),
		cmocka_unit_test_setup(test_account_of_environment, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
