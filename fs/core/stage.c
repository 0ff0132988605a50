#include "fs/core/stage.h"

#include <errno.h>
#include <sodium.h>

#include "api/base/clock.h"
#include "api/base/lock.h"
#include "fs/core/hash.h"
#include "fs/core/stage_row.h"

static const char *const words[] = {
	[STAGED_CREATE] = "create", [STAGED_UPDATE] = "update", [STAGED_RENAME] = "rename",
	[STAGED_DELETE] = "delete", [STAGED_ACTION] = "action",
};
_Static_assert(array_len(words) == STAGED_ACTION + 1, "every verb has its word");

const char *staged_word(enum staged_verb verb)
{
	return words[verb];
}

bool stage_is_id(const char *id)
{
	return id && id[0] == STAGE_ID_MARK;
}

/* ---- a row ---- */

struct staged *staged_new(const struct kind *kind)
{
	struct staged *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	atomic_init(&row->refs, 1);
	row->kind = kind;
	row->staged_ns = clock_wall_ns();
	return row;
}

static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

struct staged *staged_copy(const struct staged *row)
{
	struct staged *copy = staged_new(row->kind);
	size_t len;
	const char *text = staged_text(row, &len);

	if (!copy)
		return NULL;
	copy->part = row->part;
	copy->leaf = row->leaf;
	copy->remove = row->remove;
	copy->lost = row->lost;
	copy->staged_ns = row->staged_ns;
	copy->shown = row->shown ? body_ref(row->shown) : NULL;
	copy->base = row->base ? body_ref(row->base) : NULL;
	if (!copy_text(&copy->parent_id, row->parent_id) || !copy_text(&copy->id, row->id) ||
	    !copy_text(&copy->file_name, row->file_name) || !copy_text(&copy->new_name, row->new_name) ||
	    !copy_text(&copy->dir, row->dir))
		return staged_unref(copy);
	if ((row->content || row->secret_text) && staged_set_text(copy, text, len, row->secret) < 0)
		return staged_unref(copy);
	copy->secret = row->secret;
	return copy;
}

struct staged *staged_ref(struct staged *row)
{
	atomic_fetch_add_explicit(&row->refs, 1, memory_order_relaxed);
	return row;
}

