/* HTTP, by libmicrohttpd with a thread for each connection: so a late or stalled answer holds up nobody. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>

#include "api/base/clock.h"
#include "emulator/exchange.h"

#define SERVER_STACK        ((size_t)512 << 10)
#define SERVER_IDLE_SECONDS 300u
#define SERVER_MEMORY       ((size_t)64 << 10) /* a connection's: bounds line and headers */
#define SERVER_TLS_FILE_MAX ((size_t)1 << 20)
#define WAIT_SLICE_MS       50

struct server {
	struct emulator *em;
	struct MHD_Daemon *daemon;
	char *cert, *key; /* owned; NULL without TLS */
};

/* One request while it comes in. */
struct incoming {
	char *uri; /* owned; as it came */
	struct buf body;
	bool begun, too_large;
};

/* The body of an answer that a fault cuts short. */
struct cut {
	struct emulator *em;
	struct MHD_Connection *connection;
	char *data; /* owned */
	uint64_t len;
	int64_t truncate, stall;
};

static void *uri_arrived(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct incoming *in = calloc(1, sizeof(*in));

	(void)cls;
	(void)connection;
	if (!in)
		return NULL;
	in->body.max = EMULATOR_BODY_MAX;
	in->uri = strdup(uri);
	return in;
}

static void completed(void *cls, struct MHD_Connection *connection, void **req_cls, enum MHD_RequestTerminationCode code)
{
	struct incoming *in = *req_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (!in)
		return;
	/* Bodies hold secrets. */
	buf_wipe(&in->body);
	free(in->uri);
	free(in);
	*req_cls = NULL;
}

/* Paths are taken apart before they are decoded, so that an encoded '/' stays within its segment. */
static size_t keep_encoded(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

/* Waits, until the time is over, the peer has gone, or the emulator stops. */
static bool wait_ms(struct emulator *em, struct MHD_Connection *connection, int64_t ms)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd p = { .fd = info ? info->connect_fd : -1, .events = POLLRDHUP };
	int64_t deadline = ms == CLOCK_NEVER ? CLOCK_NEVER : clock_after_ms(ms);

	while (!em->stopping) {
		int64_t left = clock_left_ms(deadline);

		if (left == 0)
			return true;
		if (poll(&p, 1, (int)(left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS)) > 0)
			return false;
	}
	return false;
}

