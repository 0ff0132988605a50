#include <errno.h>
#include <signal.h>

#include "api/base/log.h"
#include "api/base/rand.h"
#include "emulator/exchange.h"

static void announce(const struct options *o, unsigned port)
{
	bool six = strchr(o->address, ':') != NULL;

	printf("%s://%s%s%s:%u/client/v4\n", o->tls_cert ? "https" : "http", six ? "[" : "", o->address, six ? "]" : "", port);
	fflush(stdout);
}

static int run(struct emulator *em)
{
	struct server *server = NULL;
	char text[512] = "";
	unsigned port;
	sigset_t ends;
	int sig, r;

	/* Before any thread starts, so that every thread leaves these to sigwait. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = emulator_open(em, text, sizeof(text));
	if (r == 0)
		r = server_start(em, &server, &port, text, sizeof(text));
	if (r != 0) {
		fprintf(stderr, "cfcfs-emulator: %s\n", text[0] ? text : strerror(-r));
		return 1;
	}
	announce(&em->options, port);
	sigwait(&ends, &sig);
	em->stopping = true;
	server_stop(server);
	return 0;
}

int main(int argc, char **argv)
{
	struct emulator em = { 0 };
	int r = emulator_options(&em.options, argc, argv);

	if (r != 0) {
		free(em.options.seed);
		return r < 0 ? 2 : 0;
	}
	log_to_stderr();
	if (base_init() < 0) {
		fputs("cfcfs-emulator: no randomness\n", stderr);
		return 1;
	}
	r = run(&em);
	emulator_close(&em);
	return r;
}
