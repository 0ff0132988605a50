/* The rows in memory, and the queue of changes that the file does not have yet. */
#include <errno.h>

#include <utlist.h>

#include "cache/state_private.h"

/* What a row takes beyond its key and value, roughly. */
#define ROW_OVERHEAD (sizeof(struct row) + 64)
/* Keys up to this length are made on the stack. */
#define KEY_TEXT_MAX 512

static size_t make_key(char *key, const struct row_name *name)
{
	const char *parts[] = { name->table, name->parent, name->id };
	size_t n = 0;

	for (size_t i = 0; i < array_len(parts) && parts[i]; i++) {
		size_t len = strlen(parts[i]) + 1;

		if (key)
			memcpy(key + n, parts[i], len);
		n += len;
	}
	return n;
}

static struct row_name name_in_key(const char *key)
{
	struct row_name name = { .table = key };

	name.parent = name.table + strlen(name.table) + 1;
	name.id = name.parent + strlen(name.parent) + 1;
	return name;
}

static struct row_value *value_new(const void *data, size_t len)
{
	struct row_value *value = malloc(sizeof(*value) + len);

	if (!value)
		return NULL;
	atomic_init(&value->refs, 1);
	value->len = len;
	if (len)
		memcpy(value->data, data, len);
	return value;
}

struct row_value *row_value_ref(struct row_value *value)
{
	if (value)
		atomic_fetch_add_explicit(&value->refs, 1, memory_order_relaxed);
	return value;
}

void row_value_unref(struct row_value *value)
{
	if (value && atomic_fetch_sub_explicit(&value->refs, 1, memory_order_acq_rel) == 1)
		free(value);
}

void row_change_free(struct row_change *changes)
{
	while (changes) {
		struct row_change *next = changes->next;

		row_value_unref(changes->value);
		free(changes);
		changes = next;
	}
}

/* ---- finding ---- */

/* The key of a row, or of a group where there is no id: in text where it fits, else in *ret_longer. NULL without memory. */
static const char *key_of(const struct row_name *name, char text[KEY_TEXT_MAX], char **ret_longer, size_t *ret_len)
{
	char *key = text;

	*ret_len = make_key(NULL, name);
	if (*ret_len > KEY_TEXT_MAX)
		key = *ret_longer = malloc(*ret_len);
	if (key)
		make_key(key, name);
	return key;
}

/* Deleted ones too. */
static struct row *find_any_locked(struct state *state, const struct row_name *name) REQUIRES(state_locked)
{
	cleanup_free_ char *longer = NULL;
	char text[KEY_TEXT_MAX];
	size_t len;
	const char *key = key_of(name, text, &longer, &len);
	struct row *row = NULL;

	if (key)
		HASH_FIND(hh, state->rows.all, key, len, row);
	return row;
}

struct row *rows_find_locked(struct state *state, const struct row_name *name)
{
	struct row *row = find_any_locked(state, name);

	state_assert_locked(state);
	return row && !row->deleted ? row : NULL;
}

struct row_group *rows_group_locked(struct state *state, const char *table, const char *parent)
{
	const struct row_name name = { .table = table, .parent = parent };
	cleanup_free_ char *longer = NULL;
	char text[KEY_TEXT_MAX];
	size_t len;
	const char *key = key_of(&name, text, &longer, &len);
	struct row_group *group = NULL;

	state_assert_locked(state);
	if (key)
		HASH_FIND(hh, state->rows.groups, key, len, group);
	return group;
}

/* ---- making and freeing ---- */

static size_t row_bytes(const struct row *row)
{
	return ROW_OVERHEAD + row->hh.keylen + (row->value ? row->value->len : 0);
}

static struct row_table *get_table_locked(struct state *state, const char *name) REQUIRES(state_locked)
{
	size_t n = strlen(name) + 1;
	struct row_table *table;

	LL_FOREACH(state->rows.tables, table) {
		if (!strcmp(table->name, name))
			return table;
	}
	table = calloc(1, sizeof(*table) + n);
	if (!table)
		return NULL;
	memcpy(table->name, name, n);
	LL_PREPEND(state->rows.tables, table);
	return table;
}

static struct row_group *get_group_locked(struct state *state, const struct row_name *name) REQUIRES(state_locked)
{
	const struct row_name of_group = { .table = name->table, .parent = name->parent };
	struct row_group *group = rows_group_locked(state, name->table, name->parent);
	size_t n = make_key(NULL, &of_group);

