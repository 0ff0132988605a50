#include "api/client.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/rand.h"
#include "api/client_parts.h"
#include "api/client_private.h"
#include "api/credentials.h"
#include "api/credentials_secret.h"
#include "api/oneline.h"

/* However short the timeout is, an answer may take so long. */
#define QUIET_MIN_MS 5000
/* And so long a read waits at least for an API that let another's whole time go by. */
#define SILENT_MIN_MS 1000

/* What the registry may answer of a tag. */
#define ACCEPT_MANIFESTS                                                                                                         \
	"Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "                          \
	"application/vnd.docker.distribution.manifest.v2+json, "                                                                 \
	"application/vnd.docker.distribution.manifest.list.v2+json"

/* ---- one exchange ---- */

/*
 * How long the first try of a read may go without a byte. A dead peer is noticed by TCP; a live one that lost the request
 * would hold all who wait for it until the deadline. One more try has the rest of the time, so an API that is merely slow
 * gets two calls at most, and still has three quarters of the time to answer.
 */
static int64_t quiet_limit(const struct trip *trip)
{
	const struct client *client = trip->client;
	int64_t ms = client->timeout_ms / 4;

	if (trip->tries > 1 || !client->retries || retry_is_write(trip->call))
		return 0;
	ms = ms > client->connect_timeout_ms ? ms : client->connect_timeout_ms;
	return ms > QUIET_MIN_MS ? ms : QUIET_MIN_MS;
}

/* Waits for the others that use the account. 0; or as transport_run, with the text. */
static int pass_gate(struct trip *trip)
{
	const struct client_gate *gate = &trip->client->gate;
	bool write = trip->call->flags & CALL_WRITE;
	struct client_try what = { .write = write, .deadline_ms = trip->deadline_ms };
	int64_t resume_ms = 0;
	unsigned part = 1;
	int r;

	/* What has a budget of its own takes nothing of theirs. */
	if (!gate->pass || trip->transport != trip->client->transport)
		return 0;
	/* What was sent before is waited for, whatever signal comes. */
	what.waiter = write && trip->maybe_done ? NULL : trip->waiter;
	r = gate->pass(gate->arg, &what, &part, &resume_ms);
	if (r == 0)
		transport_divide(trip->client->transport, part);
	else if (r == -ETIMEDOUT)
		return judge_limited(trip, resume_ms);
	return r < 0 ? err_set(trip->err, -r, r == -EINTR ? "interrupted" : "the call's turn could not be waited for") : 0;
}

/* A 429 is for all who use the account. */
static void tell_gate(struct trip *trip, const struct exchange *ex)
{
	const struct client_gate *gate = &trip->client->gate;

	if (gate->stopped && ex->status == 429 && trip->transport == trip->client->transport)
		gate->stopped(gate->arg, clock_left_ms(ex->resume_ms));
}

/* A reference; NULL without memory. */
static struct headers *headers_of(struct client *client, const struct call *call)
{
	const char *const own[] = { call->authorization, ACCEPT_MANIFESTS, NULL };

	if (call->authorization)
		return headers_new(own);
	scope_lock(client, client);
	return headers_ref(client->headers);
}

static enum outcome try_once(struct trip *trip, struct answer *ret, int *ret_r)
{
	struct client *client = trip->client;
	const struct call *call = trip->call;
	enum outcome outcome;
	struct exchange *ex;
	bool quiet = trip->quiet;

	trip->quiet = trip->unheard = false;
	*ret_r = pass_gate(trip);
	if (*ret_r < 0)
		return OUTCOME_ENDED;
	headers_unref(trip->headers);
	trip->headers = headers_of(client, call);
	ex = !trip->headers ? NULL : exchange_new(call->method, trip->url, call->body, call->body_len, trip->headers);
	if (!ex) {
		*ret_r = err_set(trip->err, ENOMEM, "out of memory");
		return OUTCOME_REFUSED;
	}
	ex->write = call->flags & CALL_WRITE;
	ex->endpoint = hash64(call->operation, strlen(call->operation));
	ex->deadline_ms = trip->deadline_ms;
	ex->quiet_ms = quiet_limit(trip);
	/* Of many streams on one connection, the silent one says nothing of the connection: another is tried. */
	ex->fresh = quiet;
	trip->retry_after_ms = -1;
	*ret_r = transport_run(trip->transport, ex, trip->waiter, ex->write && trip->maybe_done);
	if (*ret_r < 0)
		outcome = judge_interrupted(trip, ex, ret_r);
	else
		outcome = judge_exchange(trip, ex, ret, ret_r);
	/* Its quiet_ms is of the first try alone. */
	trip->quiet = outcome == OUTCOME_LOST && *ret_r == -ETIMEDOUT && ex->quiet_ms;
	trip->unheard = *ret_r == -ETIMEDOUT && ex->end != END_TIMEOUT && ex->end != END_LIMITED;
	tell_gate(trip, ex);
	trip->maybe_done |= outcome == OUTCOME_LOST || outcome == OUTCOME_UNCLEAR;
	transport_release(trip->transport, ex);
	return outcome;
}

