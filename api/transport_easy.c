#include "api/transport_easy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

#include "api/base/clock.h"
#include "api/base/rand.h"
#include "api/headers.h"
#include "api/url.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or later is needed"
#endif

/* Files of certificates are read whole. */
#define PEM_MAX ((size_t)8 << 20)
/* From libcurl 8.7.0 on a handle keeps the buffer that its request went out from, token and body in it, until it is cleaned up. */
#define REQUEST_STAYS_FROM   0x080700
#define KEEPALIVE_IDLE_S     30
#define KEEPALIVE_INTERVAL_S 10

static int read_pem(const char *path, struct buf *out)
{
	cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char chunk[16384];
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0)
			return -errno;
		r = buf_add(out, chunk, (size_t)n);
	}
	return r < 0 ? r : buf_addc(out, '\n');
}

/* curl takes one bundle only: an added authority must come with the system's, or those would be lost. */
static int read_authorities(struct easy_setup *setup, const char *cacert, struct err *err)
{
	cleanup_buf_ struct buf added = { .max = PEM_MAX };
	const char *bundle = NULL;
	CURL *easy;
	int r;

	r = read_pem(cacert, &added);
	if (r < 0)
		return err_set(err, -r, "cacert=%s cannot be read: %s", cacert, strerror(-r));
	if (!strstr(added.data, "-----BEGIN CERTIFICATE-----") && !strstr(added.data, "-----BEGIN TRUSTED CERTIFICATE"))
		return err_set(err, EINVAL, "cacert=%s holds no certificate in PEM form", cacert);
	setup->authorities.max = 2 * PEM_MAX;
	easy = curl_easy_init();
	if (!easy)
		return err_set(err, ENOMEM, "out of memory");
	if (curl_easy_getinfo(easy, CURLINFO_CAINFO, &bundle) == CURLE_OK && bundle)
		read_pem(bundle, &setup->authorities);
	curl_easy_cleanup(easy);
	r = buf_add(&setup->authorities, added.data, added.len);
	return r < 0 ? err_set(err, -r, "cacert=%s: %s", cacert, strerror(-r)) : 0;
}

int easy_setup_init(struct easy_setup *setup, const struct transport_options *options, struct err *err)
{
	memset(setup, 0, sizeof(*setup));
	setup->tls = !strncasecmp(options->base_url, "https:", 6);
	setup->loopback = url_is_loopback(options->base_url);
	setup->keeps = curl_version_info(CURLVERSION_NOW)->version_num < REQUEST_STAYS_FROM;
	setup->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 10000;
	if (!setup->tls && !setup->loopback)
		return err_set(err, EINVAL, "plain http is refused except to a loopback address");
	setup->user_agent = strdup(options->user_agent ? options->user_agent : "cfcfs/" CFCFS_VERSION);
	if (!setup->user_agent)
		return err_set(err, ENOMEM, "out of memory");
	return options->cacert && setup->tls ? read_authorities(setup, options->cacert, err) : 0;
}

void easy_setup_free(struct easy_setup *setup)
{
	free(setup->user_agent);
	buf_free(&setup->authorities);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *ex = arg;

	if (buf_add(&ex->answer, data, size * count) == 0)
		return size * count;
	ex->too_large = true;
	return 0;
}

static void copy_value(char *out, size_t size, const char *value)
{
	size_t n = 0;

	for (; *value && n + 1 < size; value++) {
		if ((unsigned char)*value > ' ' && (unsigned char)*value < 0x7f && !strchr("\"\\;", *value))
			out[n++] = *value;
		else if (n)
			break;
	}
	out[n] = '\0';
}

/* Of "</v2/_catalog?last=x>; rel="next"" what stands in the brackets; one of another relation leads nowhere. false: it is cut, and
   what it leads to would be left out without a word. */
static bool copy_next(char *out, size_t size, const char *value)
{
	const char *begin = strchr(value, '<'), *end = begin ? strchr(begin, '>') : NULL;

	if (!begin)
		return true;
	if (!end)
		return false;
	if (!strcasestr(end, "rel=\"next\"") && !strcasestr(end, "rel=next"))
		return true;
	return snprintf(out, size, "%.*s", (int)(end - begin - 1), begin + 1) < (int)size;
}

