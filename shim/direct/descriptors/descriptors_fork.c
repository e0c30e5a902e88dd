/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that more than one process has (descriptors.h). */
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"

/* Under the lock, so that no entry can end. */
static void for_each(void (*visit)(struct tg_fd_entry *))
{
	int last = atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 ? 0 : tg_descriptors_end();

	for (int fd = 0; fd < last; fd++) {
		struct tg_fd_entry *entry = tg_fd_word_entry(tg_fd_word_at(fd));
		if (entry != NULL)
			visit(entry);
	}
}

static void release(struct tg_fd_entry *entry)
{
	atomic_store_explicit(&entry->shared, true, memory_order_relaxed);
	tg_claim_release(&entry->claim);
}

static void come_home(struct tg_fd_entry *entry)
{
	atomic_store_explicit(&entry->home, tg_claims_process(), memory_order_relaxed);
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
 * A process that was made by a raw clone(2) is about to use a connection that its parent accepted, and the parent may go on
 * with it, too. vsftpd's two processes do that.
 */
bool tg_fd_entry_must_be_relayed(struct tg_fd_entry *entry)
{
	return atomic_load_explicit(&entry->home, memory_order_relaxed) != tg_claims_process() &&
	       entry->engine == TG_ENGINE_AUTO && tg_claim_look(&entry->claim) != TG_CLAIM_LOST &&
	       tg_stream_is_untouched(entry->stream);
}
