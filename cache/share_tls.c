/* TLS to the server, where hiredis can do it (1.0). The server's certificate and its name are always verified. */
#include <errno.h>
#include <fcntl.h>

#include "cache/share_private.h"

#ifdef CFCFS_SHARE_TLS

#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Connecting blocks the share's thread alone, and nobody waits for it then; closing waits no longer than for two of these. */
#define STEP_MS 700

int share_tls_new(const char *cacert, struct ssl_ctx_st **ret, struct err *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls)
		return err_set(err, ENOMEM, "out of memory");
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_verify_paths(tls);
	if (cacert && SSL_CTX_load_verify_locations(tls, cacert, NULL) != 1) {
		SSL_CTX_free(tls);
		return err_set(err, EINVAL, "option cacert=%s: it holds no certificate that could be used for share=rediss://",
			       cacert);
	}
	*ret = tls;
	return 0;
}

void share_tls_free(struct ssl_ctx_st *tls)
{
	SSL_CTX_free(tls);
}

/* The name that the certificate must have; sent too where it is none of the numbers. */
static SSL *new_ssl(SSL_CTX *tls, const char *host)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
		return ssl;
	if (SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static void make_nonblocking(redisContext *c)
{
	int flags = fcntl(c->fd, F_GETFL);

	if (flags >= 0 && fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) == 0)
		c->flags &= ~REDIS_BLOCK;
	else
		c->err = REDIS_ERR_IO;
}

redisContext *share_tls_connect(struct ssl_ctx_st *tls, const struct share_address *address)
{
	const struct timeval step = { .tv_usec = STEP_MS * 1000 };
	redisContext *c = redisConnectWithTimeout(address->host, address->port, step);
	SSL *ssl;

	if (!c || c->err)
		return c;
	redisSetTimeout(c, step);
	ssl = new_ssl(tls, address->host);
	if (!ssl || redisInitiateSSL(c, ssl) != REDIS_OK) {
		/* It was not taken over. */
		SSL_free(ssl);
		c->err = c->err ? c->err : REDIS_ERR_OOM;
		return c;
	}
	make_nonblocking(c);
	return c;
}

#else

int share_tls_new(const char *cacert, struct ssl_ctx_st **ret, struct err *err)
{
	(void)cacert;
	(void)ret;
	return err_set(err, EOPNOTSUPP,
		       "share: rediss:// needs hiredis 1.0 or newer with TLS, which this build lacks: use unix:PATH, or redis:// "
		       "through a tunnel (stunnel, ssh -L) to the server");
}

void share_tls_free(struct ssl_ctx_st *tls)
{
	(void)tls;
}

redisContext *share_tls_connect(struct ssl_ctx_st *tls, const struct share_address *address)
{
	(void)tls;
	(void)address;
	return NULL;
}

#endif
