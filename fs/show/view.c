#include "fs/show/view.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/clock.h"
#include "api/base/name.h"
#include "api/base/rand.h"
#include "fs/show/context.h"
#include "fs/show/control.h"
#include "fs/show/control_tree.h"
#include "fs/core/credentials_table.h"
#include "fs/core/events.h"
#include "fs/show/images.h"
#include "fs/show/insight.h"
#include "fs/show/meaning.h"
#include "fs/show/source.h"
#include "fs/show/staged.h"

char *view_key(const struct identity *what)
{
	const char *file = what->leaf ? what->leaf->name : what->part ? what->part->name : "";

	return text_new("%d\n%s\n%s\n%s\n%s", what->place, what->kind ? what->kind->name : "",
			what->parent_id ? what->parent_id : "", what->id ? what->id : "", file);
}

unsigned identity_mode(const struct identity *what)
{
	if (place_is_local(what->place))
		return 0600;
	if (what->leaf)
		return what->leaf->mode;
	if (what->part)
		return what->part->mode;
	if (what->place == PLACE_IMAGE)
		return 0444;
	if (what->place == PLACE_CONTROL)
		return what->control ? what->control->mode : 0400;
	return what->kind ? what->kind->mode : 0400;
}

unsigned view_mode_file(const struct mount *mount, unsigned table_mode)
{
	unsigned mode = table_mode;

	/* file_mode speaks of what is open to all; a secret's or a credential's file never gets wider by it. */
	if (mount->options->file_mode && table_mode == 0644)
		mode = mount->options->file_mode;
	/* What it hides in a document it hides in what repeats the document: status.json, versions.json. */
	else if (mount->options->file_mode && table_mode == 0444)
		mode = 0444 & mount->options->file_mode;
	if (mount->read_only)
		mode &= ~0222u;
	return mode & ~mount->options->umask & 0777;
}

unsigned view_mode_dir(const struct mount *mount)
{
	unsigned mode = mount->options->dir_mode ? mount->options->dir_mode : 0755;

	return mode & ~mount->options->umask & 0777;
}

void view_clear(struct view *view)
{
	view->snapshot = snapshot_unref(view->snapshot);
	view->bytes = body_unref(view->bytes);
	free(view->pending);
	view->pending = NULL;
	view->staged = staged_unref(view->staged);
	kept_value_clear(&view->kept);
}

/* ---- producing bytes ---- */

static int take(struct buf *out, struct body **ret)
{
	*ret = body_new(out->len ? out->data : "", out->len);
	return *ret ? 0 : -ENOMEM;
}

/* A file name that was cut: the document carries the whole name. */
static int add_whole_name(const struct kind *kind, const char *name, struct buf *out)
{
	char file_name[NAME_MAX_BYTES + 1];
	cleanup_buf_ struct buf with = BUF_INIT;
	struct json_object *text;
	int result;

	name_encode(name, kind->suffix, file_name);
	if (!kind->name_key || !name_is_cut(file_name, kind->suffix) || strlen(name) + strlen(kind->suffix) <= NAME_MAX_BYTES ||
	    out->len < 2)
		return 0;
	text = json_object_new_string(name);
	result = buf_addf(&with, "{\n  \"%s\": %s%s", kind->name_key,
			  json_object_to_json_string_ext(text, JSON_C_TO_STRING_NOSLASHESCAPE), out->data[1] == '\n' ? "," : "");
	if (result == 0)
		result = out->data[1] == '\n' ? buf_adds(&with, out->data + 1) : buf_addf(&with, "\n%s", out->data + 1);
	json_object_put(text);
	if (result == 0) {
		buf_clear(out);
		result = buf_add(out, with.data, with.len);
	}
	return result;
}

/* What opens by name alone is named where somebody may look for it. */
static int add_see_also(const struct kind *kind, struct buf *out)
{
	bool any = out->len > 3; /* "{}\n" */
	const char *join = "";
	int result = 0;

	for (const struct leaf *l = kind->leaves; l && l->name && result == 0; l++) {
		if (!l->unlisted)
			continue;
		if (!*join) {
			result = buf_resize(out, out->len - (any ? 3 : 2));
			if (result == 0)
				result = buf_addf(out, "%s\n  \"see_also\": [", any ? "," : "");
		}
		if (result == 0)
			result = buf_addf(out, "%s\"%s\"", join, l->name);
		join = ", ";
	}
	return result < 0 || !*join ? result : buf_adds(out, "]\n}\n");
}

