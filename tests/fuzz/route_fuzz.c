/* A request of the emulator from any bytes (METHOD PATH?QUERY, a line's end, the body): it is answered, and by JSON where the API is
   asked. */
#include <json-c/json.h>

#include "api/base/log.h"
#include "api/base/rand.h"
#include "emulator/exchange.h"
#include "fuzz.h"

/* So many requests make an account large: then a new one. */
#define REQUESTS_MAX 2000
#define API          "/client/v4/accounts/" EMULATOR_SAMPLE_ACCOUNT "/containers"

static struct emulator em;
static unsigned requests;

static void begin(void)
{
	char *argv[] = { (char[]){ "cfcfs-emulator" }, (char[]){ "--rate" }, (char[]){ "0/1" }, (char[]){ "--seed" },
			 (char[]){ "sample" } };
	char text[512];

	if (requests++ % REQUESTS_MAX)
		return;
	if (requests > 1)
		emulator_close(&em);
	else
		MUST(base_init() == 0);
	em = (struct emulator){ 0 };
	MUST(emulator_options(&em.options, array_len(argv), argv) == 0);
	MUST(emulator_open(&em, text, sizeof(text)) == 0);
}

static void check(const struct exchange *ex)
{
	struct json_object *answer;
	struct json_tokener *tokener;

	if (ex->close || ex->stall < 0)
		return;
	MUST(ex->status >= 200 && ex->status < 600);
	if (strncmp(ex->path, "/client/v4/", 11) || !ex->answer.b.len || !ex->type || !strstr(ex->type, "json") ||
	    strstr(ex->type, "ndjson"))
		return;
	tokener = json_tokener_new_ex(100);
	MUST(tokener);
	answer = json_tokener_parse_ex(tokener, ex->answer.b.data, (int)ex->answer.b.len);
	MUST(answer || json_tokener_get_error(tokener) == json_tokener_success);
	json_object_put(answer);
	json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text, *method, *target, *query, *path = NULL;
	struct exchange ex = { .answer = OUT_INIT, .authorization = "Bearer emulator", .host = "127.0.0.1:1", .loopback = true };

	MUST(text);
	begin();
	method = strsep(&rest, " ");
	target = rest ? strsep(&rest, "\n") : NULL;
	if (target && *target == '/') {
		query = strchr(target, '?');
		if (query)
			*query++ = '\0';
		/* A short path is one of the containers' API. */
		if (!strncmp(target, "/client", 7) || !strncmp(target, "/v2", 3) || !strncmp(target, "/__emulator", 11))
			path = strdup(target);
		else
			MUST(text_format(&path, API "%s", target) > 0);
		MUST(path);
		snprintf(ex.local, sizeof(ex.local), "127.0.0.1:1");
		ex.method = method;
		ex.path = path;
		ex.query = query ? query : "";
		ex.body = rest ? rest : "";
		ex.body_len = strlen(ex.body);
		pipeline_handle(&em, &ex);
		check(&ex);
	}
	out_free(&ex.answer);
	free(path);
	free(text);
	return 0;
}
