#include "emulator/settle.h"

#include "emulator/world.h"

#define NEVER     INT64_MAX
#define STEPS_MAX 10000 /* of one settle, so that a call ends however far the clock was advanced */

/* When the state has to be looked at next; kept under the emulator's lock. At the start: at once. */
static int64_t next_due;

void settle_soon(int64_t due)
{
	if (due < next_due)
		next_due = due;
}

/* How long after its end an application still has to be listed. */
static int64_t lingers(const struct emulator *em)
{
	return emulator_live(em) ? LISTED_AFTER_MS : 0;
}

static int64_t first_due(struct emulator *em)
{
	return store_int(em->store, NEVER,
			 "SELECT min(t) FROM (SELECT min(gone) + ?1 AS t FROM application WHERE gone > 0"
			 " UNION ALL SELECT min(due) FROM rollout WHERE due > 0)",
			 "i", lingers(em));
}

/* Applies the earliest thing that is due. */
static int settle_one(struct emulator *em, int64_t due)
{
	struct store *s = em->store;
	struct call c = { .em = em, .store = s, .now = due, .fail.details = OUT_INIT };
	int64_t app =
		store_int(s, 0, "SELECT seq FROM application WHERE gone > 0 AND gone <= ?1 LIMIT 1", "i", due - lingers(em));
	int64_t rollout;
	struct app a;
	int r;

	if (app)
		return app_purge(s, app);
	rollout = store_int(s, 0, "SELECT seq FROM rollout WHERE due > 0 AND due <= ?1 ORDER BY due LIMIT 1", "i", due);
	if (!rollout || app_load_seq(s, store_int(s, 0, "SELECT app FROM rollout WHERE seq = ?1", "i", rollout), &a) < 0)
		return 0;
	snprintf(c.account, sizeof(c.account), "%s", a.account);
	r = rollout_due(&c, rollout);
	call_clear(&c);
	return r;
}

void settle(struct emulator *em, int64_t now)
{
	emulator_assert_locked(em);
	if (now < next_due)
		return;
	for (int i = 0; i < STEPS_MAX; i++) {
		next_due = first_due(em);
		if (now < next_due)
			return;
		if (store_begin(em->store) < 0)
			return;
		if (store_end(em->store, settle_one(em, next_due) == 0) < 0)
			return;
	}
}
