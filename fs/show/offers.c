#include "fs/show/offers_private.h"

#include <errno.h>

#include "api/base/lock.h"
#include "cache/hash.h"

/* The state's table: an operation's id, and under it the prefix by which it was seen offered. */
#define STATE_TABLE "offers"
/* And a row that says that something was not offered: the next mount asks before it lists. */
#define STATE_RESTRICTED "restricted"
/* Applications that lack something, or had it; the oldest are forgotten, and asked again. */
#define LACKING_MAX 20000

const char *const offers_prefixes[PREFIXES] = { "/containers", "/cloudchamber" };

/* An application without what others have. */
struct lacking {
	UT_hash_handle hh; /* in the order of their additions */
	struct refusal refusal;
	char path[];
};

/* An application that had it. */
struct having {
	UT_hash_handle hh; /* in the order of their additions */
	uint64_t application;
};

DECLARE_LOCK(offers);

struct offers {
	struct lock lock;
	struct row rows[OPERATIONS_MAX] GUARDED_BY(offers_locked); /* by the operation's number */
	struct lacking *lacking GUARDED_BY(offers_locked);         /* owned */
	struct having *having GUARDED_BY(offers_locked);           /* owned */
	/* Whether the second prefix takes these credentials and has what the first one lacks. */
	enum { CHAMBER_UNKNOWN, CHAMBER_WORKS, CHAMBER_USELESS } chamber GUARDED_BY(offers_locked);
	bool any_list GUARDED_BY(offers_locked); /* some list was answered */
	bool looked GUARDED_BY(offers_locked);
	bool restricted GUARDED_BY(offers_locked); /* something is not, or was not, offered */
	uint64_t serial GUARDED_BY(offers_locked);
	struct state *state; /* borrowed */
};
DEFINE_LOCK(offers, struct offers, lock)

static struct row *row_locked(struct offers *o, const struct operation *operation) REQUIRES(offers_locked);
static struct row *row_locked(struct offers *o, const struct operation *operation)
{
	offers_assert_locked(o);
	return &o->rows[operation - operations];
}

/* ---- life ---- */

static const struct operation *operation_by_id(const char *id)
{
	for (const struct operation *op = operations; op->id; op++) {
		if (!strcmp(op->id, id))
			return op;
	}
	return NULL;
}

static int take_seen(void *arg, const char *id, const void *value, size_t len)
{
	const struct operation *operation = operation_by_id(id);
	struct offers *o = arg;
	struct row *row;

	scope_lock(offers, o);
	o->restricted |= !strcmp(id, STATE_RESTRICTED);
	if (!operation)
		return 0;
	row = row_locked(o, operation);
	row->seen = true;
	row->offer = OFFER_OFFERED;
	if (operation->cloudchamber && len == strlen(offers_prefixes[PREFIX_CLOUDCHAMBER]) &&
	    !memcmp(value, offers_prefixes[PREFIX_CLOUDCHAMBER], len))
		row->prefix = PREFIX_CLOUDCHAMBER;
	return 0;
}

struct offers *offers_new(struct state *state)
{
	struct offers *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	lock_init(&o->lock);
	o->state = state;
	offers_lock(o);
	o->serial = 1;
	offers_unlock(o);
	state_each(state, STATE_TABLE, "", take_seen, o);
	return o;
}

void offers_learn(struct offers *o, const char *id, const void *value, size_t len)
{
	take_seen(o, id, value, len);
	scope_lock(offers, o);
	o->serial++;
}

static void drop_lacking_locked(struct offers *o, struct lacking *lacking) REQUIRES(offers_locked);
static void drop_lacking_locked(struct offers *o, struct lacking *lacking)
{
	HASH_DEL(o->lacking, lacking);
	free(lacking);
}

static void clear_lacking_locked(struct offers *o) REQUIRES(offers_locked);
static void clear_lacking_locked(struct offers *o)
{
	while (o->lacking)
		drop_lacking_locked(o, o->lacking);
}

static void drop_having_locked(struct offers *o, struct having *having) REQUIRES(offers_locked);
static void drop_having_locked(struct offers *o, struct having *having)
{
	HASH_DEL(o->having, having);
	free(having);
}

