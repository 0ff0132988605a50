#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/base/cleanup.h"
#include "fs/run/probe.h"
#include "fs/show/offers.h"
#include "fs/show/walkers.h"

struct judged {
	const char *method, *path;
	bool cloudchamber;
	int result, status, code;
	const char *word, *text;
	enum offer_word says;
};

static const struct judged judged[] = {
	/* Official operations are there; what they answer is about something else. */
	{ "GET", "/applications", false, 0, 200, 0, "", "", OFFER_SAYS_YES },
	{ "GET", "/applications", false, -ENOENT, 404, 7003, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/applications", false, -ENOENT, 405, 0, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/applications", false, -EACCES, 403, 10000, "", "", OFFER_SAYS_REFUSED },
	{ "GET", "/applications", false, -EIO, 500, 0, "", "", OFFER_SAYS_NOTHING },
	{ "POST", "/applications/x/rollouts", false, -ENOENT, 404, 7003, "", "", OFFER_SAYS_NOTHING },
	/* No route. */
	{ "GET", "/secrets", false, -ENOENT, 404, 0, "", "", OFFER_SAYS_NO_ROUTE },
	{ "GET", "/secrets", false, -ENOENT, 404, 7000, "", "", OFFER_SAYS_NO_ROUTE },
	{ "GET", "/secrets", false, -EINVAL, 400, 7003, "", "", OFFER_SAYS_NO_ROUTE },
	{ "GET", "/secrets", false, -ENOENT, 405, 0, "", "", OFFER_SAYS_NO_ROUTE },
	{ "GET", "/me", false, -ENOENT, 405, 0, "", "", OFFER_SAYS_NO_ROUTE },
	{ "GET", "/me", false, -ENOENT, 404, 7003, "", "", OFFER_SAYS_NO_ROUTE },
	{ "POST", "/secrets", false, -EPERM, 405, 0, "", "", OFFER_SAYS_NO_ROUTE },
	{ "PATCH", "/secrets/x", false, -ENOENT, 404, 7003, "", "", OFFER_SAYS_NO_ROUTE },
	/* The gateway's word on the credentials; a thing that is not there; the application that is not there. */
	{ "GET", "/secrets", false, -ENOENT, 405, 10405, "", "", OFFER_SAYS_NOTHING },
	{ "PATCH", "/secrets/x", false, -ENOENT, 404, 0, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/deployments/x/v2", false, -ENOENT, 404, 0, "DEPLOYMENT_NOT_FOUND", "", OFFER_SAYS_NOTHING },
	{ "GET", "/applications/x/rollouts", false, -ENOENT, 404, 1609, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/applications/x/rollouts", false, -ENOENT, 404, 0, "APPLICATION_NOT_FOUND", "", OFFER_SAYS_NOTHING },
	{ "GET", "/applications/x/rollouts", false, -ENOENT, 404, 0, "", "", OFFER_SAYS_NO_ROUTE },
	/* No answer at all. */
	{ "GET", "/secrets", false, -ETIMEDOUT, 0, 0, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/secrets", false, -EIO, 502, 0, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/secrets", false, -EAGAIN, 429, 0, "", "", OFFER_SAYS_NOTHING },
	/* Refused. */
	{ "GET", "/secrets", false, -EACCES, 403, 10000, "", "", OFFER_SAYS_REFUSED },
	{ "GET", "/secrets", false, -EACCES, 401, 10000, "", "", OFFER_SAYS_NOTHING },
	/* The other prefix takes other credentials, and has no numbers. */
	{ "GET", "/deployments/v2", true, -EACCES, 401, 0, "", "", OFFER_SAYS_REFUSED },
	{ "GET", "/deployments/v2", true, -EACCES, 403, 0, "", "", OFFER_SAYS_REFUSED },
	{ "GET", "/deployments/v2", true, -ENOENT, 404, 0, "", "", OFFER_SAYS_NO_ROUTE },
	{ "POST", "/deployments/v2", true, -ENOENT, 404, 0, "", "Could not route to /x", OFFER_SAYS_NO_ROUTE },
	{ "GET", "/deployments/x/v2", true, -ENOENT, 404, 0, "", "not found", OFFER_SAYS_NOTHING },
	/* Not for this application. */
	{ "GET", "/applications/x/instances-v2", false, -EINVAL, 400, 0, "", "instances are not enabled", OFFER_SAYS_NOT_HERE },
	{ "GET", "/applications/x/instances-v2", false, -EINVAL, 400, 0, "VALIDATE_INPUT", "per_page", OFFER_SAYS_NOTHING },
	{ "GET", "/applications/x/instances-v2", false, -EIO, 400, 0, "", "<html>", OFFER_SAYS_NOTHING },
	{ "GET", "/applications/x/instances-v2", false, -EACCES, 400, 6003, "", "", OFFER_SAYS_NOTHING },
	{ "GET", "/applications/x/versions", false, -EINVAL, 400, 0, "", "", OFFER_SAYS_NOTHING },
};

static void test_what_an_answer_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(judged); i++) {
		const struct judged *j = &judged[i];
		const struct operation *operation = operation_find(j->method, j->path);
		struct err err = { .http_status = j->status, .api_code = j->code };
		enum offer_word says;

		assert_non_null(operation);
		snprintf(err.code, sizeof(err.code), "%s", j->word);
		snprintf(err.text, sizeof(err.text), "%s", j->text);
		says = offers_judge(operation, j->cloudchamber, j->result, &err);
		if (says != j->says)
			fail_msg("%s %s %d code %d %s: %d, not %d", j->method, j->path, j->status, j->code, j->word, says,
				 j->says);
	}
}

