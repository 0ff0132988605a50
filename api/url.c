#include "api/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <strings.h>

#include "api/credentials.h"

#define URL_DEFAULT "https://api.cloudflare.com/client/v4"
#define URL_MAX     2000

static void curl_strp(char **p)
{
	curl_free(*p);
}

static void curl_urlp(CURLU **p)
{
	curl_url_cleanup(*p);
}

static bool host_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	char bare[64];
	size_t n = strlen(host);

	if (!strcasecmp(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (host[0] != '[' || n < 3 || n - 2 >= sizeof(bare))
		return false;
	snprintf(bare, sizeof(bare), "%.*s", (int)(n - 2), host + 1);
	return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static char *url_part(CURLU *u, CURLUPart part)
{
	char *value = NULL;

	return curl_url_get(u, part, &value, 0) == CURLUE_OK ? value : NULL;
}

bool url_is_loopback(const char *url)
{
	cleanup_(curl_urlp) CURLU *u = curl_url();
	cleanup_(curl_strp) char *host = NULL;

	if (!u || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		return false;
	host = url_part(u, CURLUPART_HOST);
	return host && host_is_loopback(host);
}

static bool has_odd_bytes(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || *s == '\\')
			return true;
	}
	return false;
}

static int check_parts(CURLU *u, const char *source, char **ret, struct err *err)
{
	cleanup_(curl_strp) char *scheme = url_part(u, CURLUPART_SCHEME), *host = url_part(u, CURLUPART_HOST);
	cleanup_(curl_strp) char *port = url_part(u, CURLUPART_PORT), *path = url_part(u, CURLUPART_PATH);
	cleanup_(curl_strp) char *user = url_part(u, CURLUPART_USER), *password = url_part(u, CURLUPART_PASSWORD);
	cleanup_(curl_strp) char *query = url_part(u, CURLUPART_QUERY), *fragment = url_part(u, CURLUPART_FRAGMENT);
	cleanup_(curl_strp) char *zone = url_part(u, CURLUPART_ZONEID);
	size_t n;

	/* The address itself is not repeated here: it holds a password. */
	if (user || password)
		return err_set(err, EINVAL, "%s must not hold a user or password; see token_file", source);
	if (!scheme || !host || !*host || zone)
		return err_set(err, EINVAL, "%s names no host", source);
	if (query || fragment)
		return err_set(err, EINVAL, "%s must not hold a query (?) or fragment (#)", source);
	if (strcmp(scheme, "https") && strcmp(scheme, "http"))
		return err_set(err, EINVAL, "%s must begin with https://", source);
	if (!strcmp(scheme, "http") && !host_is_loopback(host))
		return err_set(err, EINVAL, "%s: plain http is refused except to a loopback address, use https://%s", source,
			       host);
	n = path ? strlen(path) : 0;
	while (n && path[n - 1] == '/')
		n--;
	if (text_format(ret, "%s://%s%s%s%.*s", scheme, host, port ? ":" : "", port ? port : "", (int)n, path ? path : "") < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

int url_check(const char *url, const char *source, char **ret, struct err *err)
{
	cleanup_(curl_urlp) CURLU *u = curl_url();

	if (!u)
		return err_set(err, ENOMEM, "out of memory");
	if (strlen(url) > URL_MAX || has_odd_bytes(url) || !strstr(url, "://") ||
	    curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		return err_set(err, EINVAL, "%s is not an address such as " URL_DEFAULT, source);
	/* curl drops an empty query; it is still not what an address of an API looks like. */
	if (strpbrk(url, "?#"))
		return err_set(err, EINVAL, "%s must not hold a query (?) or fragment (#)", source);
	return check_parts(u, source, ret, err);
}

int url_resolve(const char *url, char **ret, struct err *err)
{
	const char *from_env = getenv("CLOUDFLARE_API_BASE_URL");

	if (url)
		return url_check(url, "url", ret, err);
	if (from_env && *from_env)
		return url_check(from_env, "CLOUDFLARE_API_BASE_URL", ret, err);
	return url_check(URL_DEFAULT, "the address", ret, err);
}

int url_registry(const char *url, const char *base_url, char **ret, struct err *err)
{
	static const struct {
		const char *api, *registry;
	} own[] = {
		{ "https://api.cloudflare.com/", "https://registry.cloudflare.com" },
		{ "https://api.fed.cloudflare.com/", "https://registry.fed.cloudflare.com" },
	};
	const char *host = getenv("CLOUDFLARE_CONTAINER_REGISTRY");
	char address[URL_MAX];

	*ret = NULL;
	if (url)
		return url_check(url, "registry_url", ret, err);
	if (host && *host) {
		snprintf(address, sizeof(address), "https://%s", host);
		return url_check(address, "CLOUDFLARE_CONTAINER_REGISTRY", ret, err);
	}
	for (size_t i = 0; i < array_len(own); i++) {
		if (!strncmp(base_url, own[i].api, strlen(own[i].api)))
			return url_check(own[i].registry, "the registry's address", ret, err);
	}
	return 0;
}
