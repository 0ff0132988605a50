/* The share while its server is away, stopped, full, closed to us or wrong: nobody waits, and it comes back by itself. */
#include "tests/unit/cache_redis.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

/* What no call may take, with room for a machine that is busy: the server is away for longer. */
#define CALL_MS (SHARE_WAIT_MS + 2000)

static _Atomic unsigned missed;

static void note_missed(void *arg, const struct share_message *m)
{
	(void)arg;
	missed += !m->topic;
}

static struct sockaddr_un address_of(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", server_dir, name);
	return address;
}

/* Listens where a share is to be told that the server is. */
static int listen_as(const char *name)
{
	struct sockaddr_un address = address_of(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	snprintf(server_url, sizeof(server_url), "unix:%s", address.sun_path);
	return fd;
}

static int timed_get(struct share *s, struct waiter *waiter, int64_t *ret_ms)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	int64_t start = clock_now_ms();
	int r = share_get(s, "x", &got, NULL, waiter);

	*ret_ms = clock_now_ms() - start;
	return r;
}

static void test_never_there(void **state)
{
	struct share *s;
	int64_t ms;

	(void)state;
	snprintf(server_url, sizeof(server_url), "unix:%s/socket", server_dir);
	missed = 0;
	s = join_with(&(struct share_options){ .told = note_missed });
	assert_int_equal(timed_get(s, NULL, &ms), -EAGAIN);
	assert_int_equal(share_put(s, "x", "1", 1, 1000), -EAGAIN);
	assert_int_equal(share_publish(s, "x", "1", 1), -EAGAIN);
	/* It comes later. */
	start_server(NULL);
	eventually(is_ready(s));
	eventually(timed_get(s, NULL, &ms) == -ENOENT);
	assert_int_equal(missed, 1);
	share_close(s);
}

/* Stopped: one wait of SHARE_WAIT_MS, then none; goes on: heals. */
static void test_stopped(void **state)
{
	unsigned late = 0;
	struct share *s;
	int64_t ms;

	(void)state;
	start_server(NULL);
	missed = 0;
	s = join_with(&(struct share_options){ .told = note_missed });
	eventually(is_ready(s));
	kill(server_pid, SIGSTOP);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(timed_get(s, NULL, &ms), -EAGAIN);
		assert_true(ms < CALL_MS);
		late += ms >= SHARE_WAIT_MS / 2;
	}
	assert_true(late < 10);
	eventually(!is_ready(s));
	assert_int_equal(timed_get(s, NULL, &ms), -EAGAIN);
	kill(server_pid, SIGCONT);
	eventually(is_ready(s));
	eventually(timed_get(s, NULL, &ms) == -ENOENT);
	assert_int_equal(missed, 2);
	share_close(s);
}

static void test_restarted(void **state)
{
	struct share *s;
	int64_t ms;

	(void)state;
	start_server(NULL);
	s = join_with(&(struct share_options){ 0 });
	eventually(is_ready(s));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(share_put(s, "x", "1", 1, 60000), 0);
		eventually(timed_get(s, NULL, &ms) == 0);
		stop_server();
		eventually(!is_ready(s));
		assert_int_equal(timed_get(s, NULL, &ms), -EAGAIN);
		start_server(NULL);
		eventually(is_ready(s));
		eventually(timed_get(s, NULL, &ms) == -ENOENT);
	}
	assert_int_equal(stats_of(s).lost, 3);
	share_close(s);
}

/* Who comes back first is not alone: a server that was emptied has not heard of the others yet. */
static void test_members_kept(void **state)
{
	struct share *others[2], *last;

	(void)state;
	start_server(NULL);
	for (size_t i = 0; i < array_len(others); i++) {
		others[i] = join_with(&(struct share_options){ 0 });
		eventually(is_ready(others[i]));
	}
	last = join_with(&(struct share_options){ 0 });
	eventually(is_ready(last));
	assert_int_equal(stats_of(last).members, 3);
	stop_server();
	for (size_t i = 0; i < array_len(others); i++)
		share_close(others[i]);
	eventually(!is_ready(last));
	start_server(NULL);
	eventually(is_ready(last));
	assert_int_equal(stats_of(last).members, 3);
	/* Whose share has another token has others for members. */
	assert_int_equal(share_rekey(last, "another"), 0);
	eventually(is_ready(last));
	assert_int_equal(stats_of(last).members, 1);
	share_close(last);
}

