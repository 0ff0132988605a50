/* Values of the store as members of a fleet pass them on. */
#include <errno.h>

#include "cache/store_private.h"

#define FORMAT 1
/* Of a list that another member sent; more is none of ours. */
#define ITEMS_MAX 10000000

enum what { WHAT_LIST = 1, WHAT_DOCUMENT, WHAT_FAILURE };

int snapshot_pack(struct buf *out, struct snapshot *s)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(s);
	int r = body ? pack_text(out, s->id) : -ENOENT;

	if (r == 0)
		r = pack_text(out, s->name);
	if (r == 0)
		r = pack_text(out, s->parent_id);
	if (r == 0)
		r = pack_i64(out, s->version);
	if (r == 0)
		r = pack_i64(out, s->created_ns);
	if (r == 0)
		r = pack_i64(out, s->updated_ns);
	if (r == 0)
		r = pack_i64(out, s->seen_ns);
	if (r == 0)
		r = pack_i64(out, s->traits);
	return r < 0 ? r : pack_bytes(out, body->data, body->len);
}

struct snapshot *snapshot_unpack(struct unpack *in, int64_t fetched_ms, struct body *like)
{
	struct snapshot_fields f = { .fetched_ms = fetched_ms, .like = like };
	struct snapshot *s;
	int64_t seen_ns;

	f.id = unpack_text(in);
	f.name = unpack_text(in);
	f.parent_id = unpack_text(in);
	f.version = unpack_i64(in);
	f.created_ns = unpack_i64(in);
	f.updated_ns = unpack_i64(in);
	seen_ns = unpack_i64(in);
	f.traits = (unsigned)unpack_i64(in);
	f.body = unpack_bytes(in, &f.body_len);
	if (in->bad || !f.id || !f.name)
		return NULL;
	s = snapshot_new(&f);
	if (s)
		s->seen_ns = seen_ns;
	return s;
}

static int pack_list(const struct list *list, struct buf *out)
{
	size_t count = list_count(list);
	int r = pack_text(out, list->suffix);

	if (r == 0)
		r = pack_i64(out, (int64_t)count);
	for (size_t i = 0; i < count && r == 0; i++)
		r = snapshot_pack(out, list_at(list, i)->snapshot);
	return r;
}

static int pack_failure(int result, const struct err *err, struct buf *out)
{
	int r = pack_i64(out, -result);

	if (r == 0)
		r = pack_i64(out, err->http_status);
	return r < 0 ? r : pack_text(out, err->text);
}

int value_pack(int result, const struct store_value *value, const struct err *err, struct buf *out)
{
	int r = pack_u8(out, FORMAT);

	if (r == 0)
		r = pack_u8(out, result < 0 ? WHAT_FAILURE : value->list ? WHAT_LIST : WHAT_DOCUMENT);
	if (r < 0)
		return r;
	if (result < 0)
		return pack_failure(result, err, out);
	return value->list ? pack_list(value->list, out) : snapshot_pack(out, value->snapshot);
}

static int unpack_items(struct unpack *in, int64_t fetched_ms, struct snapshot **items, size_t count)
{
	cleanup_(body_unrefp) struct body *like = NULL;

	for (size_t i = 0; i < count; i++) {
		items[i] = snapshot_unpack(in, fetched_ms, like);
		if (!items[i])
			return in->bad ? -EBADMSG : -ENOMEM;
		if (!like)
			like = snapshot_body(items[i]);
	}
	return 0;
}

static int unpack_list(struct unpack *in, int64_t fetched_ms, struct list **ret)
{
	const char *suffix = unpack_text(in);
	int64_t count = unpack_i64(in);
	struct snapshot **items;
	int r;

	if (in->bad || !suffix || count < 0 || count > ITEMS_MAX || (size_t)count > in->left)
		return -EBADMSG;
	items = calloc((size_t)count + 1, sizeof(struct snapshot *));
	if (!items)
		return -ENOMEM;
	r = unpack_items(in, fetched_ms, items, (size_t)count);
	if (r == 0)
		*ret = list_new(items, (size_t)count, suffix);
	for (int64_t i = 0; i < count && items[i]; i++)
		snapshot_unref(items[i]);
	free(items);
	return r < 0 ? r : *ret ? 0 : -ENOMEM;
}

static int unpack_failure(struct unpack *in, struct packed_result *ret)
{
	int64_t errnum = unpack_i64(in), status = unpack_i64(in);
	const char *text = unpack_text(in);

	if (in->bad || !text || errnum <= 0 || errnum > 4095)
		return -EBADMSG;
	ret->result = -(int)errnum;
	err_set(&ret->err, (int)errnum, "%s", text);
	ret->err.http_status = (int)status;
	return 0;
}

int value_unpack(const struct buf *text, int64_t fetched_ms, struct packed_result *ret)
{
	struct unpack in = { .at = text->data, .left = text->len };

	if (unpack_u8(&in) != FORMAT)
		return -EBADMSG;
	switch (unpack_u8(&in)) {
	case WHAT_LIST:
		return unpack_list(&in, fetched_ms, &ret->value.list);
	case WHAT_DOCUMENT:
		ret->value.snapshot = snapshot_unpack(&in, fetched_ms, NULL);
		return ret->value.snapshot ? 0 : in.bad ? -EBADMSG : -ENOMEM;
	case WHAT_FAILURE:
		return unpack_failure(&in, ret);
	default:
		return -EBADMSG;
	}
}