static void test_who_got_a_name_from_a_listing(void **state)
{
	struct walkers *w = walkers_new();

	(void)state;
	assert_non_null(w);
	walkers_listed(w, 7, "/", 1 << 3 | 1 << 5);
	assert_true(walkers_has(w, 7, "/", 3));
	assert_true(walkers_has(w, 7, "/", 5));
	assert_false(walkers_has(w, 7, "/", 4));
	assert_false(walkers_has(w, 8, "/", 3));
	assert_false(walkers_has(w, 7, "other", 3));
	assert_false(walkers_has(w, 0, "/", 3));
	/* Listed again: what is known by now is no longer among them. */
	walkers_listed(w, 7, "/", 1 << 5);
	assert_false(walkers_has(w, 7, "/", 3));
	walkers_listed(w, 7, "/", 0);
	assert_false(walkers_has(w, 7, "/", 5));
	walkers_free(w);
}

static void test_the_oldest_listings_are_forgotten(void **state)
{
	struct walkers *w = walkers_new();

	(void)state;
	walkers_listed(w, 1, "/", 1);
	for (pid_t i = 2; i < WALKERS_MAX + 1; i++)
		walkers_listed(w, i, "/", 1);
	assert_true(walkers_has(w, 1, "/", 0));
	walkers_listed(w, WALKERS_MAX + 1, "/", 1);
	assert_false(walkers_has(w, 1, "/", 0));
	assert_true(walkers_has(w, 2, "/", 0));
	walkers_free(w);
}

static const struct {
	const char *url;
	int result, status, code;
	enum exit_status exit;
	const char *says; /* stands in the sentence */
} starts[] = {
	{ "https://api.example/client/v4", -EACCES, 401, 1000, EXIT_CREDENTIALS, "plan" },
	{ "https://api.example/client/v4", -EACCES, 401, 10000, EXIT_CREDENTIALS, "token_file=/t" },
	{ "https://api.example/client/v4", -EACCES, 403, 10000, EXIT_CREDENTIALS, "Workers Containers Read" },
	{ "https://api.example/client/v4", -EACCES, 403, 10000, EXIT_CREDENTIALS, "token_file=/t" },
	{ "https://api.example/client/v4", -EACCES, 403, 0, EXIT_CREDENTIALS, "Workers Containers Read" },
	{ "https://api.example/client/v4", -EACCES, 400, 6003, EXIT_CREDENTIALS, "malformed" },
	{ "https://api.example/client/v4", -ENOENT, 405, 10405, EXIT_CREDENTIALS, "10405" },
	{ "https://api.example/client/v4", -ENOENT, 404, 7003, EXIT_CREDENTIALS, "no account 0123" },
	{ "https://api.example", -ENOENT, 404, 7003, EXIT_API, "/client/v4" },
	{ "https://api.example/v4", -ENOENT, 404, 0, EXIT_API, "'/v4'" },
	{ "https://api.example/", -EIO, 405, 0, EXIT_API, "/client/v4" },
	{ "https://api.example/client/v4", -EIO, 502, 0, EXIT_API, "https://api.example" },
	{ "https://api.example/client/v4", -ECONNREFUSED, 0, 0, EXIT_API, "api.example" },
	{ "https://api.example/client/v4", -EAGAIN, 429, 0, EXIT_API, "api.example" },
};

static void test_why_it_does_not_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(starts); i++) {
		struct err err = { .errnum = -starts[i].result, .http_status = starts[i].status, .api_code = starts[i].code };
		enum exit_status status;

		snprintf(err.text, sizeof(err.text), "some words");
		status = probe_explain(starts[i].url, "0123", "token_file=/t", starts[i].result, &err);
		if (status != starts[i].exit || !strstr(err.text, starts[i].says) || !strstr(err.text, "some words"))
			fail_msg("%d code %d: exit %d, not %d: %s", starts[i].status, starts[i].code, status, starts[i].exit,
				 err.text);
		assert_null(strchr(err.text, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_an_answer_says),
		cmocka_unit_test(test_who_got_a_name_from_a_listing),
		cmocka_unit_test(test_the_oldest_listings_are_forgotten),
		cmocka_unit_test(test_why_it_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
