/* What a person or a log reads: colours and a progress line on a terminal alone, the same text otherwise. */
#pragma once

#include <stdio.h>

#include "api/base/cleanup.h"

/* Whether the stream is a terminal that wants colours (NO_COLOR, TERM=dumb). */
bool say_is_coloured(FILE *out);
/* A line to stderr, "cfcfs-sync: " in front, control characters as blanks. */
void say_error(const char *fmt, ...) printf_like_(1, 2);
/* A plan's text, line by line; each is coloured by its first word's mark (+ ~ - >). */
void say_plan(FILE *out, const char *text);
/* Of each change its first line alone. */
void say_plan_heads(FILE *out, const char *text);

/* Of an apply that is under way. */
struct progress {
	bool terminal; /* one line that is written over; else a line a step */
	bool shown;    /* it stands there now */
	size_t changes, done, failed, skipped;
	unsigned wave, waves; /* 0: not known */
};

void progress_init(struct progress *p, size_t changes, unsigned waves);
/* A step is over: event is "done", "failed", "skipped", message NULL where it has none. */
void progress_step(struct progress *p, const char *event, const char *verb, const char *path, const char *message);
/* The line, anew. */
void progress_draw(struct progress *p, const char *path);
void progress_end(struct progress *p);
