#include "fs/run/probe.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>

/* Where Cloudflare's API begins, in every base address of it. */
#define API_PATH "/client/v4"

#define CODE_NO_CONTAINERS 1000
#define CODE_MALFORMED     6003
#define CODE_GATEWAY       10405

static const char *path_of(const char *base_url)
{
	const char *host = strstr(base_url, "://");

	return strchrnul(host ? host + 3 : base_url, '/');
}

static bool names_host(const char *base_url, const char *text)
{
	const char *host = strstr(base_url, "://");
	char name[256];

	host = host ? host + 3 : base_url;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(host, ":/"), host);
	return strstr(text, name);
}

/* A failure's own sentence, beside what it means. */
static void explain(struct err *err, int errnum, const char *format, ...) printf_like_(3, 4);
static void explain(struct err *err, int errnum, const char *format, ...)
{
	char said[200], text[400];
	va_list ap;

	snprintf(said, sizeof(said), "%.*s", (int)sizeof(said) - 1, err->text);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	err_set(err, errnum, "%s; the service said: %s", text, said);
}

static enum exit_status explain_route(const char *base_url, const char *account, struct err *err)
{
	size_t n = strlen(API_PATH), len = strlen(base_url);

	if (len >= n && !strcmp(base_url + len - n, API_PATH)) {
		explain(err, ENOENT,
			"%s has no account %s, or these credentials do not reach it: look at the account's id, and at the "
			"accounts that "
			"the token is for",
			base_url, account);
		return EXIT_CREDENTIALS;
	}
	explain(err, ENOENT,
		"%s has no such route: the API's address ends with %s, this one's path is '%s' (option url, or "
		"CLOUDFLARE_API_BASE_URL)",
		base_url, API_PATH, path_of(base_url));
	return EXIT_API;
}

static enum exit_status explain_refusal(const char *account, const char *source, struct err *err)
{
	int status = err->http_status, code = err->api_code;

	if (status == 401 && code == CODE_NO_CONTAINERS)
		explain(err, EACCES,
			"account %s has no Containers (401, code %d): its plan does not include them, which the Workers Paid "
			"plan does",
			account, code);
	else if (status == 405)
		explain(err, EACCES,
			"the API does not take this kind of credentials, from %s, for Containers (405, code %d): make an API "
			"token with "
			"the permission Workers Containers",
			source, code);
	else if (status == 403 && code == 0)
		explain(err, EACCES,
			"the credentials from %s lack a permission for account %s (403): give the token Workers Containers Read, "
			"or Write "
			"for changes",
			source, account);
	else if (status == 403)
		explain(err, EACCES,
			"the credentials from %s were refused (403, code %d): the token is wrong or expired, or it lacks the "
			"permission "
			"Workers Containers Read (Write for changes) for account %s",
			source, code, account);
	else if (status == 400)
		explain(err, EACCES, "the credentials from %s are malformed (400, code %d): look at the token, byte by byte",
			source, code);
	else
		explain(err, EACCES,
			"the credentials from %s were refused (%d, code %d): the token is wrong, expired or revoked; make a new "
			"one, or "
			"run 'wrangler login' where it is wrangler's",
			source, status, code);
	return EXIT_CREDENTIALS;
}

enum exit_status probe_explain(const char *base_url, const char *account, const char *source, int result, struct err *err)
{
	int status = err->http_status;

	if (result == -ENOMEM)
		return EXIT_MOUNT;
	if (status == 404 || err->api_code == 7000 || err->api_code == 7003 || (status == 405 && err->api_code != CODE_GATEWAY))
		return explain_route(base_url, account, err);
	if (status == 401 || status == 403 || status == 405 || (status == 400 && err->api_code == CODE_MALFORMED) ||
	    result == -EACCES || result == -EPERM)
		return explain_refusal(account, source, err);
	if (!names_host(base_url, err->text))
		err_prefix(err, "%s: ", base_url);
	return EXIT_API;
}

enum exit_status probe_account(struct mount *mount, const char *source, struct err *err)
{
	const struct call call = {
		.operation = "list applications", .method = "GET", .path = "/applications?per_page=1", .flags = CALL_PROBE
	};
	struct answer answer = { 0 };
	int result = client_call(mount->client, &call, &answer, err);
	bool list = result == 0 && json_object_is_type(answer.result, json_type_array);

	answer_clear(&answer);
	if (list)
		return EXIT_MOUNTED;
	if (result == 0)
		result = err_set(err, EIO, "%s answered no list of applications: is it the address of the API?", mount->base_url);
	return probe_explain(mount->base_url, mount->options->account_id, source, result, err);
}
