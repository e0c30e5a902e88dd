/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: which of several processes owns a stream after a fork. One word for each stream, in memory that they share.
 *
 * A word holds the stream's unique tag, and a unique number of the process that claimed it (process ids repeat between
 * namespaces). A word that was reused for another stream counts as lost. So nobody needs to know when the last process has
 * freed a stream. Lock-free and async-signal-safe; errno is kept.
 */
#ifndef TG_SHIM_DIRECT_STREAM_CLAIMS_H
#define TG_SHIM_DIRECT_STREAM_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

struct tg_claim {
	uint32_t word;
	uint32_t tag;
};

enum tg_claimed { TG_CLAIM_OURS, TG_CLAIM_FREE, TG_CLAIM_LOST };

/* Maps the memory; before the first fork that matters. Idempotent. False: no memory, and no stream may be made. */
bool tg_claims_start(void);

/* The number of this process. It differs in the child of any fork or raw clone(2). A vfork child counts as its parent. */
uint32_t tg_claims_process(void);

/* A new claim, owned by no process yet. */
struct tg_claim tg_claim_new(void);

enum tg_claimed tg_claim_look(const struct tg_claim *claim);

/* Claims the stream. True: this process owns it now, or did before. */
bool tg_claim_take(const struct tg_claim *claim);

/* Ends the claim for all processes: their streams of this connection are lost. False: it was lost before. */
bool tg_claim_give_away(const struct tg_claim *claim);

/* Before a fork: the process that uses the stream first afterwards takes it. */
void tg_claim_release(const struct tg_claim *claim);

/*
 * This process frees the stream. The word is free again if this process owned it. If no process owned it, it stays: the
 * child of a raw clone(2) may be about to claim it.
 */
void tg_claim_end(const struct tg_claim *claim);

#endif
