#include "emulator/emulator.h"

#include <errno.h>
#include <sodium.h>

#include "api/base/clock.h"
#include "emulator/fault.h"
#include "emulator/out.h"
#include "emulator/rate.h"
#include "emulator/reqlog.h"
#include "emulator/seed.h"
#include "emulator/store.h"

/* Of GraphQL. */
#define QUERIES_MAX     300
#define QUERIES_SECONDS 300

void vclock_start(struct vclock *c, double scale, int64_t not_before)
{
	c->scale = scale;
	c->mono = clock_now_ms();
	c->base = clock_wall_ns() / NSEC_PER_MSEC;
	if (c->base < not_before)
		c->base = not_before;
}

int64_t vclock_now(const struct vclock *c)
{
	return c->base + (int64_t)((double)(clock_now_ms() - c->mono) * c->scale);
}

void vclock_advance(struct vclock *c, int64_t ms)
{
	c->base += ms;
}

/* State that was kept by --db may be of a time that a scaled or advanced clock had reached. */
static int64_t latest_time(struct store *s)
{
	return store_int(s, 0,
			 "SELECT max(t) FROM (SELECT max(value) AS t FROM meta WHERE key = 'clock' UNION ALL"
			 " SELECT max(updated) FROM application UNION ALL SELECT max(created) FROM placement UNION ALL"
			 " SELECT max(updated) FROM secret UNION ALL SELECT max(updated) FROM rollout)",
			 "");
}

/* Nobody else knows it yet. */
int emulator_open(struct emulator *em, char *text, size_t size) NO_THREAD_SAFETY_ANALYSIS
{
	lock_init(&em->lock);
	out_times_vary(emulator_live(em));
	randombytes_buf(em->secret, sizeof(em->secret));
	em->log = reqlog_new();
	em->faults = faults_new();
	em->rate = rate_new(em->options.rate_count, em->options.rate_seconds, emulator_live(em));
	em->queries = rate_new(em->options.rate_count ? QUERIES_MAX : 0, QUERIES_SECONDS, false);
	if (!em->log || !em->faults || !em->rate || !em->queries) {
		snprintf(text, size, "out of memory");
		return -ENOMEM;
	}
	if (store_open(em->options.db, &em->store, text, size) < 0)
		return -EIO;
	vclock_start(&em->clock, em->options.time_scale, latest_time(em->store));
	return em->options.seed ? seed_from_option(em, em->options.seed, text, size) : 0;
}

/* Nobody knows it any more. */
void emulator_close(struct emulator *em) NO_THREAD_SAFETY_ANALYSIS
{
	if (em->store)
		store_exec(em->store, "INSERT OR REPLACE INTO meta(key, value) VALUES('clock', ?1)", "i", vclock_now(&em->clock));
	em->store = store_close(em->store);
	em->log = reqlog_free(em->log);
	em->faults = faults_free(em->faults);
	em->rate = rate_free(em->rate);
	em->queries = rate_free(em->queries);
	free(em->options.seed);
	lock_destroy(&em->lock);
}
