/* A command line from any bytes, a word a line: it is taken, or refused with a sentence. */
#include "fs/core/options.h"
#include "fuzz.h"

#define WORDS_MAX 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[WORDS_MAX + 1] = { (char[]){ "cfcfs" } }, *text = strndup((const char *)data, size), *rest = text;
	struct err err = ERR_INIT;
	struct options options;
	int argc = 1, result;

	MUST(text);
	for (char *word; argc < WORDS_MAX && (word = strsep(&rest, "\n"));)
		argv[argc++] = word;
	unsetenv("CLOUDFLARE_ACCOUNT_ID");
	options_init(&options);
	result = options_parse(&options, argc, argv, &err);
	MUST(result == 0 || err.text[0]);
	MUST(result < 0 || options.help || options.version || options.mountpoint);
	/* What stands for nothing must not be taken for an account. */
	MUST(result < 0 || options.help || options.version || options.remount || strlen(options.account_id) == 32);
	options_free(&options);
	free(text);
	return 0;
}
