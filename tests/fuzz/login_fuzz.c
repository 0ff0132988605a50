/* wrangler's login file from any bytes: a value that is found is of one line. */
#include "api/base/cleanup.h"
#include "api/credentials_wrangler.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "oauth_token", "expiration_time", "refresh_token" };
	char *text = strndup((const char *)data, size);

	MUST(text);
	for (size_t i = 0; i < array_len(keys); i++) {
		char *value = NULL;

		if (toml_string(text, keys[i], &value) < 0)
			continue;
		MUST(value && !strchr(value, '\n') && strlen(value) <= size);
		free(value);
	}
	free(text);
	return 0;
}
