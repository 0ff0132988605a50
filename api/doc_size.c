/* Instance types, and the spellings of memory and disk. */
#include "api/doc_value.h"

#include <errno.h>
#include <math.h>
#include <strings.h>

static const struct {
	const char *name;
	double vcpu, memory_mib, disk_mb;
} types[] = {
	{ "lite", 0.0625, 256, 2000 },    { "basic", 0.25, 1024, 4000 },    { "standard-1", 0.5, 4096, 8000 },
	{ "standard-2", 1, 6144, 12000 }, { "standard-3", 2, 8192, 16000 }, { "standard-4", 4, 12288, 20000 },
};

static const char *modern_type(const char *type)
{
	if (strcmp(type, "dev") == 0)
		return "lite";
	return strcmp(type, "standard") == 0 ? "standard-1" : type;
}

bool doc_size_same_type(const char *a, const char *b)
{
	return strcmp(modern_type(a), modern_type(b)) == 0;
}

int doc_size_of_type(const char *type, struct doc_size *ret)
{
	for (size_t i = 0; i < array_len(types); i++) {
		if (strcmp(types[i].name, modern_type(type)) != 0)
			continue;
		*ret = (struct doc_size){ { true, true, true }, { types[i].vcpu, types[i].memory_mib, types[i].disk_mb } };
		return 0;
	}
	return -ENOENT;
}

const char *doc_size_type_name(const struct doc_size *size)
{
	if (!size->known[SIZE_VCPU] || !size->known[SIZE_MEMORY] || !size->known[SIZE_DISK])
		return NULL;
	for (size_t i = 0; i < array_len(types); i++) {
		if (size->value[SIZE_VCPU] == types[i].vcpu && size->value[SIZE_MEMORY] == types[i].memory_mib &&
		    size->value[SIZE_DISK] == types[i].disk_mb)
			return types[i].name;
	}
	return NULL;
}

/* ---- units ---- */

struct unit {
	const char *name;
	double bytes;
};

static const struct unit units[] = {
	{ "MB", 1e6 },
	{ "MiB", 1048576 },
	{ "GB", 1e9 },
	{ "GiB", 1073741824 },
};

static int parse_bytes(const char *text, double *ret)
{
	size_t n = strspn(text, "0123456789.");
	const char *unit = text + n;
	char *end;
	double v;

	if (!n || n > 32 || *text == '.')
		return -EINVAL;
	v = strtod(text, &end);
	if (end != unit)
		return -EINVAL;
	unit += strspn(unit, " ");
	for (size_t i = 0; i < array_len(units); i++) {
		if (strcasecmp(unit, units[i].name) == 0) {
			*ret = v * units[i].bytes;
			return *ret < 1e18 ? 0 : -EINVAL;
		}
	}
	return -EINVAL;
}

int doc_size_parse_mib(const char *text, int64_t *ret_mib)
{
	double bytes;
	int r = parse_bytes(text, &bytes);

	if (r == 0)
		*ret_mib = (int64_t)floor(bytes / 1048576);
	return r;
}

int doc_size_parse_mb(const char *text, int64_t *ret_mb)
{
	double bytes;
	int r = parse_bytes(text, &bytes);

	if (r == 0)
		*ret_mb = (int64_t)floor(bytes / 1e6);
	return r;
}

/* ---- deprecated twins ---- */

struct json_object *doc_size_modern(const struct field *old, struct json_object *v)
{
	size_t n = strlen(old->modern);
	int64_t number = 0;
	int r;

	if (old->type != FIELD_STRING)
		return json_object_get(v);
	if (!json_object_is_type(v, json_type_string))
		return NULL;
	if (n > 4 && strcmp(old->modern + n - 4, "_mib") == 0)
		r = doc_size_parse_mib(json_object_get_string(v), &number);
	else
		r = doc_size_parse_mb(json_object_get_string(v), &number);
	return r < 0 ? NULL : json_object_new_int64(number);
}

int doc_modernise(const struct field *fields, struct json_object *object)
{
	for (const struct field *f = fields; f && f->name; f++) {
		struct json_object *v = f->modern ? doc_member(object, f->name) : NULL, *modern;

		if (!v)
			continue;
		if (!doc_member(object, f->modern)) {
			modern = doc_size_modern(f, v);
			/* What cannot be read is kept as it came. */
			if (!modern)
				continue;
			if (doc_set(object, f->modern, modern) < 0)
				return -ENOMEM;
		}
		json_object_object_del(object, f->name);
	}
	return 0;
}

/* ---- sizes of objects ---- */

bool doc_size_table(const struct field *fields)
{
	return field_find_settable(fields, "instance_type");
}

bool doc_size_field(const char *name)
{
	static const char *const names[] = { "instance_type", "vcpu", "vcpus", "memory", "memory_mib", "disk" };

	for (size_t i = 0; i < array_len(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

const char *doc_size_key(enum size_dimension d)
{
	static const char *const keys[] = { "vcpu", "memory_mib", "disk" };

	return keys[d];
}

static void take(struct doc_size *s, enum size_dimension d, struct json_object *v)
{
	if (!doc_is_number(v))
		return;
	s->known[d] = true;
	s->value[d] = json_object_get_double(v);
}

struct doc_size doc_size_explicit(struct json_object *object)
{
	struct doc_size s = { { false }, { 0 } };

	take(&s, SIZE_VCPU, doc_member(object, "vcpu"));
	take(&s, SIZE_MEMORY, doc_member(object, "memory_mib"));
	take(&s, SIZE_DISK, doc_member(doc_member(object, "disk"), "size_mb"));
	return s;
}

void doc_default_to_lite(struct doc_context *ctx)
{
	struct doc_size size;

	if (doc_size_of_type("lite", &size) < 0)
		return;
	ctx->default_vcpu = size.value[SIZE_VCPU];
	ctx->default_memory_mib = (int64_t)size.value[SIZE_MEMORY];
	ctx->default_disk_mb = (int64_t)size.value[SIZE_DISK];
}

struct doc_size doc_size_defaults(const struct doc_context *ctx)
{
	return (struct doc_size){ { ctx->default_vcpu > 0, ctx->default_memory_mib > 0, ctx->default_disk_mb > 0 },
				  { ctx->default_vcpu, (double)ctx->default_memory_mib, (double)ctx->default_disk_mb } };
}
