/* Secrets and SSH public keys. A secret's value is not kept: nothing ever asks for it. */
#include <errno.h>

#include "emulator/route.h"
#include "emulator/world.h"

#define NAME_BYTES_MAX 1024

/* Adds a problem for every name or id that the list refers to and that does not exist. */
static void check_list(struct call *c, struct json_object *list, const char *path, bool secrets, struct problems *p)
{
	char where[80];

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *name = secrets ? json_str(item, "secret") : json_object_get_string(item);

		if (!name)
			continue;
		snprintf(where, sizeof(where), secrets ? "%ssecrets.%zu.secret" : "%sssh_public_key_ids.%zu", path, i);
		if (secrets ?
			    store_int(c->store, 0, "SELECT 1 FROM secret WHERE account = ?1 AND name = ?2", "ss", c->account,
				      name) :
			    store_int(c->store, 0, "SELECT 1 FROM sshkey WHERE account = ?1 AND id = ?2", "ss", c->account, name))
			continue;
		problem_add(p, where, secrets ? "there is no secret %.100s" : "there is no SSH public key with the id %.100s",
			    name);
	}
}

void references_check(struct call *c, struct json_object *conf, const char *path, struct problems *p)
{
	check_list(c, json_member(conf, "secrets"), path, true, p);
	check_list(c, json_member(conf, "ssh_public_key_ids"), path, false, p);
}

static int check_name(struct call *c, const char *name)
{
	if (strlen(name) > NAME_BYTES_MAX)
		return call_invalid_field(c, "name", "must not be longer than %d bytes", NAME_BYTES_MAX);
	for (const char *s = name; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return call_invalid_field(c, "name", "must not hold control characters");
	return 0;
}

static void write_secret(struct call *c, sqlite3_stmt *q)
{
	out_open(c->out, '{');
	out_kstr(c->out, "name", col_text(q, 0));
	out_kint(c->out, "version", col_int(q, 1));
	out_ktime(c->out, "created_at", col_int(q, 2));
	out_ktime(c->out, "updated_at", col_int(q, 3));
	out_close(c->out, '}');
}

static int answer_secret(struct call *c, const char *name)
{
	return call_row(c,
			store_query(c->store,
				    "SELECT name, version, created, updated FROM secret WHERE account = ?1 AND name = ?2", "ss",
				    c->account, name),
			write_secret, "Secret");
}

int secret_list(struct call *c)
{
	return call_rows(c,
			 store_query(c->store,
				     "SELECT name, version, created, updated FROM secret WHERE account = ?1 ORDER BY seq", "s",
				     c->account),
			 write_secret);
}

int secret_create(struct call *c)
{
	const char *name = json_str(c->body, "name");
	int r = call_check(c, fields_secret_create, 0);

	if (r == 0)
		r = check_name(c, name);
	if (r < 0)
		return r;
	r = store_exec(c->store, "INSERT INTO secret(account, name, version, created, updated) VALUES(?1, ?2, 1, ?3, ?3)", "ssi",
		       c->account, name, c->now);
	if (r == -EEXIST)
		return call_fail(c, 409, "SECRET_NAME_ALREADY_EXISTS", "There is a secret of this name already");
	return r < 0 ? r : answer_secret(c, name);
}

int secret_get(struct call *c)
{
	return answer_secret(c, c->arg[0]);
}

int secret_modify(struct call *c)
{
	int r = call_check(c, fields_secret_modify, 0);

	if (r < 0)
		return r;
	r = store_exec(c->store, "UPDATE secret SET version = version + 1, updated = ?3 WHERE account = ?1 AND name = ?2", "ssi",
		       c->account, c->arg[0], c->now);
	return r < 0 ? r : answer_secret(c, c->arg[0]);
}

int secret_delete(struct call *c)
{
	int r = store_exec(c->store, "DELETE FROM secret WHERE account = ?1 AND name = ?2", "ss", c->account, c->arg[0]);

	if (r < 0)
		return r;
	if (store_changes(c->store) == 0)
		return call_not_found(c, "Secret");
	out_raws(c->out, "{\"message\":\"The secret was deleted\"}");
	return 0;
}

static void write_key(struct call *c, sqlite3_stmt *q)
{
	out_open(c->out, '{');
	out_kstr(c->out, "id", col_text(q, 0));
	out_kstr(c->out, "name", col_text(q, 1));
	out_kstr(c->out, "public_key", col_text(q, 2));
	out_close(c->out, '}');
}

int key_list(struct call *c)
{
	return call_rows(
		c,
		store_query(c->store, "SELECT id, name, public_key FROM sshkey WHERE account = ?1 ORDER BY seq", "s", c->account),
		write_key);
}

/* "type base64 [comment]" with a type that OpenSSH knows. */
static bool is_public_key(const char *text)
{
	static const char *const types[] = { "ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-nistp", "sk-ssh-ed25519@openssh.com ",
					     "sk-ecdsa-sha2-nistp256@openssh.com " };
	const char *data = strchr(text, ' ');
	bool known = false;

	for (size_t i = 0; i < array_len(types); i++)
		known = known || strncmp(text, types[i], strlen(types[i])) == 0;
	if (!known || !data || strpbrk(text, "\r\n"))
		return false;
	data++;
	return strspn(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == strcspn(data, " ") &&
	       strcspn(data, " ") >= 16;
}

int key_create(struct call *c)
{
	const char *name = json_str(c->body, "name"), *key = json_str(c->body, "public_key");
	char id[ID_SIZE];
	int r = call_check(c, fields_key_create, 0);

	if (r == 0)
		r = check_name(c, name);
	if (r < 0)
		return r;
	if (!is_public_key(key))
		return call_invalid_field(c, "public_key", "must be one line of an OpenSSH public key");
	id_make(id);
	r = store_exec(c->store, "INSERT INTO sshkey(id, account, name, public_key) VALUES(?1, ?2, ?3, ?4)", "ssss", id,
		       c->account, name, key);
	if (r == -EEXIST)
		return call_fail(c, 409, NULL, "There is an SSH public key of this name already");
	if (r < 0)
		return r;
	out_open(c->out, '{');
	out_kstr(c->out, "id", id);
	out_kstr(c->out, "name", name);
	out_kstr(c->out, "public_key", key);
	out_close(c->out, '}');
	return 0;
}

/* By name, or, as Alchemy does, by id. */
int key_delete(struct call *c)
{
	int r = store_exec(c->store, "DELETE FROM sshkey WHERE account = ?1 AND (name = ?2 OR id = ?2)", "ss", c->account,
			   c->arg[0]);

	if (r < 0)
		return r;
	return store_changes(c->store) ? 0 : call_not_found(c, "SSH public key");
}
