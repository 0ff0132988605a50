/*
 * Rows that all members of a fleet know. In the share a table is one set of rows without parents; a row's value there begins
 * with when it was set and whether it is gone, so that what was deleted while a member was away is not brought back by it.
 */
#include <errno.h>

#include "api/base/log.h"
#include "cache/fleet.h"
#include "cache/state_private.h"

/* The tables; fingerprints of secrets are keyed by each file, so prints, with the fleet's key, stand for them. */
static const char *const shared_tables[] = { "names", "owed", "defaults", "written", "intents", "offers", "prints", "making" };
/* Between the parts of a message's name, and of a row's id in the share. */
#define SEPARATOR '\n'
/* What is gone is remembered for so long: who was away longer may bring it back. */
#define GONE_MS (30LL * 86400 * MSEC_PER_SEC)
/* How long taking over all rows may take, where the share is slow or has much to do. */
#define LOAD_MS       10000
#define LOAD_PAUSE_MS 20

static bool is_shared(const char *table)
{
	for (size_t i = 0; i < array_len(shared_tables); i++) {
		if (!strcmp(table, shared_tables[i]))
			return true;
	}
	return false;
}

bool rows_to_tell_locked(struct state *state, const struct row_name *name, const void *value, size_t len)
{
	const struct row *row;

	state_assert_locked(state);
	if (!state->fleet || !is_shared(name->table))
		return false;
	row = rows_find_locked(state, name);
	if (!row || !value)
		return row || value;
	return row->value->len != len || (len && memcmp(row->value->data, value, len) != 0);
}

/* ---- telling ---- */

static int pack_row(const void *value, size_t len, struct buf *out)
{
	int r = pack_i64(out, clock_wall_ns() / NSEC_PER_MSEC);

	if (r == 0)
		r = pack_u8(out, !value);
	return r < 0 ? r : pack_bytes(out, value ? value : "", len);
}

struct told_value {
	const void *value; /* NULL: gone */
	size_t len;
	int64_t set_ms;
};

static int unpack_row(struct unpack *in, struct told_value *ret)
{
	bool gone;

	ret->set_ms = unpack_i64(in);
	gone = unpack_u8(in);
	ret->value = unpack_bytes(in, &ret->len);
	if (gone)
		ret->value = NULL;
	return in->bad ? -EBADMSG : 0;
}

void rows_tell(struct state *state, const struct row_name *name, const void *value, size_t len)
{
	cleanup_buf_ struct buf payload = BUF_INIT;
	cleanup_free_ char *all = NULL;
	struct share_row row = { .table = name->table, .parent = "" };

	if (pack_row(value, len, &payload) < 0 ||
	    text_format(&all, "%s%c%s%c%s", name->table, SEPARATOR, name->parent, SEPARATOR, name->id) < 0)
		return;
	row.id = all + strlen(name->table) + 1;
	row.value = payload.data;
	row.len = payload.len;
	fleet_tell_row(state->fleet, all, &payload, &row);
}

/* ---- hearing ---- */

/* "parent", separator, "id": cut in two, in place. A parent holds no separator. */
static int split(char *text, const char **ret_parent, const char **ret_id)
{
	char *end = strchr(text, SEPARATOR);

	if (!end)
		return -EBADMSG;
	*end = '\0';
	*ret_parent = text;
	*ret_id = end + 1;
	return 0;
}

/* As another member set it; nothing where it is so already. */
static void take_over(struct state *state, const struct row_name *name, const struct told_value *told)
{
	const struct state_row row = { name->table, name->parent, name->id, told->value, told->len };
	bool differs;
	int r = 0;

	if (told->len > STATE_VALUE_MAX)
		return;
	state_lock(state);
	differs = rows_to_tell_locked(state, name, told->value, told->len);
	if (differs && told->value)
		r = rows_set_locked(state, name, told->value, told->len);
	else if (differs)
		r = rows_delete_locked(state, name);
	state_unlock(state);
	if (!differs || r < 0)
		return;
	state_thread_kick(state);
	if (state->ear.changed)
		state->ear.changed(state->ear.arg, &row);
}

static void hear(void *arg, const char *text, struct unpack *in, bool later)
{
	cleanup_free_ char *copy = strdup(text);
	struct state *state = arg;
	struct told_value told;
	struct row_name name;
	char *end = copy ? strchr(copy, SEPARATOR) : NULL;

	if (!end || later || unpack_row(in, &told) < 0)
		return;
	*end = '\0';
	name.table = copy;
	if (is_shared(name.table) && split(end + 1, &name.parent, &name.id) == 0)
		take_over(state, &name, &told);
}

/* As it is now. */
static void lost(void *arg, const char *text)
{
	cleanup_free_ char *copy = strdup(text);
	struct row_value *value = NULL;
	struct state *state = arg;
	const struct row *row;
	struct row_name name;
	char *end = copy ? strchr(copy, SEPARATOR) : NULL;

	if (!end)
		return;
	*end = '\0';
	name.table = copy;
	if (split(end + 1, &name.parent, &name.id) < 0)
		return;
	state_lock(state);
	row = rows_find_locked(state, &name);
	value = row ? row_value_ref(row->value) : NULL;
	state_unlock(state);
	rows_tell(state, &name, value ? value->data : NULL, value ? value->len : 0);
	row_value_unref(value);
}

/* ---- taking over all rows ---- */

/* An id that the share has, "parent", separator, "id". */
struct there {
	UT_hash_handle hh;
	char id[];
};