static _Atomic unsigned emptied;

static void note_emptied(void *arg, const struct share_message *m)
{
	(void)arg;
	emptied += !m->topic && m->forgot;
}

static void test_emptied(void **state)
{
	struct share *s;

	(void)state;
	start_server(NULL);
	emptied = 0;
	s = join_with(&(struct share_options){ .told = note_emptied });
	eventually(is_ready(s));
	freeReplyObject(raw("FLUSHALL"));
	/* With the next heartbeat. */
	within(30, emptied == 1);
	assert_int_equal(stats_of(s).lost, 0);
	share_close(s);
}

static void *cancel_soon(void *arg)
{
	usleep(20000);
	waiter_cancel(arg);
	return NULL;
}

static void test_interrupt(void **state)
{
	struct waiter waiter;
	pthread_t thread;
	struct share *s;
	int64_t ms;

	(void)state;
	start_server(NULL);
	s = join_with(&(struct share_options){ 0 });
	eventually(is_ready(s));
	kill(server_pid, SIGSTOP);
	waiter_init(&waiter);
	waiter_cancel(&waiter);
	assert_int_equal(timed_get(s, &waiter, &ms), -EINTR);
	waiter_destroy(&waiter);
	waiter_init(&waiter);
	pthread_create(&thread, NULL, cancel_soon, &waiter);
	/* Whichever comes first on a busy machine. */
	ms = timed_get(s, &waiter, &ms);
	assert_true(ms == -EINTR || ms == -EAGAIN);
	pthread_join(thread, NULL);
	waiter_destroy(&waiter);
	share_close(s);
}

static void test_password(void **state)
{
	struct share *wrong, *none, *right;
	int64_t ms;

	(void)state;
	start_server("open sesame");
	right = join_with(&(struct share_options){ .password = "open sesame" });
	wrong = join_with(&(struct share_options){ .password = "open barley" });
	none = join_with(&(struct share_options){ 0 });
	eventually(is_ready(right));
	assert_false(is_ready(wrong));
	assert_false(is_ready(none));
	assert_int_equal(timed_get(wrong, NULL, &ms), -EAGAIN);
	assert_int_equal(timed_get(none, NULL, &ms), -EAGAIN);
	share_close(right);
	share_close(wrong);
	share_close(none);
}

/* Out of memory: what is there is still read, and what cannot be put is no failure. */
static void test_full(void **state)
{
	static char value[100000];
	struct share *s;
	int64_t ms;

	(void)state;
	start_server(NULL);
	s = join_with(&(struct share_options){ 0 });
	eventually(is_ready(s));
	assert_int_equal(share_put(s, "x", "1", 1, 60000), 0);
	eventually(timed_get(s, NULL, &ms) == 0);
	freeReplyObject(raw("CONFIG SET maxmemory-policy noeviction"));
	freeReplyObject(raw("CONFIG SET maxmemory 1"));
	rand_bytes(value, sizeof(value));
	for (int i = 0; i < 20; i++)
		share_put(s, "large", value, sizeof(value), 60000);
	eventually(timed_get(s, NULL, &ms) == 0);
	share_close(s);
}

/* A server that answers nonsense. */
static _Atomic unsigned talked;

static void *talk_nonsense(void *arg)
{
	int fd = *(int *)arg, peer;

	while ((peer = accept(fd, NULL, NULL)) >= 0) {
		static const char text[] = "HTTP/1.1 200 OK\r\n\r\n$-7\r\n*1000000000\r\n";

		/* Whoever asked may be gone. */
		send(peer, text, sizeof(text) - 1, MSG_NOSIGNAL);
		close(peer);
		talked++;
	}
	return NULL;
}

