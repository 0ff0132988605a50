/*
 * Probes for tracers (USDT): a no-op instruction each while nobody traces, nothing at all where <sys/sdt.h> is not installed.
 * docs/trace.bt uses every one of them. Strings are NUL-terminated, times nanoseconds, results 0 or -errno.
 *
 *     request_start(op, node)        a handler is about to run, first phase
 *     request_worker(op, node)       it would have to wait: a worker runs it again
 *     request_end(op, result, time)  it was answered; time since request_start
 *     fetch_start(key)               the store asks the service
 *     fetch_end(key, result)
 *     commit_start(name)             what was written is decided on, and sent
 *     commit_end(name, result)
 *     invalidate(node, name)         the kernel is told that a name ("": the node itself) may lead elsewhere
 */
#pragma once

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define TRACE1(name, a)       DTRACE_PROBE1(cfcfs, name, a)
#define TRACE2(name, a, b)    DTRACE_PROBE2(cfcfs, name, a, b)
#define TRACE3(name, a, b, c) DTRACE_PROBE3(cfcfs, name, a, b, c)
#endif
#endif

#ifndef TRACE1
#define TRACE1(name, a)       ((void)(a))
#define TRACE2(name, a, b)    ((void)(a), (void)(b))
#define TRACE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif
