/* Texts and secrets from any bytes, cut at the first 0xff: nothing grows, and what stands there as it is goes. */
#include "api/base/scrub.h"
#include "api/oneline.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
	char *text, *secret;
	size_t before;

	if (!cut)
		return 0;
	text = strndup((const char *)data, (size_t)(cut - data));
	secret = strndup((const char *)cut + 1, size - (size_t)(cut - data) - 1);
	MUST(text && secret);
	before = strlen(text);
	scrub(text, secret, strlen(secret), (unsigned)size & 3);
	MUST(strlen(text) <= before);
	/* Stars may make a secret of stars anew. */
	MUST(strlen(secret) < 6 || strpbrk(secret, "*\\%& \t\n\r\f\v") || !strstr(text, secret));
	scrub_body(text, (const char *)cut + 1, size - (size_t)(cut - data) - 1);
	MUST(strlen(text) <= before);
	free(text);
	free(secret);
	return 0;
}
