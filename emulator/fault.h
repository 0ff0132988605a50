/* Faults: what tests ask to go wrong. Thread-safe. */
#pragma once

#include <json-c/json.h>

#include "emulator/exchange.h"

enum fault_close { FAULT_OPEN, FAULT_CLOSE_BEFORE, FAULT_CLOSE_AFTER };

struct fault {
	char method[16];     /* "": any */
	char path[512];      /* glob; "": any */
	int64_t times;       /* how many are left; -1: no end */
	int64_t skip;        /* matches that pass first */
	int status;          /* 0: none */
	char *body;          /* NULL: none; owned */
	int64_t retry_after; /* -1: none */
	int64_t latency_ms;
	enum fault_close close;
	int64_t truncate; /* as in struct exchange */
	int64_t stall;
	int64_t used;
	struct fault *next;
};

struct faults *faults_new(void);
struct faults *faults_free(struct faults *f);
/* Adds one from {"method":…,"path":…,…}. 0, -ENOMEM, or -EINVAL with a reason in text. */
int faults_add(struct faults *f, struct json_object *spec, char *text, size_t size);
void faults_clear(struct faults *f);
/*
 * The first fault that fits the call and has times left is used once: a copy that the caller frees with
 * fault_free, or NULL.
 */
struct fault *faults_take(struct faults *f, const char *method, const char *path);
struct fault *fault_free(struct fault *f);
/* All of them, as a JSON array. */
void faults_list(struct faults *f, struct out *o);

/* As in the shell's case: '*' fits anything, '/' too; "{}" fits one segment. */
bool fault_glob(const char *glob, const char *path);
/* Each wildcard multiplies what a comparison costs: whether the glob has few enough. */
bool fault_glob_bounded(const char *glob);
#define FAULT_WILDCARDS_MAX 4
