/* A placement's life, the ids of its events, and what sizes and image references mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/base/rand.h"
#include "emulator/world.h"

static void check_events(const struct placement *p, int64_t now, const char *const *names, const char *health)
{
	struct event e[EVENTS_MAX];
	unsigned n = timeline(p, now, e), i;

	for (i = 0; i < n; i++) {
		assert_non_null(names[i]);
		assert_string_equal(e[i].name, names[i]);
		assert_true(e[i].at <= now);
	}
	assert_null(names[i]);
	assert_string_equal(timeline_health(p, now), health);
}

static void test_good_start(void **state)
{
	static const char *const first[] = { "SchedulerPlaced", NULL };
	static const char *const all[] = { "SchedulerPlaced", "NetworkingIPAssigned", "ImagePulled",
					   "VMStarted",       "ContainerStarted",     NULL };
	static const char *const ssh[] = { "SchedulerPlaced", "NetworkingIPAssigned", "ImagePulled", "VMStarted",
					   "SSHStarted",      "ContainerStarted",     NULL };
	struct placement p = { .created = 1000 };

	(void)state;
	check_events(&p, 1000, first, "placed");
	check_events(&p, 1000 + RUNNING_AFTER_MS, all, "running");
	p.ssh = true;
	check_events(&p, 1000000, ssh, "running");
}

static void test_stop(void **state)
{
	static const char *const early[] = { "SchedulerPlaced", "NetworkingIPAssigned", "VMStopping", "VMStopped", NULL };
	static const char *const stopping[] = { "SchedulerPlaced",  "NetworkingIPAssigned", "ImagePulled", "VMStarted",
						"ContainerStarted", "VMStopping",           NULL };
	struct placement p = { .created = 1000, .stop = 2000 };

	(void)state;
	/* What had not happened when it was told to stop never happens. */
	check_events(&p, 1000000, early, "stopped");
	p.stop = 10000;
	check_events(&p, 10000, stopping, "stopping");
}

static void test_bad_image(void **state)
{
	static const char *const failed[] = { "SchedulerPlaced", "ImagePullError", NULL };
	struct placement p = { .created = 1000, .bad = true };

	(void)state;
	check_events(&p, 1000 + FAILED_AFTER_MS, failed, "failed");
	p.stop = 100000;
	check_events(&p, 1000000, failed, "failed");
}

static void test_sizes(void **state)
{
	int64_t v = 0;
	char text[32];

	(void)state;
	assert_int_equal(size_parse_memory("256MiB", &v), 0);
	assert_int_equal(v, 256);
	assert_int_equal(size_parse_memory("1.5 GiB", &v), 0);
	assert_int_equal(v, 1536);
	assert_int_equal(size_parse_disk("2GB", &v), 0);
	assert_int_equal(v, 2000);
	assert_true(size_parse_memory("256", &v) < 0);
	assert_true(size_parse_memory("-1GiB", &v) < 0);
	assert_true(size_parse_disk("many", &v) < 0);
	size_format_memory(12288, text, sizeof(text));
	assert_string_equal(text, "12GiB");
	assert_ptr_equal(size_of_type("huge"), NULL);
	assert_int_equal(size_of_type("standard")->mem, size_of_type("standard-1")->mem);
}

static void check_long(const char *image, const char *want)
{
	cleanup_free_ char *text = image_long("0123456789abcdef0123456789abcdef", image);

	assert_string_equal(text, want);
}

static void test_images(void **state)
{
	(void)state;
	check_long("app:v1", "registry.cloudflare.com/0123456789abcdef0123456789abcdef/app:v1");
	check_long("registry.cloudflare.com/app:v1", "registry.cloudflare.com/0123456789abcdef0123456789abcdef/app:v1");
	check_long("registry.cloudflare.com/0123456789abcdef0123456789abcdef/app:v1",
		   "registry.cloudflare.com/0123456789abcdef0123456789abcdef/app:v1");
	check_long("docker.io/library/nginx:1", "docker.io/library/nginx:1");
	check_long("proto://app:v1", "proto://app:v1");
	assert_true(image_good("app:v1"));
	assert_true(image_good("localhost:5000/team/app:v1"));
	assert_false(image_good("bad-image:v1"));
	assert_false(image_good("App:v1"));
	assert_false(image_good("app:"));
	assert_false(image_good("app@sha256:12"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_start), cmocka_unit_test(test_stop),   cmocka_unit_test(test_bad_image),
		cmocka_unit_test(test_sizes),      cmocka_unit_test(test_images),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
