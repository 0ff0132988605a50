/* Finding rows, and the paths that they name. */
#include "api/kind.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/base/buf.h"
#include "api/doc.h"

const struct kind *kind_find(const char *name)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if (strcmp((*k)->name, name) == 0)
			return *k;
	}
	return NULL;
}

const struct kind *kind_by_dir(const struct kind *parent, const char *dir)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if ((*k)->parent == parent && strcmp((*k)->dir, dir) == 0)
			return *k;
	}
	return NULL;
}

unsigned kind_number(const struct kind *kind)
{
	unsigned n = 0;

	while (kinds[n] && kinds[n] != kind)
		n++;
	return n;
}

const char *kind_article(const struct kind *kind)
{
	return strchr("aeio", kind->name[0]) || !strncmp(kind->name, "ssh", 3) ? "an" : "a";
}

bool kind_has_dir(const struct kind *kind)
{
	if (kind->leaves)
		return true;
	for (const struct kind *const *k = kinds; *k; k++) {
		if ((*k)->parent == kind)
			return true;
	}
	return false;
}

/* RFC 3986: what is not unreserved is encoded, "/" too. */
static int add_encoded(struct buf *out, const char *value)
{
	int r = 0;

	/* A segment of dots would be taken for a step up. */
	if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		return buf_adds(out, value[1] ? "%2E%2E" : "%2E");
	for (const char *p = value; *p && r == 0; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c < 0x80 && isalnum(c)) || strchr("-._~", c))
			r = buf_addc(out, (char)c);
		else
			r = buf_addf(out, "%%%02X", c);
	}
	return r;
}

int kind_path(const char *template, const char *parent, const char *id, const char *placement, char **ret_path)
{
	const struct {
		const char *word, *value;
	} slots[] = { { "{parent}", parent }, { "{id}", id }, { "{placement}", placement } };
	cleanup_buf_ struct buf out = BUF_INIT;
	const char *p = template;
	int r = 0;

	while (*p && r == 0) {
		size_t i, n = strcspn(p, "{");

		r = buf_add(&out, p, n);
		p += n;
		if (!*p || r < 0)
			continue;
		for (i = 0; i < array_len(slots) && strncmp(p, slots[i].word, strlen(slots[i].word)) != 0; i++)
			;
		if (i == array_len(slots) || !slots[i].value || !*slots[i].value)
			return -EINVAL;
		r = add_encoded(&out, slots[i].value);
		p += strlen(slots[i].word);
	}
	if (r < 0)
		return r;
	*ret_path = buf_steal(&out);
	return *ret_path ? 0 : -ENOMEM;
}

const char *json_get_string(struct json_object *object, const char *key)
{
	struct json_object *v;

	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &v) ||
	    !json_object_is_type(v, json_type_string))
		return NULL;
	/* Two that are alike up to a NUL would be one. */
	return strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v) ? json_object_get_string(v) : NULL;
}

const char *kind_id(const struct kind *kind, struct json_object *object)
{
	return kind->id_key ? json_get_string(object, kind->id_key) : NULL;
}

const char *kind_shown_name(const struct kind *kind, struct json_object *object)
{
	if (kind->flags & KIND_LABEL_NAME)
		return doc_name_label(object);
	return kind->name_key ? json_get_string(object, kind->name_key) : NULL;
}

unsigned kind_rank(const struct kind *kind)
{
	unsigned rank = kind->parent ? kind_rank(kind->parent) + 1 : 0;

	for (const char *at = kind->refers; at && *at;) {
		size_t len = strcspn(at, ",");

		for (const struct kind *const *k = kinds; *k; k++) {
			if (strlen((*k)->name) == len && !strncmp((*k)->name, at, len) && kind_rank(*k) >= rank)
				rank = kind_rank(*k) + 1;
		}
		at += len + (at[len] == ',');
	}
	return rank;
}

unsigned kind_rank_max(void)
{
	unsigned max = 0;

	for (const struct kind *const *k = kinds; *k; k++) {
		unsigned rank = (*k)->verbs & KIND_CREATE ? kind_rank(*k) : 0;

		max = rank > max ? rank : max;
	}
	return max;
}
