/* The sample account: made by hand, through the API's own handlers, for a first look. */
#include <errno.h>

#include "emulator/oci.h"
#include "emulator/route.h"
#include "emulator/seed.h"
#include "emulator/world.h"

#define SAMPLE_AGE_MS 3600000 /* everything has been running for an hour */

/* "{app}" and "{key}" stand for the id of the last application and SSH key. */
static const struct {
	const char *path, *body;
} calls[] = {
	{ "/ssh-public-keys", "{\"name\":\"alice\",\"public_key\":\"ssh-ed25519 "
			      "AAAAC3NzaC1lZDI1NTE5AAAAIJqnVz4n8m3QkXn2tG0vYx5r7eH1sB9cD2fE4gA6iK8m alice@example.net\"}" },
	{ "/secrets", "{\"name\":\"database-password\",\"value\":\"correct horse battery staple\"}" },
	{ "/secrets", "{\"name\":\"stripe-key\",\"value\":\"sk_test_0123456789\"}" },
	{ "/registries", "{\"domain\":\"docker.io\",\"kind\":\"DockerHub\",\"auth\":{\"public_credential\":\"acme\","
			 "\"private_credential\":{\"store_id\":\"0b5c8f6d4e3a2917\",\"secret_name\":\"dockerhub\"}}}" },
	{ "/applications",
	  "{\"name\":\"web\",\"scheduling_policy\":\"default\",\"instances\":2,\"max_instances\":10,\"configuration\":{"
	  "\"image\":\"web:v3\",\"instance_type\":\"basic\",\"wrangler_ssh\":{\"enabled\":true},"
	  "\"ssh_public_key_ids\":[\"{key}\"],\"environment_variables\":[{\"name\":\"PORT\",\"value\":\"8080\"},"
	  "{\"name\":\"LOG_LEVEL\",\"value\":\"info\"}],\"secrets\":[{\"type\":\"env\",\"name\":\"DATABASE_PASSWORD\","
	  "\"secret\":\"database-password\"}],\"labels\":[{\"name\":\"team\",\"value\":\"shop\"}],"
	  "\"checks\":[{\"type\":\"http\",\"port\":\"8080\",\"interval\":\"10s\",\"timeout\":\"2s\",\"kind\":\"health\","
	  "\"http\":{\"method\":\"GET\",\"path\":\"/healthz\"}}]},\"constraints\":{\"regions\":[\"WEUR\",\"ENAM\"]},"
	  "\"observability\":{\"logs\":{\"enabled\":true}}}" },
	{ "/applications", "{\"name\":\"reports\",\"scheduling_policy\":\"default\",\"instances\":0,\"max_instances\":1,\"jobs\":"
			   "true,\"configuration\":{"
			   "\"image\":\"reports:v12\",\"instance_type\":\"standard-1\",\"environment_variables\":["
			   "{\"name\":\"BUCKET\",\"value\":\"reports-2026\"}]}}" },
	{ "/applications/{app}/jobs", "{\"entrypoint\":[\"/bin/report\"],\"command\":[\"--month\",\"2026-10\"]}" },
	{ "/applications/{app}/jobs", "{\"entrypoint\":[\"/bin/sh\",\"-c\"],\"command\":[\"sleep\",\"86400\"],\"secrets\":["
				      "{\"type\":\"env\",\"name\":\"API_KEY\",\"value\":\"sk_test_9876543210\"}]}" },
	{ "/applications", "{\"name\":\"chat-room\",\"scheduling_policy\":\"default\",\"instances\":0,\"max_instances\":50,"
			   "\"configuration\":{\"image\":\"chat:v7\",\"instance_type\":\"lite\"},\"durable_objects\":{"
			   "\"namespace_id\":\"5f0c1d9a7b3e4826a1c4d8f2b6e09375\"}}" },
	{ "/applications",
	  "{\"name\":\"thumbnails\",\"scheduling_policy\":\"default\",\"instances\":1,\"max_instances\":3,\"configuration\":{"
	  "\"image\":\"docker.io/acme/thumbnails:2.4\",\"vcpu\":1,\"memory_mib\":3072,\"disk\":{\"size_mb\":4000},"
	  "\"entrypoint\":[\"/usr/bin/thumbs\"],\"dns\":{\"servers\":[\"1.1.1.1\",\"1.0.0.1\"]}},"
	  "\"affinities\":{\"colocation\":\"datacenter\"}}" },
	{ "/deployments/v2", "{\"location\":\"lhr01\",\"image\":\"probe:v1\",\"instance_type\":\"lite\",\"labels\":["
			     "{\"name\":\"cfcfs.name\",\"value\":\"probe-london\"},{\"name\":\"team\",\"value\":\"network\"}],"
			     "\"network\":{\"assign_ipv4\":\"predefined\",\"mode\":\"public\"}}" },
	{ "/deployments/v2", "{\"location\":\"nrt01\",\"image\":\"probe:v1\",\"instance_type\":\"lite\",\"labels\":["
			     "{\"name\":\"cfcfs.name\",\"value\":\"probe-tokyo\"},{\"name\":\"team\",\"value\":\"network\"}]}" },
};

