#include "emulator/route.h"

#include <errno.h>

#define W  ROUTE_CHANGE
#define WB (ROUTE_CHANGE | ROUTE_BODY)
/* Where the contract knows an operation from; without a mark it is official. */
#define WR ROUTE_WRANGLER
#define CH (ROUTE_WRANGLER | ROUTE_CHAMBER)
#define UN ROUTE_UNCONFIRMED

static const struct route routes[] = {
	{ "GET", "/me", 200, WR, me_get },
	{ "PATCH", "/me", 200, WB | UN, me_modify },
	{ "GET", "/usage", 200, 0, usage_get },

	{ "GET", "/applications", 200, 0, app_list },
	{ "POST", "/applications", 201, WB, app_create },
	{ "GET", "/applications/{}", 200, 0, app_get },
	{ "PATCH", "/applications/{}", 200, WB, app_modify },
	{ "DELETE", "/applications/{}", 200, W, app_delete },
	{ "GET", "/applications/{}/status", 200, UN, app_status },
	{ "GET", "/applications/{}/versions", 200, 0, app_versions },
	{ "GET", "/applications/{}/instances-v2", 200, 0, instance_list },
	{ "GET", "/applications/{}/instances", 200, 0, instance_list_v1 },
	{ "GET", "/applications/{}/instances/{}", 200, 0, instance_get },
	{ "GET", "/applications/{}/deployments", 200, UN, dep_list_of_app },
	{ "GET", "/applications/{}/deployments/{}", 200, UN, dep_get_of_app },
	{ "POST", "/applications/{}/deployments/{}/recreate", 200, WB | ROUTE_EMPTY | UN, dep_recreate_of_app },

	{ "POST", "/applications/{}/jobs", 201, WB | ROUTE_MASK_SECRETS | UN, job_create },
	{ "GET", "/applications/{}/jobs", 200, UN, job_list },
	{ "GET", "/applications/{}/jobs/{}", 200, UN, job_get },
	{ "PATCH", "/applications/{}/jobs/{}", 200, WB | UN, job_modify },
	{ "DELETE", "/applications/{}/jobs/{}", 200, W | UN, job_delete },

	{ "POST", "/applications/{}/rollouts", 201, WB, rollout_create },
	{ "GET", "/applications/{}/rollouts", 200, UN, rollout_list },
	{ "GET", "/applications/{}/rollouts/{}", 200, UN, rollout_get },
	{ "POST", "/applications/{}/rollouts/{}", 200, WB | UN, rollout_action },
	{ "DELETE", "/applications/{}/rollouts/{}", 200, W | UN, rollout_delete },

	{ "GET", "/dash/applications", 200, WR, dash_apps },
	{ "GET", "/dash/applications/{}/instances", 200, WR, dash_instances },

	{ "GET", "/deployments/v2", 200, CH, dep_list },
	{ "POST", "/deployments/v2", 201, WB | CH, dep_create },
	{ "GET", "/deployments/{}/v2", 200, CH, dep_get },
	{ "PATCH", "/deployments/{}/v2", 200, WB | CH, dep_modify },
	{ "DELETE", "/deployments/{}/v2", 200, W | CH, dep_delete },
	{ "POST", "/deployments/{}/recreate", 200, WB | ROUTE_EMPTY | UN, dep_recreate },
	{ "GET", "/deployments/{}/placements", 200, CH, placement_list },
	{ "GET", "/placements/{}", 200, CH, placement_get },
	{ "POST", "/placements/{}", 200, WB | UN, placement_replace },
	{ "GET", "/instances/{}/ssh", 200, WR, instance_ssh },

	{ "GET", "/secrets", 200, UN, secret_list },
	{ "POST", "/secrets", 201, WB | ROUTE_MASK_VALUE | UN, secret_create },
	{ "GET", "/secrets/{}", 200, UN, secret_get },
	{ "PATCH", "/secrets/{}", 200, WB | ROUTE_MASK_VALUE | UN, secret_modify },
	{ "DELETE", "/secrets/{}", 200, W | UN, secret_delete },

	{ "GET", "/ssh-public-keys", 200, CH, key_list },
	{ "POST", "/ssh-public-keys", 201, WB | CH, key_create },
	{ "DELETE", "/ssh-public-keys/{}", 204, W | UN, key_delete },

	/* Before the rows with a domain: "protos" is none. */
	{ "GET", "/registries/protos", 200, UN, proto_list },
	{ "POST", "/registries/protos", 201, WB | UN, proto_create },
	{ "PUT", "/registries/protos", 200, WB | UN, proto_modify },
	{ "DELETE", "/registries/protos/{}", 200, W | UN, proto_delete },
	{ "GET", "/registries", 200, 0, registry_list },
	{ "POST", "/registries", 201, WB | ROUTE_MASK_AUTH, registry_create },
	{ "DELETE", "/registries/{}", 200, W, registry_delete },
	{ "POST", "/registries/{}/credentials", 201, WB | ROUTE_EMPTY, registry_credentials },

	{ "GET", "/ips", 200, UN, ip_list },
	{ "POST", "/image-preparations", 200, WB, image_prepare },

	/* Other APIs of the account. */
	{ "POST", "/graphql", 200, ROUTE_BODY | ROUTE_ANALYTICS, graphql_post },
	{ "POST", "/workers/observability/telemetry/query", 200, ROUTE_BODY | ROUTE_LOGS, telemetry_query },
	{ "POST", "/workers/observability/telemetry/keys", 200, ROUTE_BODY | ROUTE_LOGS, telemetry_keys },
	{ "POST", "/workers/observability/telemetry/values", 200, ROUTE_BODY | ROUTE_LOGS, telemetry_values },
};

