#include "api/check.h"

#include <errno.h>
#include <json-c/json.h>

#include "api/base/buf.h"
#include "api/base/name.h"
#include "api/base/utf8.h"
#include "api/doc.h"
#include "api/schema.h"

void check_clear(struct check_target *target)
{
	free(target->identity);
	memset(target, 0, sizeof(*target));
}

/* ---- what it is ---- */

static bool is_written(const struct kind *kind)
{
	return kind->verbs & KIND_CREATE;
}

/* Whether word is the kind's name, with spaces or dashes, or its directory. */
static bool is_word(const char *word, const struct kind *kind, const struct part *part)
{
	cleanup_free_ char *name = NULL;

	if (schema_name(part ? part->name : kind->name, &name) < 0)
		return false;
	return strcmp(word, name) == 0 || strcmp(word, part ? part->name : kind->name) == 0 ||
	       (!part && kind->dir && strcmp(word, kind->dir) == 0);
}

static bool find_word(const char *word, struct check_target *ret)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if (is_written(*k) && is_word(word, *k, NULL)) {
			ret->kind = *k;
			return true;
		}
		for (const struct part *p = (*k)->parts; p && p->name; p++) {
			if (p->update && is_word(word, *k, p)) {
				ret->kind = *k;
				ret->part = p;
				return true;
			}
		}
	}
	ret->credentials = strcmp(word, "credentials") == 0;
	return ret->credentials;
}

static int refuse_word(const char *word, struct err *err)
{
	cleanup_buf_ struct buf list = BUF_INIT;

	for (const struct kind *const *k = kinds; *k; k++) {
		cleanup_free_ char *name = NULL;

		if (is_written(*k) && schema_name((*k)->name, &name) == 0)
			buf_addf(&list, "%s, ", name);
	}
	return err_set(err, EINVAL, "'%.60s' is no kind of a document: must be one of %sdefaults, credentials", word,
		       list.data ? list.data : "");
}

/* The last segment of the first n bytes, and where it begins. */
static const char *last_segment(const char *path, size_t n, size_t *ret_len)
{
	size_t end = n;

	while (end && path[end - 1] == '/')
		end--;
	n = end;
	while (n && path[n - 1] != '/')
		n--;
	*ret_len = end - n;
	return path + n;
}

/* Kinds below others have the same directory names wherever they stand: "jobs", "rollouts". */
static const struct kind *kind_of_dir(const char *dir, size_t len)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		if (is_written(*k) && strlen((*k)->dir) == len && strncmp((*k)->dir, dir, len) == 0)
			return *k;
	}
	return NULL;
}

static bool find_path(const char *path, struct check_target *ret)
{
	size_t file_len, dir_len, up_len;
	const char *file = last_segment(path, strlen(path), &file_len);
	const char *dir = last_segment(path, (size_t)(file - path), &dir_len);
	const char *up = last_segment(path, (size_t)(dir - path), &up_len);
	const struct kind *account = kind_find("account");

	for (const struct part *p = account->parts; p->name; p++) {
		if (p->update && strcmp(file, p->name) == 0 && strlen(account->dir) == dir_len &&
		    strncmp(dir, account->dir, dir_len) == 0) {
			ret->kind = account;
			ret->part = p;
			return true;
		}
	}
	if (strcmp(file, "credentials.json") == 0 && up_len == strlen("registries") && strncmp(up, "registries", up_len) == 0) {
		ret->credentials = true;
		return true;
	}
	ret->kind = kind_of_dir(dir, dir_len);
	return ret->kind && name_has_suffix(file, ret->kind->suffix);
}

int check_find(const char *path, const char *word, struct check_target *ret, struct err *err)
{
	struct check_target found = { 0 };
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;

	if (word ? !find_word(word, &found) : !find_path(path, &found)) {
		if (word)
			return refuse_word(word, err);
		return err_set(
			err, EINVAL,
			"its path does not say what it is: it must end like applications/NAME.json, or --kind must name the "
			"kind");
	}
	/* A name that was cut, or is none, says nothing. */
	if (found.kind && !found.part && name_has_suffix(file, found.kind->suffix) && !name_is_cut(file, found.kind->suffix) &&
	    name_decode(file, found.kind->suffix, &found.identity) == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory");
	*ret = found;
	return 0;
}

/* ---- what is wrong with it ---- */

struct telling {
	void (*fault)(void *arg, const char *line);
	void *arg;
	int count;
};

static void tell(void *arg, const char *line)
{
	struct telling *t = arg;

	t->count++;
	t->fault(t->arg, line);
}

static void check_secret(const char *text, size_t len, struct telling *t)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (!len)
		tell(t, "is empty: a secret has a value");
	else if (memchr(text, '\0', len) || !utf8_valid(text, len))
		tell(t, "a secret's value must be UTF-8 text without NUL bytes; encode it, for example in base64");
}

static int check_json(const struct check_target *target, struct json_object *doc, const struct doc_context *ctx, struct err *err)
{
	int64_t version;

	if (target->credentials)
		return doc_credentials_check(doc, true, err);
	if (target->part)
		return doc_part_check(target->part, doc, ctx, err);
	return doc_check((struct doc_file){ target->kind, doc, target->identity }, true, ctx, &version, err);
}

int check_text(const struct check_target *target, const char *text, size_t len, void (*fault)(void *arg, const char *line),
	       void *arg)
{
	struct telling t = { fault, arg, 0 };
	const struct doc_context ctx = { .validate = VALIDATE_STRICT, .fault = tell, .fault_arg = &t };
	struct json_object *doc = NULL;
	struct err err = ERR_INIT;
	size_t line;
	int r;

	if (target->kind && target->kind->flags & KIND_SECRET) {
		check_secret(text, len, &t);
		return t.count;
	}
	if (target->kind && target->kind->flags & KIND_KEY_LINE) {
		if (doc_key_line_check(text, len, &line, &err) < 0)
			tell(&t, err.text);
		return t.count;
	}
	r = doc_parse(text, len, &doc, &err);
	if (r == 0) {
		r = check_json(target, doc, &ctx, &err);
		json_object_put(doc);
	}
	if (r == -ENOMEM)
		return r;
	/* What the table says was told one by one; its last word stands in err too. */
	if (r < 0 && !t.count)
		tell(&t, err.text);
	return t.count;
}
