/* Decisions in tables: what is known of the account, what is written, and what goes out. Included behind cmocka.h. */
#pragma once

#include <errno.h>

#include "doc_fixture.h"
#include "fs/core/tree.h"
#include "fs/send/decide.h"

#define ID "0f0f0f0f-0000-4000-8000-000000000001"

/* A deployment called web as the service answers it; registries; keys. */
#define LABEL(value_) "{'name':'cfcfs.name','value':'" value_ "'}"
#define DEPLOYMENT(more_)                                                                                                        \
	"{'id':'d','version':1,'image':'" LONG "','location':{'name':'lhr01'},'labels':[" LABEL("web") "]" LITE more_ "}"
#define HUB_SHOWN                                                                                                                \
	"{'domain':'web','kind':'DockerHub','auth':{'public_credential':'acme',"                                                 \
	"'private_credential':{'store_id':'s','secret_name':'n'}}}"
#define MANAGED  "{'domain':'registry.cloudflare.com','kind':'Cloudflare'}"
#define KEY_ANNA "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8uXyVzG0bJ4vC9pW3hQk1sT5rY7eU2iO6aD0fG8jKl anna"
#define KEY_BERT "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMb4Kq7cZ1xN8vB2mL5jH9gF3dS6aP0oI7uY4tR2eWqX bert"

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
	uint64_t nonce;
	bool blind, owed, older_way, again, same_secret;
	enum validate_mode validate;
	bool declared; /* the view is that of what is declared */
	bool raw;      /* doc is what is written, byte for byte */
	size_t size;   /* raw: of so many; 0: up to its NUL */
	/* Where it is no write of a resource's document: */
	enum wish_verb verb;
	const char *part, *leaf; /* the file's name */
	const char *name;        /* NULL: "web" */
	const char *new_name;    /* WISH_RENAME */
	bool taken, nodelete;
	const unsigned *steps; /* of the option rollout; or NULL */
	unsigned steps_count;
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

static inline const char *doc_of(const struct facts *f)
{
	return f->doc ? f->doc : "";
}

static inline const struct kind *kind_of(const struct facts *f)
{
	const struct kind *kind = kind_find(f->kind ? f->kind : "application");

	if (!kind)
		fail_msg("there is no kind %s", f->kind);
	return kind;
}

/* What it is about; strings are borrowed. */
static inline struct identity identity_of(const struct facts *f)
{
	struct identity what = { .place = PLACE_RESOURCE, .kind = kind_of(f), .parent_id = (char *)(uintptr_t)f->parent };

	for (const struct part *p = what.kind->parts; f->part && p->name; p++) {
		if (!strcmp(p->name, f->part))
			what.part = p;
	}
	for (const struct leaf *l = what.kind->leaves; f->leaf && l->name; l++) {
		if (!strcmp(l->name, f->leaf))
			what.leaf = l;
	}
	if (!what.part != !f->part || !what.leaf != !f->leaf)
		fail_msg("a %s has no %s", what.kind->name, f->part ? f->part : f->leaf);
	return what;
}

/* The decision; the caller frees it. */
static inline struct change *decision(const struct facts *f)
{
	const struct kind *kind = kind_of(f);
	struct identity what = identity_of(f);
	char *text = f->size ? NULL : quoted(doc_of(f), f->raw), file_name[300];
	struct buf content = { .data = f->size ? (char *)(uintptr_t)f->doc : text, .len = f->size ? f->size : strlen(text) };
	struct gathered g = {
		.wish = { .verb = f->verb,
			  .what = &what,
			  .content = &content,
			  .new_name = f->new_name,
			  .again = f->again,
			  .older_way = f->older_way },
		.exists = f->object,
		.object = parse_or_null(f->object),
		.carried = parse_or_null(f->carried),
		.traits = f->traits,
		.proves = !f->blind,
		.nonce = f->nonce,
		.owed = f->owed,
		.owed_noted = f->owed,
		.same_secret = f->same_secret,
		.rollout = f->rollout,
		.rollout_steps = f->steps,
		.rollout_steps_count = f->steps_count,
		.taken = f->taken,
		.nodelete = f->nodelete,
	};
	struct change *change;

	g.version = g.exists ? f->version ? f->version : 3 : -1;
	g.name = strdup(f->name ? f->name : "web");
	g.id = g.exists ? strdup(ID) : NULL;
	snprintf(file_name, sizeof(file_name), "%s%s", g.name, kind->suffix ? kind->suffix : "");
	g.wish.file_name = file_name;
	g.context.doc = context();
	g.context.doc.validate = f->validate;
	g.context.doc.known = g.object;
	g.context.doc.service_defaults = g.context.defaults = parse_or_null(f->defaults);
	g.context.doc.written = g.context.said = parse_or_null(f->written);
	g.context.doc.declared = f->declared;
	change = decide(&g);
	free(text);
	gathered_clear(&g);
	if (!change)
		fail_msg("no decision: %s", f->doc ? f->doc : kind->name);
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
		fail_msg("%s\nis refused: %s", doc_of(f), change->refusal.text);
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
		fail_msg("%s\n%s\nsends %s\nmust send %s", f->object ? f->object : "a new one", doc_of(f),
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
		fail_msg("%s\nis %s \"%s\" with %zu steps, must be %s and hold \"%s\"", doc_of(f),
			 errno_name(change->refusal.errnum), change->refusal.text, change->steps_count, errno_name(errnum), text);
	change_free(change);
}
