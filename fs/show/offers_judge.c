/* From one answer to what it says of what the service offers. */
#include "fs/show/offers.h"

#include <errno.h>

/* Cloudflare's numbers: "No route for that URI", "Could not route to …". */
static bool is_route_code(int code)
{
	return code == 7000 || code == 7003;
}

/* The gateway's word on this kind of credentials, or on an id that is none: not on what is offered. */
#define CODE_GATEWAY 10405
/* "APPLICATION_NOT_FOUND": of a list below an application, the application is what is missing. */
#define CODE_NO_APPLICATION 1609

static bool is_list(const struct operation *operation)
{
	return operation->answers == ANSWER_ITEMS && !strcmp(operation->method, "GET");
}

static bool is_no_route(const struct operation *operation, const struct err *err)
{
	if (is_route_code(err->api_code))
		return true;
	if (err->http_status == 405)
		return err->api_code != CODE_GATEWAY;
	/* A word of the API's is an answer of the operation's own. */
	return err->http_status == 404 && is_list(operation) && err->api_code != CODE_NO_APPLICATION && !err->code[0];
}

enum offer_word offers_judge(const struct operation *operation, bool cloudchamber, int result, const struct err *err)
{
	bool official = operation->source == SOURCE_OFFICIAL && !cloudchamber;

	if (result == 0)
		return OFFER_SAYS_YES;
	if (!err->http_status)
		return OFFER_SAYS_NOTHING;
	if (!official && is_no_route(operation, err))
		return OFFER_SAYS_NO_ROUTE;
	/* There, bodies have no numbers. */
	if (cloudchamber && err->http_status == 404 && strcasestr(err->text, "could not route"))
		return OFFER_SAYS_NO_ROUTE;
	/* It takes other credentials than /containers does. */
	if (cloudchamber && (err->http_status == 401 || err->http_status == 403))
		return OFFER_SAYS_REFUSED;
	if (err->http_status == 403)
		return OFFER_SAYS_REFUSED;
	/* Another errno: a word on the credentials, or from something on the way that is not the API. */
	if (operation->by_application && err->http_status == 400 && result == -EINVAL && strcmp(err->code, "VALIDATE_INPUT"))
		return OFFER_SAYS_NOT_HERE;
	return OFFER_SAYS_NOTHING;
}
