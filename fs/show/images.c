#include "fs/show/images.h"

#include <errno.h>
#include <sodium.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/name.h"
#include "api/doc_json.h"
#include "fs/show/offers.h"

#define CATALOGUE "/v2/_catalog?tags=true"
#define KEY       "R:images"
#define PAGES_MAX 2000
/* Credentials are asked for so long, and not used in the last minute. */
#define CREDENTIAL_MINUTES 15
#define REPOSITORY_MAX     255
#define TAG_MAX            128

/* What a credential is for; one that may more serves for less. */
enum may { MAY_PULL, MAY_PUSH, MAYS };

struct credential {
	char *line; /* owned, wiped: the header */
	int64_t until_ms;
};

DECLARE_LOCK(images);
struct images {
	struct lock lock;
	struct credential credentials[MAYS] GUARDED_BY(images_locked);
	bool absent GUARDED_BY(images_locked); /* there is no catalogue: nothing is shown any more */
};
DEFINE_LOCK(images, struct images, lock)

struct images *images_new(void)
{
	struct images *images = calloc(1, sizeof(*images));

	if (images)
		lock_init(&images->lock);
	return images;
}

static void drop_credentials(struct images *images)
{
	scope_lock(images, images);
	for (int i = 0; i < MAYS; i++) {
		struct credential *c = &images->credentials[i];

		if (c->line)
			wipe(c->line, strlen(c->line));
		free(c->line);
		*c = (struct credential){ 0 };
	}
}

struct images *images_free(struct images *images)
{
	if (!images)
		return NULL;
	drop_credentials(images);
	lock_destroy(&images->lock);
	free(images);
	return NULL;
}

static bool is_absent(struct images *images)
{
	scope_lock(images, images);
	return images->absent;
}

bool images_shown(const struct mount *mount, const struct snapshot *registry)
{
	return registry->traits & TRAIT_MANAGED && mount->options->view == VIEW_FULL && !mount->read_only &&
	       client_registry(mount->client) && !is_absent(mount->images);
}

unsigned images_mark(const struct mount *mount, const struct snapshot *registry)
{
	return images_shown(mount, registry) ? 1U << 15 : 0;
}

/* ---- credentials ---- */

/* A copy that the caller wipes and frees; NULL: there is none that is good for a while. */
static char *known_credential(struct images *images, enum may may)
{
	scope_lock(images, images);
	for (int i = may; i < MAYS; i++) {
		if (images->credentials[i].line && images->credentials[i].until_ms > clock_now_ms())
			return strdup(images->credentials[i].line);
	}
	return NULL;
}

/* "Authorization: Basic …" of the password; NULL without memory. */
static char *make_line(const char *password)
{
	static const char head[] = "Authorization: Basic ";
	size_t text_len = strlen(password) + 3, size = sodium_base64_ENCODED_LEN(text_len, sodium_base64_VARIANT_ORIGINAL);
	char *text = NULL, *line = malloc(sizeof(head) + size);

	if (line && text_format(&text, "v1:%s", password) >= 0) {
		memcpy(line, head, sizeof(head));
		sodium_bin2base64(line + sizeof(head) - 1, size, (const unsigned char *)text, text_len,
				  sodium_base64_VARIANT_ORIGINAL);
		wipe(text, text_len);
	} else {
		free(line);
		line = NULL;
	}
	free(text);
	return line;
}

static void keep_credential(struct images *images, enum may may, const char *line)
{
	struct credential *c;

	scope_lock(images, images);
	c = &images->credentials[may];
	if (c->line)
		wipe(c->line, strlen(c->line));
	free(c->line);
	c->line = strdup(line);
	c->until_ms = clock_after_ms((CREDENTIAL_MINUTES - 1) * 60 * (int64_t)MSEC_PER_SEC);
}

static int ask_credential(struct mount *mount, enum may may, char **ret, struct err *err)
{
	const char *host = strstr(client_registry(mount->client), "://") + 3;
	const char *body = may == MAY_PUSH ? "{\"expiration_minutes\":15,\"permissions\":[\"pull\",\"push\"]}" :
					     "{\"expiration_minutes\":15,\"permissions\":[\"pull\"]}";
	struct call call = {
		.operation = "generateImageRegistryCredentials",
		.method = "POST",
		.body = body,
		.body_len = strlen(body),
		.flags = CALL_ASKS,
	};
	cleanup_free_ char *domain = strndup(host, strcspn(host, "/")), *path = NULL;
	struct answer answer = { 0 };
	const char *password;
	int r = domain ? kind_path("/registries/{id}/credentials", NULL, domain, NULL, &path) : -ENOMEM;

	if (r < 0)
		return err_set(err, -r, "out of memory");
	call.path = path;
	r = offers_call(mount, &call, &answer, err);
	if (r < 0)
		return r;
	password = json_get_string(answer.result, "password");
	*ret = password ? make_line(password) : NULL;
	if (*ret)
		keep_credential(mount->images, may, *ret);
	answer_clear(&answer);
	if (*ret)
		return 0;
	return err_set(err, password ? ENOMEM : EIO, password ? "out of memory" : "the registry's credentials hold no password");
}