struct staged *staged_unref(struct staged *row)
{
	if (!row || atomic_fetch_sub_explicit(&row->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	free(row->key);
	free(row->parent_id);
	free(row->id);
	free(row->file_name);
	free(row->new_name);
	free(row->dir);
	free(row->reason);
	sodium_free(row->secret_text);
	body_unref(row->content);
	body_unref(row->shown);
	body_unref(row->base);
	body_unref(row->before_ids);
	free(row);
	return NULL;
}

const char *staged_text(const struct staged *row, size_t *ret_len)
{
	*ret_len = row->secret_text ? row->secret_len : row->content ? row->content->len : 0;
	return row->secret_text ? row->secret_text : row->content ? row->content->data : "";
}

int staged_set_text(struct staged *row, const char *text, size_t len, bool secret)
{
	row->secret = secret;
	row->lost = false;
	if (!secret) {
		row->content = body_new(text, len);
		return row->content ? 0 : -ENOMEM;
	}
	row->secret_text = sodium_malloc(len + 1);
	if (!row->secret_text)
		return -ENOMEM;
	memcpy(row->secret_text, text, len);
	row->secret_text[len] = '\0';
	row->secret_len = len;
	return 0;
}

bool staged_replaces(const struct staged *row)
{
	return row->remove && (row->content || row->secret);
}

bool staged_goes(const struct staged *row)
{
	return row->remove && !staged_replaces(row);
}

bool staged_frees_name(const struct staged *row)
{
	return row->id && !row->part && !row->leaf && (staged_goes(row) || row->new_name);
}

enum staged_verb staged_verb(const struct staged *row)
{
	if (row->leaf)
		return STAGED_ACTION;
	if (staged_goes(row))
		return STAGED_DELETE;
	if (row->part)
		return STAGED_UPDATE;
	if (!row->id)
		return STAGED_CREATE;
	return row->content || row->secret ? STAGED_UPDATE : STAGED_RENAME;
}

const char *staged_name(const struct staged *row)
{
	return row->new_name ? row->new_name : row->file_name;
}

char *staged_path(const struct staged *row)
{
	return text_new("%s/%s", row->dir, staged_name(row));
}

char *staged_id(const struct staged *row)
{
	if (row->id)
		return strdup(row->id);
	return text_new("%c%s", STAGE_ID_MARK, row->file_name);
}

/* Of the row itself, not of what it points to. */
static size_t bytes_of(const struct staged *row)
{
	return sizeof(*row) + row->secret_len + (row->content ? row->content->len : 0) + (row->shown ? row->shown->len : 0) +
	       (row->base ? row->base->len : 0);
}

/* ---- the table ---- */

struct slot {
	UT_hash_handle hh;    /* by the row's key, in the order of staging */
	UT_hash_handle named; /* by the shown name, where the account does not have it for this resource */
	char *name;           /* owned; the key of named; NULL: not in there */
	struct staged *row;   /* owned reference */
};

DECLARE_LOCK(stage);
struct stage {
	struct lock lock;
	struct state *state; /* borrowed */
	char *group;         /* owned: the rows' parent in the state */
	struct slot *slots GUARDED_BY(stage_locked);
	struct slot *names GUARDED_BY(stage_locked);
	size_t bytes GUARDED_BY(stage_locked);
	uint64_t serial GUARDED_BY(stage_locked);
	uint64_t order GUARDED_BY(stage_locked); /* the highest of a row */
};
DEFINE_LOCK(stage, struct stage, lock)

/* What a resource is called in the table: by its identity, else by its file's name; a leaf's file behind it. */
static char *make_key(const struct kind *kind, const char *parent_id, const char *id, const char *leaf)
{
	return text_new("%s\n%s\n%s\n%s", kind->name, parent_id ? parent_id : "", id ? id : "", leaf ? leaf : "");
}

static char *key_of(const struct staged *row)
{
	cleanup_free_ char *id = row->part ? strdup(row->part->name) : staged_id(row);

	return id ? make_key(row->kind, row->parent_id, id, row->leaf ? row->leaf->name : NULL) : NULL;
}

static char *name_key(const struct kind *kind, const char *parent_id, const char *file_name)
{
	return make_key(kind, parent_id, file_name, NULL);
}

static bool has_name(const struct staged *row)
{
	return !row->part && !row->leaf && !row->remove && (!row->id || row->new_name);
}

static struct slot *find_locked(struct stage *stage, const char *key) REQUIRES(stage_locked)
{
	struct slot *slot;

	stage_assert_locked(stage);
	HASH_FIND_STR(stage->slots, key, slot);
	return slot;
}

static void unname_locked(struct stage *stage, struct slot *slot) REQUIRES(stage_locked)
{
	stage_assert_locked(stage);
	if (slot->name)
		HASH_DELETE(named, stage->names, slot);
	free(slot->name);
	slot->name = NULL;
}

static int name_locked(struct stage *stage, struct slot *slot) REQUIRES(stage_locked)
{
	const struct staged *row = slot->row;

	stage_assert_locked(stage);
	unname_locked(stage, slot);
	if (!has_name(row))
		return 0;
	slot->name = name_key(row->kind, row->parent_id, staged_name(row));
	if (!slot->name)
		return -ENOMEM;
	HASH_ADD_KEYPTR(named, stage->names, slot->name, strlen(slot->name), slot);
	if (slot->named.tbl)
		return 0;
	free(steal_ptr(slot->name));
	return -ENOMEM;
}

static struct staged *take_locked(struct stage *stage, struct slot *slot) REQUIRES(stage_locked)
{
	struct staged *row = slot->row;

	stage_assert_locked(stage);
	unname_locked(stage, slot);
	HASH_DEL(stage->slots, slot);
	stage->bytes -= bytes_of(row);
	stage->serial++;
	free(slot);
	return row;
}

/* Whether there is room for it; it gets its place in the order. */
static int prepare_locked(struct stage *stage, struct staged *row, struct err *err) REQUIRES(stage_locked)
{
	const struct slot *slot = find_locked(stage, row->key);

	stage_assert_locked(stage);
	if (!slot && HASH_COUNT(stage->slots) >= STAGE_ROWS_MAX)
		return err_set(err, ENOSPC, "%d changes are staged, and no more fit: apply or discard them", STAGE_ROWS_MAX);
	if (stage->bytes + bytes_of(row) - (slot ? bytes_of(slot->row) : 0) > STAGE_BYTES_MAX)
		return err_set(err, ENOSPC, "the staged documents have at most %zu bytes together: apply or discard them",
			       STAGE_BYTES_MAX);
	if (slot)
		row->order = slot->row->order;
	else if (!row->order)
		row->order = stage->order + 1;
	return 0;
}

/* The row's reference is taken in any case. Of two rows that want one name the later one has it. */
static int insert_locked(struct stage *stage, struct staged *row) REQUIRES(stage_locked)
{
	struct slot *slot = find_locked(stage, row->key);
	static _Atomic uint64_t serials;

	stage_assert_locked(stage);
	row->serial = ++serials;
	if (slot) {
		stage->bytes -= bytes_of(slot->row);
		staged_unref(slot->row);
	} else {
		slot = calloc(1, sizeof(*slot));
		if (slot)
			HASH_ADD_KEYPTR(hh, stage->slots, row->key, strlen(row->key), slot);
		if (!slot || !slot->hh.tbl) {
			free(slot);
			staged_unref(row);
			return -ENOMEM;
		}
	}
	if (row->order > stage->order)
		stage->order = row->order;
	/* The key is the row's own text. */
	slot->hh.key = row->key;
	slot->row = row;
	stage->bytes += bytes_of(row);
	stage->serial++;
	if (name_locked(stage, slot) == 0)
		return 0;
	staged_unref(take_locked(stage, slot));
	return -ENOMEM;
}

static int by_order(struct slot *a, struct slot *b)
{
	return a->row->order < b->row->order ? -1 : a->row->order > b->row->order;
}

static int load_row(void *arg, const char *id, const void *value, size_t len)
{
	struct stage *stage = arg;
	struct staged *row = stage_row_read(value, len);

	(void)id;
	if (!row)
		return 0;
	row->key = key_of(row);
	if (!row->key) {
		staged_unref(row);
		return -ENOMEM;
	}
	scope_lock(stage, stage);
	if (prepare_locked(stage, row, NULL) < 0)
		staged_unref(row);
	else
		(void)insert_locked(stage, row);
	return 0;
}

struct stage *stage_new(struct state *state, const char *mountpoint)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	if (!stage)
		return NULL;
	lock_init(&stage->lock);
	stage->state = state;
	stage->group = strdup(mountpoint ? mountpoint : "");
	if (!stage->group || state_each(state, STAGE_TABLE, stage->group, load_row, stage) < 0)
		return stage_free(stage);
	stage_lock(stage);
	HASH_SORT(stage->slots, by_order);
	stage_unlock(stage);
	return stage;
}

struct stage *stage_free(struct stage *stage)
{
	struct slot *slot, *next;

