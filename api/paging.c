#include "api/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/client_deadline.h"

/* A list on its way. */
struct pages {
	struct client *client;
	const struct list_call *list;
	struct call call; /* path is this page's */
	char *mark;       /* owned: the token of the next page, or the id that was seen last; NULL: the first */
};

static void curl_strp(char **p)
{
	curl_free(*p);
}

static int page_path(const struct pages *pages, char **ret)
{
	cleanup_(curl_strp) char *mark = pages->mark ? curl_easy_escape(NULL, pages->mark, 0) : NULL;
	char join = strchr(pages->list->path, '?') ? '&' : '?';
	const char *size = pages->list->paging == PAGING_TOKEN ? "per_page" : "limit";
	const char *name = pages->list->paging == PAGING_TOKEN ? "page_token" : "last";
	int r;

	if (pages->mark && !mark)
		return -ENOMEM;
	if (pages->list->paging == PAGING_NONE)
		r = asprintf(ret, "%s", pages->list->path);
	else if (!mark)
		r = asprintf(ret, "%s%c%s=%d", pages->list->path, join, size, CLIENT_PAGE_SIZE);
	else
		r = asprintf(ret, "%s%c%s=%d&%s=%s", pages->list->path, join, size, CLIENT_PAGE_SIZE, name, mark);
	return r < 0 ? -ENOMEM : 0;
}

/* The array of an answer; NULL result and a missing key mean an empty one. */
static int find_items(const struct pages *pages, const struct answer *answer, struct json_object **ret, struct err *err)
{
	struct json_object *items = answer->result;

	if (items && pages->list->list_key && !json_object_is_type(items, json_type_array)) {
		if (!json_object_is_type(items, json_type_object))
			return err_set(err, EIO, "the answer to %s is no list", pages->call.operation);
		items = json_object_object_get(items, pages->list->list_key);
	}
	if (items && !json_object_is_type(items, json_type_array))
		return err_set(err, EIO, "the answer to %s is no list", pages->call.operation);
	*ret = items;
	return 0;
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string) || !*json_object_get_string(value))
		return NULL;
	return json_object_get_string(value);
}

/* What the next page is asked with; NULL: this was the last one. */
static const char *next_mark(const struct pages *pages, const struct answer *answer, struct json_object *items)
{
	size_t n = items ? json_object_array_length(items) : 0;

	switch (pages->list->paging) {
	case PAGING_TOKEN:
		return text_of(answer->result_info, "next_page_token");
	case PAGING_LAST:
		return n < CLIENT_PAGE_SIZE ? NULL : text_of(json_object_array_get_idx(items, n - 1), "id");
	default:
		return NULL;
	}
}

/* 1: there is another page. */
static int fetch_page(struct pages *pages, struct err *err)
{
	const struct list_call *list = pages->list;
	struct answer answer = { 0 };
	struct json_object *items = NULL, *none = NULL;
	cleanup_free_ char *path = NULL;
	const char *mark;
	int r = page_path(pages, &path);

	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	pages->call.path = path;
	r = client_call(pages->client, &pages->call, &answer, err);
	if (r < 0)
		return r;
	r = find_items(pages, &answer, &items, err);
	if (r == 0 && !items)
		items = none = json_object_new_array();
	if (r == 0)
		r = items ? list->page(list->arg, items) : err_set(err, ENOMEM, "out of memory");
	mark = r == 0 ? next_mark(pages, &answer, items) : NULL;
	if (mark && pages->mark && !strcmp(mark, pages->mark)) {
		r = err_set(err, EIO, "the list of %s does not end: a page leads to itself", pages->call.operation);
	} else if (mark) {
		free(pages->mark);
		pages->mark = strdup(mark);
		r = pages->mark ? 1 : err_set(err, ENOMEM, "out of memory");
	}
	json_object_put(none);
	answer_clear(&answer);
	if (r >= 0 && list->settle) {
		int settled = list->settle(list->arg);

		if (settled < 0)
			return err_set(err, -settled, "a page of %s could not be kept", list->operation);
	}
	return r;
}

int client_list(struct client *client, const struct list_call *list, struct err *err)
{
	struct pages pages = {
		.client = client,
		.list = list,
		.call = { .operation = list->operation,
			  .method = "GET",
			  .deadline_ms = list->deadline_ms ? list->deadline_ms : client_deadline(client) },
	};
	int r = 1;

	for (unsigned i = 0; r == 1 && i < CLIENT_PAGES_MAX; i++)
		r = fetch_page(&pages, err);
	if (r == 1)
		r = err_set(err, EIO, "the list of %s has more than %d pages", list->operation, CLIENT_PAGES_MAX);
	free(pages.mark);
	return r;
}
