#include "sync/args.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/base/parse.h"
#include "sync/say.h"

#define MAX_DELETE 10
#define WAIT_S     600

enum { OPTION_HELP = 256, OPTION_VERSION, OPTION_PRUNE, OPTION_MAX_DELETE, OPTION_WAIT, OPTION_JSON, OPTION_ACCOUNT };

static const struct option long_options[] = {
	{ "account", required_argument, NULL, OPTION_ACCOUNT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "max-delete", required_argument, NULL, OPTION_MAX_DELETE },
	{ "prune", no_argument, NULL, OPTION_PRUNE },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "wait", required_argument, NULL, OPTION_WAIT },
	{ NULL, 0, NULL, 0 },
};

static const char *const verbs[] = {
	[SYNC_PLAN] = "plan", [SYNC_APPLY] = "apply", [SYNC_EXPORT] = "export", [SYNC_WAIT] = "wait"
};

void args_help(void)
{
	printf("usage: cfcfs-sync [-o OPTIONS] plan REPO\n"
	       "       cfcfs-sync [-o OPTIONS] apply REPO [--prune] [--max-delete N] [--wait SECONDS]\n"
	       "       cfcfs-sync [-o OPTIONS] export REPO\n"
	       "       cfcfs-sync [-o OPTIONS] wait PATH... [--wait SECONDS]\n"
	       "\n"
	       "  plan               print what apply would do: 0 nothing, 2 changes, 1 error\n"
	       "  apply              make the account what the repository says\n"
	       "  export             make the repository what the account is\n"
	       "  wait               until the rollouts of these are done and they are healthy: 0, else 3\n"
	       "\n"
	       "  -o OPTIONS         options of the mount: token_file=, url=, state_dir=, ... (cfcfs(1))\n"
	       "  --account ID       the account ($CLOUDFLARE_ACCOUNT_ID)\n"
	       "  --prune            delete what the repository lacks, of the collections that it has\n"
	       "  --max-delete N     refuse more deletes than that (%d)\n"
	       "  --wait SECONDS     with apply: wait, too; with wait: for how long (%d)\n"
	       "  --json             with plan: for programs\n"
	       "  --help, --version\n",
	       MAX_DELETE, WAIT_S);
}

/* ---- options ---- */

static int add_options(struct args *args, const char *more)
{
	char *joined;

	if (text_format(&joined, "%s%s%s", args->options ? args->options : "", args->options ? "," : "", more) < 0)
		return -ENOMEM;
	free(args->options);
	args->options = joined;
	return 0;
}

static int get_number(const char *name, const char *text, unsigned *ret)
{
	int64_t n;

	if (parse_int64(text, 0, 1000000, &n) < 0) {
		say_error("--%s %s: must be a number from 0 to 1000000", name, text);
		return -EINVAL;
	}
	*ret = (unsigned)n;
	return 0;
}

static int take_option(struct args *args, int option, const char *value)
{
	switch (option) {
	case 'o':
		return add_options(args, value);
	case OPTION_ACCOUNT:
		args->account = value;
		return 0;
	case OPTION_HELP:
		args->help = true;
		return 0;
	case OPTION_VERSION:
		args->version = true;
		return 0;
	case OPTION_JSON:
		args->json = true;
		return 0;
	case OPTION_PRUNE:
		args->prune = true;
		return 0;
	case OPTION_MAX_DELETE:
		return get_number("max-delete", value, &args->max_delete);
	case OPTION_WAIT:
		args->wait = true;
		return get_number("wait", value, &args->wait_s);
	default:
		return -EINVAL;
	}
}

/* ---- words ---- */

static int take_verb(struct args *args, const char *word)
{
	const char *nearest;

	for (size_t i = 0; i < array_len(verbs); i++) {
		if (!strcmp(word, verbs[i])) {
			args->verb = (enum verb)i;
			return 0;
		}
	}
	nearest = parse_nearest(word, verbs, array_len(verbs));
	say_error("'%s' is none of plan, apply, export, wait%s%s%s", word, nearest ? "; did you mean '" : "",
		  nearest ? nearest : "", nearest ? "'?" : "");
	return -EINVAL;
}

/* An option that the verb has no use for was meant for another one. */
static int check_use(const struct args *args, bool max_delete)
{
	const char *wrong = NULL;

	if (args->prune && args->verb != SYNC_APPLY && args->verb != SYNC_PLAN)
		wrong = "--prune";
	else if (max_delete && !args->prune)
		wrong = "--max-delete without --prune";
	else if (args->wait && args->verb != SYNC_APPLY && args->verb != SYNC_WAIT)
		wrong = "--wait";
	else if (args->json && args->verb != SYNC_PLAN)
		wrong = "--json";
	if (!wrong)
		return 0;
	say_error("%s means nothing to %s", wrong, verbs[args->verb]);
	return -EINVAL;
}

static int take_words(struct args *args, char **words, int count)
{
	if (count < 1) {
		say_error("what to do is missing: plan, apply, export or wait (see cfcfs-sync --help)");
		return -EINVAL;
	}
	if (take_verb(args, words[0]) < 0)
		return -EINVAL;
	if (args->verb == SYNC_WAIT) {
		args->paths = words + 1;
		args->paths_count = (size_t)count - 1;
		if (count > 1)
			return 0;
		say_error("wait: which paths, such as applications/web.json?");
		return -EINVAL;
	}
	if (count == 2) {
		args->repo = words[1];
		return 0;
	}
	say_error("%s: wants one directory, the repository", words[0]);
	return -EINVAL;
}

int args_parse(struct args *args, int argc, char **argv)
{
	bool max_delete = false;
	int option, r = 0;

	*args = (struct args){ .max_delete = MAX_DELETE, .wait_s = WAIT_S };
	while (r == 0 && (option = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
		max_delete |= option == OPTION_MAX_DELETE;
		r = take_option(args, option == 'h' ? OPTION_HELP : option, optarg);
	}
	if (r < 0 || args->help || args->version)
		return r;
	r = take_words(args, argv + optind, argc - optind);
	return r < 0 ? r : check_use(args, max_delete);
}

void args_clear(struct args *args)
{
	free(args->options);
	args->options = NULL;
}