static int render_object(struct request *r, const struct identity *what, struct view *view, enum doc_view doc_view,
			 struct body **ret)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	cleanup_context_ struct context c = { 0 };
	struct json_object *object = NULL;
	int result = context_init(r, &c, view->snapshot->traits & TRAIT_KEY_IDS, false, what->kind, what->id);

	if (result == 0)
		result = source_object(r, what->kind, what->parent_id, view->snapshot, &object);
	if (result == 0)
		result = doc_render(what->kind, doc_view, object, c.doc.written, &c.doc, &out);
	if (result == 0 && (doc_view == DOC_SETTABLE || doc_view == DOC_DECLARED))
		result = add_whole_name(what->kind, view->snapshot->name, &out);
	if (result == 0 && doc_view == DOC_STATUS)
		result = add_see_also(what->kind, &out);
	json_object_put(object);
	view->stamp.keys_serial = context_serial(&c);
	return result < 0 ? result : take(&out, ret);
}

static int render_document(const struct field *fields, const char *key, struct snapshot *snapshot, struct body **ret)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(snapshot);
	cleanup_buf_ struct buf out = BUF_INIT;
	struct json_object *object, *part;
	int result = 0;

	/* It went for lack of memory, between its fetch and this: the next read fetches it again. */
	if (!body)
		return -ENOMEM;
	object = part = json_tokener_parse(body->data);
	if (key && object && !json_object_object_get_ex(object, key, &part))
		part = NULL;
	result = part ? doc_render_fields(fields, part, &out) : buf_adds(&out, "{}\n");
	json_object_put(object);
	return result < 0 ? result : take(&out, ret);
}

/* Adds the events in the snapshot's object to the array. */
static int gather_events(struct request *r, const struct kind *kind, const char *parent, struct snapshot *snapshot,
			 struct json_object *all)
{
	struct json_object *object = NULL, *events;
	int result = source_object(r, kind, parent, snapshot, &object);

	if (result < 0)
		return result;
	if (json_object_object_get_ex(object, "events", &events) && json_object_is_type(events, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(events); i++)
			json_object_array_add(all, json_object_get(json_object_array_get_idx(events, i)));
	}
	json_object_put(object);
	return 0;
}

static int publish(struct request *r, const struct identity *what, struct json_object *all, struct body **ret)
{
	cleanup_buf_ struct buf lines = BUF_INIT;
	cleanup_free_ char *key = view_key(what);
	int result = key ? doc_render_events(all, &lines) : -ENOMEM;

	return result < 0 ? result : events_publish(r->mount->events, key, &lines, ret);
}

static int make_events(struct request *r, const struct identity *what, struct view *view, struct body **ret)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	struct json_object *all = json_object_new_array();
	const struct kind *child = kind_by_dir(what->kind, "placements");
	int result = all ? 0 : -ENOMEM;

	if (result == 0 && what->leaf->source == LEAF_EVENTS)
		result = gather_events(r, what->kind, what->parent_id, view->snapshot, all);
	else if (result == 0 && child)
		result = source_list(r, child, what->id, &list, &view->info);
	for (size_t i = 0; result == 0 && list && i < list_count(list); i++)
		result = gather_events(r, child, what->id, list_at(list, i)->snapshot, all);
	if (result == 0)
		result = publish(r, what, all, ret);
	json_object_put(all);
	return result;
}

static int make_logs(struct request *r, const struct identity *what, struct view *view, struct body **ret)
{
	cleanup_buf_ struct buf lines = BUF_INIT;
	cleanup_free_ char *key = view_key(what);
	int result = key ? insight_lines(view->snapshot, &lines) : -ENOMEM;

	return result < 0 ? result : events_publish(r->mount->events, key, &lines, ret);
}