struct offers *offers_free(struct offers *o)
{
	if (!o)
		return NULL;
	offers_lock(o);
	clear_lacking_locked(o);
	while (o->having)
		drop_having_locked(o, o->having);
	offers_unlock(o);
	lock_destroy(&o->lock);
	free(o);
	return NULL;
}

void offers_forget(struct offers *o)
{
	scope_lock(offers, o);
	for (const struct operation *op = operations; op->id; op++) {
		struct row *row = row_locked(o, op);

		row->offer = row->seen ? OFFER_OFFERED : OFFER_UNKNOWN;
		memset(row->refusals, 0, sizeof(row->refusals));
	}
	clear_lacking_locked(o);
	o->chamber = CHAMBER_UNKNOWN;
	o->looked = false;
	o->serial++;
}

/* ---- what is known ---- */

enum offer offers_of(struct offers *o, const struct operation *operation)
{
	if (!operation)
		return OFFER_UNKNOWN;
	scope_lock(offers, o);
	return row_locked(o, operation)->offer;
}

enum offer offers_of_list(struct offers *o, const struct operation *operation, const char *path)
{
	struct lacking *lacking;
	enum offer offer;

	if (!operation)
		return OFFER_UNKNOWN;
	scope_lock(offers, o);
	offer = row_locked(o, operation)->offer;
	if (offer == OFFER_ABSENT || !operation->by_application)
		return offer;
	HASH_FIND_STR(o->lacking, path, lacking);
	/* That another application has it says nothing of this one. */
	return lacking ? OFFER_ABSENT : OFFER_UNKNOWN;
}

bool offers_is_probe(struct offers *o, const struct operation *operation)
{
	if (!operation || !operation->cloudchamber)
		return false;
	scope_lock(offers, o);
	return o->chamber == CHAMBER_UNKNOWN && row_locked(o, operation)->offer == OFFER_UNKNOWN;
}

bool offers_is_proven(struct offers *o, const struct operation *operation)
{
	if (!operation)
		return false;
	scope_lock(offers, o);
	return row_locked(o, operation)->seen;
}

void offers_look_ended(struct offers *o)
{
	bool restricted = false;

	offers_lock(o);
	for (const struct operation *op = operations; op->id && !restricted; op++)
		restricted = row_locked(o, op)->offer == OFFER_ABSENT;
	o->restricted = restricted;
	offers_unlock(o);
	if (!restricted)
		state_delete(o->state, STATE_TABLE, "", STATE_RESTRICTED);
}

bool offers_first_look(struct offers *o, bool take)
{
	bool first;

	scope_lock(offers, o);
	first = o->restricted && !o->looked;
	o->looked |= take;
	return first;
}

uint64_t offers_serial(struct offers *o)
{
	scope_lock(offers, o);
	return o->serial;
}

/* ---- words ---- */

static void describe(const struct refusal *refusal, char *text, size_t size)
{
	int n = snprintf(text, size, "answered %d", refusal->status);

	if (refusal->code && n > 0 && (size_t)n < size)
		snprintf(text + n, size - (size_t)n, ", code %d", refusal->code);
}

/* -EOPNOTSUPP with the sentence. refusals: by prefix. */
static int say_absent(const struct operation *op, const struct refusal *refusals, struct err *err)
{
	const struct refusal *first = &refusals[PREFIX_CONTAINERS], *second = &refusals[PREFIX_CLOUDCHAMBER];
	char at[2][48];

	describe(first, at[0], sizeof(at[0]));
	describe(second, at[1], sizeof(at[1]));
	if (first->status && second->status)
		return err_set(err, EOPNOTSUPP,
			       "the service does not offer %s to these credentials: %s %s%s %s, and under %s it %s", op->id,
			       op->method, offers_prefixes[PREFIX_CONTAINERS], op->path, at[0],
			       offers_prefixes[PREFIX_CLOUDCHAMBER], at[1]);
	return err_set(err, EOPNOTSUPP, "the service does not offer %s: %s %s%s %s", op->id, op->method,
		       offers_prefixes[first->status ? PREFIX_CONTAINERS : PREFIX_CLOUDCHAMBER], op->path,
		       first->status ? at[0] : at[1]);
}

