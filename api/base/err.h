/*
 * An errno with the text that explains it. Functions return 0 or a negative errno; the text travels
 * beside the number in a struct err that the caller owns and may leave out (NULL).
 */
#pragma once

#include "api/base/cleanup.h"

struct err {
	int errnum;           /* positive errno; 0: no failure */
	int http_status;      /* 0: no HTTP answer was involved */
	int api_code;         /* 0: none */
	bool outcome_unknown; /* a change was sent and no answer came */
	char code[64];        /* the API's word, such as VALIDATE_INPUT, or "" */
	char request_id[80];  /* cf-ray or request_id, or "" */
	char text[512];       /* a sentence for a person; cut where it is longer, never holds a secret */
};

#define ERR_INIT                                                                                                                 \
	{                                                                                                                        \
		0                                                                                                                \
	}

/* Sets the errno and the text, leaves the HTTP facts as they are. err may be NULL. Returns -errnum. */
int err_set(struct err *err, int errnum, const char *fmt, ...) printf_like_(3, 4);
/* Puts text in front of the text. Returns -errnum as it stands. */
int err_prefix(struct err *err, const char *fmt, ...) printf_like_(2, 3);
void err_clear(struct err *err);
/* "EINVAL"; "E?" for a number that has no name. Static. */
const char *errno_name(int errnum);
