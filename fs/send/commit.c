#include "fs/send/commit.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/log.h"
#include "api/base/scrub.h"
#include "api/oneline.h"
#include "fs/core/attributes.h"
#include "fs/core/failures.h"
#include "fs/core/kept.h"
#include "fs/core/trace.h"
#include "fs/core/tell.h"
#include "fs/core/undo.h"
#include "fs/send/claim.h"
#include "fs/send/decide.h"
#include "fs/send/gate.h"
#include "fs/send/history.h"
#include "fs/send/owed.h"
#include "fs/send/staging.h"
#include "fs/send/trash.h"
#include "fs/show/contested.h"
#include "fs/show/source.h"
#include "fs/show/view.h"

bool commit_is_done(struct draft *draft)
{
	struct err unused;

	return draft_handled(draft, &unused);
}

/* ---- the line: gather, decide, send, accept ---- */

/* How often what is found out on the way may make the decision anew. */
#define DECISIONS_MAX 4

/* The first pause; each is twice as long as the one before. A deleted one that lingers is 404 to a change too: not for long. */
#define UNKNOWN_PAUSE_MS 1000
#define UNKNOWN_WAITS    2

/* A service that makes copies may not know everywhere what was made a moment ago: whether a 404 to its change says no more. Then
   it is looked at again after a while, and changed again where it is there. */
static bool may_be_unknown(const struct line *line, const struct change *change)
{
	cleanup_(snapshot_unrefp) struct snapshot *known = source_known(line->mount, change->kind, change->parent_id, change->id);

	return known && contested_is_young(known);
}

/* 1: what came of it calls for another decision. */
static int send_it(const struct line *line, const struct change *change, struct accepted *ret, struct wish *wish)
{
	cleanup_outcome_ struct outcome outcome = { 0 };
	int result;

	owed_begin(line, change);
	result = send_change(line, change, &outcome);
	accept_change(line->mount, change, &outcome, result, ret);
	history_note(line, change, &outcome, result, ret);
	/* Deleted, but listed and answered still: what comes of the name is decided without it. */
	if (result == -ENOENT && change->verb == VERB_UPDATE && change->kind->flags & KIND_LINGERS && !outcome.made[0]) {
		if (wish->waits < UNKNOWN_WAITS && may_be_unknown(line, change)) {
			wish->fresh = true;
			result = request_pause(line->r, (int64_t)UNKNOWN_PAUSE_MS << wish->waits++);
			return result < 0 ? result : 1;
		}
		source_removed(line->mount, change->kind, change->parent_id, change->id);
		return 1;
	}
	if (outcome.older_way && !wish->older_way) {
		wish->older_way = true;
		return 1;
	}
	return result == 0 && outcome.again ? 1 : result;
}

/* 1: once more, with what was found out. */
static int decide_once(struct request *r, struct wish *wish, struct gathered *g, struct change **ret_change, struct accepted *ret)
{
	struct line line = { .mount = r->mount, .r = r, .deadline_ms = r->deadline_ms, .waiter = &r->waiter, .err = &r->err };
	cleanup_(change_freep) struct change *change = NULL;
	bool stage = staging_is_on(r->mount, wish);
	int result = gather(r, wish, g);

	line.path = wish->path;
	if (result < 0)
		return result;
	change = decide(g);
	if (!change)
		return -ENOMEM;
	/* What is staged is looked at anew when it is sent. */
	result = stage ? 0 : claim_name(r, change, wish->claim);
	if (result < 0)
		return result;
	if (result > 0 || (!stage && gather_is_old(g, change))) {
		wish->fresh = true;
		return 1;
	}
	if (gather_is_strange(g, change)) {
		wish->strange = true;
		return 1;
	}
	if (stage && staging_replaces(r->mount, g, change)) {
		wish->anew = true;
		return 1;
	}
	if (stage)
		result = staging_keep(r, g, change, ret);
	if (change->refusal.errnum) {
		r->err = change->refusal;
		return -change->refusal.errnum;
	}
	if (!stage && change->steps_count)
		result = send_it(&line, change, ret, wish);
	/* What is there then is what was sent, now or by a mount that died. */
	if (result > 0)
		wish->excl = false;
	*ret_change = steal_ptr(change);
	return result;
}

static int run_line(struct request *r, const struct wish *wanted, struct gathered *g, struct change **ret_change,
		    struct accepted *ret)
{
	cleanup_claim_ struct claim claim = { 0 };
	struct wish wish = *wanted;
	int result = 1;

