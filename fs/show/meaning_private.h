/* The inside of fs/show/meaning*.c: one question, from the answers at hand to what they mean. */
#pragma once

#include "api/doc.h"
#include "fs/core/intents.h"
#include "fs/show/meaning.h"

/* A rollout as it was read. */
struct rollout {
	char *id; /* owned; NULL: none was read */
	enum rollout_state state;
	int64_t asked_ms;           /* CLOCK_MONOTONIC */
	int64_t target_version;     /* -1: it says none */
	int64_t created_ns;         /* 0: it says nothing */
	struct json_object *object; /* owned; NULL where it could not be read */
};

/* One answer about the resource itself. */
struct answered {
	struct snapshot *snapshot; /* owned reference, or NULL */
	struct store_info info;
	struct json_object *object; /* owned: parsed when needed */
	bool shows[INTENT_PARTS];
	bool looked; /* shows is known */
};

struct question {
	struct request *r;
	const struct kind *kind;
	const char *parent, *id;
	struct intent_record record;
	struct answered entry, get; /* the list's, and a GET's */
	struct answered *base;      /* one of them: what counts */
	struct rollout own, active; /* the intent's; the one that the resource names */
	bool ends[INTENT_PARTS];    /* judged so */
	bool changed;               /* the record's row is to be written */
	const char *why;            /* of a failure; static */
	bool proves;
	int64_t until_ms; /* how long answers are waited for; what is at hand serves then */
	int64_t expires_ms;
	int64_t fetched_ms;
	bool stale;
	uint64_t checked_hash; /* of the list's entry that a GET was made for */
};

/* As request_get, no longer than the question waits. */
int meaning_ask(struct question *q, const struct kind *kind, const char *key, struct store_value *ret,
		struct store_info *ret_info, int64_t ttl_ms);
/* Reads a rollout into *ret: from memory for ever where it is over. An answer that says nothing of it is ROLLOUT_UNKNOWN and no
   failure. RUN_IN_WORKER in the first phase; -EINTR; -ENOMEM. */
int meaning_read_rollout(struct question *q, const char *id, struct rollout *ret);
void meaning_rollout_clear(struct rollout *rollout);
/* The body of an answer as an object, borrowed from it. */
int meaning_object(struct question *q, struct answered *answered, struct json_object **ret);
/* Judges an answer, or a rollout, by the record, which changes with it. */
int meaning_judge_answer(struct question *q, struct answered *answered);
void meaning_judge_rollout(struct question *q, const struct rollout *rollout);
/* The path of the first member of configuration that the answer does not show, into DOC_PATH_SIZE bytes; "" where it shows all. */
void meaning_differs(struct question *q, struct answered *answered, char *path);
/* Whether the answer shows what the part holds. */
int meaning_shows(struct question *q, struct answered *answered);

/* What the judged answers come to: *ret gets a snapshot, and *ret_pending what brings it where something else runs. */
int meaning_compose(struct question *q, struct snapshot **ret, char **ret_pending);