/* One call of the registry; credentials that it takes no longer are made anew, once. */
static int ask(struct mount *mount, struct call *call, enum may may, struct answer *ret, struct err *err)
{
	int r = 0;

	call->flags |= CALL_REGISTRY;
	for (int tries = 0; tries < 2; tries++) {
		char *line = known_credential(mount->images, may);
		bool old = line != NULL;

		if (!line)
			r = ask_credential(mount, may, &line, err);
		if (!line)
			return r;
		call->authorization = line;
		r = offers_call(mount, call, ret, err);
		wipe(line, strlen(line));
		free(line);
		if (r == 0 || err->http_status != 401 || !old)
			return r;
		drop_credentials(mount->images);
	}
	return r;
}

/* ---- the catalogue ---- */

static bool is_tag(const char *tag)
{
	size_t n = strlen(tag);

	return n && n <= TAG_MAX && *tag != '.' && *tag != '-' &&
	       strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

struct catalogue {
	const char *account;
	struct snapshot **tags; /* owned references */
	size_t count, cap;
	int64_t sent_ms;
};

static int add_tag(struct catalogue *c, const char *repository, const char *tag)
{
	cleanup_free_ char *id = NULL;
	struct snapshot_fields f = {
		.name = tag, .parent_id = repository, .version = -1, .fetched_ms = c->sent_ms, .body = "{}", .body_len = 2
	};

	if (c->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct snapshot **p = reallocarray(c->tags, cap, sizeof(struct snapshot *));

		if (!p)
			return -ENOMEM;
		c->tags = p;
		c->cap = cap;
	}
	if (text_format(&id, "%s:%s", repository, tag) < 0)
		return -ENOMEM;
	f.id = id;
	c->tags[c->count] = snapshot_new(&f);
	return c->tags[c->count] ? (c->count++, 0) : -ENOMEM;
}

/* A repository on several pages comes together by its name; one without tags, or of another account, is not shown. */
static int add_page(struct catalogue *c, struct json_object *page, struct err *err)
{
	struct json_object *repositories = doc_member(page, "repositories");
	size_t account = strlen(c->account);
	int r = 0;

	if (!json_object_is_type(repositories, json_type_object))
		return err_set(err, EIO, "the registry's catalogue has no repositories with their tags");
	c->sent_ms = c->sent_ms ? c->sent_ms : clock_now_ms();
	json_object_object_foreach(repositories, name, tags) {
		const char *repository = name + account + 1;

		if (strncmp(name, c->account, account) != 0 || name[account] != '/' || !*repository ||
		    strlen(repository) > REPOSITORY_MAX || !json_object_is_type(tags, json_type_array))
			continue;
		for (size_t i = 0; r == 0 && i < json_object_array_length(tags); i++) {
			const char *tag = json_object_get_string(json_object_array_get_idx(tags, i));

			if (tag && is_tag(tag))
				r = add_tag(c, repository, tag);
		}
	}
	return r < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

/* The path of the next page; freed by the caller. Its address may be whole, or begin where the catalogue's does. */
static char *next_path(const char *next)
{
	const char *host = strstr(next, "://"), *path = host ? strchr(host + 3, '/') : next;
	const char *query = strchr(next, '?');

	if (path && *path == '/')
		return strdup(path);
	return text_new("/v2/_catalog%s", query ? query : "");
}

static int fetch_pages(struct mount *mount, struct catalogue *c, struct err *err)
{
	cleanup_json_ struct json_object *seen = json_object_new_object();
	cleanup_free_ char *path = strdup(CATALOGUE);
	int r = 0;

	for (int page = 0; r == 0 && path && page < PAGES_MAX; page++) {
		struct call call = { .operation = "listImages", .method = "GET", .path = path };
		struct answer answer = { 0 };

		if (!seen || doc_has(seen, path))
			return err_set(err, EIO,
				       "the registry's catalogue does not end: a page leads back to one that was there");
		if (doc_set(seen, path, json_object_new_boolean(true)) < 0)
			return err_set(err, ENOMEM, "out of memory");
		r = ask(mount, &call, MAY_PULL, &answer, err);
		if (r < 0)
			return r;
		r = add_page(c, answer.result, err);
		if (r == 0 && answer.next_cut)
			r = err_set(err, EIO, "the registry's catalogue goes on at an address that is too long");
		free(steal_ptr(path));
		path = *answer.next ? next_path(answer.next) : NULL;
		answer_clear(&answer);
	}
	return r < 0 || !path ? r : err_set(err, EIO, "the registry's catalogue has more than %d pages", PAGES_MAX);
}

/* What this state has once seen is offered, whatever comes later. */
#define SEEN_TABLE "images"
#define SEEN_ID    "catalogue"

static void note_seen(struct mount *mount)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (state_get(mount->state, SEEN_TABLE, NULL, SEEN_ID, &text) < 0)
		state_set(mount->state, SEEN_TABLE, NULL, SEEN_ID, "1", 1);
}

/* A 404 to the catalogue, or to a page of it. Where none was ever seen it is not offered, once and for all. */
static int judge_missing(struct mount *mount, const struct catalogue *c, struct err *err)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (c->sent_ms || state_get(mount->state, SEEN_TABLE, NULL, SEEN_ID, &text) == 0) {
		err_prefix(err, "the registry's catalogue was there before: ");
		err->errnum = EIO;
		return -EIO;
	}
	images_lock(mount->images);
	mount->images->absent = true;
	images_unlock(mount->images);
	err_prefix(err, "the service does not offer a catalogue of images: ");
	err->errnum = EOPNOTSUPP;
	return -EOPNOTSUPP;
}