static int say_lacking(const struct operation *op, const struct refusal *refusal, struct err *err)
{
	return err_set(err, EOPNOTSUPP, "the service does not offer %s for this application: it answered %d (%s)", op->id,
		       refusal->status, refusal->text);
}

int offers_refuse(struct offers *o, const struct operation *operation, const char *path, struct err *err)
{
	struct lacking *lacking = NULL;

	if (!operation)
		return err_set(err, EOPNOTSUPP, "the service does not offer this");
	scope_lock(offers, o);
	if (operation->by_application && path)
		HASH_FIND_STR(o->lacking, path, lacking);
	if (lacking)
		return say_lacking(operation, &lacking->refusal, err);
	return say_absent(operation, row_locked(o, operation)->refusals, err);
}

/* ---- a call ---- */

/* One call or list on its way. */
struct passage {
	struct offers *offers;
	const struct operation *operation;
	const char *path; /* without the query */
	struct err *err;
	enum prefix prefixes[PREFIXES]; /* to try, in this order */
	unsigned count;
};

/* By which prefixes to send it; -EOPNOTSUPP where it is known not to be offered. */
static int find_way(struct passage *p)
{
	struct offers *o = p->offers;
	const struct operation *op = p->operation;
	enum prefix first = PREFIX_CONTAINERS;
	struct row *row;

	if (offers_of_list(o, op, p->path) == OFFER_ABSENT)
		return offers_refuse(o, op, p->path, p->err);
	scope_lock(offers, o);
	row = row_locked(o, op);
	if (op->cloudchamber && row->seen)
		first = row->prefix;
	else if (op->cloudchamber && o->chamber == CHAMBER_WORKS)
		first = PREFIX_CLOUDCHAMBER;
	p->prefixes[p->count++] = first;
	if (op->cloudchamber && (first == PREFIX_CLOUDCHAMBER || o->chamber != CHAMBER_USELESS))
		p->prefixes[p->count++] = first == PREFIX_CONTAINERS ? PREFIX_CLOUDCHAMBER : PREFIX_CONTAINERS;
	return 0;
}

static void fill_refusal(struct refusal *refusal, const struct err *err)
{
	*refusal = (struct refusal){ .status = err->http_status, .code = err->api_code };
	snprintf(refusal->text, sizeof(refusal->text), "%.*s", (int)sizeof(refusal->text) - 1, err->text);
}

static void set_offer_locked(struct offers *o, struct row *row, enum offer offer) REQUIRES(offers_locked);
static void set_offer_locked(struct offers *o, struct row *row, enum offer offer)
{
	if (row->offer == offer && row->since_ns)
		return;
	if (row->offer != offer)
		o->serial++;
	row->offer = offer;
	row->since_ns = clock_wall_ns();
}

/* What stands for the application that a path is below. */
static uint64_t application_of(const char *path)
{
	static const char before[] = "/applications/";
	const char *id = strstr(path, before);

	id = id ? id + strlen(before) : path;
	return hash64(id, strcspn(id, "/"));
}

static bool has_had_locked(struct offers *o, const char *path) REQUIRES(offers_locked);
static bool has_had_locked(struct offers *o, const char *path)
{
	uint64_t application = application_of(path);
	struct having *having;

	offers_assert_locked(o);
	HASH_FIND(hh, o->having, &application, sizeof(application), having);
	return having;
}

/* Without memory it is not remembered. */
static void note_having_locked(struct offers *o, const char *path) REQUIRES(offers_locked);
static void note_having_locked(struct offers *o, const char *path)
{
	struct having *having = has_had_locked(o, path) ? NULL : calloc(1, sizeof(*having));

	if (!having)
		return;
	having->application = application_of(path);
	HASH_ADD(hh, o->having, application, sizeof(having->application), having);
	if (!having->hh.tbl)
		free(having);
	else if (HASH_COUNT(o->having) > LACKING_MAX)
		drop_having_locked(o, o->having);
}

