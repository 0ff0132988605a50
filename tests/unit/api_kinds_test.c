/* The table of kinds: every row keeps the rules that the code relies on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>

#include "api/doc.h"

static bool suffix_is_right(const struct kind *k)
{
	if (k->flags & KIND_SECRET)
		return !*k->suffix && k->mode == 0200;
	return strcmp(k->suffix, k->flags & KIND_KEY_LINE ? ".pub" : ".json") == 0;
}

static void check_fields(const struct field *fields, const char *where)
{
	for (const struct field *f = fields; f && f->name; f++) {
		char path[300];
		struct json_object *v;

		snprintf(path, sizeof(path), "%s.%s", where, f->name);
		/* A name stands twice only as what is written and as what is answered. */
		for (const struct field *g = f + 1; g->name; g++) {
			unsigned read_only = FIELD_STATUS | FIELD_HIDDEN | FIELD_IDENTITY;

			if (strcmp(f->name, g->name) == 0 && !(f->flags & read_only) == !(g->flags & read_only))
				fail_msg("%s stands twice", path);
		}
		if (f->default_json) {
			v = json_tokener_parse(f->default_json);
			if (!v)
				fail_msg("%s: the default is no JSON", path);
			json_object_put(v);
		}
		if ((f->flags & FIELD_DEPRECATED) && !f->modern)
			fail_msg("%s is deprecated by nothing", path);
		if ((f->flags & FIELD_SET) && f->type != FIELD_ARRAY)
			fail_msg("%s is a set but no array", path);
		if (f->fields && strlen(path) < 250)
			check_fields(f->fields, path);
	}
}

static void every_row_is_sound(void **state)
{
	(void)state;
	for (const struct kind *const *p = kinds; *p; p++) {
		const struct kind *k = *p;

		assert_ptr_equal(kind_find(k->name), k);
		assert_ptr_equal(kind_by_dir(k->parent, k->dir), k);
		if (k->flags & KIND_SINGLETON) {
			assert_non_null(k->parts);
			continue;
		}
		if (!suffix_is_right(k))
			fail_msg("%s: suffix or mode", k->name);
		assert_non_null(k->id_key);
		assert_non_null(k->collection);
		assert_true(k->verbs & KIND_LIST);
		if ((k->verbs & KIND_GET) && !k->item)
			fail_msg("%s: no path to get one", k->name);
		if ((k->verbs & KIND_DELETE) && !k->item && !k->delete_item)
			fail_msg("%s: no path to delete one", k->name);
		if ((k->verbs & KIND_UPDATE) && !k->item && !(k->flags & KIND_UPDATE_PUT))
			fail_msg("%s: no path to change one", k->name);
		if (!(k->verbs & KIND_CREATE) && (k->mode & 0222))
			fail_msg("%s: can be written, and not be made", k->name);
		if ((k->flags & KIND_DECLARED) && !(k->verbs & KIND_DELETE))
			fail_msg("%s: declared, and cannot be deleted", k->name);
		check_fields(k->fields, k->name);
		for (const struct part *part = k->parts; part && part->name; part++)
			check_fields(part->fields, part->name);
	}
}

static void check_template(const char *template, const char *parent)
{
	char *path = NULL;

	if (!template)
		return;
	if (kind_path(template, parent, "i/d", "p", &path) < 0)
		fail_msg("%s", template);
	assert_null(strchr(path, '{'));
	assert_int_equal(path[0], '/');
	free(path);
}

static void every_path_can_be_filled(void **state)
{
	(void)state;
	for (const struct kind *const *p = kinds; *p; p++) {
		const char *parent = (*p)->parent ? "parent" : NULL;

		check_template((*p)->collection, parent);
		check_template((*p)->create_path, parent);
		check_template((*p)->item, parent);
		check_template((*p)->delete_item, parent);
		for (const struct leaf *l = (*p)->leaves; l && l->name; l++) {
			check_template(l->path, parent);
			for (const struct action *a = l->actions; a && a->word; a++)
				check_template(a->path, parent);
		}
	}
}

