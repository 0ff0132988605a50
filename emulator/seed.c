#include "emulator/seed.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>

#include "api/base/clock.h"
#include "emulator/oci.h"
#include "emulator/world.h"

#define SEED_START_MS 1735689600000 /* 2025-01-01: what is seeded is old, and one second apart */
#define SEED_MAX      1000000

struct seed {
	struct call call; /* its account and its time; no request */
	int64_t applications, deployments_per_application, deployments, secrets, ssh_keys, duplicate_names;
	int64_t registries, protocols, durable_objects, jobs, images, tags_per_image;
	int64_t tick; /* how many things were made in the account: the time of the next */
};

static const struct field fields_seed[] = { { .name = "account", .type = FT_STRING },
					    { .name = "applications", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "deployments_per_application", .type = FT_INT, .min = 0, .max = 1000 },
					    { .name = "deployments", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "secrets", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "ssh_keys", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "duplicate_names", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "registries", .type = FT_INT, .min = 0, .max = 1000 },
					    { .name = "protocols", .type = FT_INT, .min = 0, .max = 1000 },
					    { .name = "durable_objects", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "jobs", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "images", .type = FT_INT, .min = 0, .max = SEED_MAX },
					    { .name = "tags_per_image", .type = FT_INT, .min = 0, .max = 10000 },
					    { .name = "sample", .type = FT_BOOL },
					    { .name = NULL } };

static int64_t count_of(struct seed *s, const char *sql)
{
	return store_int(s->call.store, 0, sql, "s", s->call.account);
}

static void next_time(struct seed *s)
{
	s->call.now = SEED_START_MS + s->tick++ * 1000;
}

/* A configuration of about one kilobyte that the contract allows. */
static struct json_object *make_conf(const char *what, int64_t n)
{
	static const char *const sizes[] = { "lite", "basic", "standard-1", "lite" };
	static const char *const regions[] = { "wnam", "enam", "weur", "eeur", "apac" };
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"image\":\"registry.cloudflare.com/%s:v%d\",\"instance_type\":\"%s\",\"environment_variables\":["
		 "{\"name\":\"SERVICE_NAME\",\"value\":\"%s\"},{\"name\":\"LOG_LEVEL\",\"value\":\"info\"},"
		 "{\"name\":\"DATABASE_URL\",\"value\":\"postgres://db.internal.example.net:5432/%s?sslmode=require\"},"
		 "{\"name\":\"CACHE_URL\",\"value\":\"redis://cache.internal.example.net:6379/%d\"},"
		 "{\"name\":\"REGION\",\"value\":\"%s\"},{\"name\":\"PORT\",\"value\":\"8080\"},"
		 "{\"name\":\"WORKERS\",\"value\":\"%d\"},{\"name\":\"FEATURE_FLAGS\",\"value\":\"metrics,tracing,canary\"}],"
		 "\"labels\":[{\"name\":\"team\",\"value\":\"team-%d\"},{\"name\":\"tier\",\"value\":\"backend\"}],"
		 "\"command\":[\"/usr/local/bin/serve\",\"--port\",\"8080\"],\"dns\":{\"servers\":[\"1.1.1.1\"]}}",
		 what, (int)(n % 20) + 1, sizes[n % 4], what, what, (int)(n % 16), regions[n % 5], (int)(n % 8) + 1,
		 (int)(n % 12) + 1);
	return json_tokener_parse(text);
}

static struct json_object *make_app(struct seed *s, int64_t n, bool durable, bool jobs)
{
	struct json_object *doc = json_object_new_object(), *constraints, *ids;
	char name[32];

