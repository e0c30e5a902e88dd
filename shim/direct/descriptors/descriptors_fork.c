/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that more than one process has (descriptors.h). */
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/holder.h"

/* With the lock: no holder can end. */
static void for_each(void (*visit)(struct tg_holder *))
{
	int last = atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 ? 0 : tg_descriptors_end();

	for (int fd = 0; fd < last; fd++) {
		struct tg_holder *holder = tg_entry_holder(tg_entry_at(fd));
		if (holder != NULL)
			visit(holder);
	}
}

static void release(struct tg_holder *holder)
{
	atomic_store_explicit(&holder->shared, true, memory_order_relaxed);
	tg_claim_release(&holder->claim);
}

static void come_home(struct tg_holder *holder)
{
	atomic_store_explicit(&holder->home, tg_claims_process(), memory_order_relaxed);
}

void tg_descriptors_before_fork(void)
{
	for_each(release);
}

void tg_descriptors_after_fork_in_child(void)
{
	for_each(come_home);
}

/*
 * A process that a raw clone(2) made is about to use what its parent accepted, and the parent may go on with it as well:
 * vsftpd's two processes do.
 */
bool tg_holder_must_be_relayed(struct tg_holder *holder)
{
	return atomic_load_explicit(&holder->home, memory_order_relaxed) != tg_claims_process() &&
	       holder->engine == TG_ENGINE_AUTO && tg_claim_look(&holder->claim) != TG_CLAIM_LOST &&
	       tg_stream_is_untouched(holder->stream);
}
