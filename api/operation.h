/*
 * The table of the API's operations, from the contract (openapi.yaml): who is known to call each, what a list's pages are, and
 * what an answer must hold. The table of kinds names operations by method and path; operation_find leads from there to the row.
 */
#pragma once

#include "api/kind.h"

/* From where an operation is known (x-source): the service may offer the official ones alone, or those and wrangler's. */
enum operation_source {
	SOURCE_OFFICIAL,    /* in Cloudflare's reference */
	SOURCE_WRANGLER,    /* a command of wrangler sends it */
	SOURCE_UNCONFIRMED, /* nobody is known to call it */
};

enum answer_form {
	ANSWER_ITEMS,  /* an array of objects; below list_key where the operation has one */
	ANSWER_OBJECT, /* an object */
	ANSWER_NONE,   /* nothing is needed of a success, 204 and an empty body included: a delete */
};

enum paging {
	PAGING_NONE,
	PAGING_TOKEN, /* per_page and page_token; the answer's result_info has next_page_token, but for the last page */
	PAGING_LAST,  /* limit and last: the id of the last item seen */
};

struct operation {
	const char *id;     /* the contract's operationId: "listApplications" */
	const char *method; /* "GET" */
	const char *path;   /* below the prefix; {} stands for one segment: "/applications/{}/rollouts" */
	enum operation_source source;
	bool cloudchamber; /* wrangler calls it under /cloudchamber, where bodies are bare */
	enum answer_form answers;
	const char
		*list_key; /* ANSWER_ITEMS: the result is an object and holds the array under this key; NULL: it is the array */
	const char *must;  /* the text that the object, or each item, must have: its identity; NULL: none */
	bool itself;       /* ANSWER_OBJECT: that text is the last {} of the path: it is about what was asked for, or changed */
	const char *
		holds; /* ANSWER_OBJECT: the objects that it must have, "[]" behind those that are arrays: "limits locations[]" */
	enum paging paging;
	unsigned page_size;  /* the most items of a page that the service takes; 0: not paged */
	bool by_application; /* not for every application: 400 says that this one has none */
};

/* All rows; ends with a NULL id. */
extern const struct operation operations[];
/* There are fewer; a row's number is its place in the table. */
#define OPERATIONS_MAX 64

/* The row of a request, or of a template of the table of kinds ({id} is a segment like any other); a query is left aside.
   NULL: the contract has no such operation. */
const struct operation *operation_find(const char *method, const char *path);
/* The row by which the kind does this; NULL where it cannot. verb: one of enum kind_verb; KIND_RENAME is the update. */
const struct operation *operation_of(const struct kind *kind, enum kind_verb verb);
/* "official", "wrangler", "unconfirmed". Static. */
const char *operation_source_word(enum operation_source source);
