/* Decisions in tables: what is known of the account, what is written, and what goes out. Included behind cmocka.h. */
#pragma once

#include <errno.h>

#include "doc_fixture.h"
#include "fs/core/tree.h"
#include "fs/send/decide.h"

#define ID "0f0f0f0f-0000-4000-8000-000000000001"

/* What is gathered, in short. JSON with ' for ". */
struct facts {
	const char *kind;   /* NULL: "application" */
	const char *object; /* as the API gives it; NULL: there is none of the name */
	const char *doc;    /* what is written */
	const char *parent;
	const char *defaults, *written, *carried; /* remembered; or NULL */
	enum rollout_mode rollout;
	unsigned traits;
	int64_t version; /* 0: 3 */
	bool blind, owed, older_way, again, same_secret;
	enum validate_mode validate;
	bool raw; /* doc is what is written, byte for byte */
};

static inline struct json_object *parse_or_null(const char *text)
{
	return text ? parse(text) : NULL;
}

static inline char *quoted(const char *text, bool raw)
{
	char *copy = strdup(text);

	for (char *p = copy; *p && !raw; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	return copy;
}

static inline const struct kind *kind_of(const struct facts *f)
{
	const struct kind *kind = kind_find(f->kind ? f->kind : "application");

	if (!kind)
		fail_msg("there is no kind %s", f->kind);
	return kind;
}

/* The decision; the caller frees it. */
static inline struct change *decision(const struct facts *f)
{
	const struct kind *kind = kind_of(f);
	struct identity what = { .place = PLACE_RESOURCE, .kind = kind, .parent_id = (char *)(uintptr_t)f->parent };
	char *text = quoted(f->doc, f->raw);
	struct buf content = { .data = text, .len = strlen(text) };
	struct gathered g = {
		.wish = { .verb = WISH_WRITE, .what = &what, .content = &content, .again = f->again, .older_way = f->older_way },
		.exists = f->object,
		.object = parse_or_null(f->object),
		.carried = parse_or_null(f->carried),
		.traits = f->traits,
		.proves = !f->blind,
		.owed = f->owed,
		.owed_noted = f->owed,
		.same_secret = f->same_secret,
		.rollout = f->rollout,
	};
	struct change *change;

	g.version = g.exists ? f->version ? f->version : 3 : -1;
	g.name = strdup("web");
	g.id = g.exists ? strdup(ID) : NULL;
	g.wish.file_name = "web.json";
	g.context.doc = context();
	g.context.doc.validate = f->validate;
	g.context.doc.known = g.object;
	g.context.doc.service_defaults = g.context.defaults = parse_or_null(f->defaults);
	g.context.doc.written = g.context.said = parse_or_null(f->written);
	change = decide(&g);
	free(text);
	gathered_clear(&g);
	if (!change)
		fail_msg("no decision: %s", f->doc);
	return change;
}

/* The body of a step without what every rollout has: its mark and its steps. Owned by the caller. */
static inline struct json_object *body_of(const struct step *step)
{
	struct json_object *body = step->body.len ? json_tokener_parse(step->body.data) : NULL;

	if (body && step->mark[0]) {
		json_object_object_del(body, "description");
		json_object_object_del(body, "strategy");
		json_object_object_del(body, "kind");
		json_object_object_del(body, "steps");
	}
	return body;
}

/* What is sent: METHOD PATH BODY for each step, as wanted; "" is nothing. */
static inline void sends(const struct facts *f, const char *wanted)
{
	struct change *change = decision(f);
	struct buf got = BUF_INIT;
	char *want = quoted(wanted, false);

	if (change->refusal.errnum)
		fail_msg("%s\nis refused: %s", f->doc, change->refusal.text);
	for (size_t i = 0; i < change->steps_count; i++) {
		const struct step *step = &change->steps[i];
		struct json_object *body = body_of(step);
		const char *rest = strstr(step->path, ID), *tail = rest ? rest + strlen(ID) : "";

		buf_addf(&got, "%s%s %.*s%s%s %s", i ? "\n" : "", step->method, (int)(rest ? rest - step->path : 200), step->path,
			 rest ? "ID" : "", tail,
			 body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) :
				"");
		json_object_put(body);
	}
	if (strcmp(got.data ? got.data : "", want) != 0)
		fail_msg("%s\n%s\nsends %s\nmust send %s", f->object ? f->object : "a new one", f->doc,
			 got.data ? got.data : "nothing", want);
	assert_true(change_equal(change, change));
	buf_free(&got);
	free(want);
	change_free(change);
}

static inline void refuses(const struct facts *f, int errnum, const char *text)
{
	struct change *change = decision(f);

	if (change->refusal.errnum != errnum || !strstr(change->refusal.text, text) || change->steps_count)
		fail_msg("%s\nis %s \"%s\" with %zu steps, must be %s and hold \"%s\"", f->doc,
			 errno_name(change->refusal.errnum), change->refusal.text, change->steps_count, errno_name(errnum), text);
	change_free(change);
}