/* ---- the whole call ---- */

static int renew_headers_locked(struct client *client, struct err *err) REQUIRES(client_locked)
{
	struct headers *fresh = headers_new(credentials_headers(client->credentials));

	client_assert_locked(client);
	if (!fresh)
		return err_set(err, ENOMEM, "out of memory");
	headers_unref(client->headers);
	client->headers = fresh;
	return 0;
}

static int reload_locked(struct client *client, struct err *err) REQUIRES(client_locked)
{
	int r;

	client_assert_locked(client);
	r = credentials_reload(client->credentials, err);
	if (r == 1 && renew_headers_locked(client, err) < 0)
		return -ENOMEM;
	return r;
}

static int reload(struct client *client, struct err *err)
{
	const struct client_gate *gate = &client->gate;
	int r;

	client_lock(client);
	r = reload_locked(client, err);
	client_unlock(client);
	if (r == 1 && gate->renewed)
		gate->renewed(gate->arg);
	return r;
}

void client_mix_token(struct client *client, uint8_t key[FINGERPRINT_KEY_BYTES])
{
	const char *token;
	uint8_t mixed[FINGERPRINT_BYTES];

	_Static_assert(FINGERPRINT_BYTES == FINGERPRINT_KEY_BYTES, "a fingerprint serves as a key");
	client_lock(client);
	token = credentials_secret(client->credentials);
	fingerprint(key, token ? token : "", token ? strlen(token) : 0, mixed);
	client_unlock(client);
	memcpy(key, mixed, sizeof(mixed));
	wipe(mixed, sizeof(mixed));
}

void client_set_gate(struct client *client, const struct client_gate *gate)
{
	client->gate = *gate;
}

int client_reload_credentials(struct client *client, struct err *err)
{
	int r = reload(client, err);

	if (r == 1)
		log_info("credentials were read again and differ");
	return r < 0 ? r : 0;
}

/* Whether the credentials are now others than those that were refused. */
static bool has_new_credentials(struct trip *trip)
{
	struct client *client = trip->client;
	struct err err = ERR_INIT;
	bool changed;

	if (trip->denied)
		return false;
	trip->denied = true;
	if (reload(client, &err) < 0)
		log_warning("the credentials cannot be read again: %s", err.text);
	client_lock(client);
	changed = client->headers != trip->headers;
	client_unlock(client);
	return changed;
}

/* 0, or -EINTR. */
static int pause_until(struct trip *trip, int64_t until_ms)
{
	bool committed = trip->call->flags & CALL_WRITE && trip->maybe_done;

	return waiter_pause(trip->waiter, until_ms, committed) == -EINTR ? err_set(trip->err, EINTR, "interrupted") : 0;
}

/* A DELETE that is sent again because its answer was lost finds nothing: the first one did it. */
static bool is_deleted_already(const struct trip *trip, enum outcome outcome, int r)
{
	return outcome == OUTCOME_REFUSED && r == -ENOENT && trip->maybe_done && trip->tries > 1 &&
	       !strcmp(trip->call->method, "DELETE");
}

/* The failure of an earlier try says more than that there was no time for another. */
static void keep_reason(struct trip *trip, const struct err *before)
{
	size_t n = strlen(trip->err->text);

	if (!before->text[0])
		return;
	snprintf(trip->err->text + n, sizeof(trip->err->text) - n, "; before that: %s", before->text);
	trip->err->http_status = before->http_status;
	trip->err->api_code = before->api_code;
	memcpy(trip->err->code, before->code, sizeof(before->code));
	memcpy(trip->err->request_id, before->request_id, sizeof(before->request_id));
}

static int report_unknown(struct trip *trip, int r)
{
	if (r != -ETIMEDOUT && r != -EINTR && r != -EAGAIN)
		r = -EIO;
	if (!retry_is_write(trip->call))
		return r;
	err_prefix(trip->err, "it is not known whether the change was made: ");
	trip->err->errnum = -r;
	trip->err->outcome_unknown = true;
	return r;
}

