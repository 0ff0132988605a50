/* SSH public keys from any bytes: what is taken is one line, without its newline. */
#include "api/doc.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct err err = ERR_INIT;
	size_t len = 0;
	int r = doc_key_line_check(text, size, &len, &err);

	MUST(r == 0 || err.text[0]);
	if (r == 0)
		MUST(len && len <= size && !memchr(text, '\n', len) && !memchr(text, '\0', len));
	return 0;
}
