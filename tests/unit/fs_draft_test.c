/* fs/core/draft, fs/core/attributes: what is written before it is sent, and what tools set on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "fs/core/attributes.h"
#include "fs/core/draft.h"

static int begin(void **state)
{
	struct draft *draft = draft_new();

	if (!draft)
		return -1;
	draft->json = draft->began_empty = true;
	*state = draft;
	return 0;
}

static int end(void **state)
{
	draft_unref(*state);
	return 0;
}

static void put(struct draft *draft, const char *text, off_t at)
{
	assert_int_equal(draft_write(draft, text, strlen(text), at), 0);
}

static void test_states(void **state)
{
	struct draft *draft = *state;

	assert_int_equal(draft_state(draft), DOC_EMPTY);
	put(draft, "{\"a\":", 0);
	assert_int_equal(draft_state(draft), DOC_INCOMPLETE);
	put(draft, "1}", 5);
	assert_int_equal(draft_state(draft), DOC_COMPLETE);
	/* Bytes that were scanned already change: from the start again. */
	put(draft, "[", 0);
	assert_int_equal(draft_state(draft), DOC_MALFORMED);
	put(draft, "{", 0);
	assert_int_equal(draft_state(draft), DOC_COMPLETE);
	assert_int_equal(draft_truncate(draft, 3), 0);
	assert_int_equal(draft_state(draft), DOC_INCOMPLETE);
	assert_int_equal(draft_truncate(draft, 0), 0);
	assert_int_equal(draft_state(draft), DOC_EMPTY);
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = "{ \"name\": \"x\", \"list\": [1, 2, {\"y\": null}] }\n";
	struct draft *draft = *state;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(draft_write(draft, text + i, 1, (off_t)i), 0);
		assert_int_equal(draft_state(draft) == DOC_COMPLETE, i + 2 >= sizeof(text) - 1);
		/* It goes on from where it was: that is what makes many small writes cheap. */
		assert_int_equal(draft->scanned, i + 1);
	}
}

static void test_bounds(void **state)
{
	struct draft *draft = *state;
	char out[4];

	assert_int_equal(draft_write(draft, "x", 1, DOC_BYTES_MAX), -EFBIG);
	assert_int_equal(draft_overflow(draft), -EFBIG);
	assert_int_equal(draft_write(draft, "x", 1, -1), -EFBIG);
	assert_int_equal(draft_truncate(draft, DOC_BYTES_MAX + 1), -EFBIG);
	/* Emptied, it is whole again. */
	assert_int_equal(draft_truncate(draft, 0), 0);
	assert_int_equal(draft_overflow(draft), 0);
	put(draft, "abc", 2);
	assert_int_equal(draft_size(draft), 5);
	assert_int_equal(draft_read(draft, out, sizeof(out), 0), 4);
	assert_memory_equal(out, "\0\0ab", 4);
	assert_int_equal(draft_read(draft, out, sizeof(out), 4), 1);
	assert_int_equal(draft_read(draft, out, sizeof(out), 5), 0);
	assert_int_equal(draft_read(draft, out, sizeof(out), -1), 0);
}

static void test_all_drafts_have_one_bound(void **state)
{
	enum { COUNT = DRAFTS_BYTES_MAX / DOC_BYTES_MAX };
	struct draft *one = *state, **drafts = calloc(COUNT, sizeof(struct draft *));

	assert_non_null(drafts);
	for (size_t i = 0; i < COUNT; i++) {
		drafts[i] = draft_new();
		assert_non_null(drafts[i]);
		assert_int_equal(draft_truncate(drafts[i], DOC_BYTES_MAX), 0);
	}
	assert_int_equal(draft_write(one, "x", 1, 0), -ENOSPC);
	assert_int_equal(draft_overflow(one), -ENOSPC);
	assert_int_equal(draft_set(one, "x", 1), -ENOSPC);
	/* What gets smaller gives room, and what goes. */
	assert_int_equal(draft_truncate(drafts[0], DOC_BYTES_MAX - 1), 0);
	assert_int_equal(draft_truncate(one, 0), 0);
	put(one, "x", 0);
	assert_int_equal(draft_write(one, "y", 1, 1), -ENOSPC);
	for (size_t i = 0; i < COUNT; i++)
		draft_unref(drafts[i]);
	free(drafts);
	put(one, "yz", 1);
}

