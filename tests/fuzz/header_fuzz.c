/* Header lines from any bytes: what the service says of its limits stays within belief, and a budget made of it lets calls out. */
#include <math.h>

#include "api/budget.h"
#include "fuzz.h"

static const char *const names[] = { "Ratelimit", "Ratelimit-Policy", "Retry-After", "Date", "X-Other" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rate_facts facts = RATE_FACTS_INIT;
	struct budget budget;
	char *text, *rest;
	bool limited;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	MUST(text);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		size_t n = (unsigned char)*line % array_len(names);

		rate_facts_header(&facts, names[n], strlen(names[n]), *line ? line + 1 : line);
	}
	MUST(facts.retry_after_ms <= BUDGET_STOP_MAX_MS && facts.reset_ms <= BUDGET_STOP_MAX_MS);
	MUST(facts.policy_rate < 0 || facts.policy_rate >= BUDGET_RATE_MIN);
	budget_init(&budget, 3, 200, 0);
	budget_answer(&budget, &facts, data[0] & 1 ? 429 : 200, data[0] >> 1, 0, 0);
	MUST(budget_wait_ms(&budget, true, BUDGET_STOP_MAX_MS + 60000, &limited) == 0);
	MUST(budget_left(&budget, 0) >= 0);
	budget_forget(&budget);
	MUST(budget_wait_ms(&budget, true, 0, &limited) == 0);
	free(text);
	return 0;
}
