/*
 * Documents: parsing, checking, rendering, comparing. A document is JSON text that a user writes into a
 * resource's file, or that is rendered from the API's object. All functions are pure (no lock, no I/O) and
 * thread-safe as long as each json_object stays with one thread (json-c serialises into the object).
 */
#pragma once

#include "api/base/buf.h"
#include "api/base/err.h"
#include "api/kind.h"

struct json_object;

#define DOC_DEPTH_MAX 32
/* The largest draft, in bytes (specification, "Writing"). */
#define DOC_BYTES_MAX ((size_t)1 << 20)

/* ---- completeness, fed as the bytes come ---- */

enum doc_state {
	DOC_EMPTY,      /* nothing but white space */
	DOC_INCOMPLETE, /* so far the start of a JSON object */
	DOC_COMPLETE,   /* one whole JSON object, and at most white space behind it */
	DOC_MALFORMED,  /* can no longer become one */
};

struct doc_scan; /* about 4 KiB; holds no text that was fed except keys of open objects */

struct doc_scan *doc_scan_new(void);
struct doc_scan *doc_scan_free(struct doc_scan *scan);
DEFINE_CLEANUP(struct doc_scan *, doc_scan_free)
void doc_scan_reset(struct doc_scan *scan);
/* Feeds the next bytes; amortised linear over a document however it is cut. Returns the state after them. */
enum doc_state doc_scan_feed(struct doc_scan *scan, const char *data, size_t len);
/* What is wrong ("line 3, column 7: duplicate key \"image\""), after DOC_MALFORMED (or what is missing after
   DOC_INCOMPLETE). */
void doc_scan_error(const struct doc_scan *scan, struct err *err);

/* ---- parsing ---- */

/*
 * Strict RFC 8259: UTF-8, no duplicate keys, no comments, depth at most DOC_DEPTH_MAX, one object. A UTF-8 BOM
 * is refused with a text that says so. -EINVAL with line and column. Numbers keep their text where a double
 * would change it. *ret is put by the caller (json_object_put).
 */
int doc_parse(const char *text, size_t len, struct json_object **ret, struct err *err);

/* ---- the account's facts that comparing and rendering need ---- */

enum validate_mode { VALIDATE_STRICT, VALIDATE_WARN, VALIDATE_OFF };

struct doc_context {
	const char *account_id;
	enum validate_mode validate;
	/* Account defaults (GET /me); 0: not known. */
	double default_vcpu;
	int64_t default_memory_mib, default_disk_mb;
	/*
	 * SSH public keys by id and by name; both return NULL for an unknown one; the string lives as long as the
	 * context. NULL functions: keys are not known, ids are shown as they are.
	 */
	const char *(*key_name)(void *arg, const char *id);
	const char *(*key_id)(void *arg, const char *name);
	void *keys;
	/* Fields of this resource that were removed, or never said, and that the answer still shows: the service's own defaults,
	   as a partial object ({"configuration":{"command":["x"]}}), an array's items at their places; or NULL. */
	struct json_object *service_defaults;
	/* What the document said that this state last wrote for the resource, as far as no answer tells (doc_said), or NULL: it is not
	   known. */
	struct json_object *written;
	/* Without memory of what was written, what the service computes is no difference: the document was not read here, where its
	   number would show. */
	bool declared;
	/* Nothing is forgiven for lack of memory (FIELD_ANSWERED), or because the other side need not say it: for finding out what the
	   service filled in, and what an answer has too much. */
	bool exact;
	/* The account's object that the document is for, or that it was copied from, or NULL: fields that the contract does
	   not know and that stand in it, inside settable objects, may stand in the document too. Read by doc_check. */
	struct json_object *known;
	/* Gets each fault of the fields; the check goes on behind it, and fails at its end. NULL: it ends with the first. */
	void (*fault)(void *arg, const char *text);
	void *fault_arg;
	/* A sentence about a field that validate=warn lets pass. May be NULL. */
	void (*warn)(void *arg, const char *text);
	void *warn_arg;
};

/* The account's defaults are not to be had: those of the service, an instance of type lite. */
void doc_default_to_lite(struct doc_context *ctx);

/* ---- rendering ---- */

enum doc_view {
	DOC_SETTABLE, /* the resource's file: what a user can set, without the identity */
	DOC_DECLARED, /* the same in view=spec: without what the service answers unasked, unless written has it */
	DOC_STATUS,   /* status.json: the rest, and top-level fields that the contract does not know */
	DOC_WHOLE,    /* everything, in the contract's order, events left out where the kind has them in a file of their own */
};

/*
 * Appends the document: two spaces, the contract's field order, UTF-8, a final newline; the same object is always
 * the same bytes. written is the document that the user last wrote (FIELD_WRITE_ONLY values come from it), or NULL.
 * object is not changed. 0, -ENOMEM, -EFBIG; -EINVAL where the service answered something that is no object. For KIND_KEY_LINE: the key's line and a newline. For KIND_SECRET: nothing.
 */
int doc_render(const struct kind *kind, enum doc_view view, struct json_object *object, struct json_object *written,
	       const struct doc_context *ctx, struct buf *out);
/* The document of a leaf or part that has fields (or NULL: as it comes), two spaces, final newline. */
int doc_render_fields(const struct field *fields, struct json_object *object, struct buf *out);
/* Appends each event as one line of compact JSON, sorted by time, then in the order of the array. */
int doc_render_events(struct json_object *events, struct buf *out);

/* ---- writing ---- */

/* A resource's file: what a user wrote into it, and the name that it has (decoded), or NULL. All borrowed. */
struct doc_file {
	const struct kind *kind;
	struct json_object *doc;
	const char *identity;
};

