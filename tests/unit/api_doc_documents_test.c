/* Documents that must be refused: every file of tests/documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/base/buf.h"
#include "api/doc.h"

#define NAME "NAME"

static const char *directory(void)
{
	static char path[4096];
	const char *source = getenv("CFCFS_SOURCE_DIR");

	snprintf(path, sizeof(path), "%s/tests/documents", source ? source : ".");
	return path;
}

static void read_file(const char *name, const char *suffix, struct buf *out)
{
	char path[4500], bytes[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s%s", directory(), name, suffix);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		assert_int_equal(buf_add(out, bytes, n), 0);
	fclose(f);
}

static const struct part *defaults(void)
{
	for (const struct part *p = kind_find("account")->parts; p->name; p++) {
		if (p->update)
			return p;
	}
	return NULL;
}

static int check(const char *kind_name, struct json_object *doc, struct err *err)
{
	const struct doc_context ctx = { .validate = VALIDATE_STRICT };
	const struct kind *kind = kind_find(kind_name);
	int64_t version;

	if (strcmp(kind_name, "account") == 0)
		return doc_part_check(defaults(), doc, &ctx, err);
	if (strcmp(kind_name, "credentials") == 0)
		return doc_credentials_check(doc, true, err);
	if (!kind)
		fail_msg("there is no kind %s", kind_name);
	return doc_check((struct doc_file){ kind, doc, NAME }, true, &ctx, &version, err);
}

static void refuse(const char *name)
{
	cleanup_buf_ struct buf text = BUF_INIT, expect = BUF_INIT;
	struct json_object *doc = NULL;
	struct err err = ERR_INIT;
	char kind[64];
	int r;

	read_file(name, ".json", &text);
	read_file(name, ".expect", &expect);
	buf_resize(&expect, strcspn(expect.data, "\n"));
	snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(name, "-"), name);
	for (char *p = kind; *p; p++)
		*p = (char)(*p == '_' ? ' ' : *p);
	r = doc_parse(text.data ? text.data : "", text.len, &doc, &err);
	if (r == 0)
		r = check(kind, doc, &err);
	json_object_put(doc);
	if (r != -EINVAL || !strstr(err.text, expect.data))
		fail_msg("%s: result %d, text \"%s\", must hold \"%s\"", name, r, err.text, expect.data);
}

static void every_document_is_refused(void **state)
{
	DIR *dir = opendir(directory());
	struct dirent *e;
	unsigned count = 0;
	(void)state;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char name[256];
		size_t n = strlen(e->d_name);

		if (n <= 5 || strcmp(e->d_name + n - 5, ".json") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - 5), e->d_name);
		refuse(name);
		count++;
	}
	closedir(dir);
	assert_true(count >= 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_document_is_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