	wish.claim = &claim;
	for (int tries = 0; result > 0; tries++) {
		if (tries - wish.waits == DECISIONS_MAX)
			return err_set(&r->err, EAGAIN, "the account changes faster than a change of it can be decided");
		change_free(steal_ptr(*ret_change));
		gathered_clear(g);
		result = decide_once(r, &wish, g, ret_change, ret);
	}
	return result;
}

/* ---- one commit ---- */

struct commit {
	struct request *r;
	struct entry *entry;
	struct wish wish;
	struct identity what; /* owned: of the target */
	char *file_name;      /* owned */
	char *path;           /* owned; in the tree */
	bool rename;
};

static void commit_clear(struct commit *c)
{
	free(c->file_name);
	free(c->path);
	identity_clear(&c->what);
}
#define cleanup_commit_ cleanup_(commit_clear)

static bool holds_secret(const struct commit *c, struct draft *draft)
{
	const struct kind *kind = c->what.kind;
	const struct buf *content = c->wish.content;
	struct json_object *doc = NULL;
	bool secret = false;

	if (draft->secret || (c->what.leaf && c->what.leaf->source == LEAF_CREDENTIALS))
		return true;
	if (!kind || c->what.place != PLACE_RESOURCE || kind->flags & (KIND_SECRET | KIND_KEY_LINE))
		return false;
	if (doc_parse(content->data ? content->data : "", content->len, &doc, NULL) == 0)
		secret = doc_has_secret(kind, doc);
	else
		secret = doc_may_hold_secret(kind);
	json_object_put(doc);
	return secret;
}

/* Whatever call of the write a service answered with words of the content: none of them is a secret's. */
static void scrub_text(const struct commit *c, const struct draft *draft)
{
	const struct buf *content = c->wish.content;

	if (draft->secret)
		scrub(c->r->err.text, content->data, content->len, SCRUB_FRAGMENTS);
	else if (c->what.place == PLACE_RESOURCE)
		scrub_body(c->r->err.text, content->data, content->len);
}

static void record(struct commit *c, struct draft *draft, int errnum)
{
	struct mount *mount = c->r->mount;
	cleanup_free_ char *path = entry_path(mount->tree, c->entry, NULL);
	bool secret = holds_secret(c, draft);

	c->r->err.errnum = errnum;
	scrub_text(c, draft);
	if (!c->r->err.text[0])
		err_set(&c->r->err, errnum, "%s", strerror(errnum));
	failures_add(mount->failures, path ? path : "?", c->r->op->name, &c->r->err, secret ? NULL : c->wish.content->data,
		     secret ? 0 : c->wish.content->len);
}

/* The entry stands for what the account has from now on. */
static void settle_entry(struct commit *c, struct draft *draft, const struct accepted *accepted)
{
	struct tree *tree = c->r->mount->tree;
	struct mount *mount = c->r->mount;
	struct entry *entry = c->entry;
	cleanup_free_ char *path = NULL;

	tree_lock(tree);
	tree->changes++;
	draft_saw_sends(draft, ++entry->sends);
	if (c->what.place == PLACE_RESOURCE && accepted->id) {
		if (!entry->what.id)
			tell_dir_locked(mount, entry);
		tree_identify(tree, entry, accepted->id);
	}
	if (accepted->replaced && entry->parent)
		tell_file_locked(mount, entry->parent);
	if (entry->hide != HIDE_NONE)
		trash_show_locked(mount, entry);
	tree_settle(tree, entry);
	path = entry_path_locked(entry, NULL);
	tree_unlock(tree);
	if (path)
		failures_clear(mount->failures, path);
}

/* The bytes that were written are read back as long as they mean what the account has. */
static void keep_bytes(struct commit *c, const struct change *change, struct accepted *accepted)
{
	const char *data = c->wish.content->data ? c->wish.content->data : "";
	struct kept *kept = c->r->mount->kept;
	cleanup_free_ char *key = NULL;

	free(c->what.id);
	c->what.id = steal_ptr(accepted->id);
	key = view_key(&c->what);
	if (!key || c->what.leaf)
		return;
	if (staging_is_on(c->r->mount, &c->wish))
		attributes_keep(c->r->mount, c->entry, key, data, c->wish.content->len);
	if (staging_is_on(c->r->mount, &c->wish))
		return;
	if (change->keep)
		kept_set_bytes(kept, key, data, c->wish.content->len, accepted->hash);
	else
		kept_drop(kept, key);
	attributes_keep(c->r->mount, c->entry, key, data, c->wish.content->len);
}