	if (group)
		return group;
	group = calloc(1, sizeof(*group) + n);
	if (!group)
		return NULL;
	make_key(group->key, &of_group);
	HASH_ADD_KEYPTR(hh, state->rows.groups, group->key, n, group);
	if (!group->hh.tbl) {
		free(group);
		return NULL;
	}
	return group;
}

static void drop_group_locked(struct state *state, struct row_group *group) REQUIRES(state_locked)
{
	if (group && !group->rows) {
		HASH_DEL(state->rows.groups, group);
		free(group);
	}
}

/* Last of its group and of its table. */
static void append_locked(struct row *row) REQUIRES(state_locked)
{
	DL_APPEND(row->group->rows, row);
	DL_APPEND2(row->table->rows, row, age_prev, age_next);
}

static struct row *make_row_locked(struct state *state, const struct row_name *name) REQUIRES(state_locked)
{
	size_t n = make_key(NULL, name);
	struct row_table *table = get_table_locked(state, name->table);
	struct row_group *group = table ? get_group_locked(state, name) : NULL;
	struct row *row = group ? calloc(1, sizeof(*row) + n) : NULL;

	if (row) {
		make_key(row->key, name);
		row->name = name_in_key(row->key);
		row->table = table;
		row->group = group;
		HASH_ADD_KEYPTR(hh, state->rows.all, row->key, n, row);
	}
	if (!row || !row->hh.tbl) {
		free(row);
		drop_group_locked(state, group);
		return NULL;
	}
	row->deleted = true;
	append_locked(row);
	state->rows.bytes += row_bytes(row);
	return row;
}

static void dequeue_locked(struct state *state, struct row *row) REQUIRES(state_locked)
{
	if (row->queued)
		DL_DELETE2(state->rows.queue, row, queue_prev, queue_next);
	row->queued = false;
}

static void free_row_locked(struct state *state, struct row *row) REQUIRES(state_locked)
{
	struct row_group *group = row->group;

	dequeue_locked(state, row);
	state->rows.bytes -= row_bytes(row);
	row->table->count -= !row->deleted;
	DL_DELETE(group->rows, row);
	DL_DELETE2(row->table->rows, row, age_prev, age_next);
	drop_group_locked(state, group);
	HASH_DEL(state->rows.all, row);
	row_value_unref(row->value);
	free(row);
}

/* value's reference is handed over; NULL: deleted. */
static void put_value_locked(struct state *state, struct row *row, struct row_value *value) REQUIRES(state_locked)
{
	state->rows.bytes -= row_bytes(row);
	row_value_unref(row->value);
	row->table->count += (row->deleted && value) - (size_t)(!row->deleted && !value);
	row->deleted = !value;
	row->value = value;
	state->rows.bytes += row_bytes(row);
}

/* The oldest of the table goes, where there are too many; the file does the same. */
static void trim_locked(struct state *state, struct row_table *table) REQUIRES(state_locked)
{
	struct row *row, *next;

	for (row = table->rows; row && table->count > STATE_ROWS_MAX; row = next) {
		next = row->age_next;
		if (!row->deleted)
			free_row_locked(state, row);
	}
}

/* ---- own changes ---- */

static void queue_locked(struct state *state, struct row *row) REQUIRES(state_locked)
{
	row->serial = ++state->rows.last_serial;
	row->waiting = true;
	if (!row->queued)
		DL_APPEND2(state->rows.queue, row, queue_prev, queue_next);
	row->queued = true;
}

int rows_set_locked(struct state *state, const struct row_name *name, const void *value, size_t len)
{
	struct row *row = find_any_locked(state, name);
	struct row_value *copy = value_new(value, len);

	state_assert_locked(state);
	if (copy && state->rows.bytes + len > STATE_BYTES_MAX && (!row || !row->value || row->value->len < len)) {
		row_value_unref(copy);
		return -ENOSPC;
	}
	if (copy && row && row->deleted) {
		row->again = true;
		DL_DELETE(row->group->rows, row);
		DL_DELETE2(row->table->rows, row, age_prev, age_next);
		append_locked(row);
	}
	if (copy && !row)
		row = make_row_locked(state, name);
	if (!copy || !row) {
		row_value_unref(copy);
		return -ENOMEM;
	}
	put_value_locked(state, row, copy);
	if (!state->rows.alone)
		queue_locked(state, row);
	trim_locked(state, row->table);
	return 0;
}

