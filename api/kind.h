/*
 * The table of resource kinds. A resource is a row: lookup, listing, reading, validation, commit, delete,
 * the manual's tables and the parametrised tests all follow these rows. Facts of the wire come from
 * the Containers API contract (openapi.yaml); what the tree shows comes from the specification.
 */
#pragma once

#include "api/base/cleanup.h"
#include "api/base/err.h"

struct json_object;

enum field_type { FIELD_STRING, FIELD_INT, FIELD_NUMBER, FIELD_BOOL, FIELD_OBJECT, FIELD_ARRAY, FIELD_ANY };

enum field_flag {
	FIELD_REQUIRED = 1 << 0,
	FIELD_CREATE_ONLY = 1 << 1,  /* set at creation, shown, cannot change */
	FIELD_WRITE_ONLY = 1 << 2,   /* never returned by the API, never counted as a difference */
	FIELD_STATUS = 1 << 3,       /* read-only: in status.json, not in the file */
	FIELD_IDENTITY = 1 << 4,     /* the file's name: accepted in a document when equal to it, not shown */
	FIELD_HIDDEN = 1 << 5,       /* neither in the file nor in status.json (a deprecated twin, the events) */
	FIELD_SET = 1 << 6,          /* an array whose order does not count */
	FIELD_SECRET = 1 << 7,       /* a document that holds it is never kept, logged or quoted */
	FIELD_IMAGE = 1 << 8,        /* an image reference */
	FIELD_KEY_IDS = 1 << 9,      /* an array of SSH public key ids, shown as ssh-keys/NAME.pub */
	FIELD_DEPRECATED = 1 << 10,  /* accepted and understood, shown in its modern spelling */
	FIELD_FILLED = 1 << 11,      /* where one side lacks it, the service chose it or answers it in another form: equal */
	FIELD_UNSAID = 1 << 14,      /* the service answers it unasked: where the document does not say it, no difference */
	FIELD_COMPUTED = 1 << 15,    /* what the service answers is no echo: compared with what was written last alone */
	FIELD_MERGED = 1 << 16,      /* a change sends its changed members alone, which the service merges */
	FIELD_NOT_CREATED = 1 << 17, /* no create takes it: it is left out of one */
	FIELD_NONEMPTY = 1 << 12,    /* a string or an array that may not be empty */
	FIELD_ANSWERED = 1 << 13,    /* the service answers it whatever it was given: as long as nobody remembers what was, a
	                               document that does not say it means what the account has */
};

/* As max: no upper bound beside the lower one. */
#define FIELD_UNBOUNDED 1e15

struct field {
	const char *name;
	enum field_type type;
	enum field_type item; /* FIELD_ARRAY: the type of its items */
	unsigned flags;
	const char *const *words;   /* an enum's values, NULL-terminated; NULL: any */
	const struct field *fields; /* FIELD_OBJECT, or FIELD_ARRAY of them; ends with a NULL name; NULL: free-form */
	const char *default_json;   /* what absence means to the service; NULL: absence only equals null, [] and {} */
	double min, max;            /* numbers; both 0: no bound */
	const char *exclusive_with; /* space-separated siblings that it excludes, or NULL */
	const char *modern;         /* FIELD_DEPRECATED: the sibling that replaces it ("memory_mib" of "memory") */
};

enum kind_verb { KIND_LIST = 1, KIND_GET = 2, KIND_CREATE = 4, KIND_UPDATE = 8, KIND_DELETE = 16, KIND_RENAME = 32 };

