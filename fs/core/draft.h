/*
 * A draft: the bytes of a file that is open for writing, or of a scratch file. It is in memory alone until it is sent. Its
 * lock guards the bytes and is held for moments only; what is sent is copied out first.
 */
#pragma once

#include <sys/types.h>

#include "api/base/buf.h"
#include "api/base/err.h"
#include "api/base/lock.h"
#include "api/doc.h"

DECLARE_LOCK(draft);
struct draft {
	_Atomic unsigned refs;
	struct lock lock;
	/* Fixed before another thread sees it. */
	bool json;     /* followed by a scanner: a JSON document */
	bool key_line; /* complete with its first newline */
	bool secret;   /* cannot be read, is wiped */
	bool excl;     /* of a resource that is to be new (O_EXCL) */
	pid_t opener;  /* thread group that began it */

	struct buf data GUARDED_BY(draft_locked); /* wiped when it goes */
	bool scratch GUARDED_BY(draft_locked);    /* never sent by itself */
	bool spent GUARDED_BY(draft_locked); /* sent under another name as it stood: nobody would see what is written to it */
	/* errno of a write that did not fit: what is here is cut off, and is never sent; 0: none. */
	int overflow GUARDED_BY(draft_locked);
	bool began_empty GUARDED_BY(draft_locked);      /* new, O_TRUNC or ftruncate(0): sent by the write that completes it */
	struct doc_scan *scan GUARDED_BY(draft_locked); /* owned; NULL until the first byte */
	size_t scanned GUARDED_BY(draft_locked);        /* bytes fed to it */
	enum doc_state state GUARDED_BY(draft_locked);  /* of the scanned bytes */
	unsigned writers GUARDED_BY(draft_locked);      /* handles open for writing */
	uint64_t serial GUARDED_BY(draft_locked);       /* rises with every change of the bytes */
	/* Of the content that was sent or refused last (hash 0: none), and the name that a scratch file was sent under. */
	uint64_t handled_hash GUARDED_BY(draft_locked);
	size_t handled_len GUARDED_BY(draft_locked);
	uint64_t handled_for GUARDED_BY(draft_locked);
	bool handled GUARDED_BY(draft_locked);
	bool tried GUARDED_BY(draft_locked);          /* something was sent or refused, now or before it was emptied */
	uint64_t sends_seen GUARDED_BY(draft_locked); /* the entry's number of sends, as it was when this one was answered last */
	bool sent GUARDED_BY(draft_locked);           /* with success */
	struct err result GUARDED_BY(draft_locked);   /* of what was handled; errnum 0: a success */
	int64_t mtime_ns GUARDED_BY(draft_locked);
};
DEFINE_LOCK(draft, struct draft, lock)

/* NULL without memory. */
struct draft *draft_new(void);
struct draft *draft_ref(struct draft *draft);
struct draft *draft_unref(struct draft *draft);
DEFINE_CLEANUP(struct draft *, draft_unref)

/* A handle writes through it; one less: true where it was the last. Under the tree's lock, so that nobody joins what ends. */
void draft_add_writer(struct draft *draft);
bool draft_remove_writer(struct draft *draft);
/* When it was written to last. */
int64_t draft_mtime(struct draft *draft);

/* All drafts and scratch files of the process together, those too that are unlinked and still open. Bytes. */
#define DRAFTS_BYTES_MAX ((size_t)256 << 20)

/* Each takes the lock. 0, -EFBIG past DOC_BYTES_MAX, -ENOSPC past DRAFTS_BYTES_MAX, -ENOMEM, -ESTALE (draft_spend). */
int draft_write(struct draft *draft, const char *data, size_t len, off_t offset);
/* At its end, wherever that is by then. */
int draft_append(struct draft *draft, const char *data, size_t len);
/* Emptied, it begins anew: what was answered is no answer to the same content written again. */
int draft_truncate(struct draft *draft, size_t len);
int draft_set(struct draft *draft, const char *data, size_t len);
/* What it begins with, which counts as sent: unchanged, nothing is. Its time is the given one until it is written to. */
int draft_begin(struct draft *draft, const char *data, size_t len, int64_t mtime_ns);
/* Copies what lies at offset; fewer bytes at the end. */
size_t draft_read(struct draft *draft, char *out, size_t size, off_t offset);
size_t draft_size(struct draft *draft);
/* A copy of the whole. NULL without memory. The copy is wiped by the caller where it is a secret. */
struct buf draft_copy(struct draft *draft, int *ret_result);

/* Whether the bytes are a whole document, the start of one, or neither (DOC_COMPLETE for what is not JSON and not empty). */
enum doc_state draft_state(struct draft *draft);
/* 1 and *ret where this very content was handled already, else 0. */
int draft_handled(struct draft *draft, struct err *ret);
/* Whether content is what was sent with success, and blanks after it: the same document, of which the end came late. */
bool draft_only_blanks_since(struct draft *draft, const struct buf *content);
/* -errno of the write that did not fit, or 0. */
int draft_overflow(struct draft *draft);
/* Whether what it held was sent with success and nothing was refused since. */
bool draft_is_sent(struct draft *draft);
/* Whether the write that completes it sends it. */
bool draft_sends_by_write(struct draft *draft);
/* Whether a draft of a resource was told so by draft_detach; scratch is by nature. */
bool draft_is_detached(struct draft *draft);
/* From now on it is never sent. */
void draft_detach(struct draft *draft);
/* A rename sent it: what it holds is a resource's, and whoever has it open still cannot change that here. (The kernel lets nobody
   write into a file while it is being renamed.) */
void draft_spend(struct draft *draft);
/* A scratch file is about to be sent under a name: what was answered under another name does not count, nor a failure, which
   a rename has told already: the next one is another try. */
void draft_aim(struct draft *draft, uint64_t name_hash);
/* Whether any content of it was sent or refused. */
bool draft_was_handled(struct draft *draft);
/* It is, or its content just became, what its entry has: sends is the entry's number of them. */
void draft_saw_sends(struct draft *draft, uint64_t sends);
/* Bytes were written to it: where something else was sent for the entry meanwhile, the same content is another change. */
void draft_rewritten(struct draft *draft, uint64_t sends);
void draft_set_handled(struct draft *draft, const struct buf *content, const struct err *result);
