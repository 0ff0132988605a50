/* The account: limits, locations, defaults, usage. */
#include <errno.h>
#include <math.h>

#include "emulator/route.h"
#include "emulator/world.h"

#define TOTAL_VCPU 1500.0
#define TOTAL_MEM  6291456
#define TOTAL_DISK 30000000

static const struct {
	const char *name;
	struct size size;
} types[] = {
	{ "lite", { 0.0625, 256, 2000 } },    { "dev", { 0.0625, 256, 2000 } },      { "basic", { 0.25, 1024, 4000 } },
	{ "standard", { 0.5, 4096, 8000 } },  { "standard-1", { 0.5, 4096, 8000 } }, { "standard-2", { 1, 6144, 12000 } },
	{ "standard-3", { 2, 8192, 16000 } }, { "standard-4", { 4, 12288, 20000 } },
};

/* The last one is small, so that there is a place where LOCATION_SURPASSED_BASE_LIMITS can be met. */
static const struct location locations[] = {
	{ "sfo06", "WNAM", "San Francisco, California", 4, 12288 },
	{ "lax01", "WNAM", "Los Angeles, California", 4, 12288 },
	{ "iad01", "ENAM", "Ashburn, Virginia", 4, 12288 },
	{ "ewr01", "ENAM", "Newark, New Jersey", 4, 12288 },
	{ "lhr01", "WEUR", "London", 4, 12288 },
	{ "fra01", "WEUR", "Frankfurt", 4, 12288 },
	{ "ams01", "WEUR", "Amsterdam", 4, 12288 },
	{ "waw01", "EEUR", "Warsaw", 4, 12288 },
	{ "nrt01", "APAC", "Tokyo", 4, 12288 },
	{ "sin01", "APAC", "Singapore", 4, 12288 },
	{ "gru01", "SAM", "Sao Paulo", 4, 12288 },
	{ "syd01", "OC", "Sydney", 1, 4096 },
};

const struct size *size_of_type(const char *name)
{
	for (size_t i = 0; name && i < array_len(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i].size;
	return NULL;
}

bool size_is_type(const struct size *size)
{
	for (size_t i = 0; i < array_len(types); i++)
		if (types[i].size.vcpu == size->vcpu && types[i].size.mem == size->mem && types[i].size.disk == size->disk)
			return true;
	return false;
}

static int parse_unit(const char *text, double *ret_number, const char **ret_unit)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || !(v > 0) || v > 1e9)
		return -EINVAL;
	while (*end == ' ')
		end++;
	*ret_number = v;
	*ret_unit = end;
	return 0;
}

int size_parse_memory(const char *text, int64_t *ret_mib)
{
	const char *unit;
	double v;

	if (parse_unit(text, &v, &unit) < 0)
		return -EINVAL;
	if (strcasecmp(unit, "GiB") == 0 || strcasecmp(unit, "G") == 0)
		v *= 1024;
	else if (strcasecmp(unit, "GB") == 0)
		v *= 1e9 / 1048576;
	else if (strcasecmp(unit, "MB") == 0)
		v *= 1e6 / 1048576;
	else if (strcasecmp(unit, "MiB") != 0 && strcasecmp(unit, "M") != 0)
		return -EINVAL;
	*ret_mib = (int64_t)floor(v);
	return 0;
}

int size_parse_disk(const char *text, int64_t *ret_mb)
{
	const char *unit;
	double v;

	if (parse_unit(text, &v, &unit) < 0)
		return -EINVAL;
	if (strcasecmp(unit, "GB") == 0 || strcasecmp(unit, "G") == 0)
		v *= 1000;
	else if (strcasecmp(unit, "GiB") == 0)
		v *= 1073741824 / 1e6;
	else if (strcasecmp(unit, "MiB") == 0)
		v *= 1048576 / 1e6;
	else if (strcasecmp(unit, "MB") != 0 && strcasecmp(unit, "M") != 0)
		return -EINVAL;
	*ret_mb = (int64_t)floor(v);
	return 0;
}