static int make_action(const struct leaf *leaf, struct body **ret)
{
	cleanup_buf_ struct buf out = BUF_INIT;

	for (const struct action *a = leaf->actions; a->word; a++) {
		if (buf_addf(&out, "%s%s", a == leaf->actions ? "" : " ", a->word) < 0)
			return -ENOMEM;
	}
	if (buf_addc(&out, '\n') < 0)
		return -ENOMEM;
	return take(&out, ret);
}

static int make_leaf(struct request *r, const struct identity *what, struct view *view, struct body **ret)
{
	switch (what->leaf->source) {
	case LEAF_STATUS:
		return render_object(r, what, view, DOC_STATUS, ret);
	case LEAF_FETCH:
		return render_document(what->leaf->fields, NULL, view->snapshot, ret);
	case LEAF_EVENTS:
	case LEAF_EVENTS_OF_PLACEMENTS:
		return make_events(r, what, view, ret);
	case LEAF_ACTION:
		return make_action(what->leaf, ret);
	case LEAF_METRICS:
		return render_document(NULL, NULL, view->snapshot, ret);
	case LEAF_LOGS:
		return make_logs(r, what, view, ret);
	case LEAF_CREDENTIALS:
		return credentials_table_get(r->mount->credentials, what->id, ret);
	}
	return -EIO;
}

static int make_resource(struct request *r, const struct identity *what, struct view *view, struct body **ret)
{
	enum doc_view settable = r->mount->options->view == VIEW_SPEC ? DOC_DECLARED : DOC_SETTABLE;
	struct buf empty = BUF_INIT;

	if (view->kept.bytes) {
		*ret = body_ref(view->kept.bytes);
		return 0;
	}
	if (what->kind->flags & KIND_SECRET)
		return take(&empty, ret);
	return render_object(r, what, view, what->kind->flags & KIND_WHOLE ? DOC_WHOLE : settable, ret);
}

static int make_control(struct request *r, const struct identity *what, struct buf *out)
{
	if (!what->control)
		return control_tree_get(r->mount, what->id, out, NULL);
	if (what->control->make)
		return what->control->make(r, out);
	return what->control->read ? what->control->read(r->mount, out) : 0;
}

int view_bytes(struct request *r, const struct identity *what, struct view *view, struct body **ret)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	int result;

	if (view->bytes) {
		*ret = body_ref(view->bytes);
		return 0;
	}
	switch (what->place) {
	case PLACE_RESOURCE:
		return make_resource(r, what, view, ret);
	case PLACE_LEAF:
		return make_leaf(r, what, view, ret);
	case PLACE_PART:
		if (view->kept.bytes) {
			*ret = body_ref(view->kept.bytes);
			return 0;
		}
		return render_document(what->part->fields, what->part->key, view->snapshot, ret);
	case PLACE_IMAGE:
		result = images_print(r->mount, what, &out);
		return result < 0 ? result : take(&out, ret);
	case PLACE_CONTROL:
		result = make_control(r, what, &out);
		return result < 0 ? result : take(&out, ret);
	default:
		return -EIO;
	}
}

/* ---- the bytes that were written ---- */

/* Whether the kept bytes still mean what the account has. JSON work: no lock is held. */
static int kept_same(struct request *r, const struct identity *what, struct view *view, bool *ret_same)
{
	cleanup_context_ struct context c = { 0 };
	struct json_object *object = NULL, *doc = NULL;
	struct body *bytes = view->kept.bytes;
	int result;

	*ret_same = what->kind && what->kind->flags & KIND_KEY_LINE;
	if (*ret_same) /* an SSH key never changes */
		return 0;
	result = context_init(r, &c, view->snapshot->traits & TRAIT_KEY_IDS, true, what->kind, what->id);
	if (result == 0)
		result = source_object(r, what->kind, what->parent_id, view->snapshot, &object);
	if (result == 0 && doc_parse(bytes->data, bytes->len, &doc, NULL) == 0) {
		json_object_object_del(doc, "version");
		*ret_same = doc_same(what->kind, object, doc, &c.doc);
	}
	json_object_put(doc);
	json_object_put(object);
	return result;
}

