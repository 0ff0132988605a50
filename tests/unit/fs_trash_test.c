/* fs/send/trash, fs/core/timer: names in hiding, and waiting for their deletes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>

#include "fs/core/draft.h"
#include "fs/core/failures.h"
#include "fs/core/notify.h"
#include "fs/core/pace.h"
#include "fs/core/timer.h"
#include "fs/core/tree.h"
#include "fs/send/trash.h"

static struct options options = { .timeout_ms = 1000 };

static int begin(void **state)
{
	struct mount *m = calloc(1, sizeof(*m));

	if (!m)
		return -1;
	m->options = &options;
	m->tree = tree_new();
	m->timer = timer_new();
	m->notifier = notifier_new();
	m->failures = failures_new();
	m->pace = pace_new(10, 1000);
	m->deleters = pool_new("delete", 1, 65536);
	m->trash = trash_new(m);
	*state = m;
	return m->tree && m->timer && m->notifier && m->failures && m->pace && m->deleters && m->trash ? timer_start(m->timer) :
													 -1;
}

static int end(void **state)
{
	struct mount *m = *state;

	timer_stop(m->timer);
	pool_free(m->deleters);
	trash_free(m->trash);
	timer_free(m->timer);
	notifier_free(m->notifier);
	tree_free(m->tree);
	failures_free(m->failures);
	pace_free(m->pace);
	free(m);
	return 0;
}

static struct entry *add(struct mount *m, const char *name)
{
	struct identity what = { .place = PLACE_RESOURCE, .kind = kind_by_dir(NULL, "applications"), .id = strdup("id") };
	struct entry *entry;

	scope_lock(tree, m->tree);
	entry = tree_obtain(m->tree, m->tree->root, name, &what);
	assert_non_null(entry);
	return entry;
}

static void hide(struct mount *m, struct entry *entry, enum hide how, int64_t ms)
{
	scope_lock(tree, m->tree);
	trash_hide_locked(m, entry, how, clock_after_ms(ms));
	assert_true(entry->local && entry->in_hiding);
}

static bool is_hidden(struct mount *m, struct entry *entry)
{
	scope_lock(tree, m->tree);
	return entry->hide != HIDE_NONE;
}

static void wait_back(struct mount *m, struct entry *entry)
{
	struct waiter waiter;
	int64_t until = clock_after_ms(10000);

	assert_int_equal(waiter_init(&waiter), 0);
	while (is_hidden(m, entry) && clock_left_ms(until))
		(void)waiter_wait(&waiter, clock_after_ms(2), false);
	waiter_destroy(&waiter);
	assert_false(is_hidden(m, entry));
}

static void test_a_backup_s_name_comes_back_by_itself(void **state)
{
	struct mount *m = *state;
	struct entry *entry = add(m, "web.json");
	cleanup_free_ char *text = NULL;

	hide(m, entry, HIDE_BACKUP, 20);
	wait_back(m, entry);
	/* The record is written once the lock is given back. */
	timer_stop(m->timer);
	text = failures_text(m->failures, "/web.json");
	assert_non_null(text);
	assert_non_null(strstr(text, "nothing was deleted"));
	entry_release(m->tree, entry);
}

static void test_a_draft_holds_it_back_and_its_end_lets_it_go(void **state)
{
	struct mount *m = *state;
	struct entry *entry = add(m, "web.json");
	int64_t began;

	tree_lock(m->tree);
	entry->draft = draft_new();
	tree_unlock(m->tree);
	hide(m, entry, HIDE_BACKUP, -1000);
	timer_wake(m->timer);
	assert_true(is_hidden(m, entry));
	began = clock_now_ms();
	tree_lock(m->tree);
	entry->draft = draft_unref(entry->draft);
	trash_draft_ended_locked(m, entry);
	tree_unlock(m->tree);
	wait_back(m, entry);
	/* Not before the editor could put its backup back. */
	assert_true(clock_now_ms() - began >= TRASH_DRAFT_MS);
	entry_release(m->tree, entry);
}

