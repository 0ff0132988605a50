#include "api/errors.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

/* The first row that matches counts, in each table. */

static const struct {
	const char *word; /* a pattern */
	int errnum;
	const char *sentence; /* NULL: the service's own text says enough */
} words[] = {
	{ "VALIDATE_INPUT", EINVAL, "the service refused the document" },
	{ "SURPASSED_BASE_LIMITS", EDQUOT, "it is larger than the account allows one deployment to be (account/limits.json)" },
	{ "SURPASSED_TOTAL_LIMITS", EDQUOT, "the account's limits are used up (account/limits.json)" },
	{ "LOCATION_SURPASSED_BASE_LIMITS", EDQUOT, "it is larger than this location allows (account/locations.json)" },
	{ "LOCATION_NOT_ALLOWED", EDQUOT, "the account may not use this location (account/locations.json)" },
	{ "SURPASSED_*", EDQUOT, "a limit of the account is reached" },
	{ "LOCATION_*", EDQUOT, "a limit of the location is reached" },
	{ "JOB_CREATE_NOT_ALLOWED", EPERM, "only an application that was created with \"jobs\": true takes jobs" },
	{ "DURABLE_OBJECT_ALREADY_HAS_APPLICATION", EEXIST, "the Durable Object namespace already has an application" },
	{ "DURABLE_OBJECT_NOT_FOUND", EINVAL, "there is no such Durable Object namespace" },
	{ "DURABLE_OBJECT_NOT_CONTAINER_ENABLED", EINVAL, "the Durable Object class is not enabled for containers" },
	{ "IMAGE_REGISTRY_IS_PUBLIC", EINVAL, "the registry is public: it has no credentials" },
	{ "IMAGE_REGISTRY_NOT_CONFIGURED", EINVAL, "the image's registry is not among registries/" },
	{ "IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE", EINVAL, "the registry does not hold the image" },
	{ "IMAGE_REGISTRY_RETURNED_ERROR", EINVAL, "the image's registry answered with an error" },
	{ "IMAGE_REGISTRY_PROTO_IS_REFERENCED", EBUSY, "an image still refers to the registry protocol" },
	{ "*_ALREADY_EXISTS", EEXIST, "the name is taken" },
	{ "*_IS_REFERENCED", EBUSY, "something still refers to it" },
	{ "*_IN_USE", EBUSY, "it is in use" },
	{ "*ROLLOUT*ACTIVE*", EBUSY, "the rollout is active" },
	{ "*ACTIVE*ROLLOUT*", EBUSY, "a rollout is active" },
	{ "*ROLLOUT*IN_PROGRESS*", EBUSY, "a rollout is in progress" },
	{ "*STEP*", EBUSY, "the rollout's current step is not finished" },
};

#define BEING_DELETED "*being deleted*"

/* Sentences of which no word is known; lower and upper case are the same. */
static const struct {
	const char *text;
	int errnum;
} sentences[] = {
	{ "*active rollout*", EBUSY },      { "*rollout is *active*", EBUSY }, { "*rollout is *progress*", EBUSY },
	{ "*rollout in progress*", EBUSY }, { "*step*unfinished*", EBUSY },    { "*unfinished*step*", EBUSY },
	{ "*step*not*finished*", EBUSY },   { "*step*not*complete*", EBUSY },  { "*step*in progress*", EBUSY },
	{ "*is referenced*", EBUSY },       { "*still in use*", EBUSY },       { BEING_DELETED, EEXIST },
};

