/* Rows in memory, where the file is missing or could not take them. */
#include <errno.h>

#include "cache/state_private.h"

static size_t make_key(char *key, const struct row_name *name)
{
	const char *parts[] = { name->table, name->parent, name->id };
	size_t n = 0;

	for (size_t i = 0; i < array_len(parts); i++) {
		size_t len = strlen(parts[i]) + 1;

		if (key)
			memcpy(key + n, parts[i], len);
		n += len;
	}
	return n;
}

struct memory_row *memory_row_find(struct state *state, const struct row_name *name)
{
	size_t n = make_key(NULL, name);
	cleanup_free_ char *key = malloc(n);
	struct memory_row *row = NULL;

	if (!key || !state->rows)
		return NULL;
	make_key(key, name);
	HASH_FIND(hh, state->rows, key, n, row);
	return row;
}

void memory_row_free(struct state *state, struct memory_row *row)
{
	HASH_DEL(state->rows, row);
	free(row->value);
	free(row);
}

/* The oldest of the table goes, where there are too many. */
static void trim(struct state *state, const char *table)
{
	struct memory_row *row, *next, *oldest = NULL;
	size_t count = 0;

	if (HASH_COUNT(state->rows) <= STATE_ROWS_MAX)
		return;
	HASH_ITER(hh, state->rows, row, next) {
		if (strcmp(row->name.table, table))
			continue;
		if (!oldest)
			oldest = row;
		count++;
	}
	if (count > STATE_ROWS_MAX)
		memory_row_free(state, oldest);
}

static struct memory_row *make_row(struct state *state, const struct row_name *name)
{
	size_t n = make_key(NULL, name);
	struct memory_row *row = calloc(1, sizeof(*row) + n);

	if (!row)
		return NULL;
	make_key(row->key, name);
	row->name.table = row->key;
	row->name.parent = row->name.table + strlen(row->name.table) + 1;
	row->name.id = row->name.parent + strlen(row->name.parent) + 1;
	HASH_ADD_KEYPTR(hh, state->rows, row->key, n, row);
	if (!row->hh.tbl) {
		free(row);
		return NULL;
	}
	return row;
}

int memory_row_set(struct state *state, const struct row_name *name, const void *value, size_t len, bool deleted)
{
	struct memory_row *row = memory_row_find(state, name);
	char *copy = NULL;

	if (len) {
		copy = malloc(len);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, value, len);
	}
	if (!row)
		row = make_row(state, name);
	if (!row) {
		free(copy);
		return -ENOMEM;
	}
	free(row->value);
	row->value = copy;
	row->len = len;
	row->deleted = deleted;
	row->serial = ++state->last_serial;
	trim(state, name->table);
	return 0;
}
