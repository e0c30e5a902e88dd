/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader's side of the policy memory. Attached processes use it, and so does the keeper after it restarted its worker.
 * Any number of threads may read at once.
 */
#ifndef TG_IPC_READ_H
#define TG_IPC_READ_H

#include "ipc/layout.h"

#include <stddef.h>

/*
 * Maps the policy memfd read-only and checks its header against the true size of the file. The mapping outlives `fd`, which
 * the caller may close. The caller releases the mapping with tg_policy_unmap. Returns 0, -EPROTO if magic, layout or sizes
 * do not match, or another negative errno.
 */
int tg_policy_map(int fd, const struct tg_policy_header **ret_header, size_t *ret_size);
void tg_policy_unmap(const struct tg_policy_header *header, size_t size);

/* The generation in use. One atomic load; async-signal-safe. */
uint64_t tg_policy_generation(const struct tg_policy_header *header);

/* The newest generation by which live connections are judged again; 0: none. One atomic load; async-signal-safe. */
uint64_t tg_policy_recheck_generation(const struct tg_policy_header *header);

/*
 * Copies the newest generation to memory from malloc(3). The copy holds private keys: the caller releases it with
 * tg_cleanse_free. `map_size` is the size of the mapping; a slot that claims to be longer is -EPROTO. If the writer
 * overwrites the slot during the copy, the function tries again, a limited number of times, and then returns -EAGAIN.
 * Returns -ENODATA if nothing was published yet, -ENOMEM, or 0.
 */
int tg_policy_copy(const struct tg_policy_header *header, size_t map_size, unsigned char **ret_bytes, size_t *ret_size,
		   uint64_t *ret_generation);

/* Overwrites memory in a way that the compiler does not remove, then frees it. NULL is allowed. */
void tg_cleanse_free(void *bytes, size_t size);

#endif