static void paths_are_encoded(void **state)
{
	char *path = NULL;
	(void)state;

	assert_int_equal(kind_path("/a/{parent}/b/{id}", "p q", "x/y?z=%\xc3\xa9", NULL, &path), 0);
	assert_string_equal(path, "/a/p%20q/b/x%2Fy%3Fz%3D%25%C3%A9");
	free(path);
	path = NULL;
	assert_int_equal(kind_path("/a/{id}", NULL, "..", NULL, &path), 0);
	assert_string_equal(path, "/a/%2E%2E");
	free(path);
	path = NULL;
	assert_int_equal(kind_path("/a/{id}", "p", NULL, NULL, &path), -EINVAL);
	assert_int_equal(kind_path("/a/{id}", "p", "", NULL, &path), -EINVAL);
	assert_int_equal(kind_path("/a/{what}", "p", "i", "x", &path), -EINVAL);
	assert_null(path);
}

static void the_tree_is_that_of_the_specification(void **state)
{
	static const char *const declared[] = { "application", "deployment",        "secret", "ssh key",
						"registry",    "registry protocol", "account" };
	const struct kind *application = kind_by_dir(NULL, "applications");
	const struct kind *owned = kind_by_dir(application, "deployments");
	size_t n = 0;
	(void)state;

	for (const struct kind *const *p = kinds; *p; p++)
		n += (*p)->flags & KIND_DECLARED ? 1 : 0;
	assert_int_equal(n, array_len(declared));
	for (size_t i = 0; i < array_len(declared); i++)
		assert_true(kind_find(declared[i])->flags & KIND_DECLARED);
	assert_non_null(kind_by_dir(application, "instances"));
	assert_non_null(kind_by_dir(application, "jobs"));
	assert_non_null(kind_by_dir(application, "rollouts"));
	assert_non_null(kind_by_dir(owned, "placements"));
	assert_non_null(kind_by_dir(kind_by_dir(NULL, "deployments"), "placements"));
	assert_null(kind_by_dir(NULL, "jobs"));
	assert_null(kind_find("nothing"));
	assert_true(kind_has_dir(application) && kind_has_dir(owned) && kind_has_dir(kind_find("registry")));
	assert_false(kind_has_dir(kind_find("secret")) || kind_has_dir(kind_find("instance")) || kind_has_dir(kind_find("ip")));
}

static unsigned traits(const char *kind, const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	unsigned t = kind_find(kind)->hooks->traits(o);

	json_object_put(o);
	return t;
}

static void traits_are_read_off(void **state)
{
	(void)state;
	assert_int_equal(traits("application", "{\"jobs\":true,\"configuration\":{\"ssh_public_key_ids\":[\"k\"]}}"),
			 TRAIT_JOBS | TRAIT_KEY_IDS);
	assert_int_equal(traits("application", "{\"scheduling_policy\":\"durable_object\",\"jobs\":false}"), TRAIT_DURABLE);
	assert_int_equal(traits("application", "{\"configuration\":{\"ssh_public_key_ids\":[]}}"), 0);
	assert_int_equal(traits("deployment", "{\"app_id\":\"a\",\"ssh_public_key_ids\":[\"k\"]}"), TRAIT_OWNED | TRAIT_KEY_IDS);
	assert_int_equal(traits("registry", "{\"domain\":\"registry.cloudflare.com\"}"), TRAIT_MANAGED);
	assert_int_equal(traits("registry", "{\"domain\":\"docker.io\",\"kind\":\"DockerHub\"}"), 0);
	assert_int_equal(traits("rollout", "{\"target_configuration\":{\"ssh_public_key_ids\":[\"k\"]}}"), TRAIT_KEY_IDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_sound),  cmocka_unit_test(every_path_can_be_filled),
		cmocka_unit_test(paths_are_encoded),   cmocka_unit_test(the_tree_is_that_of_the_specification),
		cmocka_unit_test(traits_are_read_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