int images_fetch(struct mount *mount, struct store_value *ret, struct err *err)
{
	struct catalogue c = { .account = mount->options->account_id };
	int r = fetch_pages(mount, &c, err);

	if (r == 0) {
		note_seen(mount);
		ret->list = list_new(c.tags, c.count, "");
		r = ret->list ? 0 : err_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < c.count; i++)
		snapshot_unref(c.tags[i]);
	free(c.tags);
	return r == -ENOENT && err->http_status == 404 ? judge_missing(mount, &c, err) : r;
}

static int catalogue(struct request *r, struct list **ret, struct store_info *ret_info)
{
	static const char row[] = "images";
	struct store_value value = { 0 };
	int result = request_get(r, row, KEY, r->mount->options->cache_ttl_ms, &value, ret_info);

	if (result == 0)
		*ret = value.list;
	return result;
}

/* ---- names ---- */

static int set(struct identity *ret, enum place place, const char *domain, const char *id)
{
	const struct identity what = { .place = place, .parent_id = (char *)domain, .id = (char *)id };

	return identity_copy(&what, ret);
}

static int find_repository(struct list *list, const struct identity *dir, const char *name, struct identity *ret)
{
	cleanup_free_ char *repository = NULL;

	if (name_decode(name, "", &repository) < 0)
		return -ENOENT;
	for (size_t i = 0; i < list_count(list); i++) {
		if (!strcmp(list_at(list, i)->snapshot->parent_id, repository))
			return set(ret, PLACE_REPOSITORY, dir->parent_id, repository);
	}
	return -ENOENT;
}

int images_identify(struct request *r, const struct identity *dir, const char *name, struct identity *ret,
		    int64_t *ret_expires_ms)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	cleanup_free_ char *id = NULL;
	struct store_info info = { 0 };
	int result = catalogue(r, &list, &info);

	if (result < 0)
		return result;
	*ret_expires_ms = info.expires_ms;
	if (dir->place == PLACE_IMAGES)
		return find_repository(list, dir, name, ret);
	if (text_format(&id, "%s:%s", dir->id, name) < 0)
		return -ENOMEM;
	return list_by_id(list, id) ? set(ret, PLACE_IMAGE, dir->parent_id, id) : -ENOENT;
}

static int each_repository(struct list *list, const struct identity *dir, walk_fn each, void *arg)
{
	cleanup_json_ struct json_object *seen = json_object_new_object();
	int result = seen ? 0 : -ENOMEM;

	for (size_t i = 0; result == 0 && i < list_count(list); i++) {
		char *repository = list_at(list, i)->snapshot->parent_id, name[NAME_MAX_BYTES + 1];
		const struct identity what = { .place = PLACE_REPOSITORY, .parent_id = dir->parent_id, .id = repository };

		name_encode(repository, "", name);
		/* What is too long for a name has none that leads back to it. */
		if (doc_has(seen, repository) || name_is_cut(name, ""))
			continue;
		result = doc_set(seen, repository, json_object_new_boolean(true));
		if (result == 0)
			result = each(arg, name, true, &what);
	}
	return result;
}

