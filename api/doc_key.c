/* SSH public keys as lines of authorized_keys. */
#include "api/doc.h"

#include <errno.h>
#include <sodium.h>

/* OpenSSH's own bound on a line of authorized_keys is 8 KiB; an RSA key of 16384 bits takes a third of it. */
#define LINE_MAX_BYTES    8192
#define TYPE_LENGTH_BYTES 4

static const char *const types[] = {
	"ssh-ed25519",
	"ssh-rsa",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
};

static const char *find_type(const char *s, size_t n)
{
	for (size_t i = 0; i < array_len(types); i++) {
		if (strlen(types[i]) == n && memcmp(types[i], s, n) == 0)
			return types[i];
	}
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t word_length(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && !is_blank(s[n]))
		n++;
	return n;
}

/* Whether one of the types stands somewhere behind the first word: then that word was options. */
static bool type_follows(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((i == 0 || is_blank(s[i - 1])) && find_type(s + i, word_length(s + i, len - i)))
			return true;
	}
	return false;
}

static int check_type(const char *line, size_t n, size_t len, struct err *err)
{
	if (find_type(line, n))
		return 0;
	if (n >= 5 && memcmp(line, "-----", 5) == 0)
		return err_set(err, EINVAL,
			       "is no line of authorized_keys: a public key is the one line of a file such as "
			       "id_ed25519.pub (a private key must never be written here)");
	if (n == 7 && memcmp(line, "ssh-dss", 7) == 0)
		return err_set(err, EINVAL, "the key's type ssh-dss is not accepted any more: use ssh-ed25519");
	if (type_follows(line + n, len - n))
		return err_set(err, EINVAL, "options stand in front of the key's type: leave them out");
	return err_set(err, EINVAL,
		       "must begin with the key's type: one of ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, "
		       "ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ssh-ed25519@openssh.com, "
		       "sk-ecdsa-sha2-nistp256@openssh.com");
}

/* The blob begins with its own name of the type. */
static int check_blob(const char *text, size_t n, const char *type, struct err *err)
{
	unsigned char blob[LINE_MAX_BYTES];
	size_t len, inner;
	const char *end;

	if (!n)
		return err_set(err, EINVAL, "the key itself is missing behind its type");
	if (sodium_base642bin(blob, sizeof(blob), text, n, NULL, &len, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    end != text + n)
		return err_set(err, EINVAL, "the key is not valid base64: it was cut or changed");
	if (len < TYPE_LENGTH_BYTES)
		return err_set(err, EINVAL, "the key is too short: it was cut");
	inner = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 | (size_t)blob[2] << 8 | blob[3];
	if (inner > len - TYPE_LENGTH_BYTES || inner != strlen(type) || memcmp(blob + TYPE_LENGTH_BYTES, type, inner) != 0)
		return err_set(err, EINVAL, "the key is not of the type %s that the line names", type);
	if (len == TYPE_LENGTH_BYTES + inner)
		return err_set(err, EINVAL, "the key is too short: it was cut");
	return 0;
}

static int check_characters(const char *text, size_t line, struct err *err)
{
	for (size_t i = 0; i < line; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\r')
			return err_set(err, EINVAL, "the line ends with a carriage return: write it with Unix line ends");
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, EINVAL, "byte %zu is a control character", i + 1);
	}
	return 0;
}

static int check_rest(const char *text, size_t len, size_t line, struct err *err)
{
	for (size_t i = line; i < len; i++) {
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			return err_set(err, EINVAL, "a file holds one key: something stands behind the first line");
	}
	return 0;
}

int doc_key_line_check(const char *text, size_t len, size_t *ret_len, struct err *err)
{
	const char *newline = len ? memchr(text, '\n', len) : NULL;
	size_t line = newline ? (size_t)(newline - text) : len, n, blob;
	int r;

	if (!line)
		return err_set(err, EINVAL, "is empty, must be one line: TYPE KEY COMMENT");
	if (line > LINE_MAX_BYTES)
		return err_set(err, EINVAL, "the line is longer than %d bytes", LINE_MAX_BYTES);
	r = check_characters(text, line, err);
	n = word_length(text, line);
	/* Before what stands behind the line: a private key has many, and is told what it is. */
	if (r == 0)
		r = check_type(text, n, line, err);
	if (r == 0)
		r = check_rest(text, len, line, err);
	if (r < 0)
		return r;
	for (blob = n; blob < line && is_blank(text[blob]); blob++)
		;
	r = check_blob(text + blob, word_length(text + blob, line - blob), find_type(text, n), err);
	if (r == 0)
		*ret_len = line;
	return r;
}
