/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table of descriptors knows of one stream. Private to descriptors*.c.
 *
 * Entries are never given back to the C library, so a look-up may touch one that has just ended: it counts its references
 * up from above 0 only, and looks at the number again afterwards.
 */
#ifndef TG_SHIM_DIRECT_DESCRIPTORS_FD_ENTRY_H
#define TG_SHIM_DIRECT_DESCRIPTORS_FD_ENTRY_H

#include "ipc/layout.h"
#include "ipc/policy.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/stream/stream.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

struct tg_fd_entry {
	_Alignas(16) atomic_uint references; /* of calls that go on, and one for all numbers together */
	unsigned numbers;                    /* words; in the table's lock. Never counted up from 0 */
	unsigned open;                       /* those of them that nobody is about to close; in that lock, too */
	struct tg_stream *stream;            /* as long as there are references */
	struct tg_claim claim;
	_Atomic uint32_t home; /* the process that made it, or a fork's child that the C library knew of */
	atomic_bool shared;    /* another process may have it */
	atomic_bool nonblocking;
	atomic_bool lost; /* to another process, and counted */
	enum tg_engine engine;
	struct tg_section_slot *counters;
	struct tg_fd_entry *next; /* free ones */
};

/*
 * A number's word in the table: the address of its entry, TG_KEPT where it stays open in a new program, TG_CLOSING where a
 * thread is about to close it: calls on it still find the stream, so that nothing passes to the socket by its side, but it
 * is not copied and nothing is registered by it any more.
 */
#define TG_KEPT ((uintptr_t)1)
#define TG_CLOSING ((uintptr_t)2)

static inline struct tg_fd_entry *tg_fd_word_entry(uintptr_t word)
{
	return (struct tg_fd_entry *)(word & ~(TG_KEPT | TG_CLOSING | TG_FORMER));
}

/* NULL also where it is about to be closed. */
static inline struct tg_fd_entry *tg_fd_word_open_entry(uintptr_t word)
{
	return (word & TG_CLOSING) != 0 ? NULL : tg_fd_word_entry(word);
}

/* What the word of a number becomes that is closed. */
static inline uintptr_t tg_fd_word_former(void)
{
	return __libc_single_threaded ? 0 : TG_FORMER;
}

/* 0: none, or beyond what is kept. Without a reference. */
static inline uintptr_t tg_fd_word_at(int fd)
{
	return tg_descriptors_word(fd);
}

/* What is at a number, with a reference that tg_descriptors_put ends; NULL: no stream. */
struct tg_fd_entry *tg_fd_entry_at(int fd);

/* A reference to an entry that the caller found, as it is at that moment. False: it has ended. */
bool tg_fd_entry_ref(struct tg_fd_entry *entry);
void tg_fd_entry_unref(struct tg_fd_entry *entry);

/*
 * Changes of the table, in its lock (tg_descriptors_lock). What a word was before is to be finished with
 * tg_left_finish, outside of the lock.
 */
struct tg_left {
	struct tg_fd_entry *entry; /* a reference; NULL: nothing was there */
	bool was_last_open, was_last;
};
_Atomic uintptr_t *tg_fd_word_make(int fd); /* NULL: no memory, or too high */
struct tg_left tg_fd_word_set(_Atomic uintptr_t *place, int fd, struct tg_fd_entry *entry,
			      uintptr_t flags); /* NULL: none */
void tg_left_finish(const struct tg_left *left);

/*
 * The first half of tg_descriptors_closing, for who puts something else at `fd`. True: the word is TG_CLOSING, and the
 * caller's to replace.
 */
bool tg_fd_word_leave(int fd);

/* One number less that is open; the stream's own is another one then, as long as there is one. True: it was the last. */
bool tg_fd_entry_close_one(struct tg_fd_entry *entry, int fd);

/* It had to go to another process or program, and could not: closed there. Counted; the relay gets the next ones. */
void tg_fd_entry_is_stuck(const struct tg_fd_entry *entry);

/* Before its last number `fd` is closed by the process that owns it: what is left to send is sent, here or by the relay. */
void tg_fd_entry_finish(const struct tg_fd_entry *entry, int fd);

/* It is not this process's alone, and only the relay can serve all that may go on with it. */
bool tg_fd_entry_must_be_relayed(struct tg_fd_entry *entry);

#endif
