/* Configurations: what a container is made from, as it was written and as the service answers it. */
#include <errno.h>

#include "emulator/world.h"

static const char *const numbers[] = { "vcpu", "memory", "memory_mib", "disk" };

static void check_sizes(struct json_object *conf, const char *path, struct problems *p)
{
	struct json_object *disk = json_member(conf, "disk");
	const char *memory = json_str(conf, "memory"), *size = json_str(disk, "size");
	char where[64];
	int64_t v;

	for (size_t i = 0; json_member(conf, "instance_type") && i < array_len(numbers); i++) {
		snprintf(where, sizeof(where), "%s%s", path, numbers[i]);
		if (json_member(conf, numbers[i]))
			problem_add(p, where, "cannot be given together with instance_type");
	}
	snprintf(where, sizeof(where), "%svcpu", path);
	if (json_member(conf, "vcpu") && !(json_num(conf, "vcpu", 0) > 0))
		problem_add(p, where, "must be above 0");
	snprintf(where, sizeof(where), "%smemory", path);
	if (memory && size_parse_memory(memory, &v) < 0)
		problem_add(p, where, "must be a size such as \"256MiB\"");
	else if (memory && json_member(conf, "memory_mib") && json_int(conf, "memory_mib", 0) != v)
		problem_add(p, where, "is not the same as memory_mib");
	snprintf(where, sizeof(where), "%smemory_mib", path);
	if (json_member(conf, "memory_mib") && json_int(conf, "memory_mib", 0) <= 0)
		problem_add(p, where, "must be above 0");
	snprintf(where, sizeof(where), "%sdisk.size", path);
	if (size && size_parse_disk(size, &v) < 0)
		problem_add(p, where, "must be a size such as \"2GB\"");
	else if (size && json_member(disk, "size_mb") && json_int(disk, "size_mb", 0) != v)
		problem_add(p, where, "is not the same as disk.size_mb");
}

int conf_check(struct call *c, struct json_object *conf, const char *path, struct problems *p)
{
	const char *image = json_str(conf, "image");

	check_sizes(conf, path, p);
	references_check(c, conf, path, p);
	if (p->count)
		return call_invalid(c, p);
	return image ? image_check(c, image) : 0;
}

struct size conf_size(struct json_object *conf, const struct size *defaults)
{
	const struct size *type = size_of_type(json_str(conf, "instance_type"));
	struct json_object *disk = json_member(conf, "disk");
	struct size s = *defaults;

	if (type)
		return *type;
	s.vcpu = json_num(conf, "vcpu", s.vcpu);
	if (json_str(conf, "memory"))
		size_parse_memory(json_str(conf, "memory"), &s.mem);
	s.mem = json_int(conf, "memory_mib", s.mem);
	if (json_str(disk, "size"))
		size_parse_disk(json_str(disk, "size"), &s.disk);
	s.disk = json_int(disk, "size_mb", s.disk);
	return s;
}

void conf_merge_sizes(struct json_object *base, struct json_object *patch)
{
	bool type = json_member(patch, "instance_type") != NULL, number = false;

	for (size_t i = 0; i < array_len(numbers); i++)
		number = number || json_member(patch, numbers[i]);
	for (size_t i = 0; type && i < array_len(numbers); i++)
		json_object_object_del(base, numbers[i]);
	if (number && !type)
		json_object_object_del(base, "instance_type");
	/* Two spellings of one thing: the new one stands for both. */
	if (json_member(patch, "memory") || json_member(patch, "memory_mib")) {
		json_object_object_del(base, "memory");
		json_object_object_del(base, "memory_mib");
	}
}