static void test_an_answer_is_repeated_for_its_content_alone(void **state)
{
	struct err refused = { .errnum = EINVAL }, done = ERR_INIT, got;
	struct draft *draft = *state;
	struct buf content = BUF_INIT;

	put(draft, "{}", 0);
	assert_false(draft_was_handled(draft));
	content = (struct buf){ .data = (char[]){ "{}" }, .len = 2 };
	draft_set_handled(draft, &content, &refused);
	assert_int_equal(draft_handled(draft, &got), 1);
	assert_int_equal(got.errnum, EINVAL);
	assert_false(draft_is_sent(draft));
	put(draft, "[]", 0);
	assert_int_equal(draft_handled(draft, &got), 0);
	put(draft, "{}", 0);
	draft_set_handled(draft, &content, &done);
	assert_true(draft_is_sent(draft));
	/* A blank after what was sent is the same document. */
	put(draft, "\n", 2);
	content = draft_copy(draft, &(int){ 0 });
	assert_int_equal(draft_handled(draft, &got), 0);
	assert_true(draft_only_blanks_since(draft, &content));
	buf_wipe(&content);
	put(draft, "x", 2);
	content = draft_copy(draft, &(int){ 0 });
	assert_false(draft_only_blanks_since(draft, &content));
	buf_wipe(&content);
}

static void test_an_answer_ends_when_it_is_emptied_or_another_is_sent(void **state)
{
	struct err done = ERR_INIT, got;
	struct draft *draft = *state;
	struct buf content = { .data = (char[]){ "{}" }, .len = 2 };

	draft_saw_sends(draft, 1);
	put(draft, "{}", 0);
	draft_set_handled(draft, &content, &done);
	draft_rewritten(draft, 1);
	assert_int_equal(draft_handled(draft, &got), 1);
	draft_rewritten(draft, 2);
	assert_int_equal(draft_handled(draft, &got), 0);
	draft_set_handled(draft, &content, &done);
	assert_int_equal(draft_truncate(draft, 0), 0);
	put(draft, "{}", 0);
	assert_int_equal(draft_handled(draft, &got), 0);
	assert_true(draft_was_handled(draft));
}

static void test_spent_it_takes_no_change(void **state)
{
	struct draft *draft = *state;

	put(draft, "{", 0);
	assert_int_equal(draft_append(draft, "}", 1), 0);
	assert_int_equal(draft_size(draft), 2);
	draft_spend(draft);
	assert_true(draft_is_detached(draft));
	assert_int_equal(draft_write(draft, "[", 1, 0), -ESTALE);
	assert_int_equal(draft_append(draft, " ", 1), -ESTALE);
	assert_int_equal(draft_truncate(draft, 0), -ESTALE);
	assert_int_equal(draft_truncate(draft, 2), 0);
	/* Nothing was cut off. */
	assert_int_equal(draft_overflow(draft), 0);
}

static void test_aimed_elsewhere_it_is_another_try(void **state)
{
	struct err refused = { .errnum = EINVAL }, done = ERR_INIT, got;
	struct draft *draft = *state;
	struct buf content = { .data = (char[]){ "{}" }, .len = 2 };

	put(draft, "{}", 0);
	draft_aim(draft, 1);
	draft_set_handled(draft, &content, &refused);
	draft_aim(draft, 1);
	assert_int_equal(draft_handled(draft, &got), 0);
	draft_set_handled(draft, &content, &done);
	draft_aim(draft, 1);
	assert_int_equal(draft_handled(draft, &got), 1);
	draft_aim(draft, 2);
	assert_int_equal(draft_handled(draft, &got), 0);
}

