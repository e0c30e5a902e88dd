/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of file descriptors: which numbers of this process are streams, and whether this process may use them.
 *
 * Several numbers may share one stream (dup(2)); the last close ends it. After a fork both processes have its keys and
 * counters. The first one that uses the stream owns it from then on, by one word in memory that both share. The other
 * process's calls fail with EIO, and its close sends nothing. A raw clone(2) counts as a fork, too.
 *
 * A number that was closed without a hook (a raw close(2) or close_range(2)) is noticed when the kernel returns it again.
 *
 * Threads: all functions may be called from any thread. None is async-signal-safe, unless it takes no lock, as the inline
 * ones here. errno is kept where a function does not say that it sets it.
 */
#ifndef TG_SHIM_DIRECT_DESCRIPTORS_DESCRIPTORS_H
#define TG_SHIM_DIRECT_DESCRIPTORS_DESCRIPTORS_H

#include "ipc/layout.h"
#include "shim/direct/stream/stream.h"

#include <stdatomic.h>
#include <stdbool.h>

/* How many streams this process has. While it is 0 a hook does nothing but load it. */
extern _Atomic int tg_descriptors_count;

struct tg_stream *tg_descriptors_look_up(int fd);

/* With a reference for the caller (tg_descriptors_put), so that another thread's close does not free it. NULL: no stream.
 */
static inline struct tg_stream *tg_descriptors_get(int fd)
{
	return atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 ? NULL : tg_descriptors_look_up(fd);
}
void tg_descriptors_put(struct tg_stream *stream);

/* Under the stream's lock: one more reference. False: the stream is about to end, or has no number (in the relay). */
bool tg_descriptors_keep_stream(struct tg_stream *stream);

/* The table. fd_entry.h says what a word means. A descriptor beyond the table is refused at accept. */
#define TG_DESCRIPTORS_PAGE 512
#define TG_DESCRIPTORS_PAGES 2048
struct tg_descriptors_page {
	_Atomic uintptr_t words[TG_DESCRIPTORS_PAGE];
};
extern _Atomic(struct tg_descriptors_page *) tg_descriptors_pages[TG_DESCRIPTORS_PAGES];

/* The word of `fd`; NULL: its page was never needed. */
static inline _Atomic uintptr_t *tg_descriptors_slot(int fd)
{
	if (fd < 0 || fd >= TG_DESCRIPTORS_PAGES * TG_DESCRIPTORS_PAGE)
		return NULL;
	struct tg_descriptors_page *page =
	    atomic_load_explicit(&tg_descriptors_pages[fd / TG_DESCRIPTORS_PAGE], memory_order_acquire);
	return page == NULL ? NULL : &page->words[fd % TG_DESCRIPTORS_PAGE];
}

/*
 * The word of a number that was a stream and was closed, in a process with threads. Such a number may be a stream again
 * while another thread's call on it is on its way to the kernel. So that call checks first whether the number is open and
 * no stream (tg_descriptors_is_plain).
 */
#define TG_FORMER ((uintptr_t)4)

/* Without a reference. is_one: a stream at this moment. is_known: a stream, or a number that was one (TG_FORMER). */
static inline uintptr_t tg_descriptors_word(int fd)
{
	_Atomic uintptr_t *place = tg_descriptors_slot(fd);

	return place == NULL ? 0 : atomic_load_explicit(place, memory_order_acquire);
}

static inline bool tg_descriptors_is_one(int fd)
{
	return (tg_descriptors_word(fd) & ~TG_FORMER) != 0;
}

static inline bool tg_descriptors_is_known(int fd)
{
	return tg_descriptors_word(fd) != 0;
}

/* For a number at which no stream was found. True: it is open and not ours. False: closed, or a stream now or soon. */
bool tg_descriptors_is_plain(int fd);

/*
 * For an open number that is no stream. True: it may become one at any moment. It is a plaintext section's connection that
 * another thread has accepted and not entered yet, or the placeholder of a number whose stream comes or goes.
 */
bool tg_descriptors_is_pending(int fd);

/* After a close(2) of what was no stream, in a process with threads: a call that comes late finds TG_FORMER. */
void tg_descriptors_note_closed(int fd);

/* `fd` is this stream's as far as is known, and no thread is about to close it. Takes no lock. */
bool tg_descriptors_is(int fd, struct tg_stream *stream);

/* Takes the stream for this process, if no other process has it. False: another process owns it. */
bool tg_descriptors_claim(struct tg_stream *stream);

/* The policy has a section with `server_speaks = plaintext`. A reload cannot change that. */
extern _Atomic bool tg_descriptors_wanted;
void tg_descriptors_want(void);

static inline bool tg_descriptors_are_wanted(void)
{
	return atomic_load_explicit(&tg_descriptors_wanted, memory_order_relaxed);
}

/*
 * Prepares this process for streams (tg_stream_prepare), at listen(2) or when a listening socket was inherited, because
 * servers chroot, drop rights, fork or filter system calls afterwards. Idempotent, and cheap once done. False: governed
 * connections will be closed.
 */
