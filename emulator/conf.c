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

/* Live: what is no instance type must be a custom size that the service has. */
static void check_custom(struct call *c, struct json_object *conf, const char *path, struct problems *p)
{
	struct account a;
	struct size s;
	char where[64];

	if (json_member(conf, "instance_type") || !json_member(conf, "image"))
		return;
	account_load(c->store, c->account, &a);
	s = conf_size(conf, &a.defaults);
	if (size_is_type(&s) || s.vcpu > SIZE_VCPU_MAX || s.mem > SIZE_MEM_MAX || s.disk > SIZE_DISK_MAX)
		return;
	snprintf(where, sizeof(where), "%svcpu", path);
	if (s.vcpu < 1)
		problem_add(p, where, "of a custom size must be between 1 and %g", SIZE_VCPU_MAX);
	snprintf(where, sizeof(where), "%smemory_mib", path);
	if ((double)s.mem < 3072 * s.vcpu)
		problem_add(p, where, "must be at least 3072 for each vcpu");
	snprintf(where, sizeof(where), "%sdisk.size_mb", path);
	if (s.disk > s.mem * 2000 / 1024)
		problem_add(p, where, "must be at most 2000 for each GiB of memory");
}

int conf_check(struct call *c, struct json_object *conf, const char *path, struct problems *p)
{
	const char *image = json_str(conf, "image");

	check_sizes(conf, path, p);
	if (emulator_live(c->em) && !p->count)
		check_custom(c, conf, path, p);
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

static const char *or_none(const char *s)
{
	return s ? s : "none";
}

static bool has_items(struct json_object *conf, const char *key)
{
	struct json_object *v = json_member(conf, key);

	return v && json_object_is_type(v, json_type_array) && json_object_array_length(v) > 0;
}

int conf_resolve(struct call *c, struct json_object *conf)
{
	const char *image = json_str(conf, "image");
	cleanup_free_ char *longer = image ? image_long(c->account, image) : NULL;
	struct json_object *disk;
	struct account account;
	struct size size;

	if (!emulator_live(c->em) || !conf)
		return 0;
	account_load(c->store, c->account, &account);
	size = conf_size(conf, &account.defaults);
	disk = json_object_new_object();
	if (!disk || (image && !longer)) {
		json_object_put(disk);
		return -ENOMEM;
	}
	for (size_t i = 0; i < array_len(numbers); i++)
		json_object_object_del(conf, numbers[i]);
	json_object_object_del(conf, "instance_type");
	json_object_object_del(conf, "runtime");
	json_object_object_add(conf, "vcpu", json_object_new_double(size.vcpu));
	json_object_object_add(conf, "memory_mib", json_object_new_int64(size.mem));
	json_object_object_add(disk, "size_mb", json_object_new_int64(size.disk));
	json_object_object_add(conf, "disk", disk);
	if (image)
		json_object_object_add(conf, "image", json_object_new_string(longer));
	return 0;
}

/* What the scheduler has to know of a configuration. */
static struct conf facts_of(struct json_object *conf, const struct size *size)
{
	const char *image = json_str(conf, "image");
	struct json_object *network = json_member(conf, "network"), *ssh = json_member(conf, "wrangler_ssh");
	struct conf f = { .size = *size };

	f.bad = image && !image_good(image);
	f.wssh = ssh && (!json_member(ssh, "enabled") || json_true(ssh, "enabled"));
	f.ssh = f.wssh || has_items(conf, "authorized_keys") || has_items(conf, "ssh_public_key_ids");
	snprintf(f.ip4, sizeof(f.ip4), "%s", or_none(json_str(network, "assign_ipv4")));
	snprintf(f.ip6, sizeof(f.ip6), "%s", or_none(json_str(network, "assign_ipv6")));
	return f;
}

int conf_store(struct call *c, struct json_object *given, unsigned how, struct conf *ret)
{
	cleanup_json_ struct json_object *conf = NULL;
	cleanup_out_ struct out user = OUT_INIT, dep = OUT_INIT, intent = OUT_INIT;
	struct account account;
	const char *image, *mode;
	int64_t cut[3];
	struct size size;
	struct conf f;
	int r = 0;

	if (json_object_deep_copy(given, &conf, NULL) < 0)
		return -ENOMEM;
	account_load(c->store, c->account, &account);
	size = conf_size(conf, &account.defaults);
	if (!(how & (CONF_PLAIN | CONF_OWN)))
		r = conf_resolve(c, conf);
	schema_render(&intent, fields_conf, conf);
	if (r == 0 && (how & CONF_PLAIN))
		schema_render(&user, fields_conf, conf);
	else if (r == 0)
		r = conf_render(c, conf, &size, &user);
	if (r < 0)
		return r;
	conf_render_runs(&dep, conf, cut);
	if (user.error || dep.error || intent.error)
		return -ENOMEM;
	f = facts_of(conf, &size);
	image = json_str(conf, "image");
	mode = json_str(json_member(conf, "network"), "mode");
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

struct json_object *conf_intent(struct store *s, int64_t seq)
{
	cleanup_query_ sqlite3_stmt *q = store_query(s, "SELECT intent FROM conf WHERE seq = ?1", "i", seq);

	return store_row(s, q) ? json_tokener_parse(col_text(q, 0)) : NULL;
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
