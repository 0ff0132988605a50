/* Configurations as the service answers them. */
#include <errno.h>

#include "emulator/world.h"

#define RUNTIME "firecracker"

static void add_string(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

/* Memory and disk in both spellings. */
static int add_sizes(struct json_object *conf, const struct size *size)
{
	struct json_object *disk = json_object_new_object();
	char text[32];

	if (!disk)
		return -ENOMEM;
	json_object_object_add(conf, "vcpu", json_object_new_double(size->vcpu));
	size_format_memory(size->mem, text, sizeof(text));
	add_string(conf, "memory", text);
	json_object_object_add(conf, "memory_mib", json_object_new_int64(size->mem));
	snprintf(text, sizeof(text), size->disk % 1000 ? "%lldMB" : "%lldGB",
		 (long long)(size->disk % 1000 ? size->disk : size->disk / 1000));
	add_string(disk, "size", text);
	json_object_object_add(disk, "size_mb", json_object_new_int64(size->disk));
	json_object_object_add(conf, "disk", disk);
	return 0;
}

static void add_missing(struct json_object *to, const char *key, struct json_object *value)
{
	if (json_member(to, key))
		json_object_put(value);
	else
		json_object_object_add(to, key, value);
}

/* Live: what comes back without having been asked for. */
static void add_unasked(struct json_object *conf)
{
	struct json_object *network;

	add_missing(conf, "network", json_object_new_object());
	network = json_member(conf, "network");
	add_missing(network, "assign_ipv6", json_object_new_string("none"));
	add_missing(network, "assign_ipv4", json_object_new_string("none"));
	add_missing(network, "mode", json_object_new_string("private"));
	add_missing(conf, "command", json_object_new_array());
	add_missing(conf, "entrypoint", json_object_new_array());
	add_string(conf, "runtime", RUNTIME);
}

/* The service's habits: long image names, numbers beside or instead of the type. conf is changed. */
int conf_render(struct call *c, struct json_object *conf, const struct size *size, struct out *user)
{
	const char *type = json_str(conf, "instance_type"), *image = json_str(conf, "image");
	cleanup_free_ char *longer = image ? image_long(c->account, image) : NULL;
	struct json_object *network = json_member(conf, "network");
	bool live = emulator_live(c->em);
	int r = add_sizes(conf, size);

	if (r < 0)
		return r;
	if (longer)
		add_string(conf, "image", longer);
	/* A deprecated name is answered by its numbers alone; live: every name. */
	if (type && (live || strcmp(type, "dev") == 0 || strcmp(type, "standard") == 0))
		json_object_object_del(conf, "instance_type");
	if (network && !json_member(network, "assign_ipv4"))
		add_string(network, "assign_ipv4", "none");
	if (live)
		add_unasked(conf);
	schema_render(user, live ? fields_conf_live : fields_conf, conf);
	return user->error;
}

static void write_members(struct out *o, struct json_object *conf, const char *const *keys)
{
	for (; *keys; keys++) {
		struct json_object *v = json_member(conf, *keys);

		if (!v)
			continue;
		out_key(o, *keys);
		schema_render_value(o, schema_field(fields_conf, *keys), v);
	}
}

/* Checks as a deployment shows them: everything that the contract requires is filled in. */
static void write_checks(struct out *o, struct json_object *checks)
{
	if (!checks)
		return;
	out_key(o, "checks");
	out_open(o, '[');
	for (size_t i = 0; i < json_object_array_length(checks); i++) {
		struct json_object *check = json_object_array_get_idx(checks, i);
		char name[80];

		snprintf(name, sizeof(name), "%.30s-%.30s", json_str(check, "type"), json_str(check, "port"));
		if (!json_member(check, "name"))
			json_object_object_add(check, "name", json_object_new_string(name));
		if (!json_member(check, "tls"))
			json_object_object_add(check, "tls", json_object_new_boolean(false));
		if (!json_member(check, "attempts_before_failure"))
			json_object_object_add(check, "attempts_before_failure", json_object_new_int(3));
		schema_render(o, fields_check_answer, check);
	}
	out_close(o, ']');
}

/*
 * The members of a DeploymentV2 that come from the configuration, in four runs: what stands between them
 * changes from deployment to deployment. Each run begins with a comma where it is not empty.
 */
void conf_render_runs(struct out *o, struct json_object *conf, int64_t cut[3])
{
	static const char *const first[] = {
		"wrangler_ssh", "authorized_keys", "ssh_public_key_ids", "secrets", "environment_variables", "labels", NULL
	};
	static const char *const second[] = { "instance_type", "vcpu", "memory", "memory_mib", NULL };
	static const char *const disk[] = { "disk", NULL };
	static const char *const third[] = { "command", "entrypoint", "dns", NULL };
	static const char *const fourth[] = { "observability", NULL };

	/* A letter before the runs makes out_comma write their first comma; it is not part of them. */
	out_raws(o, "x");
	write_members(o, conf, first);
	cut[0] = (int64_t)o->b.len - 1;
	write_members(o, conf, second);
	out_kstr(o, "node_group", "metal");
	write_members(o, conf, disk);
	cut[1] = (int64_t)o->b.len - 1;
	write_members(o, conf, third);
	write_checks(o, json_member(conf, "checks"));
	cut[2] = (int64_t)o->b.len - 1;
	write_members(o, conf, fourth);
}

void conf_write(struct call *c, const char *key, int64_t seq)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT user FROM conf WHERE seq = ?1", "i", seq);

	out_kraw(c->out, key, store_row(c->store, q) ? col_text(q, 0) : "{}");
}

void conf_write_target(struct call *c, const char *key, int64_t seq)
{
	cleanup_query_ sqlite3_stmt *q = store_query(c->store, "SELECT user FROM conf WHERE seq = ?1", "i", seq);
	static const char runtime[] = ",\"runtime\":\"" RUNTIME "\"";
	const char *text = store_row(c->store, q) ? col_text(q, 0) : "{}";
	/* Within a string of the document the quotes would be escaped. */
	const char *at = strstr(text, runtime);

	out_key(c->out, key);
	out_raw(c->out, text, at ? (size_t)(at - text) : strlen(text));
	if (at)
		out_raws(c->out, at + strlen(runtime));
}
