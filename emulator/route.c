#include "emulator/route.h"

#include <errno.h>

#define W  ROUTE_CHANGE
#define WB (ROUTE_CHANGE | ROUTE_BODY)

static const struct route routes[] = {
	{ "GET", "/me", 200, 0, me_get },
	{ "PATCH", "/me", 200, WB, me_modify },
	{ "GET", "/usage", 200, 0, usage_get },

	{ "GET", "/applications", 200, 0, app_list },
	{ "POST", "/applications", 201, WB, app_create },
	{ "GET", "/applications/{}", 200, 0, app_get },
	{ "PATCH", "/applications/{}", 200, WB, app_modify },
	{ "DELETE", "/applications/{}", 202, W, app_delete },
	{ "GET", "/applications/{}/status", 200, 0, app_status },
	{ "GET", "/applications/{}/versions", 200, 0, app_versions },
	{ "GET", "/applications/{}/instances-v2", 200, 0, instance_list },
	{ "GET", "/applications/{}/instances", 200, 0, instance_list_v1 },
	{ "GET", "/applications/{}/instances/{}", 200, 0, instance_get },
	{ "GET", "/applications/{}/deployments", 200, 0, dep_list_of_app },
	{ "GET", "/applications/{}/deployments/{}", 200, 0, dep_get_of_app },
	{ "POST", "/applications/{}/deployments/{}/recreate", 200, WB | ROUTE_EMPTY, dep_recreate_of_app },

	{ "POST", "/applications/{}/jobs", 201, WB | ROUTE_MASK_SECRETS, job_create },
	{ "GET", "/applications/{}/jobs", 200, 0, job_list },
	{ "GET", "/applications/{}/jobs/{}", 200, 0, job_get },
	{ "PATCH", "/applications/{}/jobs/{}", 200, WB, job_modify },
	{ "DELETE", "/applications/{}/jobs/{}", 200, W, job_delete },

	{ "POST", "/applications/{}/rollouts", 201, WB, rollout_create },
	{ "GET", "/applications/{}/rollouts", 200, 0, rollout_list },
	{ "GET", "/applications/{}/rollouts/{}", 200, 0, rollout_get },
	{ "POST", "/applications/{}/rollouts/{}", 200, WB, rollout_action },
	{ "DELETE", "/applications/{}/rollouts/{}", 200, W, rollout_delete },

	{ "GET", "/dash/applications", 200, 0, dash_apps },
	{ "GET", "/dash/applications/{}/instances", 200, 0, dash_instances },

	{ "GET", "/deployments/v2", 200, 0, dep_list },
	{ "POST", "/deployments/v2", 201, WB, dep_create },
	{ "GET", "/deployments/{}/v2", 200, 0, dep_get },
	{ "PATCH", "/deployments/{}/v2", 200, WB, dep_modify },
	{ "DELETE", "/deployments/{}/v2", 200, W, dep_delete },
	{ "POST", "/deployments/{}/recreate", 200, WB | ROUTE_EMPTY, dep_recreate },
	{ "GET", "/deployments/{}/placements", 200, 0, placement_list },
	{ "GET", "/placements/{}", 200, 0, placement_get },
	{ "POST", "/placements/{}", 200, WB, placement_replace },
	{ "GET", "/instances/{}/ssh", 200, 0, instance_ssh },

	{ "GET", "/secrets", 200, 0, secret_list },
	{ "POST", "/secrets", 201, WB | ROUTE_MASK_VALUE, secret_create },
	{ "GET", "/secrets/{}", 200, 0, secret_get },
	{ "PATCH", "/secrets/{}", 200, WB | ROUTE_MASK_VALUE, secret_modify },
	{ "DELETE", "/secrets/{}", 200, W, secret_delete },

	{ "GET", "/ssh-public-keys", 200, 0, key_list },
	{ "POST", "/ssh-public-keys", 201, WB, key_create },
	{ "DELETE", "/ssh-public-keys/{}", 204, W, key_delete },

	/* Before the rows with a domain: "protos" is none. */
	{ "GET", "/registries/protos", 200, 0, proto_list },
	{ "POST", "/registries/protos", 201, WB, proto_create },
	{ "PUT", "/registries/protos", 200, WB, proto_modify },
	{ "DELETE", "/registries/protos/{}", 200, W, proto_delete },
	{ "GET", "/registries", 200, 0, registry_list },
	{ "POST", "/registries", 201, WB | ROUTE_MASK_AUTH, registry_create },
	{ "DELETE", "/registries/{}", 200, W, registry_delete },
	{ "POST", "/registries/{}/credentials", 200, WB | ROUTE_EMPTY, registry_credentials },

	{ "GET", "/ips", 200, 0, ip_list },
	{ "POST", "/image-preparations", 200, WB, image_prepare },
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

int route_find(const char *method, const char *path, struct call *c)
{
	const char *args[CALL_ARGS_MAX] = { NULL };
	bool seen = false;

	for (size_t i = 0; i < array_len(routes); i++) {
		const struct route *r = &routes[i];

		memset(args, 0, sizeof(args));
		if (!fits(r->path, path, args))
			continue;
		seen = true;
		if (strcmp(r->method, method) != 0)
			continue;
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