static void note_yes(struct passage *p, enum prefix prefix)
{
	struct offers *o = p->offers;
	struct row *row;
	bool save;

	offers_lock(o);
	row = row_locked(o, p->operation);
	save = !row->seen || row->prefix != prefix;
	row->seen = true;
	row->prefix = prefix;
	row->refusals[prefix].status = 0;
	set_offer_locked(o, row, OFFER_OFFERED);
	if (prefix == PREFIX_CLOUDCHAMBER)
		o->chamber = CHAMBER_WORKS;
	o->any_list |= p->operation->answers == ANSWER_ITEMS;
	if (p->operation->by_application)
		note_having_locked(o, p->path);
	offers_unlock(o);
	if (save)
		state_set(o->state, STATE_TABLE, "", p->operation->id, offers_prefixes[prefix], strlen(offers_prefixes[prefix]));
}

/* The prefix does not have it. */
static void note_no_route(struct passage *p, enum prefix prefix)
{
	struct offers *o = p->offers;

	scope_lock(offers, o);
	fill_refusal(&row_locked(o, p->operation)->refusals[prefix], p->err);
	/* A list that is not there, or refused: so is the rest of the prefix. */
	if (prefix == PREFIX_CLOUDCHAMBER && o->chamber == CHAMBER_UNKNOWN && p->operation->answers == ANSWER_ITEMS)
		o->chamber = CHAMBER_USELESS;
}

static int note_refused(struct passage *p, enum prefix prefix, int result)
{
	struct offers *o = p->offers;
	const struct operation *op = p->operation;
	bool reading = !strcmp(op->method, "GET"), others;
	struct row *row;

	offers_lock(o);
	row = row_locked(o, op);
	fill_refusal(&row->refusals[prefix], p->err);
	set_offer_locked(o, row, OFFER_REFUSED);
	others = o->any_list;
	offers_unlock(o);
	if (!reading || !others)
		return result;
	/* By itself a 403 may also mean a token that nobody knows; here others were answered with the same one. */
	return err_set(
		p->err, EACCES,
		"these credentials may not %s (%s %s%s answered %d, code %d), though they may list other things: the token "
		"lacks a permission, Workers Containers Read or one beside it",
		op->id, op->method, offers_prefixes[prefix], op->path, p->err->http_status, p->err->api_code);
}

static int note_lacking(struct passage *p)
{
	struct offers *o = p->offers;
	size_t n = strlen(p->path) + 1;
	struct lacking *lacking;

	scope_lock(offers, o);
	if (has_had_locked(o, p->path))
		return err_set(p->err, EIO,
			       "%s %s answered 400, code %d, as if the service did not offer it for this application; it did "
			       "before, so this is a failure, and nothing is taken for missing",
			       p->operation->method, p->path, p->err->api_code);
	HASH_FIND_STR(o->lacking, p->path, lacking);
	if (!lacking) {
		lacking = calloc(1, sizeof(*lacking) + n);
		if (!lacking)
			return err_set(p->err, ENOMEM, "out of memory");
		memcpy(lacking->path, p->path, n);
		fill_refusal(&lacking->refusal, p->err);
		HASH_ADD_STR(o->lacking, path, lacking);
		if (!lacking->hh.tbl) {
			free(lacking);
			return err_set(p->err, ENOMEM, "out of memory");
		}
		o->serial++;
		if (HASH_COUNT(o->lacking) > LACKING_MAX)
			drop_lacking_locked(o, o->lacking);
	}
	return say_lacking(p->operation, &lacking->refusal, p->err);
}

static int conclude_locked(struct passage *p, bool *ret_first) REQUIRES(offers_locked);
static int conclude_locked(struct passage *p, bool *ret_first)
{
	struct offers *o = p->offers;
	const struct operation *op = p->operation;
	struct row *row = row_locked(o, op);

	if (row->seen)
		return err_set(
			p->err, EIO,
			"%s %s%s answered %d, code %d, as if the service did not offer it; it did before, so this is a failure, "
			"and nothing is taken for missing",
			op->method, offers_prefixes[row->prefix], op->path, p->err->http_status, p->err->api_code);
	set_offer_locked(o, row, OFFER_ABSENT);
	*ret_first = !o->restricted;
	o->restricted = true;
	return say_absent(op, row->refusals, p->err);
}

