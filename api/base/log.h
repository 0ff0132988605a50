/*
 * The log: stderr, syslog or a file. Text that was registered as a secret never gets through: it is
 * replaced by "***" wherever it stands in a line. Thread-safe; takes its own lock only.
 */
#pragma once

#include "api/base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. */
void log_set_level(enum log_level level);
/* "error", "warning", "info", "debug" to its level; -EINVAL for another word. */
int log_level_parse(const char *word, enum log_level *ret_level);

void log_to_stderr(void);
void log_to_syslog(const char *ident);
/* Appends to the file (made with mode 0600); -errno. log_reopen opens the same path again, for rotation. */
int log_to_file(const char *path);
int log_reopen(void);

/* Registers text that no line may show (a copy is kept, at most LOG_SECRETS_MAX of them; the oldest goes). */
void log_redact(const char *secret);
/* It is used no more: the copy that log_redact kept is wiped. */
void log_forget(const char *secret);
#define LOG_SECRETS_MAX 8

void log_line(enum log_level level, const char *fmt, ...) printf_like_(2, 3);
#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