enum kind_flag {
	KIND_DECLARED = 1 << 0,          /* shown in view=spec */
	KIND_WRITE_ONCE = 1 << 1,        /* writing the same again is a success, something else EPERM */
	KIND_NEW_ONLY = 1 << 2,          /* an existing name is EEXIST (jobs, rollouts) */
	KIND_SECRET = 1 << 3,            /* the file is a secret's value */
	KIND_KEY_LINE = 1 << 4,          /* the file is one line in authorized_keys form */
	KIND_LABEL_NAME = 1 << 7,        /* the name is the label cfcfs.name (deployments) */
	KIND_LOCAL_NAME = 1 << 8,        /* the name is remembered by the mount alone (jobs, rollouts) */
	KIND_STATUS_TTL = 1 << 9,        /* cached for status_ttl instead of cache_ttl */
	KIND_SINGLETON = 1 << 10,        /* fixed files that are parts of one document (account); see parts */
	KIND_UPDATE_PUT = 1 << 11,       /* an update is a PUT of the whole document to the collection */
	KIND_LIST_UNCONFIRMED = 1 << 12, /* where the service offers no list: what the mount remembers is all there is */
	KIND_WHOLE = 1 << 13,            /* the file shows the whole object (placements, instances, IPs) */
	KIND_ROLLOUT_FOLLOWS = 1 << 14,  /* a changed configuration reaches what runs by a rollout */
	KIND_LINGERS = 1 << 15,          /* deleted, it is still listed for some seconds */
};

/* Facts of one resource that decide which leaves it has; a kind's hook reads them off the object. */
enum kind_trait {
	TRAIT_JOBS = 1 << 0,    /* an application with jobs: true */
	TRAIT_DURABLE = 1 << 1, /* scheduling_policy durable_object */
	TRAIT_KEY_IDS = 1 << 2, /* refers to SSH public keys: rendering needs their names */
	TRAIT_MANAGED = 1 << 3, /* the managed registry: not declared, cannot be deleted */
	TRAIT_OWNED = 1 << 4,   /* a deployment that an application owns */
	TRAIT_ROLLOUT = 1 << 5, /* an application that names an active rollout */
};

enum leaf_source {
	LEAF_STATUS,               /* the object's read-only part; no call */
	LEAF_FETCH,                /* a GET of its own path, the whole result */
	LEAF_EVENTS,               /* the array "events" of the object at path, one a line, oldest first */
	LEAF_EVENTS_OF_PLACEMENTS, /* those of all placements of the deployment, joined, oldest first */
	LEAF_ACTION,               /* verbs */
	LEAF_CREDENTIALS,          /* a request is written, the answer is read until it expires */
	LEAF_METRICS,              /* what its instances use; of another part of the API */
	LEAF_LOGS,                 /* what they write, one line each, oldest first; the same */
};

struct action {
	const char *word;   /* "recreate" */
	const char *method; /* "POST" */
	const char *path;   /* "/deployments/{id}/recreate"; {placement} is the current placement's id */
	const char *body;   /* "{}" or NULL */
	bool document;      /* the body is the resource's own document, as a create would send it */
	bool deletes;       /* the resource is gone, or has another id, afterwards */
};

struct leaf {
	const char *name; /* "status.json" */
	unsigned mode;    /* permission bits */
	enum leaf_source source;
	const char *path;             /* "/applications/{id}/versions"; NULL: from the object */
	unsigned needs;               /* traits that the resource must have */
	bool unlisted;                /* opens by name alone; status.json names it under see_also */
	const struct action *actions; /* LEAF_ACTION; ends with a NULL word */
	const struct field *fields;   /* of the document, for order; NULL: as the API gives it */
};

/* KIND_SINGLETON: one file of the document at item ("/me"). */
struct part {
	const char *name; /* "defaults.json" */
	const char *path; /* "/me" */
	const char *key;  /* the key of the result that it shows; NULL: the whole result */
	unsigned mode;
	unsigned flags;     /* KIND_DECLARED */
	const char *update; /* path of the PATCH whose body is {key: changed fields}; NULL: read-only */
	const struct field *fields;
};

struct kind;