	snprintf(name, sizeof(name), "app-%05" PRId64, n);
	json_object_object_add(doc, "name", json_object_new_string(name));
	json_object_object_add(doc, "scheduling_policy", json_object_new_string("default"));
	json_object_object_add(doc, "instances", json_object_new_int64(durable ? 0 : s->deployments_per_application));
	json_object_object_add(doc, "max_instances", json_object_new_int64(s->deployments_per_application + 10));
	json_object_object_add(doc, "configuration", make_conf(name, n));
	constraints = json_tokener_parse("{\"tier\":1}");
	json_object_object_add(doc, "constraints", constraints);
	if (jobs)
		json_object_object_add(doc, "jobs", json_object_new_boolean(true));
	if (durable) {
		char namespace[48];

		snprintf(namespace, sizeof(namespace), "%032" PRIx64, (uint64_t)n + 0xd0000000);
		ids = json_object_new_object();
		json_object_object_add(ids, "namespace_id", json_object_new_string(namespace));
		json_object_object_add(doc, "durable_objects", ids);
	}
	return doc;
}

static int seed_app(struct seed *s, int64_t n, bool durable, bool jobs)
{
	cleanup_json_ struct json_object *doc = make_app(s, n, durable, jobs);
	struct app a;
	char name[24];
	int r;

	next_time(s);
	r = app_insert(&s->call, doc, &a);
	if (r < 0 || !durable)
		return r;
	for (int i = 0; r == 0 && i < 3; i++) {
		snprintf(name, sizeof(name), "instance-%d", i + 1);
		r = instance_insert(&s->call, a.seq, name, location_choose(NULL, (uint64_t)(n + i))->name, s->call.now,
				    i == 2 ? s->call.now + 600000 : 0);
	}
	return r;
}

/* Names go on where the account's last seed left off; the last ones share those of the first. */
static int seed_apps(struct seed *s)
{
	int64_t first = count_of(s, "SELECT count(*) FROM application WHERE account = ?1") + 1;
	int r = 0;

	for (int64_t i = 0; r == 0 && i < s->applications; i++)
		r = seed_app(s, first + i, i >= s->applications - s->durable_objects, i < s->jobs);
	for (int64_t i = 0; r == 0 && i < s->duplicate_names; i++)
		r = seed_app(s, first + i, false, false);
	return r;
}

static int seed_deployments(struct seed *s)
{
	int64_t first = count_of(s, "SELECT count(*) FROM deployment WHERE account = ?1 AND app = 0") + 1;
	char name[32], id[ID_SIZE];
	int r = 0;

	for (int64_t n = first; r == 0 && n < first + s->deployments; n++) {
		cleanup_json_ struct json_object *doc = NULL;
		struct conf conf;

		snprintf(name, sizeof(name), "dep-%05" PRId64, n);
		doc = make_conf(name, n);
		next_time(s);
		r = conf_store(&s->call, doc, CONF_OWN, &conf);
		if (r == 0)
			r = dep_insert(&s->call, NULL, 0, &conf, location_choose(NULL, (uint64_t)n)->name, id);
	}
	return r;
}

static int seed_secrets(struct seed *s)
{
	int64_t first = count_of(s, "SELECT count(*) FROM secret WHERE account = ?1") + 1;
	char name[32];
	int r = 0;

	for (int64_t n = first; r == 0 && n < first + s->secrets; n++) {
		snprintf(name, sizeof(name), "secret-%05" PRId64, n);
		next_time(s);
		r = store_exec(s->call.store,
			       "INSERT OR IGNORE INTO secret(account, name, version, created, updated) VALUES(?1, ?2, 1, ?3, ?3)",
			       "ssi", s->call.account, name, s->call.now);
	}
	return r;
}

