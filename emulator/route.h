/* The table of operations: one row each. */
#pragma once

#include "emulator/call.h"

enum {
	ROUTE_CHANGE = 1 << 0,       /* runs in a transaction; needs a token that may write */
	ROUTE_BODY = 1 << 1,         /* takes a JSON object */
	ROUTE_EMPTY = 1 << 5,        /* an absent body means {} */
	ROUTE_WRANGLER = 1 << 6,     /* known from wrangler's commands, not from the reference */
	ROUTE_UNCONFIRMED = 1 << 7,  /* nobody is known to call it */
	ROUTE_LOGS = 1 << 9,         /* of the telemetry, under neither prefix */
	ROUTE_ANALYTICS = 1 << 10,   /* of GraphQL, under neither prefix */
	ROUTE_CHAMBER = 1 << 8,      /* wrangler calls it under /cloudchamber alone */
	ROUTE_MASK_VALUE = 1 << 2,   /* body member "value" is a secret */
	ROUTE_MASK_SECRETS = 1 << 3, /* values in the body's "secrets" are secrets */
	ROUTE_MASK_AUTH = 1 << 4,    /* a private credential stands in the body's "auth" */
};
#define ROUTE_MASK (ROUTE_MASK_VALUE | ROUTE_MASK_SECRETS | ROUTE_MASK_AUTH)

struct route {
	const char *method;
	const char *path; /* below the prefix; "{}" stands for one segment */
	int status;       /* of a success */
	unsigned flags;
	int (*handler)(struct call *c);
};

/*
 * Finds the row for method and path and takes the arguments out of the path (decoded, owned by c). 0,
 * -ENOENT: no such path, -EPERM: the path exists with other methods, -EINVAL: bad percent-encoding, -ENOMEM.
 */
int route_find(const char *method, const char *path, struct call *c);
/* Percent-decodes text of len bytes into new memory; -EINVAL on bad encoding or an encoded NUL. */
int percent_decode(const char *text, size_t len, bool plus, char **ret_text);

/* account.c */
int me_get(struct call *c);
int me_modify(struct call *c);
int usage_get(struct call *c);
/* app.c, app_change.c, app_view.c */
int app_list(struct call *c);
int app_create(struct call *c);
int app_get(struct call *c);
int app_modify(struct call *c);
int app_delete(struct call *c);
int app_status(struct call *c);
int app_versions(struct call *c);
/* instance.c */
int instance_list(struct call *c);
int instance_list_v1(struct call *c);
int instance_get(struct call *c);
int instance_ssh(struct call *c);
int dash_apps(struct call *c);
int dash_instances(struct call *c);
/* deployment.c */
int dep_list(struct call *c);
int dep_list_of_app(struct call *c);
int dep_create(struct call *c);
int dep_get(struct call *c);
int dep_get_of_app(struct call *c);
int dep_modify(struct call *c);
int dep_delete(struct call *c);
int dep_recreate(struct call *c);
int dep_recreate_of_app(struct call *c);
/* placement.c */
int placement_list(struct call *c);
int placement_get(struct call *c);
int placement_replace(struct call *c);
/* job.c */
int job_create(struct call *c);
int job_list(struct call *c);
int job_get(struct call *c);
int job_modify(struct call *c);
int job_delete(struct call *c);
/* rollout.c */
int rollout_create(struct call *c);
int rollout_list(struct call *c);
int rollout_get(struct call *c);
int rollout_action(struct call *c);
int rollout_delete(struct call *c);
/* secret.c */
int secret_list(struct call *c);
int secret_create(struct call *c);
int secret_get(struct call *c);
int secret_modify(struct call *c);
int secret_delete(struct call *c);
int key_list(struct call *c);
int key_create(struct call *c);
int key_delete(struct call *c);
/* registry.c */
int registry_list(struct call *c);
int registry_create(struct call *c);
int registry_delete(struct call *c);
int registry_credentials(struct call *c);
int proto_list(struct call *c);
int proto_create(struct call *c);
int proto_modify(struct call *c);
int proto_delete(struct call *c);
/* analytics.c */
int graphql_post(struct call *c);
/* telemetry.c */
int telemetry_query(struct call *c);
int telemetry_keys(struct call *c);
int telemetry_values(struct call *c);
/* image.c */
int image_prepare(struct call *c);
/* placement.c */
int ip_list(struct call *c);
