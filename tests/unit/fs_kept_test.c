/* fs/core/kept: bytes and attributes that files were given, by use, within their limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "fs/core/kept.h"

static int begin(void **state)
{
	*state = kept_new(1000);
	return *state ? 0 : -1;
}

static int end(void **state)
{
	kept_free(*state);
	return 0;
}

/* The bytes kept under the key, or NULL; freed by the caller. */
static char *text_of(struct kept *kept, const char *key)
{
	struct kept_value value;
	char *text;

	kept_get(kept, key, &value);
	text = value.bytes ? strndup(value.bytes->data, value.bytes->len) : NULL;
	kept_value_clear(&value);
	return text;
}

static void check(struct kept *kept, const char *key, const char *text)
{
	cleanup_free_ char *is = text_of(kept, key);

	if (!text != !is || (text && strcmp(text, is) != 0))
		fail_msg("%s: %s in place of %s", key, is ? is : "nothing", text ? text : "nothing");
}

static void set(struct kept *kept, const char *key, const char *text)
{
	assert_int_equal(kept_set_bytes(kept, key, text, strlen(text), 7), 0);
}

static void test_bytes(void **state)
{
	struct kept *kept = *state;
	struct kept_value value;

	check(kept, "a", NULL);
	set(kept, "a", "one");
	set(kept, "b", "two");
	set(kept, "a", "three");
	check(kept, "a", "three");
	check(kept, "b", "two");
	kept_get(kept, "a", &value);
	assert_int_equal(value.serial, 3);
	assert_int_equal(value.snapshot_hash, 7);
	/* They mean the same as another snapshot; bytes of another serial say nothing of these. */
	kept_confirm(kept, "a", value.serial, 8, true);
	kept_confirm(kept, "a", value.serial - 1, 9, false);
	kept_value_clear(&value);
	kept_get(kept, "a", &value);
	assert_int_equal(value.snapshot_hash, 8);
	kept_confirm(kept, "a", value.serial, 9, false);
	kept_value_clear(&value);
	check(kept, "a", NULL);
	kept_drop(kept, "b");
	kept_drop(kept, "b");
	check(kept, "b", NULL);
}

/* What was used least recently goes first, whichever way it was used; what was just set stays, even alone too large. */
static void test_limit(void **state)
{
	char text[301] = { 0 }, large[2001] = { 0 };
	struct kept *kept = *state;

	memset(text, 'x', sizeof(text) - 1);
	memset(large, 'y', sizeof(large) - 1);
	set(kept, "a", text);
	/* Alone, and so the most recent already. */
	check(kept, "a", text);
	set(kept, "b", text);
	check(kept, "a", text);
	set(kept, "c", text);
	check(kept, "b", NULL);
	check(kept, "a", text);
	check(kept, "c", text);
	set(kept, "d", large);
	check(kept, "d", large);
	check(kept, "a", NULL);
	check(kept, "c", NULL);
	set(kept, "e", "small");
	check(kept, "d", NULL);
	check(kept, "e", "small");
}

static void test_attributes(void **state)
{
	struct attributes mode = ATTRIBUTES_NONE, time = ATTRIBUTES_NONE;
	struct kept *kept = *state;
	struct kept_value value;

	mode.mode = 0640;
	time.mtime_ns = 5;
	assert_int_equal(kept_set_attributes(kept, "a", 1, &mode), 0);
	assert_int_equal(kept_set_attributes(kept, "a", 1, &time), 0);
	kept_get(kept, "a", &value);
	assert_int_equal(value.attributes.mode, 0640);
	assert_int_equal(value.attributes.mtime_ns, 5);
	kept_value_clear(&value);
	/* Another content begins anew; new bytes leave them alone. */
	assert_int_equal(kept_set_attributes(kept, "a", 2, &time), 0);
	set(kept, "a", "bytes");
	kept_get(kept, "a", &value);
	assert_int_equal(value.content, 2);
	assert_int_equal(value.attributes.mode, ATTRIBUTE_NONE);
	assert_int_equal(value.attributes.mtime_ns, 5);
	kept_value_clear(&value);
}

static void test_move(void **state)
{
	struct attributes mode = ATTRIBUTES_NONE;
	struct kept *kept = *state;
	struct kept_value value;

	mode.mode = 0600;
	set(kept, "old", "bytes");
	assert_int_equal(kept_set_attributes(kept, "old", 3, &mode), 0);
	set(kept, "new", "what stood there");
	kept_move(kept, "old", "old");
	check(kept, "old", "bytes");
	kept_move(kept, "nothing", "new");
	check(kept, "new", "what stood there");
	kept_move(kept, "old", "new");
	check(kept, "old", NULL);
	kept_get(kept, "new", &value);
	assert_memory_equal(value.bytes->data, "bytes", 5);
	assert_int_equal(value.attributes.mode, 0600);
	assert_int_equal(value.content, 3);
	kept_value_clear(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes, begin, end),
		cmocka_unit_test_setup_teardown(test_limit, begin, end),
		cmocka_unit_test_setup_teardown(test_attributes, begin, end),
		cmocka_unit_test_setup_teardown(test_move, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
