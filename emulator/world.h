/*
 * What the resources' files share: configurations, applications, deployments and placements as they are in
 * the state. All functions need the emulator's lock; those that change need a transaction.
 */
#pragma once

#include "emulator/call.h"

/* ---- sizes and accounts (account.c) ---- */

struct size {
	double vcpu;
	int64_t mem, disk; /* MiB, MB */
};

struct account {
	struct size defaults, total, used;
	int64_t used_count;
};
/* An account that nobody has used yet has the defaults. */
void account_load(struct store *s, const char *id, struct account *ret);
int account_ensure(struct store *s, const char *id, int64_t now);
/* Counts n more (or fewer) containers of a size into the account's usage. */
int account_use(struct store *s, const char *id, const struct size *size, int64_t n);
/* "256MiB", "1GiB", "512MB" to MiB; "2GB" to MB. -EINVAL for other text. */
int size_parse_memory(const char *text, int64_t *ret_mib);
int size_parse_disk(const char *text, int64_t *ret_mb);
void size_format_memory(int64_t mib, char *text, size_t size);
/* The most that one deployment may have. */
#define SIZE_VCPU_MAX 4.0
#define SIZE_MEM_MAX  12288
#define SIZE_DISK_MAX 20000
bool size_is_type(const struct size *size);
/* NULL where there is no such type. */
const struct size *size_of_type(const char *instance_type);

struct location {
	const char *name, *region, *title;
	double max_vcpu;
	int64_t max_mem;
};
/* NULL where there is no such location. */
const struct location *location_find(const char *name);
/* The nth choice of the scheduler under an application's constraints (may be NULL). */
const struct location *location_choose(struct json_object *constraints, uint64_t n);
/* Checks a size against the limits of one deployment, the location's (NULL: none), and what the account has left. */
int limits_check(struct call *c, const struct size *size, const struct location *where, int64_t n);

/* ---- images (image.c) ---- */

/* The form in which the service answers a reference; the caller frees. NULL without memory. */
char *image_long(const char *account, const char *image);
/* Whether a placement with it starts. */
bool image_good(const char *image);
/* Whether the registry that it names is known. 0, or a failure of the call. */
int image_check(struct call *c, const char *image);
/* The part before "://", or false where the reference names no protocol. */
bool image_proto(const char *image, char *ret_proto, size_t size);

/* ---- configurations (conf.c, conf_view.c) ---- */

struct conf {
	int64_t seq;
	struct size size;
	bool bad;              /* its image cannot be pulled */
	bool ssh;              /* there are keys: sshd starts */
	bool wssh;             /* wrangler may connect */
	char ip4[16], ip6[16]; /* none, predefined, account */
};
/* Checks what the table cannot say. path: where the configuration stands in the body ("" or "configuration."). */
int conf_check(struct call *c, struct json_object *conf, const char *path, struct problems *p);
struct size conf_size(struct json_object *conf, const struct size *defaults);
/* Live: takes numbers for the instance type and for what is missing, and the long name of the image. Ideal: nothing. */
int conf_resolve(struct call *c, struct json_object *conf);
enum {
	CONF_PLAIN = 1 << 0, /* of the policy durable_object: it has no image and no size */
	CONF_OWN = 1 << 1,   /* of a deployment that no application owns */
};
/* Stores a configuration with its rendered forms. */
int conf_store(struct call *c, struct json_object *conf, unsigned how, struct conf *ret);
/* 0 or -ENOENT. */
int conf_load(struct store *s, int64_t seq, struct conf *ret);
/* The document that was stored; the caller puts it. NULL on failure. */
struct json_object *conf_intent(struct store *s, int64_t seq);
/* Writes a member as the service answers a configuration; "{}" where there is none. */
void conf_write(struct call *c, const char *key, int64_t seq);
/* The same in a version or a rollout, where nothing is told of the runtime. */
void conf_write_target(struct call *c, const char *key, int64_t seq);
/* What the service answers of a configuration (user), and the runs of it that stand in a deployment (dep, cut). */
int conf_render(struct call *c, struct json_object *conf, const struct size *size, struct out *user);
void conf_render_runs(struct out *dep, struct json_object *conf, int64_t cut[3]);
/* Before a merge: an instance type in the patch takes the numbers out of the base, and the other way round. */
void conf_merge_sizes(struct json_object *base, struct json_object *patch);
/* Whether two configurations (either may be NULL) differ in more than what needs no rollout. */
bool conf_needs_rollout(struct json_object *old, struct json_object *new);

/* ---- applications (app.c, app_change.c, app_check.c, app_live.c, app_view.c) ---- */

struct app {
	int64_t seq;
	char id[ID_SIZE];
	char account[33];
	char policy[20];
	char rollout[ID_SIZE];   /* active one, or "" */
	int64_t version, active; /* version: of the document; active: that runs, rollouts aside. Live: the same */
	int64_t instances;       /* as it was sent */
	int64_t max_instances;   /* -1: none */
	int64_t conf, created;
	int64_t gone; /* 0, or from when on it is not there any more */
	bool jobs, durable;
};
#define APP_COLUMNS                                                                                                              \
	"seq, id, account, policy, rollout, version, active, instances, max_instances, conf, created, gone, jobs, durable"
