#include "api/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/base/rand.h"
#include "api/client_parts.h"
#include "api/operation.h"

/* So many pages may hold nothing and yet not be the last. */
#define EMPTY_PAGES_MAX 10

/* A list on its way. */
struct pages {
	struct client *client;
	const struct list_call *list;
	const struct operation *operation; /* NULL: the contract has none; then it is one page */
	enum paging paging;
	struct call call; /* path is this page's */
	unsigned size;    /* that this page is asked with */
	char *mark;       /* owned: the token of the next page, or the id that was seen last; NULL: the first */
	uint64_t *seen;   /* owned: hashes of all marks so far, and of what all pages held */
	size_t count;
	unsigned empty; /* pages */
};

static void curl_strp(char **p)
{
	curl_free(*p);
}

/* The names of the two parameters, by the way of paging. */
static const char *size_name(const struct pages *pages)
{
	return pages->paging == PAGING_TOKEN ? "per_page" : "limit";
}

static const char *mark_name(const struct pages *pages)
{
	return pages->paging == PAGING_TOKEN ? "page_token" : "last";
}

static int page_path(struct pages *pages, struct buf *out)
{
	cleanup_(curl_strp) char *mark = pages->mark ? curl_easy_escape(NULL, pages->mark, 0) : NULL;
	char join = strchr(pages->list->path, '?') ? '&' : '?';
	int r = buf_adds(out, pages->list->path);

	if (pages->mark && !mark)
		return -ENOMEM;
	if (pages->paging == PAGING_NONE)
		return r;
	pages->size = client_page_size(pages->client, pages->operation);
	if (r == 0 && pages->size) {
		r = buf_addf(out, "%c%s=%u", join, size_name(pages), pages->size);
		join = '&';
	}
	if (r == 0 && mark)
		r = buf_addf(out, "%c%s=%s", join, mark_name(pages), mark);
	return r;
}

/* The array of an answer. */
static int find_items(const struct pages *pages, const struct answer *answer, struct json_object **ret, struct err *err)
{
	const char *key = pages->operation ? pages->operation->list_key : NULL;
	struct json_object *items = answer->result;

	if (key && json_object_is_type(items, json_type_object))
		json_object_object_get_ex(items, key, &items);
	if (!json_object_is_type(items, json_type_array))
		return err_set(err, EIO, "the answer to \"%s\" is no list", pages->call.operation);
	*ret = items;
	return 0;
}

/* What the next page is asked with; *ret stays NULL where this was the last one. A mark that is no text would cut the list short. */
static int take_mark(const struct pages *pages, struct json_object *object, const char *key, const char **ret, struct err *err)
{
	struct json_object *value;
	const char *text = json_get_string(object, key);

	if (!text && json_object_object_get_ex(object, key, &value) && value)
		return err_set(err, EIO, "the answer to \"%s\" has a %s that is no text: nothing says whether it is all",
			       pages->call.operation, key);
	if (text && *text)
		*ret = text;
	return 0;
}

static int next_mark(const struct pages *pages, const struct answer *answer, struct json_object *items, const char **ret,
		     struct err *err)
{
	size_t n = json_object_array_length(items);

	switch (pages->paging) {
	case PAGING_TOKEN:
		return take_mark(pages, answer->result_info, "next_page_token", ret, err);
	case PAGING_LAST:
		/* Without a limit the service answers all. */
		return !n || !pages->size || n < pages->size ?
			       0 :
			       take_mark(pages, json_object_array_get_idx(items, n - 1), "id", ret, err);
	default:
		return 0;
	}
}

static int no_end(const struct pages *pages, const char *why, struct err *err)
{
	return err_set(err, EIO, "the answers to \"%s\" do not end: %s", pages->call.operation, why);
}

static int note_seen(struct pages *pages, uint64_t hash, const char *again, struct err *err)
{
	uint64_t *seen;

	for (size_t i = 0; i < pages->count; i++) {
		if (pages->seen[i] == hash)
			return no_end(pages, again, err);
	}
	seen = reallocarray(pages->seen, pages->count + 1, sizeof(*seen));
	if (!seen)
		return err_set(err, ENOMEM, "out of memory");
	pages->seen = seen;
	pages->seen[pages->count++] = hash;
	return 0;
}

