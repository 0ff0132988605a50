#include "emulator/auth.h"

#include <errno.h>
#include <sodium.h>

static bool same_secret(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && sodium_memcmp(a, b, strlen(a)) == 0;
}

/*
 * A token without permissions of its own may do everything; beside it "TOKEN-read" may only read, and "TOKEN-none" is
 * valid without any permission. False where the emulator does not know what is given.
 */
static bool find(const struct options *o, const char *given, unsigned *ret_permits)
{
	static const struct {
		const char *suffix;
		unsigned permits;
	} more[] = { { "", PERMIT_ALL }, { "-read", PERMIT_ALL & ~(unsigned)PERMIT_WRITE }, { "-none", 0 } };
	char text[300];

	for (unsigned i = 0; i < o->tokens; i++) {
		if (o->token[i].limited) {
			if (same_secret(given, o->token[i].text)) {
				*ret_permits = o->token[i].permits;
				return true;
			}
			continue;
		}
		for (size_t n = 0; n < array_len(more); n++) {
			snprintf(text, sizeof(text), "%s%s", o->token[i].text, more[n].suffix);
			if (same_secret(given, text)) {
				*ret_permits = more[n].permits;
				return true;
			}
		}
	}
	return false;
}

static int check_token(struct call *c, const char *given, unsigned needed)
{
	if (!find(&c->em->options, given, &c->permits))
		return call_fail(c, 401, NULL, "Authentication error");
	if ((c->permits & needed) == needed)
		return 0;
	/* The service does not say which one lacks. */
	if (emulator_live(c->em))
		return call_fail(c, 403, NULL, "Unauthorized");
	return call_fail(c, 403, NULL, "Authentication error: the token %s",
			 needed & PERMIT_WRITE && c->permits ? "may not write" : "has no permission for this");
}

static int malformed_header(struct call *c, const char *name)
{
	int r = call_fail(c, 400, NULL, "Invalid request headers: %s", name);

	c->fail.code = 6003;
	return r;
}

int auth_check(struct call *c, const struct exchange *ex, unsigned needed)
{
	const char *a = ex->authorization;

	if (a) {
		if (strncasecmp(a, "Bearer ", 7) != 0 || !a[7] || strpbrk(a + 7, " \t"))
			return malformed_header(c, "Authorization");
		return check_token(c, a + 7, needed);
	}
	if (!ex->auth_email && !ex->auth_key)
		return call_fail(c, 401, NULL, "Authentication error");
	if (!ex->auth_email || !strchr(ex->auth_email, '@'))
		return malformed_header(c, "X-Auth-Email");
	if (!ex->auth_key || !*ex->auth_key)
		return malformed_header(c, "X-Auth-Key");
	return check_token(c, ex->auth_key, needed);
}