/* The same for a part of a singleton: nothing that a write would send. */
static int part_same(struct request *r, const struct identity *what, struct view *view, bool *ret_same)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(view->snapshot);
	cleanup_context_ struct context c = { 0 };
	struct json_object *object = body ? json_tokener_parse(body->data) : NULL, *doc = NULL, *patch = NULL;
	int result = context_init(r, &c, false, true, what->kind, what->part->name);

	if (result == 0)
		*ret_same = object && doc_parse(view->kept.bytes->data, view->kept.bytes->len, &doc, NULL) == 0 &&
			    doc_part_diff(what->part, object, doc, &c.doc, &patch, NULL) == 0 && !patch;
	json_object_put(patch);
	json_object_put(doc);
	json_object_put(object);
	return result;
}

static int check_kept(struct request *r, const struct identity *what, const char *key, struct view *view)
{
	bool same = view->kept.snapshot_hash == view->snapshot->hash;
	int result = 0;

	if (!view->kept.bytes || same)
		return 0;
	if (what->place == PLACE_RESOURCE)
		result = kept_same(r, what, view, &same);
	else if (what->place == PLACE_PART)
		result = part_same(r, what, view, &same);
	if (result < 0)
		return result;
	kept_confirm(r->mount->kept, key, view->kept.serial, view->snapshot->hash, same);
	if (!same) {
		kept_value_clear(&view->kept);
		view->kept.serial = 0;
		view->kept.content = 0;
	}
	return 0;
}

/* ---- putting a view together ---- */

static int load_meaning(struct request *r, const struct identity *what, struct view *view)
{
	struct meaning meaning = { 0 };
	int result = meaning_get(r, what->kind, what->parent_id, what->id,
				 what->place == PLACE_LEAF ? MEANING_STATUS : MEANING_SETTINGS, &meaning);

	if (result == 0) {
		view->snapshot = steal_ptr(meaning.snapshot);
		view->pending = steal_ptr(meaning.pending);
		view->info = meaning.info;
	}
	meaning_clear(&meaning);
	return result;
}

static int load(struct request *r, const struct identity *what, struct view *view)
{
	switch (what->place) {
	case PLACE_RESOURCE:
		if (stage_is_id(what->id))
			return view->staged ? 0 : -ENOENT;
		return what->id ? load_meaning(r, what, view) : -ENOENT;
	case PLACE_LEAF:
		if (what->leaf->source == LEAF_FETCH)
			return source_leaf(r, what->leaf, what->parent_id, what->id, &view->snapshot, &view->info);
		if (what->leaf->source == LEAF_METRICS || what->leaf->source == LEAF_LOGS)
			return insight_load(r, what->leaf, what->id, &view->snapshot, &view->info);
		return load_meaning(r, what, view);
	case PLACE_PART:
		return source_part(r, what->part, -1, &view->snapshot, &view->info);
	case PLACE_IMAGE:
		return images_load(r, what, &view->snapshot, &view->info);
	default:
		return 0;
	}
}

static bool grows(const struct identity *what)
{
	if (what->place == PLACE_CONTROL)
		return true;
	return what->place == PLACE_LEAF &&
	       (what->leaf->source == LEAF_EVENTS || what->leaf->source == LEAF_EVENTS_OF_PLACEMENTS ||
		what->leaf->source == LEAF_CREDENTIALS || what->leaf->source == LEAF_LOGS);
}

static int64_t own_time(const struct mount *mount, const struct snapshot *s)
{
	if (!s)
		return mount->start_ns;
	return s->updated_ns ? s->updated_ns : s->created_ns ? s->created_ns : s->seen_ns;
}

/* Of a document that is kept apart, when it was kept. */
static int64_t time_of(struct mount *mount, const struct identity *what, const struct snapshot *s)
{
	cleanup_buf_ struct buf unused = BUF_INIT;
	int64_t ns;

	if (what->place == PLACE_CONTROL && !what->control && control_tree_get(mount, what->id, &unused, &ns) == 0)
		return ns;
	return own_time(mount, s);
}

