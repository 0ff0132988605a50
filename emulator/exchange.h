/*
 * One HTTP exchange, free of the server library: what came in, and what is to go out and how (late, cut,
 * or not at all). pipeline_handle fills the second half from the first.
 */
#pragma once

#include "emulator/emulator.h"
#include "emulator/out.h"

#define DELIVER_WHOLE INT64_MAX

struct exchange {
	/* in; owned by the server */
	const char *method;
	const char *path;          /* as it came, undecoded, without the query */
	const char *query;         /* as it came, or "" */
	const char *authorization; /* headers; NULL where absent */
	const char *auth_email, *auth_key;
	const char *host, *origin, *fetch_site;
	char local[64]; /* the address that it came in at, as a Host header has it */
	bool loopback;
	const char *body; /* body_len bytes and a NUL */
	size_t body_len;
	bool body_too_large;

	/* out */
	int status;
	const char *type; /* of the content */
	struct out answer;
	char ray[32];   /* cf-ray, and the request id of errors */
	char link[700]; /* headers; "" where there are none */
	char digest[80];
	bool challenge; /* asks for Basic credentials */
	char ratelimit[64];
	char ratelimit_policy[64];
	bool faulty;         /* a fault made this answer; a header says so */
	int64_t retry_after; /* seconds; -1: no header */
	int64_t delay_ms;    /* before the answer goes out */
	bool close;          /* end the connection instead of answering */
	int64_t truncate;    /* the connection ends after so many bytes of the body; or DELIVER_WHOLE */
	int64_t stall;       /* nothing more comes after so many bytes (-1: no answer at all) */
};

/* One parameter of the query, decoded, owned by the caller; NULL where absent. */
char *exchange_parameter(const struct exchange *ex, const char *key);
/* Answers an exchange. Takes the emulator's locks itself; called from any thread. */
void pipeline_handle(struct emulator *em, struct exchange *ex);
/* The part under /__emulator/. path: what follows it. */
void control_handle(struct emulator *em, struct exchange *ex, const char *path);

struct server;
/* Starts listening. 0, or -errno with a line for a person. *ret_port is the port that it listens on. */
int server_start(struct emulator *em, struct server **ret_server, unsigned *ret_port, char *text, size_t size);
/* Ends the connections and frees. em->stopping must be set before. */
struct server *server_stop(struct server *s);