static ssize_t cut_read(void *cls, uint64_t pos, char *to, size_t max)
{
	struct cut *c = cls;
	uint64_t end = c->len;

	if (c->truncate >= 0 && (uint64_t)c->truncate < end)
		end = (uint64_t)c->truncate;
	if (c->stall >= 0 && (uint64_t)c->stall < end)
		end = (uint64_t)c->stall;
	if (pos >= end) {
		if (c->stall != DELIVER_WHOLE)
			wait_ms(c->em, c->connection, CLOCK_NEVER);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (max > end - pos)
		max = end - pos;
	memcpy(to, c->data + pos, max);
	return (ssize_t)max;
}

static void cut_free(void *cls)
{
	struct cut *c = cls;

	free(c->data);
	free(c);
}

static struct MHD_Response *make_response(struct emulator *em, struct MHD_Connection *connection, struct exchange *ex)
{
	uint64_t len = ex->answer.b.len;
	char *data = buf_steal(&ex->answer.b);
	struct MHD_Response *r;
	struct cut *c;

	if (!data)
		return NULL;
	if (ex->truncate >= (int64_t)len && ex->stall >= (int64_t)len) {
		r = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
		if (!r)
			free(data);
		return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		free(data);
		return NULL;
	}
	*c = (struct cut){ em, connection, data, len, ex->truncate, ex->stall };
	r = MHD_create_response_from_callback(len, 4096, cut_read, c, cut_free);
	if (!r)
		cut_free(c);
	return r;
}

static void add_headers(struct MHD_Response *r, const struct exchange *ex)
{
	char text[24];

	if (ex->status != 204)
		MHD_add_response_header(r, "Content-Type", ex->type);
	/* A page of our own is one piece, and nobody puts it into a frame. */
	if (strncmp(ex->type, "text/html;", 10) == 0) {
		MHD_add_response_header(r, "Content-Security-Policy",
					"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
					" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
		MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
		MHD_add_response_header(r, "Cache-Control", "no-store");
	}
	MHD_add_response_header(r, "cf-ray", ex->ray);
	MHD_add_response_header(r, "X-Request-Id", ex->ray);
	if (ex->faulty)
		MHD_add_response_header(r, "X-Emulator-Fault", "1");
	if (ex->link[0])
		MHD_add_response_header(r, "Link", ex->link);
	if (ex->digest[0])
		MHD_add_response_header(r, "Docker-Content-Digest", ex->digest);
	if (ex->challenge)
		MHD_add_response_header(r, "WWW-Authenticate", "Basic realm=\"registry\"");
	if (ex->ratelimit[0]) {
		MHD_add_response_header(r, "Ratelimit", ex->ratelimit);
		MHD_add_response_header(r, "Ratelimit-Policy", ex->ratelimit_policy);
	}
	if (ex->retry_after >= 0) {
		snprintf(text, sizeof(text), "%lld", (long long)ex->retry_after);
		MHD_add_response_header(r, "Retry-After", text);
	}
}

static enum MHD_Result deliver(struct emulator *em, struct MHD_Connection *connection, struct exchange *ex)
{
	struct MHD_Response *response;
	enum MHD_Result r;

	if (ex->delay_ms > 0 && !wait_ms(em, connection, ex->delay_ms))
		return MHD_NO;
	if (ex->stall < 0)
		wait_ms(em, connection, CLOCK_NEVER);
	if (ex->close || ex->stall < 0)
		return MHD_NO;
	response = make_response(em, connection, ex);
	if (!response)
		return MHD_NO;
	add_headers(response, ex);
	r = MHD_queue_response(connection, (unsigned)ex->status, response);
	MHD_destroy_response(response);
	return r;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* The address at which the connection came in, as a browser would name it. */
static void local_address(struct MHD_Connection *connection, struct exchange *ex)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a;
	struct sockaddr_in *four = (struct sockaddr_in *)&a;
	socklen_t len = sizeof(a);
	char text[INET6_ADDRSTRLEN];

	if (!info || getsockname(info->connect_fd, (struct sockaddr *)&a, &len) < 0)
		return;
	if (a.ss_family == AF_INET6 && inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text))) {
		snprintf(ex->local, sizeof(ex->local), "[%s]:%u", text, ntohs(six->sin6_port));
		ex->loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	} else if (a.ss_family == AF_INET && inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text))) {
		snprintf(ex->local, sizeof(ex->local), "%s:%u", text, ntohs(four->sin_port));
		ex->loopback = ntohl(four->sin_addr.s_addr) >> 24 == 127;
	}
}

static enum MHD_Result answer(struct emulator *em, struct MHD_Connection *connection, const char *method, struct incoming *in)
{
	struct exchange ex = { .method = method, .answer = OUT_INIT };
	char *query = strchr(in->uri, '?');
	enum MHD_Result r;

	if (query)
		*query++ = '\0';
	ex.path = in->uri;
	ex.query = query ? query : "";
	ex.authorization = header(connection, "Authorization");
	ex.auth_email = header(connection, "X-Auth-Email");
	ex.auth_key = header(connection, "X-Auth-Key");
	ex.host = header(connection, "Host");
	ex.origin = header(connection, "Origin");
	ex.fetch_site = header(connection, "Sec-Fetch-Site");
	local_address(connection, &ex);
	ex.body = in->body.data;
	ex.body_len = in->body.len;
	ex.body_too_large = in->too_large;
	pipeline_handle(em, &ex);
	r = deliver(em, connection, &ex);
	out_free(&ex.answer);
	return r;
}

static enum MHD_Result arrived(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			       const char *version, const char *data, size_t *size, void **req_cls)
{
	struct incoming *in = *req_cls;