/*
 * Checks what a user wrote: known fields, types, enums, required and
 * exclusive fields, the kind's own check. creating: create-only fields may stand, required ones must. On success the document
 * has had "version" and an identity that equals the name taken out; *ret_version is the precondition or -1. -EINVAL
 * with a text that names the field's path, what is wrong and what it should be; an unknown field names the nearest
 * known one; a read-only field names status.json.
 */
int doc_check(struct doc_file file, bool creating, const struct doc_context *ctx, int64_t *ret_version, struct err *err);

/* Body of the create (or of the PUT where the kind updates so): identity added, references resolved. The caller puts *ret. */
int doc_create_body(struct doc_file file, const struct doc_context *ctx, struct json_object **ret, struct err *err);

/*
 * What a PATCH must say so that object becomes what the file says: each changed top-level field whole, but of configuration its changed members
 * alone; what was removed as its neutral value ([], false, the default, the like of {"logs":{"enabled":false}}), else as null.
 * *ret is NULL where the two mean the same. -EINVAL where a create-only field differs, with its path; unknown reference as in
 * doc_create_body.
 */
int doc_diff(struct doc_file file, struct json_object *object, const struct doc_context *ctx, struct json_object **ret,
	     struct err *err);

/* Whether doc (as a user writes it) means what object (as the API gives it) means. */
bool doc_same(const struct kind *kind, struct json_object *object, struct json_object *doc, const struct doc_context *ctx);

/* After a PATCH: the removed fields that the answer still shows, and what it filled into the items of an array that was sent, to be
   remembered as service_defaults; NULL: none. What ctx->service_defaults remembers already is kept, as far as the patch left it
   and the answer shows it. */
struct json_object *doc_service_defaults(const struct kind *kind, struct json_object *patch, struct json_object *answer,
					 const struct doc_context *ctx);

/*
 * Of a document that was written, what an answer cannot say that it was said: what the service answers unasked, in other words (a
 * size) or computed, and what is empty. An object of its own, maybe empty, to be remembered as doc_context.written; NULL without memory.
 */
struct json_object *doc_said(const struct kind *kind, struct json_object *doc);

/*
 * Whether object is what the service made of the patch for the file: it means the same, but for what it has in the items of arrays that
 * were sent and that the document does not say. What was to be removed must be gone.
 */
bool doc_arrived(struct doc_file file, struct json_object *object, struct json_object *patch, const struct doc_context *ctx);

/*
 * A partial document in the API's own form, such as a PATCH's body or {"configuration": a rollout's target}, laid over an
 * object of the kind as the service does it: configuration's members one by one, every other member whole, null takes away; a
 * type ends the numbers that stand beside it, and they it. In place. 0 or -ENOMEM; then object is in pieces.
 */
int doc_lay_over(const struct kind *kind, struct json_object *object, struct json_object *members);
/*
 * Whether object shows what the partial document says, in whatever spelling; what else it has is no difference. ret_differs
 * (DOC_PATH_SIZE bytes, or NULL) gets the path of the first member that it does not show. false without memory, too.
 */
bool doc_shows(const struct kind *kind, struct json_object *object, struct json_object *members, const struct doc_context *ctx,
	       char *ret_differs);
#define DOC_PATH_SIZE 200

/* Whether the patch changes a configuration in more than authorized_keys and wrangler_ssh, against object. service_defaults as in
   doc_context: what the patch lacks of them is no change. */
bool doc_needs_rollout(const struct kind *kind, struct json_object *object, struct json_object *patch,
		       struct json_object *service_defaults);

/* The same, for the fields of one part of the account: the PATCH body ({key: {…}}) or NULL in *ret. */
int doc_part_diff(const struct part *part, struct json_object *object, struct json_object *doc, const struct doc_context *ctx,
		  struct json_object **ret, struct err *err);
/* Whether the document says something of which it must be remembered that it was said (FIELD_ANSWERED). */
bool doc_has_answered(const struct field *fields, struct json_object *doc);
/* doc_service_defaults for a part: patch as doc_part_diff gives it, the answer whole. */
struct json_object *doc_part_service_defaults(const struct part *part, struct json_object *patch, struct json_object *answer,
					      const struct doc_context *ctx);
int doc_part_check(const struct part *part, struct json_object *doc, const struct doc_context *ctx, struct err *err);
/* Checks a credentials request ({"permissions":["pull"],"expiration_minutes":15}). */
int doc_credentials_check(struct json_object *doc, bool managed, struct err *err);

/* Whether doc holds a value of a FIELD_SECRET field: such a text is never kept. */
bool doc_has_secret(const struct kind *kind, struct json_object *doc);
/* Takes such values out of it. */
void doc_drop_secrets(const struct kind *kind, struct json_object *doc);
/* Whether a document of the kind can: then one that cannot be read is not kept either. */
bool doc_may_hold_secret(const struct kind *kind);

/* ---- SSH public keys ---- */

/*
 * One line "TYPE BASE64 [COMMENT]", TYPE of OpenSSH's list and equal to the type inside the blob. -EINVAL with the reason.
 * *ret_len is the line's length without its newline. Options in front of the type are refused.
 */
int doc_key_line_check(const char *text, size_t len, size_t *ret_len, struct err *err);

/* ---- labels of deployments ---- */

#define DOC_NAME_LABEL "cfcfs.name"
/* Value of the label cfcfs.name, into the object, or NULL. */
const char *doc_name_label(struct json_object *object);
/* Sets, replaces (name) or removes (NULL) the label in a labels array of the document. 0 or -ENOMEM. */
int doc_set_name_label(struct json_object *doc, const char *name);