static void set_attributes(struct request *r, const struct identity *what, struct view *view)
{
	const struct kept_value *k = &view->kept;
	const int64_t ns = view->staged && view->kept.bytes ? view->staged->staged_ns : time_of(r->mount, what, view->snapshot);
	struct attributes a = {
		.mtime_ns = ns,
		.atime_ns = ATTRIBUTE_NONE,
		.mode = view_mode_file(r->mount, identity_mode(what)),
		.uid = r->mount->options->uid,
		.gid = r->mount->options->gid,
	};

	if (k->content && k->content == view->content)
		attributes_merge(&a, &k->attributes);
	view->ctime_ns = ns;
	view->mtime_ns = a.mtime_ns;
	view->atime_ns = a.atime_ns == ATTRIBUTE_NONE ? a.mtime_ns : a.atime_ns;
	view->mode = (unsigned)a.mode & 0777;
	view->uid = (uid_t)a.uid;
	view->gid = (gid_t)a.gid;
}

static bool stamp_holds(const struct view *view, const struct identity *what, const struct version *known)
{
	if (!known || !known->content || view->grows || !view->snapshot)
		return false;
	/* Names of keys may have changed under the same object: then only rendering tells. */
	if (view->snapshot->traits & TRAIT_KEY_IDS && what->place == PLACE_RESOURCE && !view->kept.bytes)
		return false;
	return known->stamp.snapshot_hash == view->stamp.snapshot_hash && known->stamp.kept_serial == view->stamp.kept_serial;
}

void view_ended(struct mount *mount, const struct identity *what)
{
	cleanup_free_ char *key = what->leaf && what->leaf->source == LEAF_LOGS ? view_key(what) : NULL;

	if (key)
		events_forget(mount->events, key);
}

const struct control_log *view_log(const struct identity *what)
{
	return what->place == PLACE_CONTROL && what->control ? what->control->log : NULL;
}

/* A node of a log begins where it began when it was looked up. */
static void measure_log(struct mount *mount, const struct control_log *log, const struct version *known, struct view *ret)
{
	ret->base = known ? known->base : log->first(mount);
	ret->size = (int64_t)(log->end(mount) - ret->base);
	ret->content = 1;
}

/* What is staged stands in the place of what was written last. Its serials are other numbers than those of what is kept. */
#define STAGED_SERIAL (UINT64_C(1) << 63)

static int take_staged(struct request *r, const char *key, struct view *view)
{
	struct body *bytes = view->staged ? staged_bytes(view->staged) : NULL;

	if (!bytes)
		return view->staged && staged_verb(view->staged) == STAGED_CREATE ? -ENOMEM : 0;
	if (!view->snapshot)
		kept_get(r->mount->kept, key, &view->kept);
	body_unref(view->kept.bytes);
	view->kept.bytes = bytes;
	view->kept.serial = view->staged->serial | STAGED_SERIAL;
	view->stamp.kept_serial = view->kept.serial;
	return 0;
}

static int view_load(struct request *r, const struct identity *what, struct view *ret)
{
	cleanup_free_ char *key = view_key(what);
	int result;

	if (!key)
		return -ENOMEM;
	ret->staged = staged_file(r->mount, what);
	result = load(r, what, ret);
	if (result < 0)
		return result;
	if (ret->snapshot) {
		kept_get(r->mount->kept, key, &ret->kept);
		ret->stamp.snapshot_hash = ret->snapshot->hash;
		result = check_kept(r, what, key, ret);
		ret->stamp.kept_serial = ret->kept.bytes ? ret->kept.serial : 0;
	}
	return result < 0 ? result : take_staged(r, key, ret);
}

int view_make(struct request *r, const struct identity *what, const struct version *known, struct view *ret)
{
	int result;

	*ret = (struct view){ .grows = grows(what) };
	result = view_load(r, what, ret);
	if (result < 0)
		return result;
	if (view_log(what)) {
		measure_log(r->mount, view_log(what), known, ret);
	} else if (what->place == PLACE_CONTROL && what->control && what->control->size) {
		ret->size = (int64_t)what->control->size(r->mount);
		ret->content = 1;
	} else if (stamp_holds(ret, what, known)) {
		ret->content = known->content;
		ret->size = known->size;
	} else {
		result = view_bytes(r, what, ret, &ret->bytes);
		if (result < 0)
			return result;
		ret->size = ret->bytes->len;
		/* 0 stands for "not known". */
		ret->content = hash64(ret->bytes->data, ret->bytes->len) | 1;
	}
	set_attributes(r, what, ret);
	return 0;
}
