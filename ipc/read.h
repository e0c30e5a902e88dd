/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader's side of the policy memory: attached processes, and the keeper itself after its worker was restarted.
 */
#ifndef TG_IPC_READ_H
#define TG_IPC_READ_H

#include "ipc/layout.h"

#include <stddef.h>

/*
 * Maps the policy memfd read-only and checks its header against the descriptor's true size. The caller may close `fd`.
 * Returns 0, -EPROTO where magic, layout or sizes do not fit, or a negative errno.
 */
int tg_policy_map(int fd, const struct tg_policy_header **ret_header, size_t *ret_size);
void tg_policy_unmap(const struct tg_policy_header *header, size_t size);

/* The generation being served; one atomic load. */
uint64_t tg_policy_generation(const struct tg_policy_header *header);

/* The newest generation by which live connections are to be judged again, 0: none; one atomic load. */
uint64_t tg_policy_recheck_generation(const struct tg_policy_header *header);

/*
 * Copies the newest generation to private memory (malloc'ed; the caller cleanses and frees it). `map_size` is that of the
 * mapping: a slot length beyond it is -EPROTO. A copy that the writer overtook is made again, a bounded number of times,
 * then -EAGAIN. -ENODATA where nothing was published yet.
 */
int tg_policy_copy(const struct tg_policy_header *header, size_t map_size, unsigned char **ret_bytes, size_t *ret_size,
		   uint64_t *ret_generation);

/* Overwrites memory in a way the compiler keeps, then frees it. NULL is allowed. */
void tg_cleanse_free(void *bytes, size_t size);

#endif
