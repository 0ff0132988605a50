#include "api/retry.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/rand.h"

#define DELAY_FIRST_MS 200
/* Where there is no connection, a try is no burden to the service, and who waits should soon be told. */
#define DELAY_AWAY_MS 50
#define DELAY_MAX_MS  10000

bool retry_is_write(const struct call *call)
{
	return call->flags & CALL_WRITE || (strcmp(call->method, "GET") && !(call->flags & CALL_ASKS));
}

bool retry_is_repeatable(const struct call *call)
{
	return call->flags & (CALL_REPEATABLE | CALL_ASKS) || !strcmp(call->method, "GET") || !strcmp(call->method, "PUT") ||
	       !strcmp(call->method, "DELETE");
}

enum verdict retry_verdict(const struct call *call, enum outcome outcome, bool maybe_done, unsigned tries, unsigned retries)
{
	/* By outcome: whether a call that can be repeated is, and one that cannot. */
	static const struct {
		bool repeatable, other;
	} again[] = {
		[OUTCOME_UNSENT] = { true, true }, [OUTCOME_AWAY] = { true, true },    [OUTCOME_LIMITED] = { true, true },
		[OUTCOME_LOST] = { true, false },  [OUTCOME_ENDED] = { false, false },
	};
	_Static_assert(array_len(again) == OUTCOME_ENDED + 1, "each outcome has a row; those that end a call have none set");

	if (tries <= retries && (retry_is_repeatable(call) ? again[outcome].repeatable : again[outcome].other))
		return VERDICT_AGAIN;
	if (outcome == OUTCOME_DONE || outcome == OUTCOME_REFUSED || outcome == OUTCOME_DENIED)
		return VERDICT_END;
	return maybe_done && retry_is_write(call) ? VERDICT_UNKNOWN : VERDICT_END;
}

int64_t retry_delay_ms(enum outcome outcome, unsigned tries, int64_t retry_after_ms)
{
	int64_t delay = outcome == OUTCOME_AWAY ? DELAY_AWAY_MS : DELAY_FIRST_MS;

	/* The budget does the waiting, once for all callers. */
	if (outcome == OUTCOME_LIMITED)
		return 0;
	while (--tries && delay < DELAY_MAX_MS)
		delay *= 2;
	delay = delay > DELAY_MAX_MS ? DELAY_MAX_MS : delay;
	delay = delay / 2 + rand_below((uint32_t)delay / 2 + 1);
	return delay > retry_after_ms ? delay : retry_after_ms;
}

/* What curl says of a transfer that failed. The first row that matches counts; the last one matches all. */
static const struct failure_row {
	CURLcode code;
	int errnum;
	bool final;       /* another try would end the same way */
	const char *text; /* in front of curl's words */
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH, false, "the name of the API's host cannot be resolved" },
	{ CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH, false, "the name of the proxy cannot be resolved" },
	{ CURLE_COULDNT_CONNECT, ECONNREFUSED, false, "no connection to the API" },
	{ CURLE_PEER_FAILED_VERIFICATION, EPROTO, true, "the API's certificate is not trusted" },
	{ CURLE_SSL_CACERT_BADFILE, EPROTO, true, "the trusted certificates cannot be read" },
	{ CURLE_SSL_ISSUER_ERROR, EPROTO, true, "the API's certificate is not trusted" },
	{ CURLE_SSL_INVALIDCERTSTATUS, EPROTO, true, "the API's certificate is not valid" },
	{ CURLE_SSL_CONNECT_ERROR, EPROTO, false, "no TLS connection to the API, unless what answers there speaks plain http" },
	{ CURLE_SSL_CIPHER, EPROTO, true, "no TLS connection to the API" },
	{ CURLE_OPERATION_TIMEDOUT, ETIMEDOUT, false, "the API did not answer in time" },
	{ CURLE_GOT_NOTHING, EIO, false, "the connection ended without an answer" },
	{ CURLE_PARTIAL_FILE, EIO, false, "the answer was cut off" },
	{ CURLE_ABORTED_BY_CALLBACK, EIO, false, "the connection ended without an answer" },
	{ CURLE_OUT_OF_MEMORY, ENOMEM, true, "out of memory" },
	{ CURLE_URL_MALFORMAT, EINVAL, true, "the address is malformed" },
	{ CURLE_UNSUPPORTED_PROTOCOL, EIO, false, "the answer was not HTTP" },
	{ CURLE_WEIRD_SERVER_REPLY, EIO, false, "the answer was not HTTP" },
	{ CURLE_OK, EIO, false, "the connection to the API failed" },
};

/* A failed connect says why in its errno. */
static int connect_errno(const struct exchange *ex)
{
	switch (ex->os_errno) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
		return EHOSTUNREACH;
	case ETIMEDOUT:
		return ETIMEDOUT;
	default:
		return ECONNREFUSED;
	}
}

enum outcome retry_lost_connection(const struct exchange *ex, bool sent, const char *host, int *ret_r, struct err *err)
{
	const struct failure_row *row = failures;
	int errnum;

	while (row->code != ex->code && row->code != CURLE_OK)
		row++;
	errnum = row->code == CURLE_COULDNT_CONNECT ? connect_errno(ex) : row->errnum;
	if (ex->too_large) {
		if (ex->headers_len > HEADERS_MAX)
			*ret_r = err_set(err, EIO, "%s: the answer's headers take more than %zu KiB", host, HEADERS_MAX >> 10);
		else
			*ret_r = err_set(err, EIO, "%s: the answer is larger than %zu MiB", host, ANSWER_MAX >> 20);
		return sent && ex->write ? OUTCOME_LOST : OUTCOME_REFUSED;
	}
	/* A time-out of the connect alone, with time left, is a connection that failed. */
	if (ex->resent)
		*ret_r = err_set(err, errnum, "%s: %s", host, row->text);
	else
		*ret_r = err_set(err, errnum, "%s: %s (%s)", host, row->text, ex->error);
	if (sent)
		return OUTCOME_LOST;
	return row->final ? OUTCOME_REFUSED : OUTCOME_AWAY;
}
