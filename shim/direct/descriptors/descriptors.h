/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which descriptor numbers of this process are connections that TLS is terminated for, and which process may go on with
 * one.
 *
 * Several numbers may be one stream (dup(2)); the last one to be closed ends it. After a fork both processes have its
 * keys and counters: the first one to use it owns it from then on (one word in memory that both share says who), the other
 * one's calls fail with EIO, and its close sends nothing. A raw clone(2) is a fork too: the owner's word holds a process
 * id.
 *
 * Numbers that were closed behind our back (a raw close(2), close_range) are noticed when the kernel gives them out again.
 */
#ifndef TG_SHIM_DIRECT_DESCRIPTORS_DESCRIPTORS_H
#define TG_SHIM_DIRECT_DESCRIPTORS_DESCRIPTORS_H

#include "ipc/layout.h"
#include "shim/direct/stream/stream.h"

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

/* With the stream's lock: one more such reference. False: it is about to end, or has no number (the relay's). */
bool tg_descriptors_keep_stream(struct tg_stream *stream);

/* The table of numbers: what a number's word means is in fd_entry.h. A descriptor beyond it is refused at accept. */
#define TG_DESCRIPTORS_PAGE 512
#define TG_DESCRIPTORS_PAGES 2048
struct tg_descriptors_page {
	_Atomic uintptr_t words[TG_DESCRIPTORS_PAGE];
};
extern _Atomic(struct tg_descriptors_page *) tg_descriptors_pages[TG_DESCRIPTORS_PAGES];

/* Of `fd`; NULL: none was ever needed. */
static inline _Atomic uintptr_t *tg_descriptors_slot(int fd)
{
	if (fd < 0 || fd >= TG_DESCRIPTORS_PAGES * TG_DESCRIPTORS_PAGE)
		return NULL;
	struct tg_descriptors_page *page =
	    atomic_load_explicit(&tg_descriptors_pages[fd / TG_DESCRIPTORS_PAGE], memory_order_acquire);
	return page == NULL ? NULL : &page->words[fd % TG_DESCRIPTORS_PAGE];
}

/*
 * In a process of several threads the word of a number that was closed. Such a number may be a stream again while
 * a call on it is on its way to the kernel: the call asks first whether it is open (tg_descriptors_is_plain).
 */
#define TG_FORMER ((uintptr_t)4)

/* Without a reference: it is a stream at this moment; it is one, or was one. */
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

/* Of a number where no stream was found: it is open, and nothing of ours. False: closed, or a stream by now or soon. */
bool tg_descriptors_is_plain(int fd);

/*
 * Of an open number that is no stream: it may become one at any moment. It is a connection of a plaintext section that was
 * accepted and is not entered yet, or what holds a number's place while a stream comes or goes.
 */
bool tg_descriptors_is_pending(int fd);

/* In a process of several threads, after a close(2) of what was no stream: a call that is late finds TG_FORMER. */
void tg_descriptors_note_closed(int fd);

/* `fd` is this stream's, as far as is known, and nobody is about to close it. Takes no lock. */
bool tg_descriptors_is(int fd, struct tg_stream *stream);

/* This process owns the stream now, or did already. False: another one does. */
bool tg_descriptors_own(struct tg_stream *stream);

/* The policy has a section with `server_speaks = plaintext`. For good; a reload cannot change it. */
extern _Atomic bool tg_descriptors_wanted;
void tg_descriptors_want(void);

static inline bool tg_descriptors_are_wanted(void)
{
	return atomic_load_explicit(&tg_descriptors_wanted, memory_order_relaxed);
}

/*
 * Opens what streams need, at listen(2) or where a listening socket was inherited: before chroot, setuid, fork, seccomp.
 * Idempotent; cheap once done. False: streams cannot be made, governed connections will be closed.
 */
bool tg_descriptors_prepare(void);

/* Before listen(2): prepares where connections may be governed. */
void tg_descriptors_listening(int fd);

/*
 * `fd` was just accepted, or received from another process (SCM_RIGHTS). Returns the number to give to the server: `fd`, or
 * -1 with errno ECONNABORTED where the connection had to be closed.
 *
 * `flags` as of accept4(2), as the server asked for them. Where tg_descriptors_are_wanted, the socket itself has been made
 * close-on-exec whatever they say, and gets what was asked for where it is not a stream.
 */