/* What the images above are, and one that nobody uses any more. The same content has the same digest. */
static const struct {
	const char *repository, *tag, *content;
} images[] = {
	{ "chat", "v7", "{\"schemaVersion\":2,\"annotations\":{\"name\":\"chat:v7\"}}" },
	{ "probe", "latest", "{\"schemaVersion\":2,\"annotations\":{\"name\":\"probe:v1\"}}" },
	{ "probe", "v1", "{\"schemaVersion\":2,\"annotations\":{\"name\":\"probe:v1\"}}" },
	{ "reports", "v12", "{\"schemaVersion\":2,\"annotations\":{\"name\":\"reports:v12\"}}" },
	{ "web", "v2", "{\"schemaVersion\":2,\"annotations\":{\"name\":\"web:v2\"}}" },
	{ "web", "v3", "{\"schemaVersion\":2,\"annotations\":{\"name\":\"web:v3\"}}" },
};

struct ids {
	char app[ID_SIZE], key[ID_SIZE];
};

static int expand(const char *text, const struct ids *ids, struct buf *to)
{
	int r = 0;

	while (r == 0 && *text) {
		bool app = strncmp(text, "{app}", 5) == 0, key = strncmp(text, "{key}", 5) == 0;

		if (app || key)
			r = buf_adds(to, app ? ids->app : ids->key);
		else
			r = buf_addc(to, *text);
		text += app || key ? 5 : 1;
	}
	return r;
}

struct sample {
	struct emulator *em;
	const char *account;
	int64_t start;
	struct ids ids;
	char *text; /* why it cannot be made */
	size_t size;
};

static int make(struct sample *s, size_t n)
{
	cleanup_out_ struct out answer = OUT_INIT;
	cleanup_json_ struct json_object *made = NULL;
	cleanup_buf_ struct buf path = BUF_INIT, body = BUF_INIT;
	struct call c = { .em = s->em,
			  .store = s->em->store,
			  .out = &answer,
			  .bare = true,
			  .own = true,
			  .now = s->start + (int64_t)n * 60000,
			  .fail.details = OUT_INIT };
	int r;

	snprintf(c.account, sizeof(c.account), "%s", s->account);
	if (expand(calls[n].path, &s->ids, &path) < 0 || expand(calls[n].body, &s->ids, &body) < 0)
		return -ENOMEM;
	r = route_find("POST", path.data, &c);
	c.body = json_tokener_parse(body.data);
	if (r == 0)
		r = c.body ? c.route->handler(&c) : -EINVAL;
	made = r == 0 ? json_tokener_parse(out_text(&answer)) : NULL;
	if (strcmp(calls[n].path, "/applications") == 0 && json_str(made, "id"))
		snprintf(s->ids.app, sizeof(s->ids.app), "%s", json_str(made, "id"));
	if (strcmp(calls[n].path, "/ssh-public-keys") == 0 && json_str(made, "id"))
		snprintf(s->ids.key, sizeof(s->ids.key), "%s", json_str(made, "id"));
	if (r < 0)
		snprintf(s->text, s->size, "the sample cannot be made (is it there already?): %s: %s %.300s", path.data,
			 c.fail.text, out_text(&c.fail.details));
	call_clear(&c);
	return r;
}

int seed_sample(struct emulator *em, const char *account, char *text, size_t size)
{
	struct sample s = { .em = em, .account = account, .text = text, .size = size };
	int64_t next;
	int r;

	scope_lock(emulator, em);
	/* With a state that was kept the sample is there already; starting again is no mistake. */
	if (store_int(em->store, 0, "SELECT 1 FROM application WHERE account = ?1 AND name = 'chat-room'", "s", account))
		return 0;
	s.start = vclock_now(&em->clock) - SAMPLE_AGE_MS;
	r = store_begin(em->store);
	if (r < 0)
		return r;
	ids_seeded(account, 0);
	for (size_t i = 0; r == 0 && i < array_len(images); i++)
		r = oci_put(em, account, images[i].repository, images[i].tag, images[i].content, s.start);
	for (size_t i = 0; r == 0 && i < array_len(calls); i++)
		r = make(&s, i);
	/* A seed that follows goes on from there. */
	next = ids_seeded(NULL, 0);
	if (r == 0)
		r = store_exec(em->store, "UPDATE account SET seeded = max(seeded, ?2) WHERE id = ?1", "si", account, next);
	if (store_end(em->store, r == 0) < 0)
		r = -EIO;
	return r;
}
