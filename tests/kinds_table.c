/*
 * The tables of cfcfs(5), made from the table of kinds, so that the manual cannot drift from it
 * (tests/bats/manual.bats compares): kinds-table tree     the paths, their modes, what they are (tbl)
 *   kinds-table fields   the fields that can be set, kind by kind (tbl)
 *   kinds-table paths    the paths alone, one a line
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/kind.h"

#define PATH_LEN   256
#define SHARED_MAX 64

/* What a person is told of each path; a path without a line here ends the program. */
static const struct {
	const char *path, *text;
} texts[] = {
	{ "applications/NAME.json", "an application's settings" },
	{ "applications/NAME/status.json", "id, version, times, health" },
	{ "applications/NAME/queue.json", "job queue and scheduler" },
	{ "applications/NAME/versions.json", "its versions and their shares" },
	{ "applications/NAME/metrics.json", "what its instances use; not listed" },
	{ "applications/NAME/logs.jsonl", "what they write; not listed" },
	{ "applications/NAME/instances/ID.json", "an instance" },
	{ "applications/NAME/deployments/ID.json", "a deployment the scheduler made" },
	{ "applications/NAME/jobs/JOB.json", "a job; written once" },
	{ "applications/NAME/rollouts/ROLLOUT.json", "a rollout; written once" },
	{ "deployments/NAME.json", "a deployment of no application" },
	{ "secrets/NAME", "a secret's value; write-only" },
	{ "ssh-keys/NAME.pub", "an SSH public key; written once" },
	{ "registries/DOMAIN.json", "an image registry; written once" },
	{ "registries/DOMAIN/credentials.json", "write a request, read the answer" },
	{ "registry-protocols/PROTO.json", "a registry protocol" },
	{ "ips/ADDRESS.json", "an IP allocation" },
	{ "account/limits.json", "limits of the account" },
	{ "account/locations.json", "locations it may use" },
	{ "account/usage.json", "what it uses" },
	{ "account/defaults.json", "its defaults" },
	/* Those that several kinds have, by how they end. */
	{ "/placements/ID.json", "one life of its container" },
	{ "/placements/ID/events.jsonl", "the placement's events" },
	{ "/events.jsonl", "its events, oldest first" },
	{ "/status.json", "what the service says of it" },
	{ "/action", NULL },
};

static void die(const char *what, const char *path)
{
	fprintf(stderr, "kinds-table: %s: %s\n", what, path);
	exit(1);
}

static void upper(const char *text, char *to, size_t size)
{
	size_t i = 0;

	for (; text[i] && i + 1 < size; i++)
		to[i] = (char)toupper((unsigned char)text[i]);
	to[i] = '\0';
}

/* What stands for the name: NAME, ID, DOMAIN, JOB. */
static void placeholder(const struct kind *kind, char *to, size_t size)
{
	if (kind->flags & KIND_LABEL_NAME)
		snprintf(to, size, "NAME");
	else if (kind->flags & KIND_LOCAL_NAME)
		upper(kind->name, to, size);
	else if (kind->name_key && strcmp(kind->name_key, "ip") == 0)
		snprintf(to, size, "ADDRESS");
	else
		upper(kind->name_key ? kind->name_key : kind->id_key, to, size);
}

/* The directory of the kind's collection. */
static void collection_path(const struct kind *kind, char *to, size_t size)
{
	char above[PATH_LEN], name[32];

	if (!kind->parent) {
		snprintf(to, size, "%s", kind->dir);
		return;
	}
	collection_path(kind->parent, above, sizeof(above));
	placeholder(kind->parent, name, sizeof(name));
	if ((size_t)snprintf(to, size, "%s/%s/%s", above, name, kind->dir) >= size)
		die("too long", above);
}

static const char *text_of(const char *path, const struct leaf *leaf)
{
	static char words[160];
	size_t n = strlen(path);

	for (size_t i = 0; i < array_len(texts); i++) {
		size_t m = strlen(texts[i].path);

		if (texts[i].path[0] == '/' ? n < m || strcmp(path + n - m, texts[i].path) != 0 :
					      strcmp(path, texts[i].path) != 0)
			continue;
		if (texts[i].text)
			return texts[i].text;
		snprintf(words, sizeof(words), "verbs:");
		for (const struct action *a = leaf ? leaf->actions : NULL; a && a->word; a++)
			snprintf(words + strlen(words), sizeof(words) - strlen(words), " %s", a->word);
		return words;
	}
	die("no text for this path", path);
	return NULL;
}

typedef void (*path_fn)(const char *path, unsigned mode, const struct leaf *leaf);

static void print_path(const char *path, unsigned mode, const struct leaf *leaf)
{
	(void)mode, (void)leaf;
	puts(path);
}

static void indent(size_t depth)
{
	for (size_t i = 0; i < depth; i++)
		fputs("\\ \\ ", stdout);
}

/* A row for each directory that the row before was not in, and one for the file. */
static void print_row(const char *path, unsigned mode, const struct leaf *leaf)
{
	static char before[PATH_LEN * 2];
	const char *text = text_of(path, leaf), *at = path, *slash;
	size_t depth = 0;

	for (; (slash = strchr(at, '/')); at = slash + 1, depth++) {
		size_t n = (size_t)(slash + 1 - path);

		if (strncmp(before, path, n) == 0)
			continue;
		indent(depth);
		printf("%.*s\t\t\n", (int)(slash + 1 - at), at);
	}
	snprintf(before, sizeof(before), "%s", path);
	indent(depth);
	printf("%s\t%04o\t%s\n", at, mode, text);
}

