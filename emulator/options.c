#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>

#include "api/base/parse.h"
#include "emulator/emulator.h"

static const char usage[] =
	"Usage: cfcfs-emulator [OPTION]...\n"
	"A local stand-in for the Cloudflare Containers API. The first line of the output is its base address.\n"
	"\n"
	"  --listen ADDR:PORT     where to listen (127.0.0.1:0; port 0 picks a free one)\n"
	"  --db FILE              keep the state in FILE (SQLite); else it is in memory\n"
	"  --token TOKEN[=PERMISSION,...]\n"
	"                         a token that is accepted (emulator), and what alone it may\n"
	"  --seed SPEC            start with data: JSON as for POST /__emulator/seed, @FILE, or \"sample\"\n"
	"  --latency MS           make every answer so much later\n"
	"  --time-scale X         let time pass X times as fast\n"
	"  --rate N/SECONDS       rate limit of an account (1200/300; 0/1 for none)\n"
	"  --surface full|wrangler|official\n"
	"                         which operations there are (full)\n"
	"  --profile live|ideal   as people saw the service, or without its delays and surprises (live)\n"
	"  --patch merge|replace  what a PATCH does to the configuration (merge)\n"
	"  --null refuse|clear|ignore\n"
	"                         what a null in a change does (refuse)\n"
	"  --tls-cert FILE        serve https with this certificate (PEM)\n"
	"  --tls-key FILE         and its key\n"
	"  --help, --version\n";

enum {
	OPT_LISTEN = 256,
	OPT_DB,
	OPT_TOKEN,
	OPT_SEED,
	OPT_LATENCY,
	OPT_SCALE,
	OPT_RATE,
	OPT_SURFACE,
	OPT_PROFILE,
	OPT_PATCH,
	OPT_NULL,
	OPT_CERT,
	OPT_KEY,
	OPT_HELP,
	OPT_VERSION
};

static const struct option longs[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },   { "db", required_argument, NULL, OPT_DB },
	{ "token", required_argument, NULL, OPT_TOKEN },     { "seed", required_argument, NULL, OPT_SEED },
	{ "latency", required_argument, NULL, OPT_LATENCY }, { "time-scale", required_argument, NULL, OPT_SCALE },
	{ "rate", required_argument, NULL, OPT_RATE },       { "surface", required_argument, NULL, OPT_SURFACE },
	{ "profile", required_argument, NULL, OPT_PROFILE }, { "patch", required_argument, NULL, OPT_PATCH },
	{ "null", required_argument, NULL, OPT_NULL },       { "tls-cert", required_argument, NULL, OPT_CERT },
	{ "tls-key", required_argument, NULL, OPT_KEY },     { "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },       { NULL, 0, NULL, 0 },
};

static int complain(const char *option, const char *value, const char *what)
{
	fprintf(stderr, "cfcfs-emulator: %s %s: %s\n", option, value, what);
	return -EINVAL;
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:0" */
static int parse_listen(struct options *o, const char *value)
{
	static const char wrong[] = "expected ADDR:PORT with a numeric address";
	const char *colon = strrchr(value, ':'), *start = value;
	unsigned char bytes[sizeof(struct in6_addr)];
	size_t len;
	int64_t port;

	if (!colon || parse_int64(colon + 1, 0, 65535, &port) < 0)
		return complain("--listen", value, wrong);
	len = (size_t)(colon - value);
	if (len >= 2 && start[0] == '[' && start[len - 1] == ']') {
		start++;
		len -= 2;
	}
	if (len >= sizeof(o->address))
		return complain("--listen", value, wrong);
	snprintf(o->address, sizeof(o->address), "%.*s", (int)len, start);
	if (strcmp(o->address, "localhost") == 0)
		snprintf(o->address, sizeof(o->address), "127.0.0.1");
	if (inet_pton(AF_INET, o->address, bytes) != 1 && inet_pton(AF_INET6, o->address, bytes) != 1)
		return complain("--listen", value, wrong);
	o->port = (unsigned)port;
	return 0;
}

static int parse_rate(struct options *o, const char *value)
{
	char count[24];
	const char *slash = strchr(value, '/');

	if (!slash || (size_t)(slash - value) >= sizeof(count))
		return complain("--rate", value, "expected N/SECONDS");
	snprintf(count, sizeof(count), "%.*s", (int)(slash - value), value);
	if (parse_int64(count, 0, 1000000000, &o->rate_count) < 0 || parse_int64(slash + 1, 1, 86400, &o->rate_seconds) < 0)
		return complain("--rate", value, "expected N/SECONDS");
	return 0;
}

/* The place of value among the words, which are in the order of their enum. */
static int parse_word(const char *option, const char *value, const char *const *words, int *ret_word)
{
	char list[80] = "expected ";

	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], value) == 0) {
			*ret_word = i;
			return 0;
		}
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", words[i]);
	}
	return complain(option, value, list);
}