/* A page that is not the last must hold something new, whatever its mark: who ignores marks answers the first one for ever. */
static int note_items(struct pages *pages, struct json_object *items, struct err *err)
{
	const char *key = pages->operation ? pages->operation->must : NULL;
	cleanup_buf_ struct buf ids = BUF_INIT;
	size_t n = json_object_array_length(items);
	int r = 0;

	if (!n)
		return ++pages->empty > EMPTY_PAGES_MAX ? no_end(pages, "page after page holds nothing", err) : 0;
	for (size_t i = 0; key && r == 0 && i < n; i++)
		r = buf_addf(&ids, "%s\n", json_get_string(json_object_array_get_idx(items, i), key));
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	return key ? note_seen(pages, hash64(ids.data, ids.len), "a page came twice", err) : 0;
}

/* Notes where the list goes on, and behind what. 1, or -EIO where it was there before. */
static int go_on(struct pages *pages, const char *mark, struct json_object *items, struct err *err)
{
	int r = note_seen(pages, hash64(mark, strlen(mark)), "a page leads back to one that was there", err);

	if (r == 0)
		r = note_items(pages, items, err);
	if (r < 0)
		return r;
	free(pages->mark);
	pages->mark = strdup(mark);
	return pages->mark ? 1 : err_set(err, ENOMEM, "out of memory");
}

static bool refuses_size(const struct pages *pages, int r, const struct err *err)
{
	return r == -EINVAL && err->http_status == 400 && pages->paging != PAGING_NONE && pages->size &&
	       strstr(err->text, size_name(pages));
}

/* Asks for this page; with smaller ones as long as it is the size that is refused. */
static int ask(struct pages *pages, struct answer *ret, struct err *err)
{
	for (;;) {
		cleanup_buf_ struct buf path = BUF_INIT;
		int r = page_path(pages, &path);

		if (r < 0)
			return err_set(err, -r, "out of memory");
		pages->call.path = path.data;
		r = client_call(pages->client, &pages->call, ret, err);
		if (!refuses_size(pages, r, err))
			return r;
		client_page_refused(pages->client, pages->operation, pages->size);
	}
}

/* 1: there is another page. */
static int fetch_page(struct pages *pages, struct err *err)
{
	const struct list_call *list = pages->list;
	struct answer answer = { 0 };
	struct json_object *items = NULL;
	const char *mark = NULL;
	int r = ask(pages, &answer, err);

	if (r < 0)
		return r;
	r = find_items(pages, &answer, &items, err);
	if (r == 0)
		r = list->page(list->arg, items);
	if (r == 0)
		r = next_mark(pages, &answer, items, &mark, err);
	if (mark)
		r = go_on(pages, mark, items, err);
	answer_clear(&answer);
	if (r >= 0 && list->settle) {
		int settled = list->settle(list->arg);

		if (settled < 0)
			return err_set(err, -settled, "a page of \"%s\" could not be kept", list->operation);
	}
	return r;
}

int client_list(struct client *client, const struct list_call *list, struct err *err)
{
	struct err own = ERR_INIT;
	struct pages pages = {
		.client = client,
		.list = list,
		.operation = operation_find("GET", list->path),
		.call = { .operation = list->operation,
			  .method = "GET",
			  .flags = list->flags,
			  .deadline_ms = list->deadline_ms ? list->deadline_ms : client_deadline(client) },
	};
	int r = 1;

	/* Bare bodies have no place for the mark of a page. */
	if (pages.operation && !(list->flags & CALL_CLOUDCHAMBER))
		pages.paging = pages.operation->paging;
	err = err ? err : &own;
	for (unsigned i = 0; r == 1 && i < CLIENT_PAGES_MAX; i++)
		r = fetch_page(&pages, err);
	if (r == 1)
		r = err_set(err, EIO, "the answers to \"%s\" have more than %d pages", list->operation, CLIENT_PAGES_MAX);
	free(pages.mark);
	free(pages.seen);
	return r;
}