/* The bytes of an ed25519 key on the wire, with made-up key material. */
static void make_key(int64_t n, char text[160])
{
	static const unsigned char head[] = { 0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5', '5', '1', '9', 0, 0, 0, 32 };
	unsigned char key[sizeof(head) + 32];
	char base[80];

	memcpy(key, head, sizeof(head));
	crypto_generichash(key + sizeof(head), 32, (const unsigned char *)&n, sizeof(n), NULL, 0);
	sodium_bin2base64(base, sizeof(base), key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
	snprintf(text, 160, "ssh-ed25519 %s key-%05" PRId64 "@example.net", base, n);
}

static int seed_keys(struct seed *s)
{
	int64_t first = count_of(s, "SELECT count(*) FROM sshkey WHERE account = ?1") + 1;
	char name[32], id[ID_SIZE], key[160];
	int r = 0;

	for (int64_t n = first; r == 0 && n < first + s->ssh_keys; n++) {
		snprintf(name, sizeof(name), "key-%05" PRId64, n);
		make_key(n, key);
		id_make(id);
		r = store_exec(s->call.store,
			       "INSERT OR IGNORE INTO sshkey(id, account, name, public_key) VALUES(?1, ?2, ?3, ?4)", "ssss", id,
			       s->call.account, name, key);
	}
	return r;
}

static int seed_registries(struct seed *s)
{
	char name[80], doc[200];
	int r = 0;

	for (int64_t n = 1; r == 0 && n <= s->registries; n++) {
		snprintf(name, sizeof(name), "%012" PRId64 ".dkr.ecr.us-east-1.amazonaws.com", n);
		next_time(s);
		r = store_exec(
			s->call.store,
			"INSERT OR IGNORE INTO registry(account, domain, kind, is_public, public_key, store, secret, created)"
			" VALUES(?1, ?2, 'ECR', 0, 'AKIAEXAMPLE', '00000000000000000000000000000001', 'registry', ?3)",
			"ssi", s->call.account, name, s->call.now);
	}
	for (int64_t n = 1; r == 0 && n <= s->protocols; n++) {
		snprintf(name, sizeof(name), "proto%" PRId64, n);
		snprintf(doc, sizeof(doc),
			 "{\"proto\":\"%s\",\"domains\":[{\"domain\":\"registry%" PRId64 ".example.net\",\"path\":\"library\"}]}",
			 name, n);
		r = store_exec(s->call.store, "INSERT OR IGNORE INTO proto(account, proto, doc) VALUES(?1, ?2, ?3)", "sss",
			       s->call.account, name, doc);
	}
	return r;
}

/* Repositories image-00001 and so on, each with the tags v1, v2 …; the last tag is "latest" too. */
static int seed_images(struct seed *s)
{
	int64_t first = count_of(s, "SELECT count(DISTINCT repository) FROM image WHERE account = ?1") + 1;
	char name[32], tag[32], content[120];
	int r = 0;

	for (int64_t n = first; r == 0 && n < first + s->images; n++) {
		snprintf(name, sizeof(name), "image-%05" PRId64, n);
		for (int64_t t = 1; r == 0 && t <= s->tags_per_image; t++) {
			next_time(s);
			snprintf(tag, sizeof(tag), "v%" PRId64, t);
			snprintf(content, sizeof(content), "{\"schemaVersion\":2,\"annotations\":{\"name\":\"%s:%s\"}}", name,
				 tag);
			r = oci_put(s->call.em, s->call.account, name, tag, content, s->call.now);
			if (r == 0 && t == s->tags_per_image)
				r = oci_put(s->call.em, s->call.account, name, "latest", content, s->call.now);
		}
	}
	return r;
}

/* A seed may be larger than an account can be: its limits grow, so that there is room for as much again. */
static int make_room(struct seed *s)
{
	return store_exec(
		s->call.store,
		"UPDATE account SET total_vcpu = max(total_vcpu, 2 * used_vcpu), total_mem = max(total_mem, 2 * used_mem),"
		" total_disk = max(total_disk, 2 * used_disk) WHERE id = ?1",
		"s", s->call.account);
}

static int seed_all(struct seed *s)
{
	static int (*const parts[])(struct seed * s) = { seed_keys,        seed_secrets, seed_registries, seed_apps,
							 seed_deployments, seed_images,  make_room };
	struct store *store = s->call.store;
	int64_t serial, next;
	int r = account_ensure(store, s->call.account, SEED_START_MS);

	serial = count_of(s, "SELECT seeded FROM account WHERE id = ?1");
	s->tick = serial;
	ids_seeded(s->call.account, serial);
	for (size_t i = 0; r == 0 && i < array_len(parts); i++)
		r = parts[i](s);
	next = ids_seeded(NULL, 0);
	next = next > s->tick ? next : s->tick;
	return r < 0 ? r : store_exec(store, "UPDATE account SET seeded = ?2 WHERE id = ?1", "si", s->call.account, next);
}

static int read_spec(struct seed *s, struct json_object *spec, char *text, size_t size)
{
	cleanup_problems_ struct problems p = PROBLEMS_INIT;
	const char *account = json_str(spec, "account");

	if (!json_object_is_type(spec, json_type_object)) {
		snprintf(text, size, "a seed is a JSON object");
		return -EINVAL;
	}
	schema_check(fields_seed, spec, "", CHECK_CLOSED, &p);
	if (!account)
		account = EMULATOR_SAMPLE_ACCOUNT;
	if (strlen(account) != 32 || strspn(account, "0123456789abcdef") != 32)
		problem_add(&p, "account", "must be 32 hex digits");
	if (p.count) {
		snprintf(text, size, "%s", out_text(&p.details));
		return -EINVAL;
	}
	snprintf(s->call.account, sizeof(s->call.account), "%s", account);
	s->applications = json_int(spec, "applications", 0);
	s->deployments_per_application = json_int(spec, "deployments_per_application", 1);
	s->deployments = json_int(spec, "deployments", 0);
	s->secrets = json_int(spec, "secrets", 0);
	s->ssh_keys = json_int(spec, "ssh_keys", 0);
	s->duplicate_names = json_int(spec, "duplicate_names", 0);
	s->registries = json_int(spec, "registries", 0);
	s->protocols = json_int(spec, "protocols", 0);
	s->durable_objects = json_int(spec, "durable_objects", 0);
	s->jobs = json_int(spec, "jobs", 0);
	s->images = json_int(spec, "images", 0);
	s->tags_per_image = json_int(spec, "tags_per_image", 3);
	return 0;
}

int seed_run(struct emulator *em, struct json_object *spec, struct out *o, char *text, size_t size)
{
	struct seed s = { .call = { .em = em, .store = em->store, .fail.details = OUT_INIT } };
	int64_t start = clock_now_ms();
	int r = read_spec(&s, spec, text, size);

	if (r < 0)
		return r;
	if (json_true(spec, "sample"))
		r = seed_sample(em, s.call.account, text, size);
	if (r < 0)
		return r;
	emulator_lock(em);
	r = store_begin(em->store);
	if (r == 0) {
		r = seed_all(&s);
		if (store_end(em->store, r == 0) < 0)
			r = -EIO;
	}
	emulator_unlock(em);
	if (r < 0) {
		snprintf(text, size, "the seed could not be stored");
		return -EIO;
	}
	out_open(o, '{');
	out_kstr(o, "account", s.call.account);
	out_kint(o, "applications", s.applications + s.duplicate_names);
	out_kint(o, "deployments", s.deployments);
	out_kint(o, "secrets", s.secrets);
	out_kint(o, "ssh_keys", s.ssh_keys);
	out_kint(o, "milliseconds", clock_now_ms() - start);
	out_close(o, '}');
	return o->error;
}

int seed_from_option(struct emulator *em, const char *spec, char *text, size_t size)
{
	cleanup_json_ struct json_object *doc = NULL;
	cleanup_out_ struct out answer = OUT_INIT;
	char why[400] = "must be 'sample', '@FILE' or a JSON object, such as {\"applications\":200}";

	if (strcmp(spec, "sample") == 0)
		return seed_sample(em, EMULATOR_SAMPLE_ACCOUNT, text, size);
	if (*spec == '@' && access(spec + 1, R_OK) < 0)
		snprintf(why, sizeof(why), "%.300s cannot be read: %s", spec + 1, strerrordesc_np(errno));
	doc = *spec == '@' ? json_object_from_file(spec + 1) : json_tokener_parse(spec);
	if (!doc || seed_run(em, doc, &answer, why, sizeof(why)) < 0) {
		snprintf(text, size, "--seed: %s", why);
		return -EINVAL;
	}
	return 0;
}