static bool header_is(const char *line, size_t name_len, const char *name)
{
	return strlen(name) == name_len && !strncasecmp(line, name, name_len);
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *ex = arg;
	size_t len = size * count, name_len;
	char value[1024];
	const char *colon;

	/* libcurl keeps them all, and has no bound for those that come behind a body. */
	ex->headers_len += len;
	if (ex->headers_len > HEADERS_MAX) {
		ex->too_large = true;
		return 0;
	}
	/* An interim answer (103) comes before the real one. */
	if (len >= 5 && !memcmp(data, "HTTP/", 5)) {
		ex->rate = (struct rate_facts)RATE_FACTS_INIT;
		ex->ray[0] = ex->content_type[0] = ex->next[0] = ex->digest[0] = '\0';
		ex->length = -1;
		ex->encoded = ex->next_cut = false;
		return len;
	}
	colon = memchr(data, ':', len);
	if (!colon || colon == data)
		return len;
	name_len = (size_t)(colon - data);
	snprintf(value, sizeof(value), "%.*s", (int)(len - name_len - 1 > sizeof(value) ? sizeof(value) : len - name_len - 1),
		 colon + 1);
	value[strcspn(value, "\r\n")] = '\0';
	if (header_is(data, name_len, "cf-ray"))
		copy_value(ex->ray, sizeof(ex->ray), value);
	else if (header_is(data, name_len, "content-type"))
		copy_value(ex->content_type, sizeof(ex->content_type), value);
	else if (header_is(data, name_len, "content-length"))
		ex->length = (int64_t)strtoll(value, NULL, 10);
	else if (header_is(data, name_len, "docker-content-digest"))
		copy_value(ex->digest, sizeof(ex->digest), value);
	else if (header_is(data, name_len, "link"))
		ex->next_cut |= !copy_next(ex->next, sizeof(ex->next), value);
	else if (header_is(data, name_len, "content-encoding"))
		ex->encoded = true;
	else
		rate_facts_header(&ex->rate, data, name_len, value);
	return len;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct easy_setup *setup = arg;
	unsigned ms = setup->connect_timeout_ms > INT_MAX ? INT_MAX : (unsigned)setup->connect_timeout_ms;

	/* After a suspend, a pooled connection may be dead without a word: what it does not acknowledge within the
	   time of a connect ends it, instead of the deadline of each call on it. */
	if (purpose == CURLSOCKTYPE_IPCXN)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

CURL *easy_new(const struct easy_setup *setup)
{
	CURL *e = curl_easy_init();

	if (!e)
		return NULL;
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* A resolver thread that hangs must not make the transport wait for it. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, setup->tls ? "https" : "http");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)(setup->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, setup->tls ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(e, CURLOPT_USERAGENT, setup->user_agent);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, (void *)(uintptr_t)setup);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
	if (setup->loopback)
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (setup->authorities.len) {
		struct curl_blob blob = { setup->authorities.data, setup->authorities.len, CURL_BLOB_NOCOPY };

		curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &blob);
	}
	return e;
}

static int on_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	struct exchange *ex = arg;
	const struct easy_gate *gate = NULL;

	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	curl_easy_getinfo(ex->easy, CURLINFO_PRIVATE, &gate);
	return gate->may_send(gate->arg, ex) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static void set_method(struct exchange *ex)
{
	CURL *e = ex->easy;
	bool get = !strcmp(ex->method, "GET"), head = !strcmp(ex->method, "HEAD");

	/* The body that its headers speak of does not come. */
	curl_easy_setopt(e, CURLOPT_NOBODY, head ? 1L : 0L);
	if (ex->body.data || !strcmp(ex->method, "POST") || !strcmp(ex->method, "PUT") || !strcmp(ex->method, "PATCH")) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, ex->body.data ? ex->body.data : "");
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ex->body.len);
		get = false;
	} else {
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
		if (!head)
			curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, get || head ? NULL : ex->method);
}

CURLcode easy_prepare(const struct easy_setup *setup, const struct easy_gate *gate, struct exchange *ex, int64_t now_ms)
{
	int64_t left = ex->deadline_ms == CLOCK_NEVER ? LONG_MAX : ex->deadline_ms - now_ms;
	CURLcode code;
	CURL *e = ex->easy;

	left = left < 1 ? 1 : left > INT_MAX ? INT_MAX : left;
	code = curl_easy_setopt(e, CURLOPT_URL, ex->url);
	if (code != CURLE_OK)
		return code;
	set_method(ex);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, ex->body.data ? ex->headers->json : ex->headers->plain);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(setup->connect_timeout_ms < left ? setup->connect_timeout_ms : left));
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, ex->quiet_ms ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)(ex->quiet_ms / MSEC_PER_SEC));
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, ex->fresh ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, ex);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, ex);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, ex->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, (void *)(uintptr_t)gate);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, ex);
	return CURLE_OK;
}

bool easy_has_answer(const struct exchange *ex)
{
	return !ex->encoded && ex->length > 0 && (uint64_t)ex->length == ex->answer.len;
}

void easy_finish(struct exchange *ex, CURLcode code)
{
	long status = 0;

	ex->code = code;
	curl_easy_getinfo(ex->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(ex->easy, CURLINFO_OS_ERRNO, &ex->os_errno);
	ex->status = code == CURLE_OK ? (int)status : 0;
	/* The handle outlives the exchange. */
	curl_easy_setopt(ex->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(ex->easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(ex->easy, CURLOPT_HTTPHEADER, NULL);
	if (code != CURLE_OK && !ex->error[0])
		snprintf(ex->error, sizeof(ex->error), "%s", curl_easy_strerror(code));
}
