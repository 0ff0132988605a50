/* Secrets in texts, in all the spellings that a service, a proxy or a cut makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/base/scrub.h"

static void every_spelling_goes(void **state)
{
	static const struct {
		const char *secret, *text, *wanted;
		unsigned flags;
	} rows[] = {
		{ "abcdef", "abcdef abcdefabcdef x", "*** ****** x", 0 },
		{ "in", "in in inside", "** ** inside", 0 },
		{ "x", "x is x", "* is *", 0 },
		{ "hunter22", "a hunter2 b", "a hunter2 b", 0 },
		/* Nothing but control characters, which other spellings drop. */
		{ "\x1f\x1f\x1f\x1f\x1f\x1f", "is \x1f\x1f\x1f\x1f\x1f\x1f here", "is *** here", 0 },
		/* A letter among them is too little to be found as another spelling. */
		{ "\x1f\x1fn\x1f\x17",
		  "is\x1f\x1fn\x1f\x17"
		  "2 here",
		  "is***2 here", 0 },
		{ "\n", "is \n here", "is \n here", 0 },
		/* With the backslash before it, it spells another letter. */
		{ "u0041-key", "is \\u0041-key here", "is \\*** here", 0 },
		/* Folded. */
		{ "alpha one\nbravo two", "is alpha one bravo two here", "is *** here", 0 },
		{ "alpha one\r\n\tbravo two", "is alpha  one\nbravo two here", "is *** here", 0 },
		{ "alpha one\nbravo two", "is alphaonebravotwo here", "is *** here", 0 },
		{ "Alpha One", "is ALPHA one here", "is *** here", 0 },
		/* Escaped, once and again. */
		{ "al\"pha\none", "is al\\\"pha\\none here", "is *** here", 0 },
		{ "al\"pha\none", "is al\\\\\\\"pha\\\\none here", "is *** here", 0 },
		{ "a\\b\\n/c", "is a\\\\b\\\\n\\/c here", "is *** here", 0 },
		{ "a\\b\\n/c", "is a\\b\\n/c here", "is *** here", 0 },
		{ "caf\xc3\xa9-key", "is caf\\u00e9-key here", "is *** here", 0 },
		{ "key-\xf0\x9f\x94\x91-x", "is key-\\ud83d\\udd11-x here", "is *** here", 0 },
		{ "p@ss word/1", "is p%40ss%20word%2F1 here", "is *** here", 0 },
		{ "100%41a", "is 100%41a here", "is *** here", 0 },
		{ "a<b>&\"c\"'", "is a&lt;b&gt;&amp;&quot;c&quot;&#39; here", "is *** here", 0 },
		/* Cut. */
		{ "alpha-line-one\nbravo-line-two", "is \"alpha-line-one\" no", "is \"***\" no", SCRUB_FRAGMENTS },
		{ "alpha-line-one\nbravo-line-two", "is \"bravo-line...\" no", "is \"***...\" no", SCRUB_FRAGMENTS },
		{ "alpha-line-one\nbravo-line-two", "is \"a-line-one br\" no", "is \"***\" no", SCRUB_FRAGMENTS },
		{ "alpha-line-one\nbravo-line-two", "is \"alpha-line-one\" no", "is \"alpha-line-one\" no", 0 },
		{ "alpha-line-one", "and so it is alpha-li", "and so it is ***", SCRUB_CUT },
		{ "alpha-line-one", "and so it is alph", "and so it is ***", SCRUB_CUT },
		{ "alpha-line-one", "and so it is al", "and so it is **", SCRUB_CUT },
		{ "alpha-line-one", "and so it is alpha-li", "and so it is alpha-li", 0 },
		/* Where something stands is none of it. */
		{ "2", "secrets[2].name, secrets[0][2]: 2 is [2], [ 2 ] \"2\" x[2] 2",
		  "secrets[2].name, secrets[0][2]: * is [*], [ * ] \"*\" x[2] *", 0 },
		{ "ab", "secrets[ab] x", "secrets[**] x", 0 },
		{ "2024", "secrets[2024] x", "secrets[***] x", 0 },
		/* Nothing to find. */
		{ "\n\t ", "as it is", "as it is", SCRUB_FRAGMENTS | SCRUB_CUT },
		{ "\\", "a \\ b", "a \\ b", 0 },
		{ "secret", "", "", SCRUB_FRAGMENTS },
	};
	(void)state;

	for (size_t i = 0; i < array_len(rows); i++) {
		char text[200];

		snprintf(text, sizeof(text), "%s", rows[i].text);
		scrub(text, rows[i].secret, strlen(rows[i].secret), rows[i].flags);
		if (strcmp(text, rows[i].wanted))
			fail_msg("row %zu: \"%s\" of \"%s\" becomes \"%s\", not \"%s\"", i, rows[i].secret, rows[i].text, text,
				 rows[i].wanted);
	}
}

/* A text never grows, and a secret is never longer than what stands there. */
static void odd_texts(void **state)
{
	static const char alphabet[] = "ab\\u0%n &;<\xc3\xa9";
	(void)state;

	for (unsigned seed = 1; seed < 20000; seed++) {
		char text[64], secret[16];
		unsigned x = seed * 2654435761u;
		size_t n = x % 60, m = x / 64 % 15;

		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[(x = x * 1103515245u + 12345) >> 16 & 7 ? (x >> 16) % (sizeof(alphabet) - 1) : 0];
		text[n] = '\0';
		for (size_t i = 0; i < m; i++)
			secret[i] = alphabet[(x = x * 1103515245u + 12345) >> 16 & 3 ? (x >> 16) % (sizeof(alphabet) - 1) : 1];
		secret[m] = '\0';
		scrub(text, secret, m, seed & 3);
		assert_true(strlen(text) <= n);
		assert_true(m < 6 || !strstr(text, secret) || strchr(secret, '\\'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_goes),
		cmocka_unit_test(odd_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