static int travel(struct trip *trip, struct answer *ret)
{
	struct err before = ERR_INIT;

	for (;;) {
		enum outcome outcome;
		enum verdict verdict;
		int64_t delay;
		int r;

		err_clear(trip->err);
		trip->tries++;
		outcome = try_once(trip, ret, &r);
		if (is_deleted_already(trip, outcome, r)) {
			*ret = (struct answer){ .status = 404, .sent_ms = clock_now_ms() };
			memcpy(ret->request_id, trip->err->request_id, sizeof(ret->request_id));
			return 0;
		}
		if (outcome == OUTCOME_DENIED && has_new_credentials(trip))
			continue;
		if (outcome == OUTCOME_ENDED && trip->tries > 1)
			keep_reason(trip, &before);
		verdict = retry_verdict(trip->call, outcome, trip->maybe_done, trip->tries, trip->client->retries);
		delay = retry_delay_ms(outcome, trip->tries, trip->retry_after_ms);
		if (verdict == VERDICT_AGAIN && delay < clock_left_ms(trip->deadline_ms)) {
			before = *trip->err;
			metrics_retry(&trip->client->metrics);
			if (!delay || (r = pause_until(trip, clock_after_ms(delay))) == 0)
				continue;
			verdict = VERDICT_END;
		} else if (verdict == VERDICT_AGAIN) {
			verdict = trip->maybe_done ? VERDICT_UNKNOWN : VERDICT_END;
		}
		return verdict == VERDICT_UNKNOWN ? report_unknown(trip, r) : r;
	}
}

static void scrub_error(struct trip *trip)
{
	struct client *client = trip->client;

	client_lock(client);
	scrub_token(trip->err->text, credentials_secret(client->credentials));
	client_unlock(client);
	scrub_body(trip->err->text, trip->call->body, trip->call->body_len);
}

static int enter(struct client *client)
{
	scope_lock(client, client);
	if (client->ending)
		return -EIO;
	client->callers++;
	return 0;
}

static void leave(struct client *client)
{
	scope_lock(client, client);
	if (--client->callers == 0)
		pthread_cond_broadcast(&client->left);
}

/* Who did not answer one caller in all its time is not waited for by the next ones so long. */
static void share_silence(struct trip *trip)
{
	int64_t soon = trip->client->timeout_ms / 8;

	soon = clock_after_ms(soon > SILENT_MIN_MS ? soon : SILENT_MIN_MS);
	if (!retry_is_write(trip->call) && __atomic_load_n(&trip->client->silent, __ATOMIC_RELAXED) && trip->deadline_ms > soon)
		trip->deadline_ms = soon;
}

static char *make_url(const struct client *client, const struct call *call)
{
	const char *base = call->flags & CALL_REGISTRY ? client->registry :
			   call->flags & CALL_GRAPHQL  ? client->base :
							 client->account;
	const char *prefix = call->flags & (CALL_GRAPHQL | CALL_ACCOUNT | CALL_REGISTRY) ? "" :
			     call->flags & CALL_CLOUDCHAMBER                             ? "/cloudchamber" :
											   "/containers";

	return text_new("%s%s%s", base, prefix, call->path);
}

static int run_call(struct client *client, const struct call *call, struct waiter *waiter, struct answer *ret, struct err *err)
{
	struct trip trip = { .client = client, .call = call, .err = err, .waiter = waiter };
	int r;

	trip.operation = operation_find(call->method, call->path);
	trip.deadline_ms = call->deadline_ms ? call->deadline_ms : client_deadline(client);
	trip.url = make_url(client, call);
	if (!trip.url)
		return err_set(err, ENOMEM, "out of memory");
	r = hosts_find(client->hosts, call->flags, client->transport, &trip.transport, err);
	if (r < 0) {
		free(trip.url);
		return r;
	}
	share_silence(&trip);
	r = travel(&trip, ret);
	if (r == -ETIMEDOUT && trip.unheard)
		__atomic_store_n(&client->silent, true, __ATOMIC_RELAXED);
	if (r < 0)
		scrub_error(&trip);
	else
		err_clear(err);
	headers_unref(trip.headers);
	free(trip.url);
	return r;
}

static void add_unowned(struct client *client, struct unowned *own)
{
	scope_lock(client, client);
	DL_APPEND(client->unowned, own);
	if (client->ends_unowned)
		waiter_cancel(&own->waiter);
}

static void remove_unowned(struct client *client, struct unowned *own)
{
	scope_lock(client, client);
	DL_DELETE(client->unowned, own);
}

void client_end_unowned(struct client *client)
{
	struct unowned *own;

	if (!client)
		return;
	scope_lock(client, client);
	client->ends_unowned = true;
	DL_FOREACH(client->unowned, own)
		waiter_cancel(&own->waiter);
}