#define APP_COLUMNS_COUNT 14
/* From a row that begins with APP_COLUMNS. */
struct app app_of(sqlite3_stmt *q);
/* The application that the call's first argument names. 0, or 404. */
int app_load(struct call *c, struct app *ret);
/* As app_load, for changes: one that is being deleted is 404 too. */
int app_load_live(struct call *c, struct app *ret);
int app_load_seq(struct store *s, int64_t seq, struct app *ret);
/* Whether its policy has versions, instances and rollouts. */
bool app_versioned(const struct app *a);
bool doc_durable(struct json_object *doc);
/* The number of instances that is answered. */
int64_t app_instances(const struct call *c, const struct app *a);
int64_t app_deployments(struct store *s, const struct app *a);
/* Writes an application as the service answers it. */
int app_answer(struct call *c, const char *id);
/* Writes the health of an application: counts over its deployments and instances; the dashboard's has fewer. */
void app_health(struct call *c, const struct app *a);
void app_health_dash(struct call *c, const struct app *a);
/* Checks a whole document, nulls stripped. more: how many instances more than now it asks for. */
int app_check(struct call *c, struct json_object *doc, bool create, int64_t more);
/*
 * Finds the namespace of a Durable Object class ("" for none), which stands in the document afterwards. same: the id of
 * the application where the very same one is there already, or "".
 */
int app_check_durable(struct call *c, struct json_object *doc, char ret_namespace[65], char ret_same[ID_SIZE]);
/* Stores a document (checked already) as a new application. */
int app_insert(struct call *c, struct json_object *doc, struct app *ret);
/* Makes the number of deployments that of the instances. */
int app_scale(struct call *c, const struct app *a);
/* Stores a new document with its version; conf 0: the configuration is as before. */
int app_store(struct call *c, const struct app *a, struct json_object *doc, int64_t version, int64_t conf);
/* The document as it was written; the caller puts it. NULL on failure. */
struct json_object *app_intent(struct call *c, const struct app *a);
/* The same with the configuration that waits for a rollout, where one does: what a change is laid over. */
struct json_object *app_base(struct call *c, const struct app *a);
int64_t version_conf(struct store *s, int64_t app, int64_t version);
/* Everything that belongs to the application goes. */
int app_purge(struct store *s, int64_t seq);

/* Live: what a PATCH does: what needs a rollout waits. doc: the new document; old: the one that runs. */
int live_modify(struct call *c, struct app *a, struct json_object *doc, struct json_object *old);
/* Live: the configuration that a rollout leads to gets a version, which nothing shows yet. */
int live_rollout(struct call *c, const struct app *a, struct json_object *conf, int64_t *ret_version, int64_t *ret_conf);
/* Live: the rollout is done: now the application has its version and configuration; the lists have them later. */
int live_completed(struct call *c, int64_t app, int64_t rollout, int64_t version, int64_t conf);

/* ---- deployments (deployment.c, dep_view.c) ---- */

/* Makes one and places it. a: NULL without application. */
int dep_insert(struct call *c, const struct app *a, int64_t app_version, const struct conf *conf, const char *location,
	       char ret_id[ID_SIZE]);
/*
 * Gives it another version and configuration, and a new placement; the old one ends so many milliseconds later. location
 * NULL: where it is.
 */
int dep_update(struct call *c, int64_t seq, int64_t app_version, const struct conf *conf, const char *location, int64_t linger);
int dep_remove(struct store *s, int64_t seq);
int dep_answer(struct call *c, const char *id);

/* ---- placements (placement.c, timeline.c) ---- */

struct placement {
	int64_t created, stop; /* stop 0: not told to */
	bool bad, ssh;
};
struct event {
	int64_t at;
	const char *type, *name, *message, *status; /* status: the health that it leads to, or NULL */
};
#define EVENTS_MAX 8
/* The events up to now, oldest first; returns how many. */
unsigned timeline(const struct placement *p, int64_t now, struct event ret[EVENTS_MAX]);
const char *timeline_health(const struct placement *p, int64_t now);
/* After so long a good placement runs, and a bad one has failed. */
#define RUNNING_AFTER_MS 3000
#define FAILED_AFTER_MS  1500
#define STOPPED_AFTER_MS 1000
/* Writes an event as the contract's PlacementEvent; its id follows from owner and n. */
void event_write(struct out *o, const char *owner, unsigned n, const struct event *e);
/* The member "events" with the first n. */
void events_write(struct out *o, const char *owner, unsigned n, const struct event *e);
/* Makes a new placement of the deployment; the one that it has ends so many milliseconds later. */
int placement_make(struct call *c, int64_t deployment, int64_t version, const struct conf *conf, int64_t linger);
/* Writes the members of a Placement, without braces. */
void placement_write(struct call *c, const char *id, const char *deployment, int64_t version, const struct placement *p,
		     bool events);

/* Whether the labels of a configuration (JSON text) are all that the call filters by (dep_view.c). */
bool labels_fit(const struct call *c, const char *conf_text);

/* ---- the rest ---- */

/* What the clock does to a rollout that is due (rollout.c). */
int rollout_due(struct call *c, int64_t seq);
/* Writes a rollout as the service answers it. */
int rollout_answer(struct call *c, const struct app *a, const char *id);
/* Writes the counts of the jobs of an application (job.c). */
void job_queue(struct call *c, int64_t app);

/* Instances of Durable Objects (instance.c). */
int instance_insert(struct call *c, int64_t app, const char *name, const char *location, int64_t created, int64_t stopped);
/* How many of them are running and how many are starting. */
void instance_count(struct store *s, int64_t app, int64_t now, int64_t *ret_running, int64_t *ret_starting);

/* Checks that the secrets and keys which a configuration names exist (secret.c). */
void references_check(struct call *c, struct json_object *conf, const char *path, struct problems *p);

#define DELETED_AFTER_MS 3000
/* Live: so much longer a list has what is gone. */
#define LISTED_AFTER_MS 8000
