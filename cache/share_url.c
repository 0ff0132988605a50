/* Where the server is. */
#include <errno.h>
#include <sys/un.h>

#include "api/base/parse.h"
#include "cache/share_private.h"

#define DEFAULT_PORT 6379

void share_address_clear(struct share_address *address)
{
	free(address->path);
	free(address->host);
	*address = (struct share_address){ 0 };
}

static int take_number(const char *text, int64_t min, int64_t max, int *ret)
{
	int64_t number;
	int r = parse_int64(text, min, max, &number);

	if (r == 0)
		*ret = (int)number;
	return r;
}

/* "HOST[:PORT][/DB]", HOST possibly in brackets. */
static int parse_tcp(char *text, struct share_address *ret)
{
	char *slash = strrchr(text, '/'), *host = text, *port = NULL;

	ret->port = DEFAULT_PORT;
	if (slash) {
		*slash = '\0';
		if (slash[1] && take_number(slash + 1, 0, 65535, &ret->db) < 0)
			return -EINVAL;
	}
	if (*host == '[') {
		char *end = strchr(++host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
	} else {
		port = strchr(host, ':');
		if (port)
			*port++ = '\0';
	}
	if (!*host || strpbrk(host, "@/ ") || (port && take_number(port, 1, 65535, &ret->port) < 0))
		return -EINVAL;
	ret->host = strdup(host);
	return ret->host ? 0 : -ENOMEM;
}

static int parse(const char *url, struct share_address *ret)
{
	cleanup_free_ char *text = NULL;

	if (!strncmp(url, "unix:", 5)) {
		if (url[5] != '/' || strlen(url + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return -EINVAL;
		ret->path = strdup(url + 5);
		return ret->path ? 0 : -ENOMEM;
	}
	if (strncmp(url, "redis://", 8) != 0 && strncmp(url, "rediss://", 9) != 0)
		return -EINVAL;
	ret->tls = url[5] == 's';
	text = strdup(strstr(url, "://") + 3);
	return text ? parse_tcp(text, ret) : -ENOMEM;
}

int share_address_parse(const char *url, struct share_address *ret, struct err *err)
{
	struct share_address address = { 0 };
	int r;

	r = parse(url, &address);
	if (r < 0) {
		share_address_clear(&address);
		return err_set(err, -r,
			       r == -ENOMEM ? "out of memory" :
					      "share: must be redis://HOST[:PORT][/DB], rediss:// or unix:/PATH; a password "
					      "goes into share_secret_file");
	}
	*ret = address;
	return 0;
}

int share_check_url(const char *url, struct err *err)
{
	struct share_address address = { 0 };
	int r = share_address_parse(url, &address, err);
	struct ssl_ctx_st *tls = NULL;

	if (r == 0 && address.tls)
		r = share_tls_new(NULL, &tls, err);
	share_tls_free(tls);
	share_address_clear(&address);
	return r;
}
