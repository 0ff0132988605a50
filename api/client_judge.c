/* What an exchange came to: a success, a refusal in words, or an answer that was lost. */
#include "api/client_private.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/complaint.h"
#include "api/credentials.h"
#include "api/envelope.h"

/* With 401: the account's plan, and not the credentials. */
#define CODE_NO_CONTAINERS 1000

static void describe_resume(int64_t resume_ms, char *text, size_t size)
{
	int64_t left = clock_left_ms(resume_ms);
	struct timespec ts = clock_timespec(clock_wall_ns() + left * NSEC_PER_MSEC);
	char when[16] = "";
	struct tm tm;

	localtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	snprintf(text, size, "calls go on at %s (in %lld s)", when, (long long)(left + MSEC_PER_SEC - 1) / MSEC_PER_SEC);
}

int judge_limited(struct trip *trip, int64_t resume_ms)
{
	char resume[64];

	describe_resume(resume_ms, resume, sizeof(resume));
	return err_set(trip->err, EAGAIN, "the account's rate limit is used up; %s", resume);
}

static int not_sent(struct trip *trip, const struct exchange *ex)
{
	switch (ex->end) {
	case END_LIMITED:
		return judge_limited(trip, ex->resume_ms);
	case END_CLOSED:
		return err_set(trip->err, EIO, "the client is ending");
	default:
		return err_set(trip->err, ETIMEDOUT,
			       "the deadline passed while the call waited for its turn (rps, burst, max_conns)");
	}
}

/*
 * The service says the same (403, 10000) of an unknown token and of one that lacks a permission. One that was accepted
 * before is known.
 */
static int judge_denied(struct trip *trip, int status, int r)
{
	char source[128];

	if (r == -EACCES && status == 401 && !(trip->call->flags & (CALL_REGISTRY | CALL_PROBE)) &&
	    trip->err->api_code != CODE_NO_CONTAINERS) {
		client_lock(trip->client);
		snprintf(source, sizeof(source), "%s", credentials_source(trip->client->credentials));
		client_unlock(trip->client);
		/* Behind what the service said, as far as there is room. */
		snprintf(trip->err->text + strlen(trip->err->text), sizeof(trip->err->text) - strlen(trip->err->text),
			 " (the credentials from %s)", source);
		return r;
	}
	if (r != -EACCES || status != 403 || !retry_is_write(trip->call) ||
	    !__atomic_load_n(&trip->headers->accepted, __ATOMIC_RELAXED))
		return r;
	return err_set(trip->err, EPERM, "the credentials lack the permission Workers Containers Write, which changes need");
}

/* An answer came. */
static enum outcome judge(struct trip *trip, const struct exchange *ex, struct answer *ret, int *ret_r)
{
	bool write = retry_is_write(trip->call);
	const struct envelope envelope = {
		.status = ex->status,
		.content_type = ex->content_type,
		.body = ex->answer.data,
		.len = ex->answer.len,
		.writing = write,
		.bare = trip->call->flags & (CALL_CLOUDCHAMBER | CALL_REGISTRY),
		.graphql = trip->call->flags & CALL_GRAPHQL,
		.bodiless = trip->call->flags & CALL_REGISTRY,
		.operation = trip->operation,
		.path = trip->call->path,
		.policy = ex->status == 400 ? complaint_policy(trip->operation, trip->call->body, trip->call->body_len) : NULL,
	};
	struct envelope_facts facts;

	*ret_r = envelope_take(&envelope, ret, trip->err, &facts);
	if (ex->ray[0])
		snprintf(trip->err->request_id, sizeof(trip->err->request_id), "%s", ex->ray);
	trip->err->http_status = ex->status;
	if (*ret_r == 0) {
		snprintf(ret->request_id, sizeof(ret->request_id), "%s", ex->ray);
		ret->sent_ms = ex->sent_ms;
		snprintf(ret->next, sizeof(ret->next), "%s", ex->next);
		ret->next_cut = ex->next_cut;
		snprintf(ret->digest, sizeof(ret->digest), "%s", ex->digest);
		__atomic_store_n(&trip->headers->accepted, true, __ATOMIC_RELAXED);
		return OUTCOME_DONE;
	}
	*ret_r = judge_denied(trip, ex->status, *ret_r);
	if (ex->status == 429) {
		judge_limited(trip, ex->resume_ms);
		return OUTCOME_LIMITED;
	}
	trip->retry_after_ms = ex->rate.retry_after_ms;
	if (ex->status == 425)
		return OUTCOME_UNSENT;
	if (facts.lacking)
		return write ? OUTCOME_UNCLEAR : OUTCOME_REFUSED;
	/* What stands between may say 408 or 503 of a request that it has passed on, and say with it when to come again. */
	if (ex->status >= 500 || ex->status == 408 || (facts.foreign && (ex->status < 300 || ex->status >= 400)))
		return OUTCOME_LOST;
	/* It takes other credentials: its refusal says nothing of these. */
	if (trip->call->flags & CALL_CLOUDCHAMBER)
		return OUTCOME_REFUSED;
	/* Its credentials are made anew by who has them. */
	if (trip->call->flags & CALL_REGISTRY)
		return OUTCOME_REFUSED;
	/* A permission of its own, which others need not have. */
	if (trip->call->flags & (CALL_ACCOUNT | CALL_GRAPHQL) && ex->status == 403)
		return OUTCOME_REFUSED;
	return facts.refused_credentials ? OUTCOME_DENIED : OUTCOME_REFUSED;
}

enum outcome judge_exchange(struct trip *trip, struct exchange *ex, struct answer *ret, int *ret_r)
{
	enum outcome outcome;

	if (ex->end != END_ANSWER) {
		*ret_r = not_sent(trip, ex);
		return OUTCOME_ENDED;
	}
	if (ex->status) {
		__atomic_store_n(&trip->client->silent, false, __ATOMIC_RELAXED);
		outcome = judge(trip, ex, ret, ret_r);
	} else {
		outcome = retry_lost_connection(ex, transport_sent(trip->transport, ex), trip->client->host, ret_r, trip->err);
	}
	metrics_count(&trip->client->metrics, trip->call->operation, ex->status, ex->seconds);
	/* Not the error's text: it is scrubbed of what the request held only when the call ends. */
	log_debug("%s %s %s: %d in %.1f ms", trip->call->operation, trip->call->method, trip->call->path, ex->status,
		  ex->seconds * 1000);
	return outcome;
}

enum outcome judge_interrupted(struct trip *trip, struct exchange *ex, int *ret_r)
{
	bool sent = transport_sent(trip->transport, ex);

	if (*ret_r == -EINTR)
		err_set(trip->err, EINTR, "interrupted");
	else if (*ret_r == -ESHUTDOWN)
		*ret_r = err_set(trip->err, EIO, "the client is ending");
	else
		*ret_r = err_set(trip->err, ETIMEDOUT, "%s did not answer in time", trip->client->host);
	if (sent)
		metrics_count(&trip->client->metrics, trip->call->operation, 0, 0);
	trip->maybe_done |= sent;
	return OUTCOME_ENDED;
}
