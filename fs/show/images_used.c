/* Who refers to an image: applications, their versions, their active rollouts, deployments. */
#include "fs/show/images.h"

#include <errno.h>

#include "api/base/log.h"
#include "api/doc_value.h"
#include "api/doc_json.h"
#include "fs/show/source_known.h"

struct search {
	struct request *r;
	const char *image;  /* "REPOSITORY:TAG" */
	const char *digest; /* "sha256:…", or "" */
	struct buf *out;
};

/* Whether a reference, in whatever form, leads to the image. */
static bool refers(const struct search *s, const char *reference)
{
	const struct options *o = s->r->mount->options;
	cleanup_free_ char *whole = reference ? doc_image_long(o->account_id, reference) : NULL;
	const char *colon = strrchr(s->image, ':'), *path, *rest;
	size_t repository = colon ? (size_t)(colon - s->image) : strlen(s->image);

	path = whole ? strchr(whole, '/') : NULL;
	/* Behind the host and the account. */
	if (!path || strncmp(path + 1, o->account_id, strlen(o->account_id)) != 0 || path[1 + strlen(o->account_id)] != '/')
		return false;
	path += strlen(o->account_id) + 2;
	if (strncmp(path, s->image, repository) != 0)
		return false;
	rest = path + repository;
	if (*s->digest && strstr(rest, s->digest))
		return *rest == '@' || *rest == ':';
	if (!*rest)
		return colon && !strcmp(colon, ":latest");
	/* With a digest beside it, the tag is no more than a remark. */
	return *rest == ':' && colon && !strchr(rest, '@') && !strcmp(rest, colon);
}

static int add(struct search *s, const char *path)
{
	return buf_addf(s->out, "%s%s", s->out->len ? " " : "", path);
}

/* 1: it refers; 0. The image of an object, or of a member of it. */
static bool object_refers(const struct search *s, struct json_object *object, const char *member)
{
	struct json_object *of = member ? doc_member(object, member) : object;

	return of && refers(s, json_get_string(of, "image"));
}

/* A list that is not offered has nothing to say; another failure is one. */
static int judge(struct search *s, const char *what, int result)
{
	if (result == RUN_IN_WORKER || result == -EINTR || result == -ENOMEM || result == -ETIMEDOUT)
		return result;
	if (result == -EOPNOTSUPP || result == -ENOENT) {
		if (result == -EOPNOTSUPP)
			log_warning("whether %s use %s is not known: %s", what, s->image, s->r->err.text);
		err_clear(&s->r->err);
		return 0;
	}
	if (result < 0)
		return err_set(&s->r->err, EIO, "whether %s use %s cannot be told: %s", what, s->image,
			       s->r->err.text[0] ? s->r->err.text : strerrordesc_np(-result));
	return 0;
}

static struct json_object *parse(struct snapshot *snapshot)
{
	cleanup_(body_unrefp) struct body *body = snapshot ? snapshot_body(snapshot) : NULL;

	return body ? json_tokener_parse(body->data) : NULL;
}

static const struct leaf *versions_leaf(const struct kind *application)
{
	const struct leaf *leaf = application->leaves;

	while (strcmp(leaf->name, "versions.json") != 0)
		leaf++;
	return leaf;
}

/* 1: a version that is kept refers to it. */
static int versions_refer(struct search *s, const struct kind *kind, const char *id)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_json_ struct json_object *versions = NULL;
	struct store_info info;
	int result = judge(s, "versions", source_leaf(s->r, versions_leaf(kind), NULL, id, &snapshot, &info));

	versions = parse(snapshot);
	if (result < 0 || !json_object_is_type(versions, json_type_array))
		return result;
	for (size_t i = 0; i < json_object_array_length(versions); i++) {
		if (object_refers(s, json_object_array_get_idx(versions, i), "configuration"))
			return 1;
	}
	return 0;
}

/* 1: the active rollout leads to it, or away from it. */
static int rollout_refers(struct search *s, const char *application, const char *id)
{
	cleanup_(snapshot_unrefp) struct snapshot *snapshot = NULL;
	cleanup_json_ struct json_object *rollout = NULL;
	const struct kind *kind = kind_find("rollout");
	int result =
		judge(s, "rollouts", source_item(s->r, kind, application, id, s->r->mount->options->status_ttl_ms, &snapshot));

	rollout = parse(snapshot);
	return result < 0 ?
		       result :
		       object_refers(s, rollout, "target_configuration") || object_refers(s, rollout, "current_configuration");
}

static int search_application(struct search *s, const struct kind *kind, const struct list_item *item)
{
	struct json_object *parsed = NULL;
	cleanup_json_ struct json_object *object = NULL;
	cleanup_free_ char *path = NULL;
	const char *rollout;
	int result = source_object(s->r, kind, NULL, item->snapshot, &parsed);

	object = parsed;
	if (result < 0)
		return judge(s, "applications", result);
	if (text_format(&path, "%s/%s", kind->dir, item->file_name) < 0)
		return -ENOMEM;
	if (object_refers(s, object, "configuration"))
		return add(s, path);
	rollout = json_get_string(object, "active_rollout_id");
	if (rollout && *rollout)
		result = rollout_refers(s, item->snapshot->id, rollout);
	if (result == 0)
		result = versions_refer(s, kind, item->snapshot->id);
	return result > 0 ? add(s, path) : result;
}

static int search_deployment(struct search *s, const struct kind *kind, const struct list_item *item)
{
	struct json_object *parsed = NULL;
	cleanup_json_ struct json_object *object = NULL;
	cleanup_free_ char *path = NULL, *owner = NULL;
	int result = source_object(s->r, kind, NULL, item->snapshot, &parsed);

	object = parsed;
	if (result < 0 || !object_refers(s, object, NULL))
		return judge(s, "deployments", result);
	if (item->snapshot->parent_id)
		owner = source_known_name(s->r->mount, kind_find("application"), NULL, item->snapshot->parent_id);
	if (text_format(&path, "%s%s%s/%s", owner ? "applications/" : "", owner ? owner : "", owner ? "/deployments" : kind->dir,
			item->file_name) < 0)
		return -ENOMEM;
	return add(s, path);
}

static int search_kind(struct search *s, const char *name,
		       int (*each)(struct search *s, const struct kind *kind, const struct list_item *item))
{
	const struct kind *kind = kind_find(name);
	cleanup_(list_unrefp) struct list *list = NULL;
	struct store_info info;
	int result = judge(s, kind->dir, source_list(s->r, kind, NULL, &list, &info));

	for (size_t i = 0; result == 0 && list && i < list_count(list); i++)
		result = each(s, kind, list_at(list, i));
	return result;
}

int images_find_users(struct request *r, const char *image, const char *digest, struct buf *out)
{
	struct search s = { r, image, digest, out };
	int result = search_kind(&s, "application", search_application);

	return result < 0 ? result : search_kind(&s, "deployment", search_deployment);
}