/* A word's index is its value; NULL ends each. */
static const char *const surfaces[] = {
	[SURFACE_OFFICIAL] = "official", [SURFACE_WRANGLER] = "wrangler", [SURFACE_FULL] = "full", NULL
};
static const char *const profiles[] = { [PROFILE_LIVE] = "live", [PROFILE_IDEAL] = "ideal", NULL };
static const char *const patches[] = { [PATCH_MERGE] = "merge", [PATCH_REPLACE] = "replace", NULL };
static const char *const nulls[] = { [NULL_REFUSE] = "refuse", [NULL_CLEAR] = "clear", [NULL_IGNORE] = "ignore", NULL };
_Static_assert(array_len(surfaces) == SURFACE_FULL + 2 && array_len(profiles) == PROFILE_IDEAL + 2 &&
		       array_len(patches) == PATCH_REPLACE + 2 && array_len(nulls) == NULL_IGNORE + 2,
	       "each value has a word");

static const struct {
	const char *word;
	unsigned permits;
} permissions[] = { { "containers:read", PERMIT_READ },       { "containers:write", PERMIT_READ | PERMIT_WRITE },
		    { "cloudchamber:write", PERMIT_CHAMBER }, { "analytics:read", PERMIT_ANALYTICS },
		    { "observability:read", PERMIT_LOGS },    { "none", 0 } };

/* "word,word"; false where one of them is no permission. */
static bool parse_permissions(const char *list, unsigned *ret_permits)
{
	*ret_permits = 0;
	for (;;) {
		size_t len = strcspn(list, ","), i = 0;

		while (i < array_len(permissions) && (strncmp(permissions[i].word, list, len) != 0 || permissions[i].word[len]))
			i++;
		if (i == array_len(permissions))
			return false;
		*ret_permits |= permissions[i].permits;
		if (!list[len])
			return true;
		list += len + 1;
	}
}

/* A token may end in '=' itself: what follows the last one must be permissions. */
static int parse_token(struct options *o, char *value)
{
	char *equals = strrchr(value, '=');
	struct token t = { .text = value };

	if (o->tokens == TOKENS_MAX)
		return complain("--token", value, "these are too many tokens");
	if (equals && parse_permissions(equals + 1, &t.permits)) {
		t.limited = true;
		*equals = '\0';
	} else if (equals && equals[1] && strchr(equals, ':')) {
		return complain("--token", value,
				"expected permissions of: containers:read containers:write cloudchamber:write analytics:read"
				" observability:read none");
	}
	if (!*value || strlen(value) > 200)
		return complain("--token", value, "expected 1 to 200 characters");
	o->token[o->tokens++] = t;
	return 0;
}

static int parse_one(struct options *o, int option, char *value)
{
	switch (option) {
	case OPT_LISTEN:
		return parse_listen(o, value);
	case OPT_DB:
		o->db = value;
		return 0;
	case OPT_TOKEN:
		return parse_token(o, value);
	case OPT_SEED:
		free(o->seed);
		o->seed = strdup(value);
		return o->seed ? 0 : -ENOMEM;
	case OPT_LATENCY:
		return parse_int64(value, 0, 3600000, &o->latency_ms) < 0 ?
			       complain("--latency", value, "expected milliseconds") :
			       0;
	case OPT_SCALE:
		return parse_double(value, 0, 1e6, &o->time_scale) < 0 ?
			       complain("--time-scale", value, "expected a number from 0 to 1000000") :
			       0;
	case OPT_RATE:
		return parse_rate(o, value);
	case OPT_SURFACE:
		return parse_word("--surface", value, surfaces, &o->surface);
	case OPT_PROFILE:
		return parse_word("--profile", value, profiles, &o->profile);
	case OPT_PATCH:
		return parse_word("--patch", value, patches, &o->patch);
	case OPT_NULL:
		return parse_word("--null", value, nulls, &o->null);
	case OPT_CERT:
		o->tls_cert = value;
		return 0;
	case OPT_KEY:
		o->tls_key = value;
		return 0;
	}
	return -EINVAL;
}

int emulator_options(struct options *o, int argc, char **argv)
{
	int opt, r;

	*o = (struct options){ .address = "127.0.0.1",
			       .time_scale = 1,
			       .rate_count = 1200,
			       .rate_seconds = 300,
			       .surface = SURFACE_FULL,
			       .profile = PROFILE_LIVE,
			       .patch = PATCH_MERGE,
			       .null = NULL_REFUSE };
	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == OPT_HELP || opt == 'h') {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == OPT_VERSION) {
			puts("cfcfs-emulator " CFCFS_VERSION);
			return 1;
		}
		/* For an unknown option getopt has written its line. */
		r = opt == '?' ? -EINVAL : parse_one(o, opt, optarg);
		if (r < 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "cfcfs-emulator: unexpected argument: %s\n", argv[optind]);
		return -EINVAL;
	}
	if (o->tokens == 0)
		o->token[o->tokens++] = (struct token){ .text = "emulator" };
	if (!o->tls_cert != !o->tls_key) {
		fputs("cfcfs-emulator: --tls-cert and --tls-key go together\n", stderr);
		return -EINVAL;
	}
	return 0;
}