static void test_nonsense(void **state)
{
	int fd = listen_as("socket");
	pthread_t thread;
	struct share *s;
	int64_t ms;

	(void)state;
	talked = 0;
	pthread_create(&thread, NULL, talk_nonsense, &fd);
	s = join_with(&(struct share_options){ 0 });
	/* Two connections each time. */
	eventually(talked > 4);
	assert_false(is_ready(s));
	assert_int_equal(timed_get(s, NULL, &ms), -EAGAIN);
	share_close(s);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
}

/* ---- what lies between ---- */

static _Atomic unsigned late_ms; /* so late what the server says arrives */
static _Atomic bool cut;         /* what goes over the channels is lost, and nobody is told */
static _Atomic unsigned relays;
static _Atomic useconds_t delay; /* of each piece, both ways */

struct relay {
	int fds[2]; /* the member's, the server's */
	bool is_channel;
};

/* One direction; whether it goes on. */
static bool pass_on(struct relay *relay, int from)
{
	char chunk[4096];
	ssize_t n = read(relay->fds[from], chunk, sizeof(chunk));

	if (n <= 0)
		return false;
	usleep(delay);
	if (from == 1 && late_ms)
		usleep(late_ms * 1000);
	relay->is_channel |= from == 0 && memmem(chunk, (size_t)n, "SUBSCRIBE", 9);
	return (cut && relay->is_channel) || send(relay->fds[!from], chunk, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *run_relay(void *arg)
{
	struct relay *relay = arg;
	bool goes_on = true;

	while (goes_on) {
		struct pollfd fds[] = { { .fd = relay->fds[0], .events = POLLIN }, { .fd = relay->fds[1], .events = POLLIN } };

		poll(fds, 2, -1);
		for (int from = 0; goes_on && from < 2; from++)
			goes_on = !fds[from].revents || pass_on(relay, from);
	}
	close(relay->fds[0]);
	close(relay->fds[1]);
	free(relay);
	relays--;
	return NULL;
}

static void *accept_relays(void *arg)
{
	struct sockaddr_un address = address_of("socket");
	int fd = *(int *)arg, peer;

	while ((peer = accept(fd, NULL, NULL)) >= 0) {
		struct relay *relay = calloc(1, sizeof(*relay));
		pthread_t thread;

		relay->fds[0] = peer;
		relay->fds[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		relays++;
		if (connect(relay->fds[1], (struct sockaddr *)&address, sizeof(address)) < 0 ||
		    pthread_create(&thread, NULL, run_relay, relay) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

/* Who hears late what the time is knows that it may be wrong: its marks hold all the same. */
static void test_late_clock(void **state)
{
	cleanup_buf_ struct buf got = BUF_INIT;
	struct share *near, *far;
	pthread_t thread;
	int64_t age;
	int fd;

	(void)state;
	start_server(NULL);
	near = join_with(&(struct share_options){ 0 });
	eventually(is_ready(near));
	fd = listen_as("between");
	pthread_create(&thread, NULL, accept_relays, &fd);
	cut = false;
	late_ms = 600;
	far = join_with(&(struct share_options){ 0 });
	eventually(is_ready(far));
	assert_int_equal(share_put(near, "x", "1", 1, 60000), 0);
	eventually(share_get_unmarked(near, "x", "y", &got, &age, NULL) == 0);
	usleep(60000); /* more than what any two clocks may differ by */
	assert_int_equal(share_mark(far, "y", 60000), 0);
	eventually(share_get_unmarked(near, "x", "y", &got, &age, NULL) == -ENOENT);
	late_ms = 0;
	share_close(near);
	share_close(far);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	eventually(!relays);
}

/* Only the channel is cut, while commands are answered as ever: messages would be missed for ever. */
static void test_channel_cut(void **state)
{
	pthread_t thread;
	struct share *s;
	int64_t ms;
	int fd;

	(void)state;
	start_server(NULL);
	fd = listen_as("between");
	pthread_create(&thread, NULL, accept_relays, &fd);
	cut = false;
	missed = 0;
	s = join_with(&(struct share_options){ .told = note_missed });
	eventually(is_ready(s));
	cut = true;
	assert_int_equal(timed_get(s, NULL, &ms), -ENOENT);
	/* A heartbeat, and the wait for its answer. */
	within(30, stats_of(s).lost == 1);
	cut = false;
	eventually(is_ready(s));
	assert_int_equal(missed, 2);
	share_close(s);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	eventually(!relays);
}

static int count_row(void *arg, const char *id, const void *value, size_t len)
{
	(void)id;
	(void)value;
	(void)len;
	++*(int *)arg;
	return 0;
}

/* A server that is too far away for who waits: the rows are had all the same. */
static void test_far_away(void **state)
{
	int64_t left, start;
	pthread_t thread;
	struct share *s;
	int fd, rows = 0;

	(void)state;
	start_server(NULL);
	fd = listen_as("between");
	pthread_create(&thread, NULL, accept_relays, &fd);
	delay = 0;
	s = join_with(&(struct share_options){ 0 });
	eventually(is_ready(s));
	assert_int_equal(share_row_set(s, "table", "", "id", "value", 5), 0);
	delay = 100000;
	/* The others were not answered in time, and are spared the wait. */
	assert_int_equal(share_lease(s, "lease", 1000, &left, NULL), -EAGAIN);
	start = clock_now_ms();
	assert_int_equal(share_row_each(s, "table", "", count_row, &rows, NULL), 0);
	assert_int_equal(rows, 1);
	assert_true(clock_now_ms() - start >= SHARE_WAIT_MS);
	delay = 0;
	share_close(s);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	eventually(!relays);
}

static void *put_and_get(void *arg)
{
	cleanup_buf_ struct buf got = BUF_INIT;

	for (int i = 0; i < 300; i++) {
		char name[16];
		int64_t left;

		snprintf(name, sizeof(name), "%d", i % 7);
		share_put(arg, name, "value", 5, 1000);
		if (share_get(arg, name, &got, NULL, NULL) == 0 && (got.len != 5 || memcmp(got.data, "value", 5)))
			return arg;
		share_lease(arg, name, 50, &left, NULL);
		share_publish(arg, name, "x", 1);
	}
	return NULL;
}

/* Many threads, while the server comes and goes. */
static void test_crowd(void **state)
{
	pthread_t threads[6];
	struct share *s;

	(void)state;
	start_server(NULL);
	s = join_with(&(struct share_options){ .told = note_missed });
	eventually(is_ready(s));
	for (size_t i = 0; i < array_len(threads); i++)
		pthread_create(&threads[i], NULL, put_and_get, s);
	usleep(100000);
	stop_server();
	usleep(100000);
	start_server(NULL);
	for (size_t i = 0; i < array_len(threads); i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	share_close(s);
}

#ifdef CFCFS_SHARE_TLS
#define WITH_TLS 0
#else
#define WITH_TLS (-EOPNOTSUPP)
#endif

static void test_urls(void **state)
{
	static const struct {
		const char *url;
		int result;
	} cases[] = {
		{ "redis://localhost", 0 },          { "redis://127.0.0.1:7000/3", 0 },
		{ "redis://[::1]:7000", 0 },         { "redis://[::1]", 0 },
		{ "unix:/run/valkey.sock", 0 },      { "redis://host/", 0 },
		{ "rediss://host", WITH_TLS },       { "redis://", -EINVAL },
		{ "redis://user:pw@host", -EINVAL }, { "redis://host:0", -EINVAL },
		{ "redis://host:x", -EINVAL },       { "redis://host/x", -EINVAL },
		{ "unix:relative", -EINVAL },        { "unix:", -EINVAL },
		{ "http://host", -EINVAL },          { "redis://[::1", -EINVAL },
		{ "redis://[::1]x", -EINVAL },       { "", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct err err = ERR_INIT;
		int r = share_check_url(cases[i].url, &err);

		if (r != cases[i].result)
			fail_msg("%s: %d", cases[i].url, r);
		assert_true(r == 0 || err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls), test(test_never_there), test(test_stopped), test(test_restarted),
		test(test_interrupt),        test(test_password),    test(test_full),    test(test_nonsense),
		test(test_late_clock),       test(test_channel_cut), test(test_crowd),   test(test_members_kept),
		test(test_emptied),          test(test_far_away),
	};

	if (!find_server()) {
		print_message("skipped: there is neither valkey-server nor redis-server\n");
		return 77;
	}
	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