static int hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 0x20);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

int percent_decode(const char *text, size_t len, bool plus, char **ret_text)
{
	cleanup_free_ char *t = malloc(len + 1);
	size_t n = 0;

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%') {
			if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return -EINVAL;
			t[n] = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
			if (!t[n++])
				return -EINVAL;
			i += 2;
		} else {
			t[n++] = plus && text[i] == '+' ? ' ' : text[i];
		}
	}
	t[n] = '\0';
	*ret_text = steal_ptr(t);
	return 0;
}

static const char *segment_end(const char *p)
{
	while (*p && *p != '/')
		p++;
	return p;
}

/* Whether path has the template's form; notes where the arguments stand. */
static bool fits(const char *template, const char *path, const char *args[CALL_ARGS_MAX])
{
	unsigned n = 0;

	while (*template == '/' && *path == '/') {
		const char *t = template + 1, *p = path + 1;
		const char *tend = segment_end(t), *pend = segment_end(p);

		if (*t == '{') {
			if (p == pend || n == CALL_ARGS_MAX)
				return false;
			args[n++] = p;
		} else if (tend - t != pend - p || strncmp(t, p, (size_t)(tend - t)) != 0) {
			return false;
		}
		template = tend;
		path = pend;
	}
	return !*template && !*path;
}

/* Whether the surface has the operation under the call's prefix. */
static bool offered(const struct route *r, const struct call *c)
{
	if (c->own || (r->flags & (ROUTE_ANALYTICS | ROUTE_LOGS)))
		return true;
	switch (c->em ? c->em->options.surface : SURFACE_FULL) {
	case SURFACE_OFFICIAL:
		return !(r->flags & (ROUTE_WRANGLER | ROUTE_UNCONFIRMED)) && !c->bare;
	case SURFACE_WRANGLER:
		return !(r->flags & ROUTE_UNCONFIRMED) && (!(r->flags & ROUTE_CHAMBER) || c->bare);
	}
	return true;
}

int route_find(const char *method, const char *path, struct call *c)
{
	const char *args[CALL_ARGS_MAX] = { NULL };
	bool seen = false;

	for (size_t i = 0; i < array_len(routes); i++) {
		const struct route *r = &routes[i];

		memset(args, 0, sizeof(args));
		if (!fits(r->path, path, args) || c->above != ((r->flags & (ROUTE_ANALYTICS | ROUTE_LOGS)) != 0))
			continue;
		if (strcmp(r->method, method) != 0) {
			seen = seen || offered(r, c);
			continue;
		}
		/* What is withheld is no route at all, even where the path has other methods. */
		if (!offered(r, c))
			return -ENOENT;
		c->route = r;
		for (unsigned n = 0; n < CALL_ARGS_MAX && args[n]; n++) {
			int e = percent_decode(args[n], (size_t)(segment_end(args[n]) - args[n]), false, &c->arg[n]);

			if (e < 0)
				return e;
		}
		return 0;
	}
	return seen ? -EPERM : -ENOENT;
}