bool tg_descriptors_prepare(void);

/* Before listen(2): prepares if connections of this socket may be governed. */
void tg_descriptors_listening(int fd);

/*
 * `fd` was just accepted, or received from another process (SCM_RIGHTS). Returns the number for the server: `fd`, or -1
 * with errno ECONNABORTED where the connection had to be closed (fail closed).
 *
 * `flags`: those of accept4(2) that the server asked for. If tg_descriptors_are_wanted, the socket was made close-on-exec
 * whatever they say; a socket that is no stream then gets what the server asked for.
 */
int tg_descriptors_accepted(int fd, int flags);

/* The same for a descriptor of any kind that another process passed. A connection that was used already is closed. */
void tg_descriptors_received(int fd, int flags);

/* One more than the highest number that ever was a stream. */
int tg_descriptors_end(void);

/*
 * Enters `stream` at `fd`, which is close-on-exec. `flags` as above; `counters` may be NULL. False: no memory, or the
 * number is beyond the table.
 */
bool tg_descriptors_add(struct tg_stream *stream, int fd, int flags, enum tg_engine engine,
			struct tg_section_slot *counters);

/*
 * Before the real close(2) of `fd`; its stream may end here. `here`: close the number here, too, in one step that no other
 * thread's call on the number can come between. Returns true if the number has been closed: `here` was set, or no
 * descriptor was left for a placeholder, or another thread is closing it at this moment.
 */
bool tg_descriptors_closing(int fd, bool here);

/* A close was missed: the number is nothing, or something else. The stream ends, and nothing is sent. */
void tg_descriptors_closed(int fd);

/*
 * dup(2) with the table: `fd` becomes `from`; with `fd` -1, the lowest free number from `least` on. A stream that `fd` was
 * ends as by tg_descriptors_closing. `kept`: not close-on-exec for the server. -1: errno.
 *
 * Descriptors 0 to 2 are never streams, because the C library itself reads and writes them. A copy there is returned as
 * something that the caller has to replace.
 */
int tg_descriptors_copy(int from, int fd, int least, bool kept);

/* A dup was missed; `fd` is close-on-exec. False: `fd` should be a stream and cannot be entered; the caller closes it. */
bool tg_descriptors_duplicated(int from, int fd, bool kept);

/*
 * A stream's socket is always close-on-exec, so that no program that is executed without a hook gets it. What the server
 * wants for the number is kept here.
 */
bool tg_descriptors_is_kept(int fd);
void tg_descriptors_keep(int fd, bool kept);

/*
 * Gives a connection of which nothing was read from or written to the socket to the relay, under all its numbers in this
 * process. False: not possible, nothing has changed.
 */
bool tg_descriptors_hand_over(int fd);

/* The same for any `engine`. */
bool tg_descriptors_move(int fd);

/*
 * The server makes `call`, which the direct engine does not carry. True: `fd` is no stream, or the relay has it now, and
 * the real call can be made. False with errno `error`: engine = direct, or the connection was used, or an epoll has it.
 * Logged once; the section's next connections go to the relay.
 */
bool tg_descriptors_leave(int fd, const char *call, int error);

/* `fd` would stay open in a new program. False: it may, because it is no stream, or the relay has it now. */
bool tg_descriptors_must_not_cross(int fd);

/* The stream's section has `engine = auto`. */
bool tg_descriptors_may_relay(int fd);

/*
 * dup3(2) between vfork(2) and exec, where the table is the parent's. The number is meant for the new program. So the relay
 * gets the connection, or the number becomes a dead end if `from` is a stream that was used.
 */
int tg_descriptors_pass_on(int from, int fd, bool kept);

/* A new descriptor that reads an end of file and fails to write, like a connection that the peer has closed. -1: none. */
int tg_dead_end(void);

/* Gives `fd`, and all numbers of its stream, to the relay, or makes them dead ends. Without a free descriptor it stays a
 * stream. */
void tg_descriptors_let_go(int fd);

/* The same for every stream of this process. False: at least one is left. */
bool tg_descriptors_give_up(void);

/* Before an exec: what stays open in the new program goes to the relay if it is untouched, else it is a dead end there. */
void tg_descriptors_before_exec(void);

/* At the end of the process: sends close_notify on each stream that it owns. */
void tg_descriptors_exit(void);

/* O_NONBLOCK, as last set through this process. If that says "blocking", the kernel is asked: another process may have set
 * it. */
bool tg_descriptors_is_blocking(struct tg_stream *stream);
void tg_descriptors_set_nonblocking(struct tg_stream *stream, bool nonblocking);

/* For the fork handlers (shim/fork.c); `before_fork` runs with all locks held. */
void tg_descriptors_lock(void);
void tg_descriptors_unlock(void);
void tg_descriptors_before_fork(void);
void tg_descriptors_after_fork_in_child(void);

#endif