/* The service's habits: long image names, numbers beside or instead of the type, memory in both spellings. */
static int as_answered(struct call *c, struct json_object *conf, const struct size *size)
{
	const char *type = json_str(conf, "instance_type"), *image = json_str(conf, "image");
	cleanup_free_ char *longer = image ? image_long(c->account, image) : NULL;
	struct json_object *disk = json_object_new_object(), *network = json_member(conf, "network");
	char text[32];

	if (!disk)
		return -ENOMEM;
	if (longer)
		json_object_object_add(conf, "image", json_object_new_string(longer));
	/* A deprecated name is answered by its numbers alone. */
	if (type && (strcmp(type, "dev") == 0 || strcmp(type, "standard") == 0))
		json_object_object_del(conf, "instance_type");
	json_object_object_add(conf, "vcpu", json_object_new_double(size->vcpu));
	size_format_memory(size->mem, text, sizeof(text));
	json_object_object_add(conf, "memory", json_object_new_string(text));
	json_object_object_add(conf, "memory_mib", json_object_new_int64(size->mem));
	snprintf(text, sizeof(text), size->disk % 1000 ? "%lldMB" : "%lldGB",
		 (long long)(size->disk % 1000 ? size->disk : size->disk / 1000));
	json_object_object_add(disk, "size", json_object_new_string(text));
	json_object_object_add(disk, "size_mb", json_object_new_int64(size->disk));
	json_object_object_add(conf, "disk", disk);
	if (network && !json_member(network, "assign_ipv4"))
		json_object_object_add(network, "assign_ipv4", json_object_new_string("none"));
	return 0;
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
static void write_runs(struct out *o, struct json_object *conf, int64_t cut[3])
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

static const char *or_none(const char *s)
{
	return s ? s : "none";
}

static bool has_items(struct json_object *conf, const char *key)
{
	struct json_object *v = json_member(conf, key);

	return v && json_object_is_type(v, json_type_array) && json_object_array_length(v) > 0;
}

int conf_store(struct call *c, struct json_object *given, struct conf *ret)
{
	cleanup_json_ struct json_object *conf = NULL;
	cleanup_out_ struct out user = OUT_INIT, dep = OUT_INIT, intent = OUT_INIT;
	struct json_object *network;
	struct account account;
	const char *image, *mode;
	struct conf f = { 0 };
	int64_t cut[3];
	int r;

	if (json_object_deep_copy(given, &conf, NULL) < 0)
		return -ENOMEM;
	account_load(c->store, c->account, &account);
	f.size = conf_size(conf, &account.defaults);
	schema_render(&intent, fields_conf, conf);
	r = as_answered(c, conf, &f.size);
	if (r < 0)
		return r;
	schema_render(&user, fields_conf, conf);
	write_runs(&dep, conf, cut);
	if (user.error || dep.error || intent.error)
		return -ENOMEM;
	image = json_str(conf, "image");
	network = json_member(conf, "network");
	mode = json_str(network, "mode");
	f.bad = image && !image_good(image);
	f.wssh = json_true(json_member(conf, "wrangler_ssh"), "enabled");
	f.ssh = f.wssh || has_items(conf, "authorized_keys") || has_items(conf, "ssh_public_key_ids");
	snprintf(f.ip4, sizeof(f.ip4), "%s", or_none(json_str(network, "assign_ipv4")));
	snprintf(f.ip6, sizeof(f.ip6), "%s", or_none(json_str(network, "assign_ipv6")));
	r = store_exec(c->store,
		       "INSERT INTO conf(intent, user, dep, cut1, cut2, cut3, image, vcpu, mem, disk, fate, ssh, wssh, mode,"
		       " ip4, ip6) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
		       "sssiiisdiiiiisss", out_text(&intent), out_text(&user), out_text(&dep) + 1, cut[0], cut[1], cut[2],
		       image ? image : "", f.size.vcpu, f.size.mem, f.size.disk, (int64_t)f.bad, (int64_t)f.ssh, (int64_t)f.wssh,
		       mode ? mode : "public", f.ip4, f.ip6);
	f.seq = store_last_rowid(c->store);
	if (r == 0)
		*ret = f;
	return r;
}

int conf_load(struct store *s, int64_t seq, struct conf *ret)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(s, "SELECT vcpu, mem, disk, fate, ssh, wssh, ip4, ip6 FROM conf WHERE seq = ?1", "i", seq);

	if (!store_row(s, q))
		return -ENOENT;
	*ret = (struct conf){ .seq = seq,
			      .size = { sqlite3_column_double(q, 0), col_int(q, 1), col_int(q, 2) },
			      .bad = col_int(q, 3),
			      .ssh = col_int(q, 4),
			      .wssh = col_int(q, 5) };
	snprintf(ret->ip4, sizeof(ret->ip4), "%s", col_text(q, 6));
	snprintf(ret->ip6, sizeof(ret->ip6), "%s", col_text(q, 7));
	return 0;
}