int tg_descriptors_accepted(int fd, int flags);

/* The same for a descriptor of any kind that another process passed: one that was used there already is closed. */
void tg_descriptors_received(int fd, int flags);

/* One more than the highest number that ever was a stream. */
int tg_descriptors_end(void);

/*
 * Enters `stream` at `fd`, which is close-on-exec; `flags` as above; `counters` may be NULL. False: no memory, or too high
 * a number.
 */
bool tg_descriptors_add(struct tg_stream *stream, int fd, int flags, enum tg_engine engine,
			struct tg_section_slot *counters);

/*
 * Before the real close. The stream may end here. True: it has been closed, too: `here` asks for that, which is what
 * another thread that uses the number cannot get in between of; or there was no descriptor to spare; or another thread does
 * so at this moment.
 */
bool tg_descriptors_closing(int fd, bool here);

/* After a close that went by: the number is nothing or something else. Nothing is sent. */
void tg_descriptors_closed(int fd);

/*
 * dup(2) with the table: `fd` becomes `from`, or where it is -1 the lowest free number from `least` on. A stream that `fd`
 * was ends as by tg_descriptors_closing. `kept`: the server wants it open in a new program. -1: errno.
 *
 * What the C library itself reads and writes, descriptors 0 to 2, is no stream at any time: one of these is returned as
 * something that has to be replaced.
 */
int tg_descriptors_copy(int from, int fd, int least, bool kept);

/* After a dup that went by, with close-on-exec. False: `fd` may be a stream and cannot be one here; the caller closes it.
 */
bool tg_descriptors_duplicated(int from, int fd, bool kept);

/*
 * Streams' sockets are close-on-exec always, so that no program that is started behind our back gets one; what the server
 * wants is kept here.
 */
bool tg_descriptors_is_kept(int fd);
void tg_descriptors_keep(int fd, bool kept);

/*
 * A stream of whose socket nothing was read or written becomes a connection of the relay's, under all its numbers in this
 * process. False: it could not, and is as before.
 */
bool tg_descriptors_hand_over(int fd);

/* The same whatever the engine. */
bool tg_descriptors_move(int fd);

/*
 * The server asks for `call`, which the direct engine does not carry. True: `fd` is no stream, or has become the relay's,
 * and the kernel's or the C library's own call can be made. False, with errno `error`: engine = direct, or something was
 * read or written already, or an epoll has it. Said once; the section's next connections go to the relay.
 */
bool tg_descriptors_leave(int fd, const char *call, int error);

/* `fd` is meant for a new program: false where it is no stream, or has become the relay's. */
bool tg_descriptors_must_not_cross(int fd);

/* engine = auto. */
bool tg_descriptors_may_relay(int fd);

/*
 * dup3(2) between vfork(2) and exec, where the table is the parent's: the number is the new program's, so it becomes the
 * relay's, or a dead end where `from` is a stream that was touched.
 */
int tg_descriptors_pass_on(int from, int fd, bool kept);

/* A new descriptor: reading ends at once and writing fails, as on a connection that the peer has closed. -1: none. */
int tg_dead_end(void);

/* `fd`, and all numbers of the same stream, become the relay's, or a dead end: still a stream for want of a descriptor. */
void tg_descriptors_let_go(int fd);

/* That of every stream of this process. False: one is left. */
bool tg_descriptors_give_up(void);

/* Before an exec: what stays open in the new program is handed over where it is untouched; else it is a dead end there. */
void tg_descriptors_before_exec(void);

/* At the end of the process: close_notify on what it owns. */
void tg_descriptors_exit(void);

/* O_NONBLOCK as last set through this process; asks the kernel where that says "blocking". */
bool tg_descriptors_is_blocking(struct tg_stream *stream);
void tg_descriptors_set_nonblocking(struct tg_stream *stream, bool nonblocking);

/* Around fork; `before` is inside of the locks. */
void tg_descriptors_lock(void);
void tg_descriptors_unlock(void);
void tg_descriptors_before_fork(void);
void tg_descriptors_after_fork_in_child(void);

#endif
