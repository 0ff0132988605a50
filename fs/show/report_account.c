/* Gauges of the account, from what is cached: a scrape makes no call. What nobody has looked at is left out. */
#include "fs/show/report_private.h"

#include <errno.h>

#include "api/base/clock.h"
#include "api/doc_json.h"
#include "fs/show/source_known.h"

/* Words of health that are told apart; the service has seven. */
#define HEALTHS_MAX 16

struct sums {
	struct {
		char word[32];
		int64_t instances;
	} health[HEALTHS_MAX];
	size_t healths;
	uint64_t applications, rollouts;
};

static void add_health(struct sums *sums, const char *word, int64_t n)
{
	size_t i = 0;

	while (i < sums->healths && strcmp(sums->health[i].word, word) != 0)
		i++;
	if (i == HEALTHS_MAX || strlen(word) >= sizeof(sums->health[0].word))
		return;
	if (i == sums->healths)
		snprintf(sums->health[sums->healths++].word, sizeof(sums->health[0].word), "%s", word);
	sums->health[i].instances += n;
}

static void add_application(struct sums *sums, struct snapshot *snapshot)
{
	cleanup_(body_unrefp) struct body *body = snapshot_body(snapshot);
	cleanup_json_ struct json_object *object = body ? json_tokener_parse(body->data) : NULL;
	struct json_object *instances = doc_member(doc_member(object, "health"), "instances");
	const char *rollout = object ? json_get_string(object, "active_rollout_id") : NULL;

	sums->applications++;
	sums->rollouts += rollout && *rollout;
	if (!json_object_is_type(instances, json_type_object))
		return;
	json_object_object_foreach(instances, word, n) {
		if (json_object_is_type(n, json_type_int))
			add_health(sums, word, json_object_get_int64(n));
	}
}

static int add_age(struct buf *out, int64_t fetched_ms)
{
	return report_real(out, "cfcfs_account_age_seconds", "gauge", "Age of the answer that the account's gauges are made of.",
			   (double)(clock_now_ms() - fetched_ms) / MSEC_PER_SEC);
}

static int add_applications(struct mount *mount, struct buf *out)
{
	struct store_info info = { 0 };
	cleanup_(list_unrefp) struct list *list = source_known_list(mount, kind_find("application"), NULL, &info);
	struct sums sums = { 0 };
	int r;

	if (!list)
		return 0;
	for (size_t i = 0; i < list_count(list); i++)
		add_application(&sums, list_at(list, i)->snapshot);
	r = add_age(out, info.fetched_ms);
	if (r == 0)
		r = report_count(out, "cfcfs_account_applications", "gauge", "Applications.", sums.applications);
	if (r == 0)
		r = report_count(out, "cfcfs_account_rollouts_active", "gauge", "Applications with an active rollout.",
				 sums.rollouts);
	if (r == 0 && sums.healths)
		r = report_head(out, "cfcfs_account_instances", "gauge", "Instances of applications by health.");
	for (size_t i = 0; r == 0 && i < sums.healths; i++) {
		r = buf_adds(out, "cfcfs_account_instances{health=\"");
		if (r == 0)
			r = report_label(out, sums.health[i].word);
		if (r == 0)
			r = buf_addf(out, "\"} %lld\n", (long long)sums.health[i].instances);
	}
	return r;
}

/* Names of kinds of resources: as the service counts them, and as Prometheus does, in base units. */
static const struct {
	const char *key, *used, *most;
	double unit;
} usages[] = {
	{ "vcpus", "cfcfs_account_vcpus", "cfcfs_account_vcpus_limit", 1 },
	{ "memory_mib", "cfcfs_account_memory_bytes", "cfcfs_account_memory_limit_bytes", 1048576 },
	{ "disk_mb", "cfcfs_account_disk_bytes", "cfcfs_account_disk_limit_bytes", 1000000 },
};

static const struct part *usage_part(void)
{
	const struct part *part = kind_find("account")->parts;

	while (strcmp(part->name, "usage.json") != 0)
		part++;
	return part;
}

static int add_usage(struct mount *mount, struct buf *out)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = source_known_part(mount, usage_part());
	cleanup_(body_unrefp) struct body *body = snapshot ? snapshot_body(snapshot) : NULL;
	cleanup_json_ struct json_object *usage = body ? json_tokener_parse(body->data) : NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < array_len(usages); i++) {
		struct json_object *used = doc_member(doc_member(usage, "usage"), usages[i].key);
		struct json_object *most = doc_member(doc_member(usage, "maximum"), usages[i].key);

		if (used)
			r = report_real(out, usages[i].used, "gauge", "What is in use now.",
					json_object_get_double(used) * usages[i].unit);
		if (r == 0 && most)
			r = report_real(out, usages[i].most, "gauge", "The account's limit.",
					json_object_get_double(most) * usages[i].unit);
	}
	return r;
}

int report_account(struct mount *mount, struct buf *out)
{
	int r = add_applications(mount, out);

	return r < 0 ? r : add_usage(mount, out);
}
