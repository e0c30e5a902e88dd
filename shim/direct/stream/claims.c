/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stream/claims.h"

#include "ipc/layout.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#define WORDS (1u << 20)
#define TRIES 256u /* before a word is taken from an older stream */
#define NOBODY UINT32_MAX

/* MAP_SHARED. Untouched pages cost nothing. */
struct shared {
	_Atomic uint32_t last_process;
	_Atomic uint32_t last_tag;
	_Atomic uint64_t words[WORDS]; /* 0: free; else the tag, and below it the process or 0 */
};

/* In a page that the kernel empties in the child of any fork (MADV_WIPEONFORK, madvise(2)). */
struct own {
	_Atomic uint32_t process;
};

static _Atomic(struct shared *) shared;
static _Atomic(struct own *) own;
static _Atomic uint32_t hint; /* where a free word may be */

static void *map(size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool start_mine(void)
{
	struct own *none = NULL, *page = map(TG_PAGE_SIZE, MAP_PRIVATE);

	if (page == NULL)
		return false;
	if (madvise(page, TG_PAGE_SIZE, MADV_WIPEONFORK) == 0 && atomic_compare_exchange_strong(&own, &none, page))
		return true;
	munmap(page, TG_PAGE_SIZE);
	return atomic_load(&own) != NULL;
}

bool tg_claims_start(void)
{
	if (atomic_load_explicit(&shared, memory_order_acquire) != NULL)
		return true;
	int saved = errno;
	struct shared *none = NULL, *memory = NULL;

	if (atomic_load(&own) != NULL || start_mine())
		memory = map(sizeof(struct shared), MAP_SHARED);
	if (memory != NULL && !atomic_compare_exchange_strong(&shared, &none, memory))
		munmap(memory, sizeof(struct shared));
	errno = saved;
	return atomic_load(&shared) != NULL;
}

uint32_t tg_claims_process(void)
{
	struct own *mine = atomic_load_explicit(&own, memory_order_relaxed);
	uint32_t process = mine == NULL ? 0 : atomic_load_explicit(&mine->process, memory_order_relaxed);

	if (process == 0 && mine != NULL) {
		struct shared *all = atomic_load_explicit(&shared, memory_order_acquire);
		process = all == NULL ? 0 : atomic_fetch_add_explicit(&all->last_process, 1, memory_order_relaxed) + 1;
		uint32_t none = 0;
		/* Another thread may have been first: one number for all. */
		if (process != 0 && !atomic_compare_exchange_strong(&mine->process, &none, process))
			process = none;
	}
	return process;
}

static _Atomic uint64_t *word_of(const struct tg_claim *claim)
{
	return &atomic_load_explicit(&shared, memory_order_acquire)->words[claim->word];
}

static uint64_t claimed_by(const struct tg_claim *claim, uint32_t process)
{
	return (uint64_t)claim->tag << 32 | process;
}

struct tg_claim tg_claim_new(void)
{
	struct shared *all = atomic_load_explicit(&shared, memory_order_acquire);
	struct tg_claim claim = {.tag = 0};

	while (claim.tag == 0)
		claim.tag = atomic_fetch_add_explicit(&all->last_tag, 1, memory_order_relaxed) + 1;
	uint32_t from = atomic_load_explicit(&hint, memory_order_relaxed);
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t none = 0;
		claim.word = (from + i) % WORDS;
		if (atomic_compare_exchange_strong(&all->words[claim.word], &none, claimed_by(&claim, 0))) {
			atomic_store_explicit(&hint, (claim.word + 1) % WORDS, memory_order_relaxed);
			return claim;
		}
	}
	/* Most of those were forgotten by processes that ended; were one alive, it would be lost, and say so. */
	claim.word = (from + claim.tag % TRIES) % WORDS;
	atomic_store_explicit(&hint, (from + TRIES) % WORDS, memory_order_relaxed);
	atomic_store(&all->words[claim.word], claimed_by(&claim, 0));
	return claim;
}

enum tg_claimed tg_claim_look(const struct tg_claim *claim)
{
	uint64_t word = atomic_load_explicit(word_of(claim), memory_order_acquire);

	if (word == claimed_by(claim, tg_claims_process()))
		return TG_CLAIM_OURS;
	return word == claimed_by(claim, 0) ? TG_CLAIM_FREE : TG_CLAIM_LOST;
}

bool tg_claim_take(const struct tg_claim *claim)
{
	uint64_t mine = claimed_by(claim, tg_claims_process());
	uint64_t word = atomic_load_explicit(word_of(claim), memory_order_acquire);

	if (word == mine)
		return true;
	if (word != claimed_by(claim, 0))
		return false;
	return atomic_compare_exchange_strong(word_of(claim), &word, mine) || word == mine;
}

bool tg_claim_give_away(const struct tg_claim *claim)
{
	if (!tg_claim_take(claim))
		return false;
	uint64_t mine = claimed_by(claim, tg_claims_process());
	return atomic_compare_exchange_strong(word_of(claim), &mine, claimed_by(claim, NOBODY));
}

void tg_claim_release(const struct tg_claim *claim)
{
	uint64_t mine = claimed_by(claim, tg_claims_process());

	atomic_compare_exchange_strong(word_of(claim), &mine, claimed_by(claim, 0));
}

void tg_claim_end(const struct tg_claim *claim)
{
	uint64_t mine = claimed_by(claim, tg_claims_process());

	if (atomic_compare_exchange_strong(word_of(claim), &mine, 0))
		atomic_store_explicit(&hint, claim->word, memory_order_relaxed);
}