	if (!stage)
		return NULL;
	stage_lock(stage);
	HASH_ITER(hh, stage->slots, slot, next)
		staged_unref(take_locked(stage, slot));
	stage_unlock(stage);
	lock_destroy(&stage->lock);
	free(stage->group);
	free(stage);
	return NULL;
}

/* ---- changing it ---- */

static int write_locked(struct stage *stage, const struct staged *row, struct err *err) REQUIRES(stage_locked)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int r = stage_row_write(row, &text);

	stage_assert_locked(stage);
	if (r == 0)
		r = state_set(stage->state, STAGE_TABLE, stage->group, row->key, text.data, text.len);
	if (r == -EFBIG)
		return err_set(err, EFBIG,
			       "it is too large to be staged beside what it replaces: a mount without stage takes it");
	if (r == -ENOSPC)
		return err_set(err, ENOSPC, "the state file is full: apply or discard what is staged");
	return r;
}

int stage_put_soon(struct stage *stage, struct staged *row, struct err *err)
{
	cleanup_free_ char *key = NULL;
	int r;

	if (!row->key)
		row->key = key_of(row);
	key = row->key ? strdup(row->key) : NULL;
	scope_lock(stage, stage);
	r = key ? prepare_locked(stage, row, err) : -ENOMEM;
	/* First what can fail: a row that was not taken must not be applied, nor take the place of one that was. */
	if (r == 0)
		r = write_locked(stage, row, err);
	if (r < 0) {
		staged_unref(row);
		return r;
	}
	r = insert_locked(stage, row);
	if (r < 0)
		state_delete(stage->state, STAGE_TABLE, stage->group, key);
	return r;
}

