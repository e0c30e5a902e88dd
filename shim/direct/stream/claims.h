/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process may go on with a stream that several have after a fork: one word for each, in memory that they share.
 *
 * A word holds the stream's tag, which no other stream has, and the process that claimed it, by a number that no other
 * process has: process ids repeat between namespaces. A word that was given to another stream meanwhile counts as lost, so
 * that nothing has to know when the last process of a tree has forgotten a stream. Lock-free; async-signal-safe; errno is
 * kept.
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

/* Maps the memory, before the first fork that matters. Idempotent. False: there is none, and no stream may be made. */
bool tg_claims_start(void);

/* Of this process: differs in the child of any fork, also of a raw clone(2). A vfork child counts as its parent. */
uint32_t tg_claims_process(void);

/* Claimed by nobody yet. */
struct tg_claim tg_claim_new(void);

enum tg_claimed tg_claim_look(const struct tg_claim *claim);

/* This process has it now, or had it already. */
bool tg_claim_take(const struct tg_claim *claim);

/* For good, to nobody: another process's streams of this connection are lost. False: it was lost before. */
bool tg_claim_give_away(const struct tg_claim *claim);

/* Before a fork: whoever comes first afterwards takes it. */
void tg_claim_release(const struct tg_claim *claim);

/*
 * This process forgets the stream. Its word is free again where it was this process's; where nobody has claimed it, the
 * child of a raw clone(2) may be about to, and nobody here knows.
 */
void tg_claim_end(const struct tg_claim *claim);

#endif