struct load {
	struct state *state;
	const char *table;
	struct there *there; /* owned */
};

static void load_clear(struct load *load)
{
	struct there *t, *next;

	HASH_ITER(hh, load->there, t, next) {
		HASH_DEL(load->there, t);
		free(t);
	}
}

static int note_there(struct load *load, const char *id)
{
	size_t n = strlen(id);
	struct there *t;

	HASH_FIND(hh, load->there, id, n, t);
	if (t)
		return 0;
	t = calloc(1, sizeof(*t) + n + 1);
	if (!t)
		return -ENOMEM;
	memcpy(t->id, id, n);
	HASH_ADD_KEYPTR(hh, load->there, t->id, n, t);
	if (t->hh.tbl)
		return 0;
	free(t);
	return -ENOMEM;
}

static int load_row(void *arg, const char *id, const void *value, size_t len)
{
	struct load *load = arg;
	struct share *share = fleet_share(load->state->fleet);
	struct unpack in = { .at = value, .left = len };
	cleanup_free_ char *copy = strdup(id);
	struct row_name name = { .table = load->table };
	struct told_value told;
	int r = copy ? note_there(load, id) : -ENOMEM;

	if (r < 0)
		return r;
	if (unpack_row(&in, &told) < 0 || split(copy, &name.parent, &name.id) < 0)
		return 0;
	if (!told.value && told.set_ms < clock_wall_ns() / NSEC_PER_MSEC - GONE_MS)
		share_row_delete(share, load->table, "", id);
	take_over(load->state, &name, &told);
	return 0;
}

/* What only this member knows, from before it shared or from before the server forgot: without a message, as who is there has
   missed nothing. */
static int add_missing(struct load *load, const struct row_name *name, const struct row_value *value)
{
	struct fleet *fleet = load->state->fleet;
	cleanup_buf_ struct buf packed = BUF_INIT;
	int64_t until = clock_after_ms(LOAD_MS);
	cleanup_free_ char *id = NULL;
	struct there *t;
	int r;

	id = text_new("%s%c%s", name->parent, SEPARATOR, name->id);
	if (!id || pack_row(value->data, value->len, &packed) < 0)
		return -ENOMEM;
	HASH_FIND(hh, load->there, id, strlen(id), t);
	if (t)
		return 0;
	do {
		r = share_row_set(fleet_share(fleet), load->table, "", id, packed.data, packed.len);
	} while (r == -EAGAIN && fleet_is_ready(fleet) && clock_left_ms(until) && fleet_pause(fleet, LOAD_PAUSE_MS));
	return r;
}

struct mine {
	char *key;               /* owned: parent and id, each with its NUL */
	struct row_value *value; /* owned reference */
};

static int collect_mine(struct load *load, struct mine **ret, size_t *ret_count)
{
	const struct row_table *table;
	const struct row *row;
	struct mine *mine;

	scope_lock(state, load->state);
	for (table = load->state->rows.tables; table && strcmp(table->name, load->table) != 0; table = table->next)
		;
	if (!table || !table->count)
		return 0;
	mine = calloc(table->count, sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	for (row = table->rows; row && *ret_count < table->count; row = row->age_next) {
		size_t parent = strlen(row->name.parent) + 1;
		struct mine *to = &mine[*ret_count];

		to->key = row->deleted ? NULL : malloc(parent + strlen(row->name.id) + 1);
		if (!to->key)
			continue;
		memcpy(to->key, row->name.parent, parent);
		memcpy(to->key + parent, row->name.id, strlen(row->name.id) + 1);
		to->value = row_value_ref(row->value);
		*ret_count += 1;
	}
	*ret = mine;
	return 0;
}

static void add_all_missing(struct load *load)
{
	struct mine *mine = NULL;
	size_t count = 0;
	int r = collect_mine(load, &mine, &count);

	for (size_t i = 0; i < count; i++) {
		const struct row_name name = { load->table, mine[i].key, mine[i].key + strlen(mine[i].key) + 1 };

		if (r == 0)
			r = add_missing(load, &name, mine[i].value);
		free(mine[i].key);
		row_value_unref(mine[i].value);
	}
	free(mine);
}

static void load_table(struct state *state, const char *table, int64_t until)
{
	struct load load = { .state = state, .table = table };
	int r;

	do {
		r = share_row_each(fleet_share(state->fleet), table, "", load_row, &load, NULL);
	} while (r == -EAGAIN && fleet_is_ready(state->fleet) && clock_left_ms(until) &&
		 fleet_pause(state->fleet, LOAD_PAUSE_MS));
	if (r == 0)
		add_all_missing(&load);
	else
		log_debug("the rows of %s could not be had from the share: %s", table, errno_name(-r));
	load_clear(&load);
}

static void back(void *arg)
{
	int64_t until = clock_after_ms(LOAD_MS);

	for (size_t i = 0; i < array_len(shared_tables); i++)
		load_table(arg, shared_tables[i], until);
}

void state_listen(struct state *state, struct fleet *fleet, const struct state_ear *ear)
{
	const struct fleet_ear heard = { .told = hear, .lost = lost, .back = back, .emptied = back, .arg = state };

	state->fleet = fleet;
	state->ear = *ear;
	fleet_listen(fleet, FLEET_STATE, &heard);
}

int state_fleet_key(struct state *state, uint8_t ret_key[32])
{
	_Static_assert(SHARE_KEY_LEN == 32, "a key of the state's size");
	if (!state->fleet)
		return -ENOENT;
	share_key(fleet_share(state->fleet), ret_key);
	return 0;
}