/* With a waiter of its own. */
static int run_unowned(struct client *client, const struct call *call, struct answer *ret, struct err *err)
{
	bool read = !retry_is_write(call);
	struct unowned own;
	int r;

	if (waiter_init(&own.waiter) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (read)
		add_unowned(client, &own);
	r = run_call(client, call, &own.waiter, ret, err);
	if (read)
		remove_unowned(client, &own);
	waiter_destroy(&own.waiter);
	return r;
}

int client_call(struct client *client, const struct call *call, struct answer *ret, struct err *err)
{
	struct answer answer = { 0 };
	struct err own_err = ERR_INIT;
	int r;

	err = err ? err : &own_err;
	err_clear(err);
	r = enter(client);
	if (r < 0)
		return err_set(err, -r, "the client is ending");
	r = call->waiter ? run_call(client, call, call->waiter, &answer, err) : run_unowned(client, call, &answer, err);
	leave(client);
	if (r == 0)
		*ret = answer;
	return r;
}

const char *client_registry(const struct client *client)
{
	return client->registry;
}

int64_t client_deadline(const struct client *client)
{
	return clock_after_ms(client->timeout_ms);
}

unsigned client_page_size(const struct client *client, const struct operation *operation)
{
	switch (__atomic_load_n(&client->refused_sizes[operation - operations], __ATOMIC_RELAXED)) {
	case 0:
		return operation->page_size;
	case 1:
		return operation->page_size / 2;
	default:
		return 0;
	}
}

void client_page_refused(struct client *client, const struct operation *operation, unsigned size)
{
	unsigned char *refused = &client->refused_sizes[operation - operations];

	/* Of several lists at once, only the first one's refusal counts. */
	if (size != client_page_size(client, operation))
		return;
	log_info("%s takes no pages of %u", operation->id, size);
	__atomic_store_n(refused, size == operation->page_size ? 1 : 2, __ATOMIC_RELAXED);
}

void client_forget_limits(struct client *client)
{
	for (size_t i = 0; i < OPERATIONS_MAX; i++)
		__atomic_store_n(&client->refused_sizes[i], 0, __ATOMIC_RELAXED);
	transport_forget_limits(client->transport);
	hosts_forget_limits(client->hosts);
}

void client_stats(struct client *client, struct client_stats *ret)
{
	metrics_lock(&client->metrics);
	*ret = client->metrics.stats;
	metrics_unlock(&client->metrics);
	ret->budget_left = transport_budget_left(client->transport);
}

/* ---- life ---- */

static char *host_of(const char *url)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	return strndup(host, strcspn(host, "/"));
}

/* Takes credentials over in any case. */
static int client_init(struct client *client, const struct client_options *options, struct credentials *credentials,
		       struct err *err)
{
	struct transport_options transport = {
		.base_url = options->base_url,
		.cacert = options->cacert,
		.user_agent = options->user_agent,
		.connect_timeout_ms = options->connect_timeout_ms,
		.max_conns = options->max_conns,
		.rps = options->rps,
		.burst = options->burst,
	};
	int r;

	lock_init(&client->lock);
	lock_init(&client->metrics.lock);
	clock_cond_init(&client->left);
	client_lock(client);
	client->credentials = credentials;
	r = renew_headers_locked(client, err);
	client_unlock(client);
	client->retries = options->retries;
	client->connect_timeout_ms = options->connect_timeout_ms;
	client->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 60 * MSEC_PER_SEC;
	client->host = host_of(options->base_url);
	client->base = strdup(options->base_url);
	client->registry = options->registry ? strdup(options->registry) : NULL;
	client->hosts = hosts_new(&transport, options->registry);
	client->account = text_new("%s/accounts/%s", options->base_url, options->account_id);
	if (!client->account || !client->host || !client->base || !client->hosts)
		return err_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	return transport_new(&transport, &client->transport, err);
}

int client_new(const struct client_options *options, struct credentials *credentials, struct client **ret, struct err *err)
{
	struct client *client;
	int r;

	/* curl would write the keys of its connections there. */
	unsetenv("SSLKEYLOGFILE");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		credentials_free(credentials);
		return err_set(err, ENOMEM, "libcurl cannot be used");
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		credentials_free(credentials);
		curl_global_cleanup();
		return err_set(err, ENOMEM, "out of memory");
	}
	r = client_init(client, options, credentials, err);
	if (r < 0)
		client_free(client);
	else
		*ret = client;
	return r;
}

struct client *client_free(struct client *client)
{
	struct credentials *credentials;
	struct headers *headers;

	if (!client)
		return NULL;
	client_lock(client);
	client->ending = true;
	client_unlock(client);
	/* Ends every exchange, so that the callers leave. */
	if (client->transport)
		transport_stop(client->transport);
	hosts_stop(client->hosts);
	client_lock(client);
	while (client->callers)
		client_cond_wait(client, &client->left, CLOCK_NEVER);
	credentials = steal_ptr(client->credentials);
	headers = steal_ptr(client->headers);
	client_unlock(client);
	transport_free(client->transport);
	hosts_free(client->hosts);
	credentials_free(credentials);
	headers_unref(headers);
	pthread_cond_destroy(&client->left);
	lock_destroy(&client->metrics.lock);
	lock_destroy(&client->lock);
	free(client->account);
	free(client->host);
	free(client->base);
	free(client->registry);
	free(client);
	curl_global_cleanup();
	return NULL;
}
