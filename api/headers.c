#include "api/headers.h"

#include "api/base/rand.h"

static struct curl_slist *slist_wipe(struct curl_slist *list)
{
	for (struct curl_slist *i = list; i; i = i->next)
		wipe(i->data, strlen(i->data));
	curl_slist_free_all(list);
	return NULL;
}

static bool append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

struct headers *headers_new(const char *const *lines)
{
	cleanup_(headers_unrefp) struct headers *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->refs = 1;
	/* Without "Expect:" curl asks for permission before it sends a large body, which costs a round trip. */
	if (!append(&h->plain, "Accept: application/json") || !append(&h->json, "Accept: application/json") ||
	    !append(&h->json, "Content-Type: application/json") || !append(&h->json, "Expect:"))
		return NULL;
	for (; *lines; lines++) {
		if (!append(&h->plain, *lines) || !append(&h->json, *lines))
			return NULL;
	}
	return steal_ptr(h);
}

struct headers *headers_ref(struct headers *h)
{
	__atomic_add_fetch(&h->refs, 1, __ATOMIC_RELAXED);
	return h;
}

struct headers *headers_unref(struct headers *h)
{
	if (h && __atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		slist_wipe(h->plain);
		slist_wipe(h->json);
		free(h);
	}
	return NULL;
}
