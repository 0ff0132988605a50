/* A row of the state file from any bytes, as another version or a broken disk may leave it: it is a row or none, and what was read
   writes a row that reads the same. */
#include "fs/core/intent_row.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf_ struct buf once = BUF_INIT, twice = BUF_INIT;
	struct intent_record record = { 0 };
	char *text = strndup((const char *)data, size);

	MUST(text);
	if (intent_row_read(text, &record) == 0) {
		MUST(intent_row_write(&record, &once) == 0 && once.data);
		intent_record_clear(&record);
		record = (struct intent_record){ 0 };
		MUST(intent_row_read(once.data, &record) == 0);
		MUST(intent_row_write(&record, &twice) == 0);
		MUST(once.len == twice.len && !memcmp(once.data, twice.data, once.len));
		intent_record_clear(&record);
	}
	free(text);
	return 0;
}
