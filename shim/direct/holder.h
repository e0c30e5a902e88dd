/*
 * What the table of descriptors knows of one stream. Private to descriptors*.c.
 *
 * Holders are never given back to the C library, so a look-up may touch one that has just ended: it counts its references
 * up from above 0 only, and looks at the number again afterwards.
 */
#ifndef TG_SHIM_DIRECT_HOLDER_H
#define TG_SHIM_DIRECT_HOLDER_H

#include "page/layout.h"
#include "page/policy.h"
#include "shim/direct/claims.h"
#include "shim/direct/stream.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tg_holder {
	_Alignas(16) atomic_uint references; /* of calls that go on, and one for all numbers together */
	atomic_uint numbers;
	struct tg_stream *stream; /* as long as there are references */
	struct tg_claim claim;
	_Atomic uint32_t home; /* the process that made it, or a fork's child that the C library knew of */
	atomic_bool shared;    /* another process may have it */
	atomic_bool nonblocking;
	atomic_bool lost; /* to another process, and counted */
	enum tg_engine engine;
	struct tg_section_slot *counters;
	struct tg_holder *next; /* free ones */
};

/* A number's entry: its holder, and TG_KEPT where it stays open in a new program. */
#define TG_KEPT ((uintptr_t)1)

static inline struct tg_holder *tg_entry_holder(uintptr_t entry)
{
	return (struct tg_holder *)(entry & ~TG_KEPT);
}

/* 0: none, or beyond what is kept. Without a reference. */
uintptr_t tg_entry_at(int fd);

/* What is at a number, with a reference that tg_descriptors_put ends; NULL: no stream. */
struct tg_holder *tg_holder_at(int fd);

/* A reference to a holder that the caller found, as it is at that moment. False: it has ended. */
bool tg_holder_ref(struct tg_holder *holder);

/* It had to go to another process or program, and could not: closed there. Counted; the relay gets the next ones. */
void tg_holder_is_stuck(const struct tg_holder *holder);

/* Before its last number `fd` is closed by the process that owns it: what is left to send is sent, here or by the relay. */
void tg_holder_finish(const struct tg_holder *holder, int fd);

/* It is not this process's alone, and only the relay can serve all that may go on with it. */
bool tg_holder_must_be_relayed(struct tg_holder *holder);

#endif
