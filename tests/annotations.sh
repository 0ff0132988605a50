#!/bin/bash
# The annotations of api/base/lock.h mean something: clang accepts what holds the lock, and refuses each use that does not.
# tests/annotations.sh [SOURCE_DIR]; 77 (a skip) without clang.
cd "${1:-$(dirname "$0")/..}" || exit 2
command -v clang >/dev/null || { echo "skipped: there is no clang" && exit 77; }

# compile TEXT : the diagnostics of a function body that knows struct box *b.
compile() {
  clang -x c -std=gnu17 -D_GNU_SOURCE -I . -Wthread-safety -Werror -fsyntax-only - 2>&1 <<C
#include "api/base/lock.h"
DECLARE_LOCK(box);
struct box { struct lock lock; int content GUARDED_BY(box_locked); };
DEFINE_LOCK(box, struct box, lock)
static int get_locked(struct box *b) REQUIRES(box_locked);
static int get_locked(struct box *b) { box_assert_locked(b); return b->content; }
int use(struct box *b, int flag);
int use(struct box *b, int flag) { (void)flag; (void)get_locked; $1 }
C
}
failed=0
accepts() { local out; out=$(compile "$1") || { echo "refused: $1: $out" && failed=1; }; }
refuses() { local out; out=$(compile "$1") && { echo "accepted: $1" && failed=1; }
  [[ $out == *thread-safety* ]] || { echo "refused for another reason: $1: $out" && failed=1; }; }

accepts 'scope_lock(box, b); if (flag) return 0; return get_locked(b);'
accepts 'int r; box_lock(b); r = b->content + get_locked(b); box_unlock(b); return r;'
accepts 'if (!box_trylock(b)) return 0; b->content = flag; box_unlock(b); return 1;'
accepts 'pthread_cond_t c; scope_lock(box, b); return box_cond_wait(b, &c, 0);'
refuses 'return b->content;'
refuses 'b->content = flag; return 0;'
refuses 'return get_locked(b);'
refuses 'box_lock(b); if (flag) return 1; box_unlock(b); return 0;'
refuses 'box_unlock(b); return 0;'
refuses 'box_lock(b); box_lock(b); box_unlock(b); return 0;'
refuses 'pthread_cond_t c; return box_cond_wait(b, &c, 0);'
exit $failed
