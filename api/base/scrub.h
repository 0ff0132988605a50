/* Takes out of texts what must not be shown, in whatever spelling it stands there. */
#pragma once

#include "api/base/cleanup.h"

enum scrub_flag {
	SCRUB_FRAGMENTS =
		1 << 0,     /* pieces of SCRUB_FRAGMENT characters and more, too: a service quotes what it likes of a value */
	SCRUB_CUT = 1 << 1, /* the text was cut: the beginning of the secret may stand at its end */
};
#define SCRUB_FRAGMENT 8

/*
 * In place: every place of text where the secret stands becomes "***" (fewer where it is shorter). It is found whatever its
 * white space became (folded, dropped, "\n"), with its characters escaped as in JSON, once or several times, as %XX or as an
 * HTML entity, and in other letters' case. One of less than 4 characters counts only where it is a word of its own,
 * and no index of an array: "secrets[2]" tells none.
 */
void scrub(char *text, const char *secret, size_t len, unsigned flags);
