/*
 * Which descriptor numbers of this process are connections that TLS is spoken for, and which process may go on with one.
 *
 * Several numbers may be one stream (dup(2)); the last one to be closed ends it. After a fork both processes have its
 * keys and counters: the first one to use it owns it from then on (one word in memory that both share says who), the other
 * one's calls fail with EIO, and its close sends nothing. A raw clone(2) is a fork too: the owner's word holds a process
 * id.
 *
 * Numbers that were closed behind our back (a raw close(2), close_range) are noticed when the kernel gives them out again.
 */
#ifndef TG_SHIM_DIRECT_DESCRIPTORS_H
#define TG_SHIM_DIRECT_DESCRIPTORS_H

#include "shim/direct/stream.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Streams in this process; no hook does more than look at it while it is 0. */
extern _Atomic int tg_descriptors_count;

struct tg_stream *tg_descriptors_look_up(int fd);

/* With a reference of the caller's, so that another thread's close does not free it; NULL: not ours. */
static inline struct tg_stream *tg_descriptors_get(int fd)
{
	return atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 ? NULL : tg_descriptors_look_up(fd);
}
void tg_descriptors_put(struct tg_stream *stream);

/* This process owns the stream now, or did already. False: another one does. */
bool tg_descriptors_own(struct tg_stream *stream);

/*
 * `fd` was just accepted, or received from another process (SCM_RIGHTS). Returns the number to give to the server: `fd`, or
 * -1 with errno ECONNABORTED where the connection had to be closed.
 */
int tg_descriptors_accepted(int fd, int flags);

/* Before the real close. The stream may end here. */
void tg_descriptors_closing(int fd);

/* After the real dup: `fd` is `from` now; what it was before has been closed by the kernel. */
void tg_descriptors_duplicated(int from, int fd);

/* Before an exec that succeeds with `fd` open in the new program: hands over what is untouched, closes what is not. */
void tg_descriptors_before_exec(void);

/* At the end of the process: close_notify on what it owns. */
void tg_descriptors_exit(void);

/* O_NONBLOCK as last set through this process. */
bool tg_descriptors_is_blocking(struct tg_stream *stream);

#endif
