/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An fd entry: what the table of descriptors knows of one stream. Private to descriptors*.c.
 *
 * Entries are reused but never freed, so a look-up may find one that has just ended. Therefore it takes a reference only
 * while there is one, and looks at the number again afterwards.
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
	_Alignas(16) atomic_uint references; /* one for each call in progress, and one for all numbers together */
	unsigned numbers;                    /* words that name it; under the table's lock. Never goes up from 0 */
	unsigned open;                       /* those of them that no thread is about to close; under that lock, too */
	struct tg_stream *stream;            /* valid as long as there are references */
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
 * A number's word in the table: the address of its entry, and two flags. TG_KEPT: the server wants it open in a new
 * program. TG_CLOSING: a thread is about to close it. Calls still find the stream, so that nothing reaches the socket
 * beside it, but the number is neither copied nor registered any more.
 */
#define TG_KEPT ((uintptr_t)1)
#define TG_CLOSING ((uintptr_t)2)

static inline struct tg_fd_entry *tg_fd_word_entry(uintptr_t word)
{
	return (struct tg_fd_entry *)(word & ~(TG_KEPT | TG_CLOSING | TG_FORMER));
}

/* NULL also if the number is about to be closed. */
static inline struct tg_fd_entry *tg_fd_word_open_entry(uintptr_t word)
{
	return (word & TG_CLOSING) != 0 ? NULL : tg_fd_word_entry(word);
}

/* The word of a number that is closed. */
static inline uintptr_t tg_fd_word_former(void)
{
	return __libc_single_threaded ? 0 : TG_FORMER;
}

/* Without a reference. 0: none, or beyond the table. */
static inline uintptr_t tg_fd_word_at(int fd)
{
	return tg_descriptors_word(fd);
}

/* The entry of a number, with a reference that tg_descriptors_put ends. NULL: no stream. */
struct tg_fd_entry *tg_fd_entry_at(int fd);

/* Takes a reference to an entry that the caller found. False: it has ended. */
bool tg_fd_entry_ref(struct tg_fd_entry *entry);
void tg_fd_entry_unref(struct tg_fd_entry *entry);

/*
 * Changes of the table, under its lock (tg_descriptors_lock). The caller passes what a word was before to tg_left_finish,
 * after it has released the lock.
 */
struct tg_left {
	struct tg_fd_entry *entry; /* with a reference; NULL: nothing was there */
	bool was_last_open, was_last;
};
_Atomic uintptr_t *tg_fd_word_make(int fd); /* The word of `fd`, made if needed. NULL: no memory, or beyond the table. */
struct tg_left tg_fd_word_set(_Atomic uintptr_t *place, int fd, struct tg_fd_entry *entry,
			      uintptr_t flags); /* NULL: none */
void tg_left_finish(const struct tg_left *left);

/*
 * The first half of tg_descriptors_closing, for a caller that puts something else at `fd`. True: the word is TG_CLOSING,
 * and the caller has to replace it.
 */
bool tg_fd_word_leave(int fd);

/* One open number less. The stream goes on with another number, if there is one. True: it was the last. */
bool tg_fd_entry_close_one(struct tg_fd_entry *entry, int fd);

/* It could not cross to another process or program, and was closed there. Counts that; the relay gets the next connections.
 */
void tg_fd_entry_is_stuck(const struct tg_fd_entry *entry);

/* The last close, by the process that owns the stream, of `fd`: sends what is left, here or by the relay. */
void tg_fd_entry_finish(const struct tg_fd_entry *entry, int fd);

/* Other processes have the connection, too, and only the relay can serve all that may go on with it. */
bool tg_fd_entry_must_be_relayed(struct tg_fd_entry *entry);

#endif