static int run(struct commit *c, struct draft *draft)
{
	cleanup_(change_freep) struct change *change = NULL;
	cleanup_gathered_ struct gathered g = { 0 };
	cleanup_(accepted_clear) struct accepted accepted = { 0 };
	int result = run_line(c->r, &c->wish, &g, &change, &accepted);

	if (result == 0) {
		/* What nothing was sent for is what was found. */
		if (!change->steps_count)
			accepted.hash = g.hash;
		if (!accepted.id && (g.id || c->what.id))
			accepted.id = strdup(g.id ? g.id : c->what.id);
		accept_found(c->r->mount, change, accepted.id);
		settle_entry(c, draft, &accepted);
		keep_bytes(c, change, &accepted);
		err_clear(&c->r->err);
		return 0;
	}
	/* mv prints something misleading for EINVAL, and tries twice. */
	if (result == -EINVAL && c->rename)
		result = -EBADMSG;
	record(c, draft, -result);
	return result;
}

static int begin(struct commit *c)
{
	int result;

	scope_lock(tree, c->r->mount->tree);
	/* Removed, or renamed meanwhile to what is never sent. */
	if (c->entry->unlinked || gate_text(&c->entry->what, entry_name(c->entry), &c->r->err) < 0)
		return err_set(&c->r->err, ESTALE, "the file was removed or renamed while it was being written");
	result = identity_copy(&c->entry->what, &c->what);
	if (result < 0)
		return result;
	c->file_name = strdup(entry_name(c->entry));
	c->path = entry_path_locked(c->entry, NULL);
	return c->file_name && c->path ? 0 : -ENOMEM;
}

static int repeat(struct request *r, struct draft *draft, int *ret_result)
{
	struct err earlier;

	if (!draft_handled(draft, &earlier))
		return 0;
	*ret_result = -earlier.errnum;
	/* It is on record already. */
	r->err.text[0] = '\0';
	return 1;
}

/* With the entry's turn. */
static int commit_in_turn(struct request *r, struct entry *entry, struct draft *draft, bool rename)
{
	cleanup_commit_ struct commit c = { .r = r, .entry = entry, .rename = rename };
	cleanup_buf_wipe_ struct buf content = BUF_INIT;
	int result;

	if (repeat(r, draft, &result))
		return result;
	/* Its name was taken off it while it waited for the turn. A rename sends what is never sent by itself. */
	if (!rename && draft_is_detached(draft))
		return err_set(&r->err, ESTALE, "the file was removed or replaced while it was being written");
	content = draft_copy(draft, &result);
	if (result == 0)
		result = begin(&c);
	if (result < 0)
		return result;
	c.wish = (struct wish){ .verb = WISH_WRITE, .what = &c.what, .file_name = c.file_name, .content = &content };
	c.wish.path = c.path;
	c.wish.by_name = rename;
	/* What was sent through it before may be what is there. */
	c.wish.excl = draft->excl && !rename && !c.what.id && !draft_was_handled(draft) && !staging_is_on(r->mount, &c.wish);
	c.wish.again = draft_only_blanks_since(draft, &content);
	c.wish.secret = holds_secret(&c, draft);
	result = staging_aim(r->mount, &c.what, &c.wish);
	if (result < 0)
		return result;
	TRACE1(commit_start, c.file_name);
	result = run(&c, draft);
	TRACE2(commit_end, c.file_name, result);
	/* An interrupted wait settles nothing: the next call may try again. */
	if (result != -EINTR) {
		r->err.errnum = -result;
		draft_set_handled(draft, &content, &r->err);
	}
	r->err.text[0] = '\0';
	return result;
}

int commit_draft(struct request *r, struct entry *entry, struct draft *draft, bool rename)
{
	int result;

	/* The write that did not fit is on record; the rest of it must not pass for the whole. */
	result = draft_overflow(draft);
	if (result < 0)
		return result;
	if (repeat(r, draft, &result))
		return result;
	result = request_need_worker(r);
	if (result == 0)
		result = request_take_turn(r, &entry->turn);
	if (result < 0)
		return result;
	result = commit_in_turn(r, entry, draft, rename);
	turn_give(&entry->turn);
	return result;
}

int commit_word(struct request *r, struct entry *entry, struct draft *draft)
{
	int result = request_need_worker(r);

	if (result < 0)
		return result;
	if (!turn_try(&entry->turn))
		return err_set(&r->err, EBUSY, "another word is on its way there: write this one when that is answered");
	result = commit_in_turn(r, entry, draft, false);
	turn_give(&entry->turn);
	return result;
}

/* ---- names ---- */

