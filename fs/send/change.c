#include "fs/send/change.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "api/doc_json.h"

static const char *const verb_names[] = {
	[VERB_NONE] = "none",     [VERB_CREATE] = "create", [VERB_UPDATE] = "update", [VERB_RENAME] = "rename",
	[VERB_DELETE] = "delete", [VERB_ACTION] = "action", [VERB_ASK] = "ask",
};
_Static_assert(array_len(verb_names) == VERB_ASK + 1, "every verb has a name");

const char *verb_name(enum verb verb)
{
	return verb_names[verb];
}

struct change *change_new(void)
{
	struct change *change = calloc(1, sizeof(*change));

	if (change)
		change->version = -1;
	return change;
}

static void drop_steps(struct change *change)
{
	for (size_t i = 0; i < change->steps_count; i++) {
		free(change->steps[i].path);
		buf_wipe(&change->steps[i].body);
		change->steps[i] = (struct step){ 0 };
	}
	change->steps_count = 0;
}

struct change *change_free(struct change *change)
{
	if (!change)
		return NULL;
	drop_steps(change);
	free(change->parent_id);
	free(change->id);
	free(change->name);
	free(change->new_name);
	json_object_put(change->before);
	json_object_put(change->after);
	json_object_put(change->patch);
	json_object_put(change->removed);
	context_clear(&change->context);
	free(change);
	return NULL;
}

struct step *change_step_at(struct change *change, const char *operation, const char *method, char *path)
{
	struct step *step;

	if (change->steps_count == CHANGE_STEPS_MAX) {
		free(path);
		return NULL;
	}
	step = &change->steps[change->steps_count++];
	*step = (struct step){ .method = method, .path = path, .of = change->parent_id };
	snprintf(step->operation, sizeof(step->operation), "%s", operation);
	return step;
}

struct step *change_step(struct change *change, const char *operation, const char *method, const char *template,
			 const char *placement)
{
	char *path;

	if (kind_path(template, change->parent_id, change->id, placement, &path) < 0)
		return NULL;
	return change_step_at(change, operation, method, path);
}

int step_body(struct step *step, struct json_object *body)
{
	size_t len;
	const char *text = json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	buf_clear(&step->body);
	return text ? buf_add(&step->body, text, len) : -ENOMEM;
}

int change_refuse(struct change *change, int errnum, const char *fmt, ...)
{
	va_list ap;

	drop_steps(change);
	change->verb = VERB_NONE;
	change->refusal.errnum = errnum;
	va_start(ap, fmt);
	vsnprintf(change->refusal.text, sizeof(change->refusal.text), fmt, ap);
	va_end(ap);
	return -errnum;
}

/* ---- comparing, printing ---- */

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool step_equal(const struct step *a, const struct step *b)
{
	return same_string(a->method, b->method) && same_string(a->path, b->path) && a->body.len == b->body.len &&
	       (!a->body.len || memcmp(a->body.data, b->body.data, a->body.len) == 0);
}

bool change_equal(const struct change *a, const struct change *b)
{
	bool equal = a->verb == b->verb && a->kind == b->kind && a->part == b->part && a->action == b->action &&
		     same_string(a->parent_id, b->parent_id) && same_string(a->id, b->id) && same_string(a->name, b->name) &&
		     same_string(a->new_name, b->new_name) && a->steps_count == b->steps_count &&
		     a->refusal.errnum == b->refusal.errnum;

	for (size_t i = 0; equal && i < a->steps_count; i++)
		equal = step_equal(&a->steps[i], &b->steps[i]);
	return equal;
}

int change_print(const struct change *change, struct buf *out)
{
	int r = 0;

	if (change->refusal.errnum)
		return buf_addf(out, "%s: %s\n", errno_name(change->refusal.errnum), change->refusal.text);
	if (!change->steps_count)
		return buf_adds(out, "nothing\n");
	for (size_t i = 0; r == 0 && i < change->steps_count; i++) {
		const struct step *step = &change->steps[i];
		const char *body = step->secret ? "…" : step->body.len ? step->body.data : NULL;

		r = buf_addf(out, "%s %s%s%s\n", step->method, step->path, body ? " " : "", body ? body : "");
	}
	return r;
}

/* ---- what it refers to ---- */

static int refer(struct json_object *out, const char *before, const char *name, const char *after)
{
	cleanup_free_ char *text = NULL;

	return text_format(&text, "%s%s%s", before, name, after) < 0 ? -ENOMEM : doc_append(out, json_object_new_string(text));
}

static int refer_keys(const struct doc_context *doc, struct json_object *ids, struct json_object *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(ids); i++) {
		struct json_object *item = json_object_array_get_idx(ids, i);
		const char *id = json_object_get_string(item),
			   *name = doc && doc->key_name && id ? doc->key_name(doc->keys, id) : NULL;

		if (name)
			r = refer(out, "ssh-keys/", name, ".pub");
		else if (id)
			r = refer(out, strncmp(id, "ssh-keys/", 9) == 0 ? "" : "ssh-keys/", id, "");
	}
	return r;
}

static int refer_secrets(struct json_object *secrets, struct json_object *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(secrets); i++) {
		const char *name = json_get_string(json_object_array_get_idx(secrets, i), "secret");

		if (name)
			r = refer(out, "secrets/", name, "");
	}
	return r;
}

/* The host of an image's reference: what stands before the first slash, where it is one. */
static int refer_registry(const char *image, struct json_object *out)
{
	size_t n = strcspn(image, "/");
	cleanup_free_ char *host = image[n] ? strndup(image, n) : NULL;

	return host && strchr(host, '.') ? refer(out, "registries/", host, ".json") : 0;
}

int change_refers_of(struct json_object *object, const struct doc_context *doc, struct json_object *out)
{
	int r = 0;

	json_object_object_foreach(object, key, value) {
		if (r < 0)
			break;
		if (json_object_is_type(value, json_type_object))
			r = change_refers_of(value, doc, out);
		else if (strcmp(key, "image") == 0 && json_object_is_type(value, json_type_string))
			r = refer_registry(json_object_get_string(value), out);
		else if (!json_object_is_type(value, json_type_array))
			continue;
		else if (strcmp(key, "ssh_public_key_ids") == 0)
			r = refer_keys(doc, value, out);
		else if (strcmp(key, "secrets") == 0)
			r = refer_secrets(value, out);
	}
	return r;
}

struct json_object *change_refers(const struct change *change)
{
	struct json_object *out = json_object_new_array();

	if (out && json_object_is_type(change->after, json_type_object) &&
	    change_refers_of(change->after, &change->context.doc, out) < 0) {
		json_object_put(out);
		return NULL;
	}
	return out;
}