static void test_writers(void **state)
{
	struct draft *draft = *state;

	draft_add_writer(draft);
	draft_add_writer(draft);
	assert_false(draft_remove_writer(draft));
	assert_true(draft_remove_writer(draft));
}

static void test_what_sends_by_write(void **state)
{
	struct draft *draft = *state;

	assert_true(draft_sends_by_write(draft));
	draft->secret = true;
	assert_false(draft_sends_by_write(draft));
	draft->secret = draft->began_empty = false;
	assert_false(draft_sends_by_write(draft));
	assert_int_equal(draft_truncate(draft, 0), 0);
	assert_true(draft_sends_by_write(draft));
	draft_detach(draft);
	assert_true(draft_is_detached(draft));
}

/* ---- attributes ---- */

static void test_attributes(void **state)
{
	struct stat from = { .st_mode = S_IFREG | 04751, .st_uid = 7, .st_gid = 8, .st_mtim = { -5, 9 }, .st_atim = { 3, 0 } };
	struct stat st = { .st_mode = S_IFREG | 0600, .st_uid = 1, .st_gid = 2 };
	struct attributes a = ATTRIBUTES_NONE, b;

	(void)state;
	assert_true(attributes_is_none(&a));
	attributes_apply(&a, &st);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_uid, 1);
	a = attributes_of(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID, &from, 0);
	b = attributes_of(FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_GID, &from, 0);
	assert_false(attributes_is_none(&a));
	attributes_merge(&a, &b);
	attributes_apply(&a, &st);
	assert_int_equal(st.st_mode, S_IFREG | 04751);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	/* Before 1970, and for the access too where nobody said another. */
	assert_int_equal(st.st_mtim.tv_sec, -5);
	assert_int_equal(st.st_mtim.tv_nsec, 9);
	assert_int_equal(st.st_atim.tv_sec, -5);
	b = attributes_of(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW, &from, 4000000000LL);
	attributes_merge(&a, &b);
	attributes_apply(&a, &st);
	assert_int_equal(st.st_mtim.tv_sec, 4);
	assert_int_equal(st.st_atim.tv_sec, 3);
	assert_int_equal(st.st_uid, 7);
	/* Nanoseconds end: the last one there is, and never the mark of what nobody set. */
	from.st_mtim = (struct timespec){ INT64_MAX, 999999999 };
	assert_int_equal(attributes_of(FUSE_SET_ATTR_MTIME, &from, 0).mtime_ns, INT64_MAX);
	from.st_mtim = (struct timespec){ INT64_MAX / NSEC_PER_SEC, 999999999 };
	assert_int_equal(attributes_of(FUSE_SET_ATTR_MTIME, &from, 0).mtime_ns, INT64_MAX);
	from.st_mtim = (struct timespec){ INT64_MIN, 0 };
	assert_int_equal(attributes_of(FUSE_SET_ATTR_MTIME, &from, 0).mtime_ns, ATTRIBUTE_NONE + 1);
	from.st_mtim =
		(struct timespec){ INT64_MIN / NSEC_PER_SEC - 1, NSEC_PER_SEC - (-(INT64_MIN + NSEC_PER_SEC)) % NSEC_PER_SEC };
	a = attributes_of(FUSE_SET_ATTR_MTIME, &from, 0);
	assert_false(attributes_is_none(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_states, begin, end),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, begin, end),
		cmocka_unit_test_setup_teardown(test_bounds, begin, end),
		cmocka_unit_test_setup_teardown(test_all_drafts_have_one_bound, begin, end),
		cmocka_unit_test_setup_teardown(test_an_answer_is_repeated_for_its_content_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_an_answer_ends_when_it_is_emptied_or_another_is_sent, begin, end),
		cmocka_unit_test_setup_teardown(test_spent_it_takes_no_change, begin, end),
		cmocka_unit_test_setup_teardown(test_aimed_elsewhere_it_is_another_try, begin, end),
		cmocka_unit_test_setup_teardown(test_writers, begin, end),
		cmocka_unit_test_setup_teardown(test_what_sends_by_write, begin, end),
		cmocka_unit_test(test_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
