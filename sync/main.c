#include <stdio.h>

#include "api/base/rand.h"
#include "sync/mounted.h"
#include "sync/verbs.h"

int main(int argc, char **argv)
{
	static int (*const verbs[])(const struct args *) = {
		[SYNC_PLAN] = do_plan, [SYNC_APPLY] = do_apply, [SYNC_EXPORT] = do_export, [SYNC_WAIT] = do_wait
	};
	struct args args;
	int status = SYNC_FAILED;

	if (base_init() < 0)
		return SYNC_FAILED;
	if (args_parse(&args, argc, argv) == 0) {
		if (args.help)
			args_help();
		else if (args.version)
			printf("cfcfs-sync " CFCFS_VERSION "\n");
		interrupt_listen();
		status = args.help || args.version ? SYNC_WELL : verbs[args.verb](&args);
	}
	args_clear(&args);
	return fflush(stdout) == 0 ? status : SYNC_FAILED;
}
