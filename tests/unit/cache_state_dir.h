/* For the tests of the state file: a directory of the test's own, and rows in it. Included once by each test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/rand.h"
#include "cache/state.h"

#define SCOPE "https://api.example/accounts/1"

static char top[64];

static inline const char *sub(const char *name)
{
	static char paths[8][256];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, 256, "%s/%s", top, name);
	return path;
}

static inline int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/cfcfs-state-XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static inline int tear_down(void **state)
{
	char command[192];

	(void)state;
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", top, top);
	return system(command) == 0 ? 0 : -1;
}

static inline void set(struct state *s, const char *table, const char *id, const char *value)
{
	assert_int_equal(state_set(s, table, "p", id, value, strlen(value)), 0);
}

/* Until what was set is in the file, and what others set is seen. */
static inline void sync_state(struct state *s)
{
	assert_int_equal(state_flush(s, NULL, clock_after_ms(60000)), 0);
}

static inline void assert_row(struct state *s, const char *table, const char *id, const char *value)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	int r = state_get(s, table, "p", id, &got);

	if (!value) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(got.data, value);
}

static inline size_t count_corrupt(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(d)))
		n += strstr(entry->d_name, ".corrupt-") && !strstr(entry->d_name, "-wal");
	closedir(d);
	return n;
}

/* No descriptor of ours may be in the way: raw SQL by a connection that comes and goes. */
static inline void sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
