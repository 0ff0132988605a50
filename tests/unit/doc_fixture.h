/* Documents for tests of what is sent: an account's facts, JSON in single quotes, an application. Included behind cmocka.h. */
#pragma once

#include <json-c/json.h>

#include "api/doc.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"
#define LONG    "registry.cloudflare.com/" ACCOUNT "/app:v1"

static inline const char *key_name(void *arg, const char *id)
{
	(void)arg;
	return strcmp(id, "k1") == 0 ? "anna" : strcmp(id, "k2") == 0 ? "bert" : NULL;
}

static inline const char *key_id(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "anna") == 0 ? "k1" : strcmp(name, "bert") == 0 ? "k2" : NULL;
}

static inline struct doc_context context(void)
{
	return (struct doc_context){ .account_id = ACCOUNT,
				     .default_vcpu = 0.0625,
				     .default_memory_mib = 256,
				     .default_disk_mb = 2000,
				     .key_name = key_name,
				     .key_id = key_id };
}

/* JSON with ' for ". */
static inline struct json_object *parse(const char *text)
{
	char *copy = strdup(text);
	struct json_object *o = NULL;
	struct err err = ERR_INIT;

	for (char *p = copy; *p; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	if (doc_parse(copy, strlen(copy), &o, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	free(copy);
	return o;
}

/* An application as the service answers it, and what a person writes; both with an image. */
#define FACTS "'id':'i','account_id':'" ACCOUNT "','name':'web','version':3,'health':{'x':1},"
#define APP(conf_, more_)                                                                                                        \
	"{" FACTS "'scheduling_policy':'default','instances':0,'jobs':false,'rollout_active_grace_period':0,"                    \
	"'configuration':{'image':'" LONG "'" conf_ "}" more_ "}"
#define DOC(conf_, more_) "{'configuration':{'image':'app:v1'" conf_ "}" more_ "}"
#define PATCH(conf_)      "{'configuration':{" conf_ "}}"

#define LITE          ",'instance_type':'lite','vcpu':0.0625,'memory':'256MiB','memory_mib':256,'disk':{'size':'2GB','size_mb':2000}"
#define LITE_NUMBERS  ",'vcpu':0.0625,'memory':'256MiB','memory_mib':256,'disk':{'size':'2GB','size_mb':2000}"
#define BASIC_NUMBERS ",'vcpu':0.25,'memory':'1GiB','memory_mib':1024,'disk':{'size':'4GB','size_mb':4000}"