struct kind_hooks {
	/* What check says, as far as a JSON Schema can: an array for its allOf. NULL: nothing. */
	const char *schema;
	/* The traits of an object. NULL: none. */
	unsigned (*traits)(struct json_object *object);
	/* Further checks after the field table's, on a document that a user wrote. 0 or -errno with text. */
	int (*check)(const struct kind *kind, struct json_object *doc, const char *name, bool creating, struct err *err);
	/* Turns the API's object into the shape of the file before it is shown or compared (in place). */
	int (*from_api)(struct json_object *object);
	/* Turns a checked document into what create (or update) sends (in place). */
	int (*to_api)(struct json_object *doc, bool creating);
};

struct kind {
	const char *name;               /* "application": messages and the xattr user.cfcfs.kind */
	const char *dir;                /* "applications" */
	const struct kind *parent;      /* NULL: at the root */
	const char *collection;         /* list and create: "/applications/{parent}/rollouts"; create_path may differ */
	const char *create_path;        /* NULL: collection */
	const char *item;               /* get, update, delete: "/applications/{id}"; NULL where the API has none */
	const char *delete_item;        /* NULL: item */
	const char *delete_key;         /* the key whose value fills {id} of delete_item; NULL: id_key (SSH keys go by name) */
	const char *parent_key;         /* set: the list is the account's, and an item belongs to the parent whose id it names
	                                 under this key, or to the root kind where it names none ("app_id") */
	const char *id_key;             /* the API's identity: "id", "name", "domain", "proto", "ip" */
	const char *name_key;           /* the name shown; NULL: the id, or what the mount remembers */
	const char *suffix;             /* ".json", ".pub", "" */
	unsigned mode;                  /* permission bits of the file */
	unsigned verbs, flags;          /* enum kind_verb, enum kind_flag */
	const char *refers;             /* names of the kinds that its documents refer to, with commas between; NULL: none */
	unsigned list_needs;            /* traits of the parent without which the list is empty, with no call */
	const char *list_active;        /* the query that leaves history out of the list ("state=active"); NULL: none */
	const char *active_key;         /* the parent's field that names the one that is active; NULL: none */
	const struct field *fields;     /* ends with a NULL name; canonical order, read-only fields too */
	const struct leaf *leaves;      /* files of the resource's directory; ends with a NULL name; NULL: none */
	const struct part *parts;       /* KIND_SINGLETON; ends with a NULL name */
	const struct kind_hooks *hooks; /* NULL for most */
};

/* All rows, in the order of the manual; NULL-terminated. */
extern const struct kind *const kinds[];
/* By name ("rollout"); NULL if there is none. Where two rows have one kind of resource, names differ
   ("deployment" and "application deployment"). */
const struct kind *kind_find(const char *name);
/* Row at the root with this directory name, or below parent. NULL if there is none. */
const struct kind *kind_by_dir(const struct kind *parent, const char *dir);
/* "a" or "an", for a sentence with the kind's name in it. */
const char *kind_article(const struct kind *kind);
/* Whether resources of the kind have a directory: leaves, or kinds below. */
bool kind_has_dir(const struct kind *kind);
/* How many kinds must be there before one of it can be: 0 for what refers to none, one more than the highest of its parent and
   of what it refers to elsewhere. */
unsigned kind_rank(const struct kind *kind);
/* The highest of all. */
unsigned kind_rank_max(void);
/* The row's place in the table. */
unsigned kind_number(const struct kind *kind);
/* There are fewer: a set of kinds fits into a word. */
#define KINDS_MAX 64

/*
 * Fills {parent}, {id}, {placement} of a template, percent-encoding each value for a URL path. *ret_path is
 * freed by the caller. -EINVAL where the template asks for a value that is NULL.
 */
int kind_path(const char *template, const char *parent, const char *id, const char *placement, char **ret_path);

/* The identity and name of an object of the kind; pointers into the object; NULL where it has none. */
const char *kind_id(const struct kind *kind, struct json_object *object);
const char *kind_shown_name(const struct kind *kind, struct json_object *object);
/* Value of the string field key, or NULL. */
const char *json_get_string(struct json_object *object, const char *key);
