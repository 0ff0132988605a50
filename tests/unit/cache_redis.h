/* For the tests of the share: a real server on a Unix socket of the test's own. Included once by each test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "cache/share.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"

static char server_dir[64];
static char server_url[128];
static pid_t server_pid;

static inline const char *find_server(void)
{
	static const char *const names[] = { "/usr/bin/valkey-server", "/usr/bin/redis-server" };

	for (size_t i = 0; i < array_len(names); i++) {
		if (access(names[i], X_OK) == 0)
			return names[i];
	}
	return NULL;
}

/* Raw commands, as the server's operator may send them; the caller frees the answer. */
static inline redisReply *raw(const char *format, ...)
{
	redisContext *c = redisConnectUnix(server_url + strlen("unix:"));
	redisReply *reply;
	va_list ap;

	if (!c || c->err) {
		if (c)
			redisFree(c);
		return NULL;
	}
	va_start(ap, format);
	reply = redisvCommand(c, format, ap);
	va_end(ap);
	redisFree(c);
	return reply;
}

static inline void start_server(const char *more)
{
	char socket_path[96], data_dir[96];

	snprintf(socket_path, sizeof(socket_path), "%s/socket", server_dir);
	snprintf(data_dir, sizeof(data_dir), "%s", server_dir);
	snprintf(server_url, sizeof(server_url), "unix:%s", socket_path);
	server_pid = fork();
	if (server_pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execl(find_server(), "server", "--port", "0", "--unixsocket", socket_path, "--save", "", "--appendonly", "no",
		      "--rdbcompression", "no", "--dir", data_dir, more ? "--requirepass" : NULL, more, NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000; i++) {
		redisReply *reply = raw("PING");

		if (reply) {
			freeReplyObject(reply);
			return;
		}
		usleep(10000);
	}
	fail_msg("the server does not start");
}

static inline void stop_server(void)
{
	if (server_pid <= 0)
		return;
	kill(server_pid, SIGCONT);
	kill(server_pid, SIGKILL);
	waitpid(server_pid, NULL, 0);
	server_pid = 0;
}

static inline int set_up(void **state)
{
	(void)state;
	snprintf(server_dir, sizeof(server_dir), "/tmp/cfcfs-share-XXXXXX");
	return mkdtemp(server_dir) ? 0 : -1;
}

static inline int tear_down(void **state)
{
	char command[128];

	(void)state;
	stop_server();
	snprintf(command, sizeof(command), "rm -rf %s", server_dir);
	return system(command) == 0 ? 0 : -1;
}

/* Until the condition holds, so many seconds at most; it is not evaluated again once it did. */
#define within(seconds, condition)                                                                                               \
	do {                                                                                                                     \
		bool held_ = false;                                                                                              \
		for (int i_ = 0; i_ < (seconds)*200 && !(held_ = (condition)); i_++)                                             \
			usleep(5000);                                                                                            \
		assert_true(held_);                                                                                              \
	} while (0)
#define eventually(condition) within(10, condition)

static inline bool is_ready(struct share *s)
{
	struct share_stats stats;

	share_stats(s, &stats);
	return stats.ready;
}

static inline struct share_stats stats_of(struct share *s)
{
	struct share_stats stats;

	share_stats(s, &stats);
	return stats;
}

/* A member; token NULL: the usual one. */
static inline struct share *join_with(const struct share_options *more)
{
	struct share_options o = *more;
	struct share *s = NULL;
	struct err err = ERR_INIT;

	o.url = server_url;
	o.base_url = "https://api.example/client/v4";
	o.account = ACCOUNT;
	if (!o.token)
		o.token = "the-token-of-all";
	assert_int_equal(share_open(&o, &s, &err), 0);
	return s;
}

static inline struct share *join(const char *token)
{
	struct share *s = join_with(&(struct share_options){ .token = token });

	eventually(is_ready(s));
	return s;
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
