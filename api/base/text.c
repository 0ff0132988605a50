/* Texts of their own length. */
#include "api/base/cleanup.h"

int text_vformat(char **ret, const char *fmt, va_list ap)
{
	va_list again;
	int len;

	*ret = NULL;
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return -1;
	*ret = malloc((size_t)len + 1);
	return *ret ? vsnprintf(*ret, (size_t)len + 1, fmt, ap) : -1;
}

int text_format(char **ret, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = text_vformat(ret, fmt, ap);
	va_end(ap);
	return len;
}

char *text_new(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = text_vformat(&text, fmt, ap);
	va_end(ap);
	return len < 0 ? NULL : text;
}
