/*
 * A small HTTP server inside a test: every request goes to the test's own handler, which says what to answer and how
 * to fail. One thread a connection.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "api/base/cleanup.h"
#include "api/base/clock.h"

#define SERVER_CONNS    64
#define SERVER_REQUESTS 1024

struct request {
	char method[8];
	char path[512];
	char head[4096];
	char body[4096];
	int64_t at_ms;
	int conn;
	unsigned number; /* 0, 1, … over all connections */
};

struct reply {
	int status;
	const char *headers; /* "Name: value\r\n…" or NULL */
	const char *body;    /* NULL: none */
	int delay_ms;        /* before the answer */
	bool close;          /* without an answer */
	bool reset;          /* the same, by RST */
	bool stall;          /* never answer */
	size_t truncate;     /* send this much of the body, then close; 0: all */
	bool close_after;    /* answer, then close without having said so */
	char room[4096];     /* for a body that is made up */
	char *owned;         /* for a larger one: freed once it is sent */
};

struct server;
typedef void (*server_handler)(struct server *server, const struct request *request, struct reply *reply);

struct server {
	pthread_mutex_t lock; /* guards all below */
	int fd, port;
	bool ending;
	pthread_t thread, conns[SERVER_CONNS];
	int conn_fds[SERVER_CONNS];
	int conn_count;
	server_handler handler;
	void *arg;
	struct request requests[SERVER_REQUESTS];
	unsigned count;
	int active, active_max; /* requests being answered */
	char url[64];
};

struct server_conn {
	struct server *server;
	int fd, number;
};

static inline void server_send(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

/* Reads one request; false at the end of the connection. */
static inline bool server_read(int fd, char *buf, size_t size, size_t *used, struct request *ret)
{
	for (;;) {
		char *end = memmem(buf, *used, "\r\n\r\n", 4);
		ssize_t n;

		if (end) {
			size_t head = (size_t)(end + 4 - buf), body = 0;
			char *length;

			snprintf(ret->head, sizeof(ret->head), "%.*s", (int)head, buf);
			length = strcasestr(ret->head, "content-length:");
			if (length)
				body = (size_t)strtoul(length + 15, NULL, 10);
			if (*used >= head + body) {
				sscanf(buf, "%7s %511s", ret->method, ret->path);
				snprintf(ret->body, sizeof(ret->body), "%.*s", (int)body, buf + head);
				memmove(buf, buf + head + body, *used - head - body);
				*used -= head + body;
				return true;
			}
		}
		if (*used == size)
			return false;
		n = recv(fd, buf + *used, size - *used, 0);
		if (n <= 0)
			return false;
		*used += (size_t)n;
	}
}

static inline bool server_answer(struct server *server, int fd, const struct reply *reply)
{
	const char *headers = reply->headers;
	char head[200];
	size_t len = reply->body ? strlen(reply->body) : 0;
	int n;

	if (reply->reset) {
		struct linger now = { 1, 0 };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	for (int waited = 0; reply->stall || waited < reply->delay_ms; waited += 5) {
		struct pollfd gone = { .fd = fd, .events = POLLRDHUP };
		bool ending;

		pthread_mutex_lock(&server->lock);
		ending = server->ending;
		pthread_mutex_unlock(&server->lock);
		if (ending || (poll(&gone, 1, 5) == 1 && gone.revents & (POLLHUP | POLLRDHUP)))
			return false;
	}
	if (reply->close || reply->reset)
		return false;
	n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\n", reply->status);
	if (reply->status != 204)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "%sContent-Length: %zu\r\n",
			      headers && strcasestr(headers, "content-type") ? "" : "Content-Type: application/json\r\n", len);
	server_send(fd, head, (size_t)n);
	if (headers && reply->status != 204)
		server_send(fd, headers, strlen(headers));
	server_send(fd, "\r\n", 2);
	server_send(fd, reply->body, reply->truncate && reply->truncate < len ? reply->truncate : len);
	return !reply->truncate && !reply->close_after;
}

static inline void *server_conn_main(void *arg)
{
	struct server_conn conn = *(struct server_conn *)arg;
	struct server *server = conn.server;
	static const size_t size = 65536;
	char *buf = malloc(size);
	size_t used = 0;
	bool more = true;

	free(arg);
	while (more) {
		struct request request = { .conn = conn.number };
		struct reply reply = { .status = 200 };
		server_handler handler;

		if (!server_read(conn.fd, buf, size, &used, &request))
			break;
		request.at_ms = clock_now_ms();
		pthread_mutex_lock(&server->lock);
		request.number = server->count;
		if (server->count < SERVER_REQUESTS)
			server->requests[server->count++] = request;
		server->active++;
		if (server->active > server->active_max)
			server->active_max = server->active;
		handler = server->handler;
		if (handler)
			handler(server, &request, &reply);
		pthread_mutex_unlock(&server->lock);
		more = server_answer(server, conn.fd, &reply);
		free(reply.owned);
		pthread_mutex_lock(&server->lock);
		server->active--;
		pthread_mutex_unlock(&server->lock);
	}
	free(buf);
	pthread_mutex_lock(&server->lock);
	server->conn_fds[conn.number] = -1;
	pthread_mutex_unlock(&server->lock);
	close(conn.fd);
	return NULL;
}

static inline void *server_main(void *arg)
{
	struct server *server = arg;

	for (;;) {
		int one = 1, fd = accept(server->fd, NULL, NULL);
		struct server_conn *conn;

		if (fd < 0)
			return NULL;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conn = malloc(sizeof(*conn));
		pthread_mutex_lock(&server->lock);
		if (server->ending || server->conn_count == SERVER_CONNS) {
			pthread_mutex_unlock(&server->lock);
			free(conn);
			close(fd);
			continue;
		}
		*conn = (struct server_conn){ server, fd, server->conn_count };
		server->conn_fds[server->conn_count] = fd;
		pthread_create(&server->conns[server->conn_count++], NULL, server_conn_main, conn);
		pthread_mutex_unlock(&server->lock);
	}
}

static inline struct server *server_start(server_handler handler)
{
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	pthread_mutex_init(&server->lock, NULL);
	server->handler = handler;
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->fd, (struct sockaddr *)&addr, len) || listen(server->fd, 64) ||
	    getsockname(server->fd, (struct sockaddr *)&addr, &len))
		abort();
	server->port = ntohs(addr.sin_port);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/client/v4", server->port);
	pthread_create(&server->thread, NULL, server_main, server);
	return server;
}

static inline void server_stop(struct server *server)
{
	int count;

	pthread_mutex_lock(&server->lock);
	server->ending = true;
	pthread_mutex_unlock(&server->lock);
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	pthread_mutex_lock(&server->lock);
	count = server->conn_count;
	for (int i = 0; i < count; i++) {
		if (server->conn_fds[i] >= 0)
			shutdown(server->conn_fds[i], SHUT_RDWR);
	}
	pthread_mutex_unlock(&server->lock);
	for (int i = 0; i < count; i++)
		pthread_join(server->conns[i], NULL);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

static inline unsigned server_count(struct server *server)
{
	scoped_lock(&server->lock);
	return server->count;
}
