#include "fs/run/start.h"

#include <errno.h>
#include <sys/stat.h>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/rand.h"
#include "api/credentials.h"
#include "cache/share.h"
#include "api/url.h"
#include "fs/core/notify.h"
#include "fs/run/harden.h"
#include "fs/run/keeper.h"
#include "fs/run/lifecycle.h"
#include "fs/run/loop.h"
#include "fs/run/mountpoint.h"
#include "fs/run/probe.h"
#include "fs/run/remount.h"
#include "fs/run/session.h"
#include "fs/run/signals.h"
#include "fs/run/systemd.h"

/* The process leaves its directory; its paths stay those that the user meant. */
static int make_absolute(char **path)
{
	cleanup_free_ char *cwd = NULL;
	char *absolute;

	if (!*path || **path == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return -errno;
	if (text_format(&absolute, "%s/%s", cwd, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = absolute;
	return 0;
}

static int check_share(const struct options *o, struct err *err)
{
	int r = 0;

	if (o->share)
		r = share_check_url(o->share, err);
	else if (o->share_secret_file)
		r = err_set(err, EINVAL, "option share_secret_file: it is the password of a share, and there is no share=");
	return r;
}

int start_prepare(struct start *s, struct err *err)
{
	struct options *o = &s->options;
	char **const paths[] = { &o->token_file, &o->cacert, &o->state_dir, &o->logfile, &o->share_secret_file };

	for (size_t i = 0; i < array_len(paths); i++) {
		int r = make_absolute(paths[i]);

		if (r < 0) {
			err_set(err, -r, "the working directory: %s", strerrordesc_np(-r));
			return EXIT_MOUNT;
		}
	}
	if (url_resolve(o->url, &s->base_url, err) < 0)
		return EXIT_USAGE;
	if (url_registry(o->registry_url, s->base_url, &s->registry, err) < 0)
		return EXIT_USAGE;
	if (o->cacert && access(o->cacert, R_OK) < 0) {
		err_set(err, errno, "option cacert=%s: %s", o->cacert, strerrordesc_np(errno));
		return EXIT_USAGE;
	}
	if (check_share(o, err) < 0)
		return EXIT_USAGE;
	return mountpoint_check(&o->mountpoint, o->replace_dead, err) < 0 ? EXIT_MOUNT : EXIT_MOUNTED;
}

static int start_log(const struct options *o, struct err *err)
{
	enum log_level level = o->loglevel;
	int r = 0;

	log_set_level(level);
	if (o->logfile)
		r = log_to_file(o->logfile);
	else if (o->foreground)
		log_to_stderr();
	else
		log_to_syslog("cfcfs");
	return r < 0 ? err_set(err, -r, "option logfile=%s: %s", o->logfile, strerrordesc_np(-r)) : 0;
}

static int start_client(struct start *s, struct client **ret, struct err *err)
{
	const struct options *o = &s->options;
	const struct client_options client = {
		.base_url = s->base_url,
		.account_id = o->account_id,
		.cacert = o->cacert,
		.registry = s->registry,
		.user_agent = "cfcfs/" CFCFS_VERSION,
		.rps = o->rps,
		.burst = o->burst,
		.max_conns = o->max_conns,
		.retries = o->retries,
		.connect_timeout_ms = o->connect_timeout_ms,
		.timeout_ms = o->timeout_ms,
	};
	struct credentials *credentials = NULL;
	int r;

	if (credentials_load(o->token_file, &credentials, err) < 0)
		return EXIT_CREDENTIALS;
	s->source = strdup(credentials_source(credentials));
	if (!s->source) {
		credentials_free(credentials);
		err_set(err, ENOMEM, "out of memory");
		return EXIT_MOUNT;
	}
	log_debug("credentials: %s", s->source);
	r = client_new(&client, credentials, ret, err);
	/* Nothing was sent yet: what cannot be used is an option's value. */
	if (r < 0)
		return r == -ENOMEM ? EXIT_MOUNT : EXIT_USAGE;
	return EXIT_MOUNTED;
}

/* It works without, and forgets what it should remember: who mounts hears it now, and not from the log. */
static void warn_state(struct start *s)
{
	cleanup_free_ char *dir = s->options.state_dir ? strdup(s->options.state_dir) : state_default_dir();
	struct err err = ERR_INIT;
	int r = state_check(s->mount->state, &err);

	if (r < 0 && r != -ENOTCONN)
		snprintf(s->warning, sizeof(s->warning), "nothing will be remembered after the unmount: state_dir %.120s: %.160s",
			 dir ? dir : "", err.text);
}

static int make_mount(struct start *s, struct err *err)
{
	struct client *client = NULL;
	int status = start_client(s, &client, err), r;

	if (status != EXIT_MOUNTED)
		return status;
	r = mount_new(&s->options, client, s->base_url, &s->mount, err);
	if (r < 0)
		return r == -EACCES ? EXIT_CREDENTIALS : EXIT_MOUNT;
	warn_state(s);
	return probe_account(s->mount, s->source, err);
}

static int make_session(struct start *s, struct err *err)
{
	const char *path = s->options.mountpoint;
	struct keeper_mount mounted = { .fd = -1 };
	int r;

	session_log_start(s->options.debug);
	r = session_new(&s->options, s->mount, &s->session, err);
	if (r < 0)
		return r;
	signals_hold(s->signals);
	r = keeper_mount(s->keeper, &mounted, err);
	if (r < 0)
		return r;
	s->mounted = true;
	r = session_adopt(s->session, mounted.fd);
	if (r == 0 && !mounted.can_abort)
		notifier_use_epochs(s->mount->notifier);
	if (r == 0)
		r = loop_new(s->session, &s->loop);
	if (r == 0)
		r = mount_start(s->mount, s->session);
	if (r == 0 && mounted.device && remounts_start(s->mount, mounted.device, &s->remounts) < 0)
		log_warning("a remount will not be noticed: no thread could be started");
	return r < 0 ? err_set(err, -r, "starting to serve %s: %s", path, strerrordesc_np(-r)) : 0;
}

/* With one thread: what a thread gives up, the others keep. */
static int give_up(struct start *s, struct err *err)
{
	int r = keeper_start(&s->options, s->argc, s->argv, &s->keeper);

	if (r < 0)
		return err_set(err, -r, "no process can be started: %s", strerrordesc_np(-r));
	r = harden_privileges();
	if (r < 0)
		return err_set(err, -r, "giving up privileges: %s", strerrordesc_np(-r));
	return 0;
}

int start_mount(struct start *s, struct err *err)
{
	int status, filter;

	harden_memory();
	umask(077);
	if (chdir("/") < 0 || base_init() < 0) {
		err_set(err, EIO, "the system lacks memory or randomness");
		return EXIT_MOUNT;
	}
	if (give_up(s, err) < 0)
		return EXIT_MOUNT;
	filter = harden_calls();
	if (signals_start(&s->signals) < 0) {
		err_set(err, EIO, "the system lacks memory or threads");
		return EXIT_MOUNT;
	}
	if (start_log(&s->options, err) < 0)
		return EXIT_USAGE;
	if (filter < 0)
		log_warning("serving without a filter of system calls: %s", strerrordesc_np(-filter));
	status = make_mount(s, err);
	if (status != EXIT_MOUNTED)
		return status;
	return make_session(s, err) < 0 ? EXIT_MOUNT : EXIT_MOUNTED;
}

/* The account and the place, for "systemctl status". */
static void start_ready(struct start *s)
{
	char text[400];

	snprintf(text, sizeof(text), "Serving account %.64s at %.256s", s->options.account_id, s->options.mountpoint);
	systemd_ready(text);
}

int start_serve(struct start *s)
{
	int r, unsent;

	signals_serve(s->signals, s->mount, s->loop, s->keeper);
	log_info("mounted account %s on %s", s->options.account_id, s->options.mountpoint);
	start_ready(s);
	r = loop_run(s->loop);
	/* Unmounted, by us or by another: what is mounted there from now on is not ours, be it by the same number. */
	if (r == 0)
		keeper_gone(s->keeper);
	unsent = signals_loop_ended(s->signals);
	if (r < 0)
		log_error("serving %s ended: %s", s->options.mountpoint, strerrordesc_np(-r));
	/* Unmounted by another: what is pending has not been sent yet. */
	if (unsent == 0)
		unsent = mount_drain(s->mount, clock_after_ms(s->options.timeout_ms));
	if (unsent < 0)
		return EXIT_UNSENT;
	return r < 0 ? EXIT_MOUNT : EXIT_MOUNTED;
}

void start_end(struct start *s)
{
	if (s->mounted)
		keeper_detach(s->keeper);
	s->remounts = remounts_free(s->remounts);
	/* With the connection still there: what is being sent is finished, and its caller gets the answer. */
	s->mount = mount_free(s->mount);
	if (s->mounted)
		session_abort(s->session);
	s->loop = loop_free(s->loop);
	s->session = session_free(s->session);
	s->keeper = keeper_free(s->keeper);
	if (s->mounted)
		log_info("ended");
	s->signals = signals_free(s->signals);
	free(s->base_url);
	free(s->registry);
	free(s->source);
	options_free(&s->options);
}