int commit_rename(struct request *r, struct entry *entry, const struct identity *what, const char *file_name,
		  const char *new_name)
{
	struct wish wish = { .verb = WISH_RENAME, .what = what, .file_name = file_name, .new_name = new_name };
	cleanup_(change_freep) struct change *change = NULL;
	cleanup_gathered_ struct gathered g = { 0 };
	cleanup_(accepted_clear) struct accepted accepted = { 0 };
	cleanup_free_ char *path = NULL;

	if (text_format(&path, "/%s/%s", what->kind->dir, file_name) < 0)
		return -ENOMEM;
	wish.path = path;
	if (staging_is_on(r->mount, &wish) && stage_is_id(what->id))
		return staging_rename_new(r, entry, what, new_name);
	return run_line(r, &wish, &g, &change, &accepted);
}

int commit_stage_delete(struct request *r, const struct identity *what, const char *file_name, const char *path)
{
	struct wish wish = { .verb = WISH_DELETE, .what = what, .file_name = file_name, .path = path };
	cleanup_(change_freep) struct change *change = NULL;
	cleanup_gathered_ struct gathered g = { 0 };
	cleanup_(accepted_clear) struct accepted accepted = { 0 };

	if (stage_is_id(what->id))
		return staging_drop_new(r->mount, what);
	return run_line(r, &wish, &g, &change, &accepted);
}

/* Before the DELETE goes out, so that a kill -9 behind it takes nothing away. Whoever cannot write to the disk deletes all the same. */
static void keep_text(struct mount *mount, const char *path, const struct body *document)
{
	int r = undo_keep(mount->state, path, document->data, document->len);

	if (r < 0 && r != -ENOTCONN)
		log_warning("%s: the document of what is deleted is not on the disk: %s", path, errno_name(-r));
}

int commit_staged(struct request *r, const struct wish *wish, struct accepted *ret, bool *ret_keep)
{
	cleanup_(change_freep) struct change *change = NULL;
	cleanup_gathered_ struct gathered g = { 0 };
	cleanup_buf_ struct buf earlier = BUF_INIT;
	/* What the file showed is kept, as for every delete. */
	bool kept = wish->verb == WISH_DELETE && wish->base && !(wish->what->kind->flags & KIND_SECRET), had = false;
	int64_t earlier_ns = 0;
	int result;

	if (kept) {
		had = undo_get(r->mount->state, wish->path, &earlier, &earlier_ns) == 0;
		keep_text(r->mount, wish->path, wish->base);
	}
	result = run_line(r, wish, &g, &change, ret);
	if (kept && result < 0 && !r->err.outcome_unknown)
		undo_forget(r->mount->state, wish->path, had ? &earlier : NULL, earlier_ns);
	if (result < 0)
		return result;
	if (!change->steps_count)
		ret->hash = g.hash;
	if (!ret->id && wish->verb != WISH_DELETE && g.id)
		ret->id = strdup(g.id);
	*ret_keep = change->keep;
	return 0;
}

static void keep_document(struct mount *mount, const struct doomed_path *doomed)
{
	cleanup_(body_unrefp) struct body *document = doomed->doomed ? body_plain(doomed->doomed->document) : NULL;

	if (document)
		keep_text(mount, doomed->path, document);
}

int commit_delete(struct mount *mount, struct request *r, const struct identity *what, const struct doomed_path *doomed,
		  struct err *err)
{
	struct wish wish = { .verb = WISH_DELETE, .what = what };
	struct line line = { .mount = mount,
			     .deadline_ms = r ? r->deadline_ms : 0,
			     .waiter = r ? &r->waiter : NULL,
			     .err = err,
			     .path = doomed->path,
			     .doomed = doomed->doomed };
	cleanup_buf_ struct buf earlier = BUF_INIT;
	int64_t earlier_ns = 0;
	bool had = undo_get(mount->state, doomed->path, &earlier, &earlier_ns) == 0;
	cleanup_(change_freep) struct change *change = NULL;
	cleanup_gathered_ struct gathered g = { 0 };
	cleanup_(accepted_clear) struct accepted accepted = { 0 };
	cleanup_free_ char *key = view_key(what);
	int result = gather_delete(mount, &wish, &g);

	change = result == 0 ? decide(&g) : NULL;
	if (!change)
		return -ENOMEM;
	if (change->refusal.errnum) {
		*err = change->refusal;
		return -change->refusal.errnum;
	}
	keep_document(mount, doomed);
	result = send_it(&line, change, &accepted, &wish);
	if (result < 0 && !err->outcome_unknown)
		undo_forget(mount->state, doomed->path, had ? &earlier : NULL, earlier_ns);
	if (result == 0 && key)
		kept_drop(mount->kept, key);
	return result;
}