/* No prefix has it. */
static int conclude(struct passage *p)
{
	struct offers *o = p->offers;
	bool first = false;
	int result;

	offers_lock(o);
	result = conclude_locked(p, &first);
	offers_unlock(o);
	if (first)
		state_set(o->state, STATE_TABLE, "", STATE_RESTRICTED, "", 0);
	return result;
}

/* A 404 or 405 to a list of the account is no answer about what is in it. */
static int check_list(struct passage *p, int result)
{
	if (result != -ENOENT || p->operation->answers != ANSWER_ITEMS || strstr(p->operation->path, "{}"))
		return result;
	return err_set(p->err, EIO, "%s %s%s answered %d, code %d: a failure of the service, and nothing is taken for missing",
		       p->operation->method, offers_prefixes[PREFIX_CONTAINERS], p->operation->path, p->err->http_status,
		       p->err->api_code);
}

/* Sends it once; flags are for the prefix. */
typedef int (*send_fn)(void *arg, unsigned flags, struct err *err);

static int pass(struct passage *p, send_fn send, void *arg)
{
	int result = p->operation ? find_way(p) : 0;

	if (result < 0 || !p->operation)
		return result < 0 ? result : send(arg, 0, p->err);
	for (unsigned i = 0; i < p->count; i++) {
		enum prefix prefix = p->prefixes[i];
		bool cloudchamber = prefix == PREFIX_CLOUDCHAMBER;
		enum offer_word word;

		result = send(arg, cloudchamber ? CALL_CLOUDCHAMBER : 0, p->err);
		word = offers_judge(p->operation, cloudchamber, result, p->err);
		if (word == OFFER_SAYS_YES)
			note_yes(p, prefix);
		else if (word == OFFER_SAYS_NOT_HERE)
			return note_lacking(p);
		else if (word == OFFER_SAYS_REFUSED && !cloudchamber)
			return note_refused(p, prefix, result);
		if (word != OFFER_SAYS_NO_ROUTE && word != OFFER_SAYS_REFUSED)
			return check_list(p, result);
		note_no_route(p, prefix);
	}
	return conclude(p);
}

struct sent_call {
	struct client *client;
	struct call call;
	struct answer *ret;
};

static int send_call(void *arg, unsigned flags, struct err *err)
{
	struct sent_call *s = arg;
	struct call call = s->call;

	call.flags |= flags;
	return client_call(s->client, &call, s->ret, err);
}

struct sent_list {
	struct client *client;
	struct list_call list;
};

static int send_list(void *arg, unsigned flags, struct err *err)
{
	struct sent_list *s = arg;
	struct list_call list = s->list;

	list.flags |= flags;
	return client_list(s->client, &list, err);
}

static int start(struct mount *mount, const char *method, const char *path, struct err *err, send_fn send, void *arg)
{
	cleanup_free_ char *plain = strndup(path, strcspn(path, "?"));
	struct passage p = { .offers = mount->offers, .path = plain, .err = err, .operation = operation_find(method, path) };

	if (!plain)
		return err_set(err, ENOMEM, "out of memory");
	return pass(&p, send, arg);
}

int offers_call(struct mount *mount, const struct call *call, struct answer *ret, struct err *err)
{
	struct sent_call sent = { .client = mount->client, .call = *call, .ret = ret };
	struct err own = ERR_INIT;

	return start(mount, call->method, call->path, err ? err : &own, send_call, &sent);
}

int offers_list(struct mount *mount, const struct list_call *list, struct err *err)
{
	struct sent_list sent = { .client = mount->client, .list = *list };
	struct err own = ERR_INIT;

	return start(mount, "GET", list->path, err ? err : &own, send_list, &sent);
}

/* ---- for offers.json ---- */

void offers_row(struct offers *o, const struct operation *operation, struct row *ret)
{
	scope_lock(offers, o);
	*ret = *row_locked(o, operation);
}

int offers_lacking(struct offers *o)
{
	scope_lock(offers, o);
	return (int)HASH_COUNT(o->lacking);
}
