/* Names from any bytes: an identity's file name leads back to it, and a file name leads to one identity or to none. */
#include "api/base/name.h"
#include "api/operation.h"
#include "fuzz.h"

static const char *const suffixes[] = { ".json", ".pub", "" };

static void there_and_back(const char *identity, const char *suffix)
{
	char name[NAME_MAX_BYTES + 1], twin[NAME_MAX_BYTES + 1], *back = NULL;

	name_encode(identity, suffix, name);
	MUST(strlen(name) <= NAME_MAX_BYTES && !strchr(name, '/') && name_has_suffix(name, suffix));
	MUST(strcmp(name, ".") && strcmp(name, ".."));
	if (!name_is_cut(name, suffix)) {
		MUST(name_decode(name, suffix, &back) == 0 && !strcmp(back, identity));
		free(back);
	}
	name_encode_duplicate(identity, "0123456789abcdef", suffix, twin);
	MUST(strlen(twin) <= NAME_MAX_BYTES && strcmp(twin, name));
	name_encode_duplicate("web", identity, suffix, twin);
	MUST(strlen(twin) <= NAME_MAX_BYTES && !strchr(twin, '/'));
}

static void back_and_there(const char *name, const char *suffix)
{
	char again[NAME_MAX_BYTES + 1], *identity = NULL;

	name_is_scratch(name);
	if (strlen(name) > NAME_MAX_BYTES || strchr(name, '/') || name_decode(name, suffix, &identity) < 0)
		return;
	name_encode(identity, suffix, again);
	MUST(!strcmp(again, name));
	free(identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	MUST(text);
	if (*text) {
		there_and_back(text, suffixes[data[0] % array_len(suffixes)]);
		back_and_there(text, suffixes[data[0] % array_len(suffixes)]);
	}
	operation_find("GET", text);
	free(text);
	return 0;
}