int images_each(struct request *r, const struct identity *dir, walk_fn each, void *arg, struct store_info *ret_info)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	int result = catalogue(r, &list, ret_info);

	/* Who walks came here by a name that was listed before anybody knew. */
	if (result == -EOPNOTSUPP) {
		err_clear(&r->err);
		return 0;
	}
	if (result < 0 || dir->place == PLACE_IMAGES)
		return result < 0 ? result : each_repository(list, dir, each, arg);
	for (size_t i = 0; result == 0 && i < list_count(list); i++) {
		struct snapshot *s = list_at(list, i)->snapshot;
		const struct identity what = { .place = PLACE_IMAGE, .parent_id = dir->parent_id, .id = s->id };

		if (!strcmp(s->parent_id, dir->id))
			result = each(arg, s->name, false, &what);
	}
	return result;
}

int images_serial(struct request *r, uint64_t *ret_serial, struct store_info *ret_info)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	int result = catalogue(r, &list, ret_info);

	*ret_serial = result == 0 ? ret_info->generation + 2 : 1;
	if (result != -EOPNOTSUPP)
		return result;
	err_clear(&r->err);
	ret_info->expires_ms = clock_now_ms();
	return 0;
}

/* ---- one tag ---- */

int images_load(struct request *r, const struct identity *what, struct snapshot **ret, struct store_info *ret_info)
{
	cleanup_(list_unrefp) struct list *list = NULL;
	const struct list_item *item;
	int result = catalogue(r, &list, ret_info);

	item = result == 0 ? list_by_id(list, what->id) : NULL;
	if (!item)
		return result < 0 ? result : -ENOENT;
	*ret = snapshot_ref(item->snapshot);
	return 0;
}

int images_print(const struct mount *mount, const struct identity *what, struct buf *out)
{
	return buf_addf(out, "%s/%s/%s\n", what->parent_id, mount->options->account_id, what->id);
}

/* One call about the tag's manifest. A slash in a repository's name is one in the path. */
static int manifest(struct request *r, const struct identity *what, const char *method, struct answer *ret)
{
	size_t repository = (size_t)(strrchr(what->id, ':') - what->id);
	struct call call = { .operation = *method == 'H' ? "headManifest" : "deleteManifest", .method = method };
	cleanup_free_ char *path = NULL;

	if (text_format(&path, "/v2/%s/%.*s/manifests/%s", r->mount->options->account_id, (int)repository, what->id,
			what->id + repository + 1) < 0)
		return -ENOMEM;
	call.path = path;
	call.flags = *method == 'H' ? CALL_ASKS : CALL_WRITE;
	request_call(r, &call);
	return ask(r->mount, &call, *method == 'H' ? MAY_PULL : MAY_PUSH, ret, &r->err);
}

int images_digest(struct request *r, const struct identity *what, struct buf *out)
{
	struct answer answer = { 0 };
	int result = request_need_worker(r);

	if (result == 0)
		result = manifest(r, what, "HEAD", &answer);
	if (result == 0)
		result = *answer.digest ? buf_adds(out, answer.digest) : -ENODATA;
	answer_clear(&answer);
	return result;
}

int images_used_by(struct request *r, const struct identity *what, struct buf *out)
{
	cleanup_buf_ struct buf digest = BUF_INIT;
	int result = images_digest(r, what, &digest);

	if (result == -ENODATA)
		result = 0;
	if (result == 0)
		result = images_find_users(r, what->id, digest.data ? digest.data : "", out);
	return result < 0 ? result : out->len ? 0 : -ENODATA;
}

/* What the tag alone held on to goes; that it does not is nobody's loss. */
static void collect_garbage(struct request *r)
{
	struct call call = { .operation = "collectGarbage", .method = "PUT", .path = "/v2/gc/layers" };
	struct answer answer = { 0 };
	struct err err = ERR_INIT;

	if (ask(r->mount, &call, MAY_PUSH, &answer, &err) < 0)
		log_warning("the registry did not collect what the tag left: %s", err.text);
	answer_clear(&answer);
}

int images_remove(struct request *r, const struct identity *what)
{
	cleanup_buf_ struct buf users = BUF_INIT;
	struct answer answer = { 0 };
	int result = images_used_by(r, what, &users);

	if (result == 0)
		return err_set(&r->err, EBUSY, "%s is used by %.300s", what->id, users.data);
	if (result != -ENODATA)
		return result;
	result = manifest(r, what, "DELETE", &answer);
	answer_clear(&answer);
	if (result < 0)
		return result;
	collect_garbage(r);
	store_remove(r->mount->store, KEY, what->id, MOUNT_HOLD_MS);
	return 0;
}