	(void)url;
	(void)version;
	if (!in || !in->uri || strlen(in->uri) > EMULATOR_PATH_MAX)
		return MHD_NO;
	if (!in->begun) {
		in->begun = true;
		return MHD_YES;
	}
	if (*size) {
		/* What is too much is read and dropped, so that the client gets its 413. */
		if (!in->too_large && buf_add(&in->body, data, *size) < 0)
			in->too_large = true;
		*size = 0;
		return MHD_YES;
	}
	return answer(cls, connection, method, in);
}

static int read_file(const char *path, char **ret_text)
{
	cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b = { NULL, 0, 0, SERVER_TLS_FILE_MAX };
	char part[4096];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, part, sizeof(part))) > 0)
		if (buf_add(&b, part, (size_t)n) < 0) {
			buf_wipe(&b);
			return -EFBIG;
		}
	if (n < 0) {
		buf_wipe(&b);
		return -EIO;
	}
	*ret_text = buf_steal(&b);
	return *ret_text ? 0 : -ENOMEM;
}

static int listen_on(const struct options *o, unsigned *ret_port, char *text, size_t size)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)o->port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port) };
	bool six = inet_pton(AF_INET6, o->address, &a6.sin6_addr) == 1;
	struct sockaddr *a = six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t len = six ? sizeof(a6) : sizeof(a4);
	int one = 1, e;
	cleanup_close_ int fd = -1;

	if (!six && inet_pton(AF_INET, o->address, &a4.sin_addr) != 1) {
		snprintf(text, size, "%s is not a numeric address", o->address);
		return -EINVAL;
	}
	fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, a, len) < 0 || listen(fd, 1024) < 0 || getsockname(fd, a, &len) < 0) {
		e = errno;
		snprintf(text, size, "cannot listen on %s port %u: %s", o->address, o->port, strerror(e));
		return -e;
	}
	*ret_port = ntohs(six ? a6.sin6_port : a4.sin_port);
	return steal_fd(&fd);
}

/* A connection needs a descriptor; the soft limit is often 1024. */
static void raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int start_daemon(struct server *s, int fd)
{
	struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, s->cert },
					{ MHD_OPTION_HTTPS_MEM_KEY, 0, s->key },
					{ MHD_OPTION_END, 0, NULL } };
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;

	if (s->cert)
		flags |= MHD_USE_TLS;
	s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, arrived, s->em, MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_URI_LOG_CALLBACK, uri_arrived, NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
				     MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL, MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned)EMULATOR_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_SECONDS,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, SERVER_MEMORY, MHD_OPTION_THREAD_STACK_SIZE,
				     SERVER_STACK, MHD_OPTION_ARRAY, s->cert ? tls : none, MHD_OPTION_END);
	return s->daemon ? 0 : -EIO;
}

int server_start(struct emulator *em, struct server **ret_server, unsigned *ret_port, char *text, size_t size)
{
	struct server *s = calloc(1, sizeof(*s));
	const struct options *o = &em->options;
	int fd, r;

	if (!s)
		return -ENOMEM;
	s->em = em;
	raise_files();
	if (o->tls_cert) {
		r = read_file(o->tls_cert, &s->cert);
		if (r == 0)
			r = read_file(o->tls_key, &s->key);
		if (r < 0) {
			snprintf(text, size, "cannot read the certificate or its key: %s", strerror(-r));
			server_stop(s);
			return r;
		}
	}
	fd = listen_on(o, ret_port, text, size);
	em->port = *ret_port;
	if (fd < 0) {
		server_stop(s);
		return fd;
	}
	r = start_daemon(s, fd);
	if (r < 0) {
		close(fd);
		snprintf(text, size, "the HTTP server does not start%s",
			 o->tls_cert ? ": is the key that of the certificate?" : "");
		server_stop(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

struct server *server_stop(struct server *s)
{
	if (!s)
		return NULL;
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	free(s->cert);
	free(s->key);
	free(s);
	return NULL;
}
