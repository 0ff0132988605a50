/*
 * Noticing a crawl. Who lists the root and then opens one collection after another (find, ls -lR, grep -r, rsync, tar) will
 * open the rest too; asked for one after another, each would cost a round trip to the API. So with the second collection the
 * lists of all the others are fetched side by side. They are those that the crawl costs anyway: the number of calls stays.
 */
#pragma once

#include "fs/core/mount.h"

struct kind;
struct crawl;

/* Crawls that are told apart at a time; the one that moved least recently is forgotten. */
#define CRAWL_MAX 16
/* A process that does nothing for so long is on no crawl. */
#define CRAWL_IDLE_MS 10000

struct crawl *crawl_new(void);
struct crawl *crawl_free(struct crawl *crawl);

/* The thread (0: not known) listed the root. */
void crawl_at_root(struct crawl *crawl, pid_t thread);
/* It opened a collection of the root. True, once: this is the second since it listed the root. */
bool crawl_at_collection(struct crawl *crawl, pid_t thread, const struct kind *kind);

/* How many rollouts are fetched ahead at a time. */
#define CRAWL_ROLLOUTS_MAX 64
/* A rollout of the resource is about to be asked for. True where that follows another one's within CRAWL_ROLLOUT_MS; then not again
   for as long. */
#define CRAWL_ROLLOUT_MS 2000
bool crawl_at_rollout(struct crawl *crawl, const char *of);

/* Starts fetching the lists of the root's collections that are not known; waits for nothing. */
void crawl_fetch_rest(struct mount *mount);