void size_format_memory(int64_t mib, char *text, size_t size)
{
	if (mib % 1024 == 0)
		snprintf(text, size, "%lldGiB", (long long)mib / 1024);
	else
		snprintf(text, size, "%lldMiB", (long long)mib);
}

const struct location *location_find(const char *name)
{
	for (size_t i = 0; i < array_len(locations); i++)
		if (strcmp(locations[i].name, name) == 0)
			return &locations[i];
	return NULL;
}

static bool listed(struct json_object *list, const char *word)
{
	if (!list || !json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
		return true;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (strcasecmp(json_object_get_string(json_object_array_get_idx(list, i)), word) == 0)
			return true;
	return false;
}

static bool suits(const struct location *l, struct json_object *constraints)
{
	const char *region = json_str(constraints, "region");

	return (!region || strcasecmp(region, l->region) == 0) && listed(json_member(constraints, "regions"), l->region) &&
	       listed(json_member(constraints, "pops"), l->name);
}

const struct location *location_choose(struct json_object *constraints, uint64_t n)
{
	const struct location *fit[array_len(locations)];
	size_t count = 0;

	for (size_t i = 0; constraints && i < array_len(locations); i++)
		if (suits(&locations[i], constraints))
			fit[count++] = &locations[i];
	/* The small one is for those who ask for it. */
	return count ? fit[n % count] : &locations[n % (array_len(locations) - 1)];
}

void account_load(struct store *s, const char *id, struct account *ret)
{
	cleanup_query_ sqlite3_stmt *q =
		store_query(s,
			    "SELECT def_vcpus, def_mem, def_disk, total_vcpu, total_mem, total_disk, used_vcpu, used_mem,"
			    " used_disk, used_count FROM account WHERE id = ?1",
			    "s", id);

	*ret = (struct account){ .defaults = types[0].size, .total = { TOTAL_VCPU, TOTAL_MEM, TOTAL_DISK } };
	if (!store_row(s, q))
		return;
	ret->defaults = (struct size){ sqlite3_column_double(q, 0), col_int(q, 1), col_int(q, 2) };
	ret->total = (struct size){ sqlite3_column_double(q, 3), col_int(q, 4), col_int(q, 5) };
	ret->used = (struct size){ sqlite3_column_double(q, 6), col_int(q, 7), col_int(q, 8) };
	ret->used_count = col_int(q, 9);
}

int account_ensure(struct store *s, const char *id, int64_t now)
{
	return store_exec(s,
			  "INSERT OR IGNORE INTO account(id, created, def_vcpus, def_mem, def_disk, total_vcpu,"
			  " total_mem, total_disk) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			  "sidiidii", id, now, types[0].size.vcpu, types[0].size.mem, types[0].size.disk, TOTAL_VCPU,
			  (int64_t)TOTAL_MEM, (int64_t)TOTAL_DISK);
}

int account_use(struct store *s, const char *id, const struct size *size, int64_t n)
{
	int r = n > 0 ? account_ensure(s, id, 0) : 0;

	if (r < 0)
		return r;
	return store_exec(s,
			  "UPDATE account SET used_vcpu = used_vcpu + ?2, used_mem = used_mem + ?3,"
			  " used_disk = used_disk + ?4, used_count = used_count + ?5 WHERE id = ?1",
			  "sdiii", id, size->vcpu * (double)n, size->mem * n, size->disk * n, n);
}

int limits_check(struct call *c, const struct size *size, const struct location *where, int64_t n)
{
	struct account a;

	if (size->vcpu > SIZE_VCPU_MAX || size->mem > SIZE_MEM_MAX || size->disk > SIZE_DISK_MAX)
		return call_fail(c, 400, "SURPASSED_BASE_LIMITS",
				 "One deployment may have at most %g vCPU, %d MiB memory and %d MB disk", SIZE_VCPU_MAX,
				 SIZE_MEM_MAX, SIZE_DISK_MAX);
	if (where && (size->vcpu > where->max_vcpu || size->mem > where->max_mem))
		return call_fail(c, 400, "LOCATION_SURPASSED_BASE_LIMITS",
				 "One deployment in %s may have at most %g vCPU and %lld MiB memory", where->name,
				 where->max_vcpu, (long long)where->max_mem);
	account_load(c->store, c->account, &a);
	if (n > 0 && (a.used.vcpu + size->vcpu * (double)n > a.total.vcpu || a.used.mem + size->mem * n > a.total.mem ||
		      a.used.disk + size->disk * n > a.total.disk))
		return call_fail(c, 400, "SURPASSED_TOTAL_LIMITS",
				 "The account would have more than %g vCPU, %lld MiB memory or %lld MB disk", a.total.vcpu,
				 (long long)a.total.mem, (long long)a.total.disk);
	return 0;
}

/* Live: in the order in which it was seen. */
static void write_live_limits(struct call *c, const struct account *a)
{
	struct out *o = c->out;
	char text[32];

	out_kstr(o, "account_id", c->account);
	out_knum(o, "vcpu_per_deployment", SIZE_VCPU_MAX);
	out_knum(o, "total_vcpu", a->total.vcpu);
	out_kint(o, "memory_mib_per_deployment", SIZE_MEM_MAX);
	out_kint(o, "total_memory_mib", a->total.mem);
	out_kraw(o, "network_modes", "[]");
	out_kstr(o, "node_group", "metal");
	out_kint(o, "ipv4s", 0);
	out_kint(o, "disk_mb_per_deployment", SIZE_DISK_MAX);
	out_kint(o, "total_disk_mb", a->total.disk);
	out_kint(o, "durable_object_offset_instances", 2000);
	out_kstr(o, "network_bandwidth_limit_mbps", "default");
	size_format_memory(a->total.mem, text, sizeof(text));
	out_kstr(o, "total_memory", text);
	out_kstr(o, "memory_per_deployment", "12GiB");
	out_kstr(o, "disk_per_deployment", "20GB");
}

static void write_ideal_limits(struct call *c, const struct account *a)
{
	struct out *o = c->out;
	char text[32];

	out_kstr(o, "account_id", c->account);
	out_knum(o, "vcpu_per_deployment", SIZE_VCPU_MAX);
	out_kstr(o, "memory_per_deployment", "12GiB");
	out_kint(o, "memory_mib_per_deployment", SIZE_MEM_MAX);
	out_kstr(o, "disk_per_deployment", "20GB");
	out_kint(o, "disk_mb_per_deployment", SIZE_DISK_MAX);
	out_knum(o, "total_vcpu", a->total.vcpu);
	size_format_memory(a->total.mem, text, sizeof(text));
	out_kstr(o, "total_memory", text);
	out_kint(o, "total_memory_mib", a->total.mem);
	out_kint(o, "total_disk_mb", a->total.disk);
	out_kstr(o, "node_group", "metal");
	out_kraw(o, "network_modes", "[\"uso\",\"vhost\",\"xdp\"]");
	out_kint(o, "ipv4s", 8);
}

static void write_limits(struct call *c, const struct account *a)
{
	out_key(c->out, "limits");
	out_open(c->out, '{');
	(emulator_live(c->em) ? write_live_limits : write_ideal_limits)(c, a);
	out_close(c->out, '}');
}

static void write_location(struct out *o, const struct location *l, const struct account *a)
{
	char text[32];

	out_open(o, '{');
	out_kstr(o, "name", l->title);
	out_kstr(o, "region", l->region);
	out_kstr(o, "location", l->name);
	out_key(o, "limits");
	out_open(o, '{');
	out_knum(o, "vcpu_per_deployment", l->max_vcpu);
	size_format_memory(l->max_mem, text, sizeof(text));
	out_kstr(o, "memory_per_deployment", text);
	out_kint(o, "memory_mib_per_deployment", l->max_mem);
	out_knum(o, "total_vcpu", a->total.vcpu);
	size_format_memory(a->total.mem, text, sizeof(text));
	out_kstr(o, "total_memory", text);
	out_kint(o, "total_memory_mib", a->total.mem);
	out_close(o, '}');
	out_close(o, '}');
}

int me_get(struct call *c)
{
	struct out *o = c->out;
	struct account a;
	char text[32];

	account_load(c->store, c->account, &a);
	out_open(o, '{');
	out_kstr(o, "external_account_id", c->account);
	out_kstr(o, "legacy_identity", c->account);
	write_limits(c, &a);
	out_key(o, "locations");
	out_open(o, '[');
	for (size_t i = 0; i < array_len(locations); i++)
		write_location(o, &locations[i], &a);
	out_close(o, ']');
	out_key(o, "defaults");
	out_open(o, '{');
	out_knum(o, "vcpus", a.defaults.vcpu);
	out_kint(o, "memory_mib", a.defaults.mem);
	out_kint(o, "disk_mb", a.defaults.disk);
	size_format_memory(a.defaults.mem, text, sizeof(text));
	out_kstr(o, "memory", text);
	out_close(o, '}');
	out_close(o, '}');
	return 0;
}

int me_modify(struct call *c)
{
	struct json_object *d = json_member(c->body, "defaults");
	struct account a;
	const char *memory;
	int r = call_check(c, fields_me_modify, CHECK_PARTIAL);

	if (r < 0)
		return r;
	account_load(c->store, c->account, &a);
	memory = json_str(d, "memory");
	if (memory && size_parse_memory(memory, &a.defaults.mem) < 0)
		return call_invalid_field(c, "defaults.memory", "must be a size such as \"256MiB\"");
	a.defaults.vcpu = json_num(d, "vcpus", a.defaults.vcpu);
	a.defaults.mem = json_int(d, "memory_mib", a.defaults.mem);
	a.defaults.disk = json_int(d, "disk_mb", a.defaults.disk);
	if (!(a.defaults.vcpu > 0) || a.defaults.vcpu > SIZE_VCPU_MAX)
		return call_invalid_field(c, "defaults.vcpus", "must be above 0 and at most %g", SIZE_VCPU_MAX);
	if (a.defaults.mem <= 0 || a.defaults.mem > SIZE_MEM_MAX)
		return call_invalid_field(c, "defaults.memory_mib", "must be above 0 and at most %d", SIZE_MEM_MAX);
	if (a.defaults.disk <= 0 || a.defaults.disk > SIZE_DISK_MAX)
		return call_invalid_field(c, "defaults.disk_mb", "must be above 0 and at most %d", SIZE_DISK_MAX);
	r = account_ensure(c->store, c->account, c->now);
	if (r == 0)
		r = store_exec(c->store, "UPDATE account SET def_vcpus = ?2, def_mem = ?3, def_disk = ?4 WHERE id = ?1", "sdii",
			       c->account, a.defaults.vcpu, a.defaults.mem, a.defaults.disk);
	return r < 0 ? r : me_get(c);
}

int usage_get(struct call *c)
{
	struct out *o = c->out;
	struct account a;

	account_load(c->store, c->account, &a);
	out_raws(o, "{\"usage\":{");
	out_knum(o, "vcpus", a.used.vcpu);
	out_kint(o, "memory_mib", a.used.mem);
	out_kint(o, "disk_mb", a.used.disk);
	out_kint(o, "instances", a.used_count);
	out_raws(o, "},\"maximum\":{");
	out_knum(o, "vcpus", a.total.vcpu);
	out_kint(o, "memory_mib", a.total.mem);
	out_kint(o, "disk_mb", a.total.disk);
	out_raws(o, "},\"utilization\":{");
	out_knum(o, "vcpus", a.used.vcpu / a.total.vcpu);
	out_knum(o, "memory_mib", (double)a.used.mem / (double)a.total.mem);
	out_knum(o, "disk_mb", (double)a.used.disk / (double)a.total.disk);
	out_raws(o, "}}");
	return 0;
}