static void each_path(path_fn each)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		const struct kind *kind = *k;
		char dir[PATH_LEN], path[PATH_LEN * 2 + 64], name[32];

		collection_path(kind, dir, sizeof(dir));
		for (const struct part *p = kind->parts; p && p->name; p++) {
			snprintf(path, sizeof(path), "%s/%s", dir, p->name);
			each(path, p->mode, NULL);
		}
		if (kind->flags & KIND_SINGLETON)
			continue;
		placeholder(kind, name, sizeof(name));
		snprintf(path, sizeof(path), "%s/%s%s", dir, name, kind->suffix);
		each(path, kind->mode, NULL);
		for (const struct leaf *l = kind->leaves; l && l->name; l++) {
			snprintf(path, sizeof(path), "%s/%s/%s", dir, name, l->name);
			each(path, l->mode, l);
		}
	}
}

/* ---- fields ---- */

/* Tables of fields that were printed; a second time they are referred to. */
static struct {
	const struct field *fields;
	char where[PATH_LEN + 64];
} shared[SHARED_MAX];
static size_t shared_count;

static const char *type_of(const struct field *f, char *to, size_t size)
{
	static const char *const names[] = {
		[FIELD_STRING] = "string", [FIELD_INT] = "integer", [FIELD_NUMBER] = "number",       [FIELD_BOOL] = "boolean",
		[FIELD_OBJECT] = "object", [FIELD_ARRAY] = "array", [FIELD_ANY] = "string or object"
	};

	if (f->type == FIELD_ARRAY)
		snprintf(to, size, "[%s]", names[f->item]);
	else
		snprintf(to, size, "%s", names[f->type]);
	return to;
}

static void add_notes(const struct field *f, const char *where, FILE *out)
{
	static const struct {
		unsigned flag;
		const char *text;
	} notes[] = {
		{ FIELD_REQUIRED, "required" },
		{ FIELD_CREATE_ONLY, "set at creation only" },
		{ FIELD_WRITE_ONLY, "the service never tells it" },
		{ FIELD_SET, "in any order" },
		{ FIELD_DEPRECATED, "an older spelling" },
	};
	const char *comma = "";

	for (size_t i = 0; i < array_len(notes); i++) {
		if (f->flags & notes[i].flag) {
			fprintf(out, "%s%s", comma, notes[i].text);
			comma = "; ";
		}
	}
	for (const char *const *w = f->words; w && *w; w++)
		fprintf(out, "%s%s", w == f->words ? comma : " ", *w);
	if (f->words)
		comma = "; ";
	if (f->exclusive_with) {
		fprintf(out, "%snot with %s", comma, f->exclusive_with);
		comma = "; ";
	}
	if (f->modern) {
		fprintf(out, "%sof %s", comma, f->modern);
		comma = "; ";
	}
	if (where)
		fprintf(out, "%sas %s", comma, where);
}

static void print_field(const struct field *f, size_t depth, const char *where)
{
	char type[64], *notes = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&notes, &len);

	if (!out)
		die("out of memory", f->name);
	add_notes(f, where, out);
	fclose(out);
	indent(depth);
	printf(len ? "%s\t%s\tT{\n.na\n.nh\n%s\nT}\n" : "%s\t%s\t%s\n", f->name, type_of(f, type, sizeof(type)), notes);
	free(notes);
}

static const char *seen(const struct field *fields)
{
	for (size_t i = 0; i < shared_count; i++) {
		if (shared[i].fields == fields)
			return shared[i].where;
	}
	return NULL;
}

static void print_fields(const char *title, const struct field *fields, size_t depth)
{
	for (const struct field *f = fields; f && f->name; f++) {
		const char *where = f->fields ? seen(f->fields) : NULL;

		if (f->flags & (FIELD_STATUS | FIELD_IDENTITY | FIELD_HIDDEN))
			continue;
		print_field(f, depth, where);
		if (!f->fields || where)
			continue;
		if (shared_count < SHARED_MAX) {
			shared[shared_count].fields = f->fields;
			snprintf(shared[shared_count++].where, sizeof(shared[0].where), "%s of %s", f->name, title);
		}
		print_fields(title, f->fields, depth + 1);
	}
}

static void print_table(const char *title, const struct field *fields)
{
	printf(".SS %s\n.TS\nlb lb lb\nl l lx.\nfield\ttype\t\n", title);
	print_fields(title, fields, 0);
	puts(".TE");
}

static void print_all_fields(void)
{
	for (const struct kind *const *k = kinds; *k; k++) {
		const struct kind *kind = *k;

		for (const struct part *p = kind->parts; p && p->name; p++) {
			char title[PATH_LEN];

			if (!p->update)
				continue;
			snprintf(title, sizeof(title), "%s/%s", kind->dir, p->name);
			print_table(title, p->fields);
		}
		if (kind->fields && (kind->verbs & KIND_CREATE) && !(kind->flags & (KIND_SECRET | KIND_KEY_LINE)))
			print_table(kind->name, kind->fields);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "paths") == 0) {
		each_path(print_path);
	} else if (strcmp(what, "tree") == 0) {
		puts(".TS\nlb lb lb\nl l l.\npath\tmode\twhat it is");
		each_path(print_row);
		puts(".TE");
	} else if (strcmp(what, "fields") == 0) {
		print_all_fields();
	} else {
		fputs("usage: kinds-table tree | fields | paths\n", stderr);
		return 2;
	}
	return 0;
}