static void test_shown_again_nothing_is_pending(void **state)
{
	struct mount *m = *state;
	struct entry *entry = add(m, "web.json");
	struct err err = ERR_INIT;

	hide(m, entry, HIDE_DELETE, 3600000);
	assert_true(trash_owes(m, m->tree->root));
	tree_lock(m->tree);
	trash_show_locked(m, entry);
	assert_false(entry->in_hiding || entry->local);
	tree_unlock(m->tree);
	assert_false(trash_owes(m, m->tree->root));
	assert_int_equal(trash_flush(m, m->tree->root, NULL, clock_after_ms(0), &err), 0);
	entry_release(m->tree, entry);
}

/* A DELETE of which no answer comes. */
static struct entry *add_sending(struct mount *m)
{
	struct entry *entry = add(m, "web.json");

	hide(m, entry, HIDE_DELETE, 3600000);
	tree_lock(m->tree);
	entry->sending = true;
	tree_unlock(m->tree);
	return entry;
}

static void test_a_flush_ends_by_deadline_and_signal(void **state)
{
	struct mount *m = *state;
	struct entry *entry = add_sending(m);
	struct err err = ERR_INIT;
	struct waiter waiter;

	assert_int_equal(trash_flush(m, m->tree->root, NULL, clock_after_ms(20), &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "deadline"));
	assert_int_equal(waiter_init(&waiter), 0);
	waiter_cancel(&waiter);
	assert_int_equal(trash_flush(m, NULL, &waiter, CLOCK_NEVER, &err), -EINTR);
	waiter_destroy(&waiter);
	tree_lock(m->tree);
	entry->sending = false;
	trash_show_locked(m, entry);
	tree_unlock(m->tree);
	entry_release(m->tree, entry);
}

static void test_a_flush_leaves_a_delete_to_who_sends_it_himself(void **state)
{
	struct mount *m = *state;
	struct entry *entry = add(m, "web.json");
	struct err err = ERR_INIT;

	tree_lock(m->tree);
	trash_hide_locked(m, entry, HIDE_DELETE, CLOCK_NEVER);
	tree_unlock(m->tree);
	assert_int_equal(trash_flush(m, m->tree->root, NULL, clock_after_ms(20), &err), -ETIMEDOUT);
	tree_lock(m->tree);
	assert_false(entry->sending);
	trash_show_locked(m, entry);
	tree_unlock(m->tree);
	entry_release(m->tree, entry);
}

/* ---- the timer ---- */

struct tick {
	atomic_uint count;
	_Atomic int64_t due_ms;
	struct waiter told;
};

static int64_t tick(void *arg)
{
	struct tick *t = arg;
	int64_t due = t->due_ms;

	if (due <= clock_now_ms()) {
		atomic_fetch_add(&t->count, 1);
		t->due_ms = due = CLOCK_NEVER;
		waiter_wake(&t->told);
	}
	return due;
}

static void test_timer(void **state)
{
	struct timer *timer = timer_new();
	struct tick one = { .due_ms = CLOCK_NEVER }, two = { .due_ms = clock_after_ms(5) };

	(void)state;
	assert_non_null(timer);
	assert_int_equal(waiter_init(&one.told) | waiter_init(&two.told), 0);
	timer_add(timer, tick, &one);
	timer_add(timer, tick, &two);
	assert_int_equal(timer_start(timer), 0);
	assert_int_equal(waiter_wait(&two.told, clock_after_ms(10000), false), 0);
	/* Earlier than was said. */
	one.due_ms = clock_now_ms();
	timer_wake(timer);
	assert_int_equal(waiter_wait(&one.told, clock_after_ms(10000), false), 0);
	timer_stop(timer);
	two.due_ms = clock_now_ms();
	timer_wake(timer);
	assert_int_equal(one.count, 1);
	assert_int_equal(two.count, 1);
	timer_free(timer);
	waiter_destroy(&one.told);
	waiter_destroy(&two.told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_backup_s_name_comes_back_by_itself, begin, end),
		cmocka_unit_test_setup_teardown(test_a_draft_holds_it_back_and_its_end_lets_it_go, begin, end),
		cmocka_unit_test_setup_teardown(test_shown_again_nothing_is_pending, begin, end),
		cmocka_unit_test_setup_teardown(test_a_flush_ends_by_deadline_and_signal, begin, end),
		cmocka_unit_test_setup_teardown(test_a_flush_leaves_a_delete_to_who_sends_it_himself, begin, end),
		cmocka_unit_test(test_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
