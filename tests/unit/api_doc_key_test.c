/* Lines of SSH public keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>

#include "api/doc.h"

static void line_of(const char *type, const char *inner, const char *rest, char *line, size_t size)
{
	unsigned char blob[200] = { 0 };
	char text[300];
	size_t n = strlen(inner);

	blob[3] = (unsigned char)n;
	memcpy(blob + 4, inner, n);
	memset(blob + 4 + n, 0x5a, 36);
	sodium_bin2base64(text, sizeof(text), blob, n + 40, sodium_base64_VARIANT_ORIGINAL);
	snprintf(line, size, "%s %s%s", type, text, rest);
}

static void good_keys(void **state)
{
	static const char *const types[] = { "ssh-ed25519",
					     "ssh-rsa",
					     "ecdsa-sha2-nistp256",
					     "ecdsa-sha2-nistp384",
					     "ecdsa-sha2-nistp521",
					     "sk-ssh-ed25519@openssh.com",
					     "sk-ecdsa-sha2-nistp256@openssh.com" };
	static const char *const rests[] = { "", "\n", " anna@example.com", " a comment with \xc3\xa9\n", "\n\n", "\tx" };
	char line[512];
	(void)state;

	for (size_t i = 0; i < array_len(types); i++) {
		for (size_t j = 0; j < array_len(rests); j++) {
			struct err err = ERR_INIT;
			size_t len = 0;

			line_of(types[i], types[i], rests[j], line, sizeof(line));
			if (doc_key_line_check(line, strlen(line), &len, &err) < 0)
				fail_msg("%s: %s", line, err.text);
			assert_int_equal(len, strcspn(line, "\n"));
		}
	}
}

static void bad_keys(void **state)
{
	static const struct {
		const char *type, *inner, *rest, *text;
	} cases[] = {
		{ "ssh-ed25519", "ssh-rsa", "", "is not of the type ssh-ed25519" },
		{ "ssh-dss", "ssh-dss", "", "ssh-dss is not accepted" },
		{ "ssh-foo", "ssh-foo", "", "must begin with the key's type" },
		{ "no-pty ssh-rsa", "ssh-rsa", "", "options" },
		{ "command=\"a b\" ssh-rsa", "ssh-rsa", "", "options" },
		{ "ssh-rsa", "ssh-rsa", "=", "base64" },
		{ "ssh-rsa", "ssh-rsa", "\r\n", "carriage return" },
		{ "ssh-rsa", "ssh-rsa", "\nssh-rsa AAAA", "one key" },
		{ "# ssh-rsa", "ssh-rsa", "", "options" },
	};
	static const char *const lines[][2] = {
		{ "", "is empty" },
		{ "\n", "is empty" },
		{ "ssh-rsa", "missing" },
		{ "ssh-rsa ", "missing" },
		{ "ssh-rsa AAAA", "too short" },
		{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "too short" },
		{ "{\"public_key\": \"ssh-ed25519 AAAA\"}", "must begin with" },
		{ "-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key" },
		{ "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n",
		  "private key" },
	};
	char line[512];
	size_t len = 77;
	(void)state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct err err = ERR_INIT;

		line_of(cases[i].type, cases[i].inner, cases[i].rest, line, sizeof(line));
		if (doc_key_line_check(line, strlen(line), &len, &err) != -EINVAL || !strstr(err.text, cases[i].text))
			fail_msg("%s: %s", line, err.text);
	}
	for (size_t i = 0; i < array_len(lines); i++) {
		struct err err = ERR_INIT;

		if (doc_key_line_check(lines[i][0], strlen(lines[i][0]), &len, &err) != -EINVAL || !strstr(err.text, lines[i][1]))
			fail_msg("%s: %s", lines[i][0], err.text);
	}
	assert_int_equal(doc_key_line_check("ssh-rsa A\0A", 11, &len, NULL), -EINVAL);
	assert_int_equal(len, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good_keys), cmocka_unit_test(bad_keys) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
