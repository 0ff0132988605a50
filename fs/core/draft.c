#include "fs/core/draft.h"

#include <errno.h>
#include <stdatomic.h>

#include "api/base/clock.h"
#include "api/base/rand.h"

/* Of all drafts together. */
static _Atomic size_t all_bytes;

/* Room for growing by more bytes is taken; false: there is none. */
static bool take_room(size_t more)
{
	size_t all = atomic_load_explicit(&all_bytes, memory_order_relaxed);

	do {
		if (more > DRAFTS_BYTES_MAX || all > DRAFTS_BYTES_MAX - more)
			return false;
	} while (
		!atomic_compare_exchange_weak_explicit(&all_bytes, &all, all + more, memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void give_room(size_t bytes)
{
	size_t before = atomic_fetch_sub_explicit(&all_bytes, bytes, memory_order_relaxed);

	(void)invariant(before >= bytes);
}

struct draft *draft_new(void)
{
	struct draft *draft = calloc(1, sizeof(*draft));

	if (!draft)
		return NULL;
	lock_init(&draft->lock);
	draft->refs = 1;
	scope_lock(draft, draft);
	draft->data.max = DOC_BYTES_MAX;
	draft->mtime_ns = clock_wall_ns();
	return draft;
}

struct draft *draft_ref(struct draft *draft)
{
	atomic_fetch_add_explicit(&draft->refs, 1, memory_order_relaxed);
	return draft;
}

struct draft *draft_unref(struct draft *draft)
{
	if (!draft || atomic_fetch_sub_explicit(&draft->refs, 1, memory_order_acq_rel) > 1)
		return NULL;
	draft_lock(draft);
	give_room(draft->data.len);
	buf_wipe(&draft->data);
	doc_scan_free(draft->scan);
	draft_unlock(draft);
	lock_destroy(&draft->lock);
	free(draft);
	return NULL;
}

void draft_add_writer(struct draft *draft)
{
	scope_lock(draft, draft);
	draft->writers++;
}

bool draft_remove_writer(struct draft *draft)
{
	scope_lock(draft, draft);
	assert_return(draft->writers > 0, false);
	return --draft->writers == 0;
}

int64_t draft_mtime(struct draft *draft)
{
	scope_lock(draft, draft);
	return draft->mtime_ns;
}

/* After bytes from offset on changed: what was scanned before them stays scanned. */
static void changed_locked(struct draft *draft, size_t offset) REQUIRES(draft_locked)
{
	draft_assert_locked(draft);
	draft->serial++;
	draft->mtime_ns = clock_wall_ns();
	if (offset < draft->scanned && draft->scan) {
		doc_scan_reset(draft->scan);
		draft->scanned = 0;
		draft->state = DOC_EMPTY;
	}
}

/* The one place in which its size changes. */
static int resize_locked(struct draft *draft, size_t len) REQUIRES(draft_locked)
{
	size_t before = draft->data.len;
	int r;

	draft_assert_locked(draft);
	if (len > DOC_BYTES_MAX)
		return -EFBIG;
	if (len > before && !take_room(len - before))
		return -ENOSPC;
	r = buf_resize(&draft->data, len);
	if (r < 0 && len > before)
		give_room(len - before);
	else if (r == 0 && len < before)
		give_room(before - len);
	return r;
}

static int write_locked(struct draft *draft, const char *data, size_t len, off_t offset) REQUIRES(draft_locked)
{
	int r = 0;

	draft_assert_locked(draft);
	if (draft->spent)
		return -ESTALE;
	if (offset < 0 || (size_t)offset > DOC_BYTES_MAX || len > DOC_BYTES_MAX - (size_t)offset)
		r = -EFBIG;
	else if ((size_t)offset + len > draft->data.len)
		r = resize_locked(draft, (size_t)offset + len);
	if (r < 0) {
		draft->overflow = -r;
		return r;
	}
	if (len)
		memcpy(draft->data.data + offset, data, len);
	changed_locked(draft, (size_t)offset);
	return 0;
}

int draft_write(struct draft *draft, const char *data, size_t len, off_t offset)
{
	scope_lock(draft, draft);
	return write_locked(draft, data, len, offset);
}

int draft_append(struct draft *draft, const char *data, size_t len)
{
	scope_lock(draft, draft);
	return write_locked(draft, data, len, (off_t)draft->data.len);
}

int draft_truncate(struct draft *draft, size_t len)
{
	int r;

	scope_lock(draft, draft);
	if (len == draft->data.len && len)
		return 0;
	if (draft->spent)
		return -ESTALE;
	r = resize_locked(draft, len);
	if (r < 0)
		return r;
	if (len == 0) {
		draft->began_empty = true;
		draft->handled = false;
		draft->overflow = 0;
	}
	changed_locked(draft, len);
	return 0;
}

static uint64_t content_hash(const struct buf *data)
{
	return hash64(data->len ? data->data : "", data->len);
}

static void set_handled_locked(struct draft *draft, const struct buf *content, const struct err *result) REQUIRES(draft_locked)
{
	draft_assert_locked(draft);
	draft->handled = draft->tried = true;
	draft->handled_len = content->len;
	draft->handled_hash = content_hash(content);
	draft->result = *result;
	if (!result->errnum)
		draft->sent = true;
}

static int set_locked(struct draft *draft, const char *data, size_t len) REQUIRES(draft_locked)
{
	int r = resize_locked(draft, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(draft->data.data, data, len);
	changed_locked(draft, 0);
	return 0;
}

int draft_set(struct draft *draft, const char *data, size_t len)
{
	scope_lock(draft, draft);
	return set_locked(draft, data, len);
}

int draft_begin(struct draft *draft, const char *data, size_t len, int64_t mtime_ns)
{
	const struct err none = ERR_INIT;
	int r;

	scope_lock(draft, draft);
	r = set_locked(draft, data, len);
	if (r < 0)
		return r;
	draft->began_empty = false;
	draft->mtime_ns = mtime_ns;
	set_handled_locked(draft, &draft->data, &none);
	return 0;
}

size_t draft_read(struct draft *draft, char *out, size_t size, off_t offset)
{
	scope_lock(draft, draft);
	if (offset < 0 || (size_t)offset >= draft->data.len)
		return 0;
	if (size > draft->data.len - (size_t)offset)
		size = draft->data.len - (size_t)offset;
	memcpy(out, draft->data.data + offset, size);
	return size;
}

size_t draft_size(struct draft *draft)
{
	scope_lock(draft, draft);
	return draft->data.len;
}

struct buf draft_copy(struct draft *draft, int *ret_result)
{
	struct buf copy = BUF_INIT;

	scope_lock(draft, draft);
	*ret_result = buf_add(&copy, draft->data.data, draft->data.len);
	return copy;
}

static enum doc_state key_state(const struct buf *data)
{
	if (!data->len)
		return DOC_EMPTY;
	return memchr(data->data, '\n', data->len) ? DOC_COMPLETE : DOC_INCOMPLETE;
}

enum doc_state draft_state(struct draft *draft)
{
	scope_lock(draft, draft);
	if (draft->key_line)
		return key_state(&draft->data);
	if (!draft->json)
		return draft->data.len ? DOC_COMPLETE : DOC_EMPTY;
	if (!draft->data.len)
		return DOC_EMPTY;
	if (!draft->scan && !(draft->scan = doc_scan_new()))
		return DOC_INCOMPLETE;
	if (draft->scanned < draft->data.len) {
		draft->state = doc_scan_feed(draft->scan, draft->data.data + draft->scanned, draft->data.len - draft->scanned);
		draft->scanned = draft->data.len;
	}
	return draft->state;
}

int draft_handled(struct draft *draft, struct err *ret)
{
	scope_lock(draft, draft);
	if (!draft->handled || draft->handled_len != draft->data.len || draft->handled_hash != content_hash(&draft->data))
		return 0;
	*ret = draft->result;
	return 1;
}

bool draft_was_handled(struct draft *draft)
{
	scope_lock(draft, draft);
	return draft->tried;
}

void draft_saw_sends(struct draft *draft, uint64_t sends)
{
	scope_lock(draft, draft);
	draft->sends_seen = sends;
}

void draft_rewritten(struct draft *draft, uint64_t sends)
{
	scope_lock(draft, draft);
	if (draft->sends_seen != sends)
		draft->handled = false;
}

void draft_set_handled(struct draft *draft, const struct buf *content, const struct err *result)
{
	scope_lock(draft, draft);
	set_handled_locked(draft, content, result);
}

bool draft_only_blanks_since(struct draft *draft, const struct buf *content)
{
	size_t len;

	scope_lock(draft, draft);
	len = draft->handled_len;
	if (!draft->json || !draft->handled || draft->result.errnum || !len || content->len < len ||
	    hash64(content->data, len) != draft->handled_hash)
		return false;
	while (len < content->len && strchr(" \t\r\n", content->data[len]) && content->data[len])
		len++;
	return len == content->len;
}

int draft_overflow(struct draft *draft)
{
	scope_lock(draft, draft);
	return -draft->overflow;
}

bool draft_is_sent(struct draft *draft)
{
	scope_lock(draft, draft);
	return draft->sent && !(draft->handled && draft->result.errnum);
}

bool draft_sends_by_write(struct draft *draft)
{
	scope_lock(draft, draft);
	return draft->began_empty && !draft->secret && (draft->json || draft->key_line);
}

bool draft_is_detached(struct draft *draft)
{
	scope_lock(draft, draft);
	return draft->scratch;
}

void draft_detach(struct draft *draft)
{
	scope_lock(draft, draft);
	draft->scratch = true;
}

void draft_spend(struct draft *draft)
{
	scope_lock(draft, draft);
	draft->scratch = draft->spent = true;
}

void draft_aim(struct draft *draft, uint64_t name_hash)
{
	scope_lock(draft, draft);
	if (draft->handled_for != name_hash || draft->result.errnum)
		draft->handled = false;
	draft->handled_for = name_hash;
}
