#include "api/doc_json.h"

#include <errno.h>
#include <math.h>

struct json_object *doc_member(struct json_object *object, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(object, json_type_object))
		return NULL;
	json_object_object_get_ex(object, key, &v);
	return v;
}

bool doc_has(struct json_object *object, const char *key)
{
	return json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, key, NULL);
}

int doc_set(struct json_object *object, const char *key, struct json_object *v)
{
	if (v && json_object_object_add(object, key, v) == 0)
		return 0;
	json_object_put(v);
	return -ENOMEM;
}

int doc_set_null(struct json_object *object, const char *key)
{
	return json_object_object_add(object, key, NULL) == 0 ? 0 : -ENOMEM;
}

int doc_append(struct json_object *array, struct json_object *v)
{
	if (json_object_array_add(array, v) == 0)
		return 0;
	json_object_put(v);
	return -ENOMEM;
}

int doc_copy(struct json_object *v, struct json_object **ret)
{
	struct json_object *copy = NULL;

	if (v && json_object_deep_copy(v, &copy, NULL) < 0)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

bool doc_is_empty(struct json_object *v)
{
	if (json_object_is_type(v, json_type_array))
		return json_object_array_length(v) == 0;
	return !v || (json_object_is_type(v, json_type_object) && json_object_object_length(v) == 0);
}

bool doc_is_number(struct json_object *v)
{
	return json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
}

/* ---- numbers ---- */

#define DOUBLE_DIGITS 17
/* Up to here every integer is a double. */
#define DOUBLE_WHOLE_MAX 9007199254740992.0

static size_t significant_digits(const char *text)
{
	size_t n = 0, zeros = 0;

	for (const char *p = text; *p && *p != 'e' && *p != 'E'; p++) {
		if (*p < '0' || *p > '9' || (*p == '0' && n == 0))
			continue;
		zeros = *p == '0' ? zeros + 1 : 0;
		n++;
	}
	return n - zeros;
}

/* 2.0 and 2e0, but not 1e400 and not 1e-400. */
static bool double_holds(double v, const char *text)
{
	size_t digits = significant_digits(text);

	return isfinite(v) && digits <= DOUBLE_DIGITS && (v != 0 || digits == 0);
}

static void shortest(double v, char text[NUMBER_TEXT_SIZE])
{
	if (v == 0) {
		snprintf(text, NUMBER_TEXT_SIZE, "0");
		return;
	}
	if (fabs(v) <= DOUBLE_WHOLE_MAX && floor(v) == v) {
		snprintf(text, NUMBER_TEXT_SIZE, "%.0f", v);
		return;
	}
	for (int digits = 1; digits <= DOUBLE_DIGITS; digits++) {
		snprintf(text, NUMBER_TEXT_SIZE, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
}

const char *doc_number_text(struct json_object *v, char text[NUMBER_TEXT_SIZE])
{
	const char *own = json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN);
	double d;

	if (!own)
		return "0";
	if (json_object_is_type(v, json_type_int)) {
		snprintf(text, NUMBER_TEXT_SIZE, "%s", own);
		return text;
	}
	d = json_object_get_double(v);
	if (!double_holds(d, own)) {
		/* Not JSON: no text of a document, only a program, makes such a value. */
		return strpbrk(own, "nN") ? "0" : own;
	}
	shortest(d, text);
	return text;
}

bool doc_whole(struct json_object *v, int64_t *ret)
{
	double d;

	if (json_object_is_type(v, json_type_int)) {
		if (json_object_get_int64(v) == INT64_MAX && json_object_get_uint64(v) > INT64_MAX)
			return false;
		*ret = json_object_get_int64(v);
		return true;
	}
	if (!json_object_is_type(v, json_type_double))
		return false;
	d = json_object_get_double(v);
	if (!isfinite(d) || floor(d) != d || fabs(d) > DOUBLE_WHOLE_MAX)
		return false;
	*ret = (int64_t)d;
	return true;
}