int stage_flush(struct stage *stage, struct waiter *waiter, int64_t deadline_ms)
{
	int r = state_flush(stage->state, waiter, deadline_ms);

	/* Without a file, or with one that is away, memory is all there is: state_check says so. */
	return r == -EINTR || r == -ETIMEDOUT || r == -ENOMEM ? r : 0;
}

int stage_put(struct stage *stage, struct staged *row, struct waiter *waiter, int64_t deadline_ms, struct err *err)
{
	int r = stage_put_soon(stage, row, err);

	return r < 0 ? r : stage_flush(stage, waiter, deadline_ms);
}

bool stage_drop(struct stage *stage, const char *key, uint64_t serial)
{
	struct slot *slot;

	scope_lock(stage, stage);
	slot = find_locked(stage, key);
	if (!slot || (serial && slot->row->serial != serial))
		return false;
	state_delete(stage->state, STAGE_TABLE, stage->group, key);
	staged_unref(take_locked(stage, slot));
	return true;
}

int stage_adopt(struct stage *stage, const char *stage_parent_id, const char *parent_id, struct err *err)
{
	size_t count;
	struct staged **rows = stage_list(stage, &count);
	int r = rows ? 0 : -ENOMEM;

	for (size_t i = 0; rows && i < count; i++) {
		struct staged *moved;

		if (!rows[i]->parent_id || strcmp(rows[i]->parent_id, stage_parent_id) != 0)
			continue;
		moved = staged_copy(rows[i]);
		free(moved ? moved->parent_id : NULL);
		if (moved && !(moved->parent_id = strdup(parent_id)))
			moved = staged_unref(moved);
		if (moved)
			moved->order = rows[i]->order;
		if (moved && stage_put_soon(stage, moved, err) == 0)
			stage_drop(stage, rows[i]->key, rows[i]->serial);
		else
			r = -ENOMEM;
	}
	stage_list_free(rows, count);
	return r;
}

/* ---- looking ---- */

struct staged *stage_by_key(struct stage *stage, const char *key)
{
	struct slot *slot;

	scope_lock(stage, stage);
	slot = find_locked(stage, key);
	return slot ? staged_ref(slot->row) : NULL;
}

struct staged *stage_of(struct stage *stage, const struct kind *kind, const char *parent_id, const char *id, const char *leaf)
{
	cleanup_free_ char *key = NULL;

	if (!stage || !kind || !id || !stage_count(stage))
		return NULL;
	key = make_key(kind, parent_id, id, leaf);
	return key ? stage_by_key(stage, key) : NULL;
}

struct staged *stage_named(struct stage *stage, const struct kind *kind, const char *parent_id, const char *file_name)
{
	cleanup_free_ char *key = NULL;
	struct slot *slot;

	if (!stage || !stage_count(stage))
		return NULL;
	key = name_key(kind, parent_id, file_name);
	if (!key)
		return NULL;
	scope_lock(stage, stage);
	HASH_FIND(named, stage->names, key, strlen(key), slot);
	return slot ? staged_ref(slot->row) : NULL;
}

struct staged **stage_list(struct stage *stage, size_t *ret_count)
{
	struct staged **rows;
	struct slot *slot;
	size_t n = 0;

	scope_lock(stage, stage);
	*ret_count = 0;
	rows = calloc(HASH_COUNT(stage->slots) + 1, sizeof(struct staged *));
	if (!rows)
		return NULL;
	for (slot = stage->slots; slot; slot = slot->hh.next)
		rows[n++] = staged_ref(slot->row);
	*ret_count = n;
	return rows;
}

void stage_list_free(struct staged **rows, size_t count)
{
	for (size_t i = 0; rows && i < count; i++)
		staged_unref(rows[i]);
	free(rows);
}

size_t stage_count(struct stage *stage)
{
	scope_lock(stage, stage);
	return HASH_COUNT(stage->slots);
}

uint64_t stage_serial(struct stage *stage)
{
	if (!stage)
		return 0;
	scope_lock(stage, stage);
	return stage->serial;
}
