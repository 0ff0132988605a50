#include "sync/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR 24

bool say_is_coloured(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb");
}

void say_error(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ')
			*c = ' ';
	}
	fflush(stdout);
	fprintf(stderr, "cfcfs-sync: %s\n", text);
}

/* ---- plans ---- */

/* By the first letter that is no blank: that of a change stands at the margin. */
static const char *colour_of(const char *line, size_t len)
{
	if (len < 2 || line[1] != ' ')
		return len > 5 && !strncmp(line, "Plan:", 5) ? "\033[1m" : "";
	switch (line[0]) {
	case '+':
		return "\033[32m";
	case '~':
		return "\033[33m";
	case '-':
		return "\033[31m";
	case '>':
		return "\033[36m";
	case '!':
		return "\033[35m";
	default:
		return "";
	}
}

static void say_lines(FILE *out, const char *text, bool heads)
{
	bool coloured = say_is_coloured(out);

	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *colour = coloured ? colour_of(text, len) : "";

		if (!heads || *text != ' ')
			fprintf(out, "%s%.*s%s\n", colour, (int)len, text, *colour ? "\033[0m" : "");
		text += len + (text[len] == '\n');
	}
}

void say_plan(FILE *out, const char *text)
{
	say_lines(out, text, false);
}

void say_plan_heads(FILE *out, const char *text)
{
	say_lines(out, text, true);
}

/* ---- progress ---- */

void progress_init(struct progress *p, size_t changes, unsigned waves)
{
	const char *term = getenv("TERM");

	*p = (struct progress){ .changes = changes, .waves = waves };
	p->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
}

static void rub_out(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 40 ? size.ws_col : 80;
}

void progress_draw(struct progress *p, const char *path)
{
	size_t over = p->done + p->failed + p->skipped, filled = p->changes ? over * BAR / p->changes : BAR;
	char bar[BAR + 1], line[256];
	int n;

	if (!p->terminal)
		return;
	memset(bar, '.', BAR);
	memset(bar, '#', filled < BAR ? filled : BAR);
	bar[BAR] = '\0';
	n = snprintf(line, sizeof(line), "[%s] %zu/%zu", bar, over, p->changes);
	if (p->wave && n > 0 && (size_t)n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - (size_t)n, p->waves ? " wave %u/%u" : " wave %u", p->wave, p->waves);
	if (p->failed && (size_t)n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %zu failed", p->failed);
	if (path && (size_t)n < sizeof(line))
		snprintf(line + n, sizeof(line) - (size_t)n, " %s", path);
	fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
	fflush(stderr);
	p->shown = true;
}

void progress_step(struct progress *p, const char *event, const char *verb, const char *path, const char *message)
{
	bool well = !strcmp(event, "done");

	p->done += well;
	p->failed += !strcmp(event, "failed");
	p->skipped += !strcmp(event, "skipped");
	if (!p->terminal || !well) {
		rub_out(p);
		fprintf(stderr, "%s %s: %s%s%s\n", verb, path, event, message ? ": " : "", message ? message : "");
	}
	progress_draw(p, path);
}

void progress_end(struct progress *p)
{
	rub_out(p);
	fflush(stderr);
}