static const struct {
	int status;
	int reading, writing;
	const char *sentence;
} statuses[] = {
	{ 400, EINVAL, EINVAL, NULL },
	{ 401, EACCES, EACCES, "the credentials were refused" },
	{ 402, EDQUOT, EDQUOT, "the account's plan does not include it" },
	{ 403, EACCES, EPERM, NULL },
	{ 404, ENOENT, ENOENT, "not found" },
	{ 405, ENOENT, EPERM, "the service does not offer this" },
	{ 408, EIO, EIO, "the service gave up waiting for the request" },
	{ 409, EEXIST, EEXIST, "it conflicts with what is there" },
	{ 410, ENOENT, ENOENT, "it is gone" },
	{ 412, ESTALE, ESTALE, "it was changed meanwhile" },
	{ 413, EFBIG, EFBIG, "the document is too large for the service" },
	{ 423, EBUSY, EBUSY, "it is locked" },
	{ 425, EIO, EIO, "the service was not ready for the request" },
	{ 429, EAGAIN, EAGAIN, "the account's rate limit is used up" },
};

/* Numbers by which the API says that it does not know the caller at all. */
static const struct {
	int status, code;
} authentication[] = {
	{ 400, 6003 }, { 400, 6111 }, { 403, 10000 }, { 403, 10001 }, { 403, 6003 },
	{ 403, 6111 }, { 403, 9103 }, { 403, 9106 },  { 403, 9107 },  { 403, 9109 },
};

/* Numbers that say more than their status. */
static const struct {
	int status, code;
	int reading, writing;
	const char *sentence;
} numbers[] = {
	{ 401, 1000, EACCES, EACCES, "the account has no Containers: its plan does not include them" },
	{ 405, 10405, EACCES, EPERM,
	  "the gateway takes neither this kind of credentials nor ids that are no UUIDs; make an API token with the permission "
	  "Workers "
	  "Containers" },
	{ 400, 1608, EEXIST, EEXIST, "the Durable Object namespace already has an application" },
	{ 404, 1609, ENOENT, ENOENT, "there is no such application" },
};

static const char *permission_text(const char *text, bool writing)
{
	if (!fnmatch("*deactivated*", text, FNM_CASEFOLD))
		return NULL;
	return writing ? "the credentials lack the permission Workers Containers Write" :
			 "the credentials lack the permission Workers Containers Read";
}

static bool is_authentication(int status, int code)
{
	for (size_t i = 0; i < array_len(authentication); i++) {
		if (authentication[i].status == status && authentication[i].code == code)
			return true;
	}
	return status == 401;
}

static int lookup_text(const char *text)
{
	for (size_t i = 0; i < array_len(sentences); i++) {
		if (!fnmatch(sentences[i].text, text, FNM_CASEFOLD))
			return sentences[i].errnum;
	}
	return 0;
}

int errors_lookup(int status, const char *word, int code, const char *text, bool writing, const char **ret_sentence)
{
	*ret_sentence = NULL;
	if (status >= 500)
		return EIO;
	for (size_t i = 0; i < array_len(numbers); i++) {
		if (numbers[i].status != status || numbers[i].code != code)
			continue;
		*ret_sentence = numbers[i].sentence;
		return writing ? numbers[i].writing : numbers[i].reading;
	}
	if (is_authentication(status, code)) {
		*ret_sentence = "the credentials were refused";
		return EACCES;
	}
	for (size_t i = 0; *word && status != 429 && i < array_len(words); i++) {
		if (fnmatch(words[i].word, word, 0))
			continue;
		*ret_sentence = words[i].sentence;
		return words[i].errnum;
	}
	if (writing && (status == 400 || status == 409 || status == 412 || status == 422) && lookup_text(text))
		return lookup_text(text);
	for (size_t i = 0; i < array_len(statuses); i++) {
		if (statuses[i].status != status)
			continue;
		*ret_sentence = status == 403 ? permission_text(text, writing) : statuses[i].sentence;
		return writing ? statuses[i].writing : statuses[i].reading;
	}
	return status >= 400 && status < 500 ? EINVAL : EIO;
}

int errors_busy(int result, const struct err *err)
{
	return result == -EINVAL && err->http_status == 400 && strcmp(err->code, "VALIDATE_INPUT") ? -EBUSY : result;
}

bool errors_being_deleted(const struct err *err)
{
	return err->http_status >= 400 && !fnmatch(BEING_DELETED, err->text, FNM_CASEFOLD);
}