int rows_delete_locked(struct state *state, const struct row_name *name)
{
	struct row *row = find_any_locked(state, name);

	state_assert_locked(state);
	if (state->rows.alone) {
		if (row)
			free_row_locked(state, row);
		return 0;
	}
	/* Also where there is none: another mount may just have set it. */
	if (!row)
		row = make_row_locked(state, name);
	if (!row)
		return -ENOMEM;
	put_value_locked(state, row, NULL);
	queue_locked(state, row);
	return 0;
}

/* ---- what the file says ---- */

int rows_load_locked(struct state *state, const struct row_name *name, const void *value, size_t len, uint64_t load)
{
	struct row *row = find_any_locked(state, name);
	struct row_value *copy;

	state_assert_locked(state);
	if (row)
		row->seen = load;
	if (row && (row->waiting || (row->value->len == len && (!len || !memcmp(row->value->data, value, len)))))
		return 0;
	if (state->rows.bytes + len > STATE_BYTES_MAX)
		return -ENOSPC;
	copy = value_new(value, len);
	if (copy && !row)
		row = make_row_locked(state, name);
	if (!copy || !row) {
		row_value_unref(copy);
		return -ENOMEM;
	}
	row->seen = load;
	put_value_locked(state, row, copy);
	trim_locked(state, row->table);
	return 0;
}

void rows_sweep_locked(struct state *state, uint64_t load, bool keep)
{
	struct row *row, *next;

	state_assert_locked(state);
	HASH_ITER(hh, state->rows.all, row, next) {
		if (row->seen == load || row->waiting)
			continue;
		(void)invariant(!row->deleted);
		if (keep)
			queue_locked(state, row);
		else
			free_row_locked(state, row);
	}
}

/* ---- on the way to the file ---- */

static struct row_change *row_change_new(const struct row *row)
{
	size_t n = row->hh.keylen;
	struct row_change *change = calloc(1, sizeof(*change) + n);

	if (!change)
		return NULL;
	memcpy(change->key, row->key, n);
	change->name = name_in_key(change->key);
	change->serial = row->serial;
	change->deleted = row->deleted;
	change->again = row->again;
	change->full = row->table->count >= STATE_ROWS_MAX;
	change->value = row_value_ref(row->value);
	return change;
}

int rows_take_locked(struct state *state, struct row_change **ret)
{
	struct row_change *changes = NULL, **tail = &changes;
	struct row *row, *next;

	state_assert_locked(state);
	DL_FOREACH2(state->rows.queue, row, queue_next)
	{
		*tail = row_change_new(row);
		if (!*tail) {
			row_change_free(changes);
			return -ENOMEM;
		}
		tail = &(*tail)->next;
	}
	DL_FOREACH_SAFE2(state->rows.queue, row, next, queue_next)
	{
		row->queued = row->again = false;
		row->queue_prev = row->queue_next = NULL;
	}
	state->rows.queue = NULL;
	*ret = changes;
	return 0;
}

void rows_written_locked(struct state *state, const struct row_change *changes)
{
	const struct row_change *change;

	state_assert_locked(state);
	LL_FOREACH(changes, change) {
		struct row *row = find_any_locked(state, &change->name);

		if (!row || row->serial != change->serial)
			continue;
		row->waiting = false;
		if (row->deleted)
			free_row_locked(state, row);
	}
}

void rows_put_back_locked(struct state *state, const struct row_change *changes)
{
	const struct row_change *change;
	struct row *queue = state->rows.queue, *row;

	state_assert_locked(state);
	/* In front of what came meanwhile. */
	state->rows.queue = NULL;
	LL_FOREACH(changes, change) {
		row = find_any_locked(state, &change->name);
		if (!row)
			continue;
		row->again |= change->again;
		if (row->queued)
			continue;
		row->queued = true;
		DL_APPEND2(state->rows.queue, row, queue_prev, queue_next);
	}
	if (queue)
		DL_CONCAT2(state->rows.queue, queue, queue_prev, queue_next);
}

void rows_stay_locked(struct state *state)
{
	struct row *row, *next;

	state_assert_locked(state);
	state->rows.alone = true;
	DL_FOREACH_SAFE2(state->rows.queue, row, next, queue_next)
	{
		dequeue_locked(state, row);
		if (row->deleted)
			free_row_locked(state, row);
	}
}

void rows_free_locked(struct state *state)
{
	struct row_table *table, *next_table;
	struct row *row, *next;

	state_assert_locked(state);
	HASH_ITER(hh, state->rows.all, row, next)
		free_row_locked(state, row);
	(void)invariant(!state->rows.groups && !state->rows.queue && !state->rows.bytes);
	LL_FOREACH_SAFE(state->rows.tables, table, next_table)
	free(table);
	state->rows.tables = NULL;
}
