/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side of the policy memory. One writer at a time, in the keeper.
 */
#ifndef TG_IPC_PUBLISH_H
#define TG_IPC_PUBLISH_H

#include "ipc/layout.h"

#include <stddef.h>

struct tg_policy_page {
	struct tg_policy_header *header; /* writable mapping, shared */
	size_t size;                     /* of the whole mapping, bytes */
};

/*
 * Makes the policy memfd of tree `tree` with two slots of at least `capacity` bytes, maps it writable, and returns the
 * descriptor (close-on-exec) and the mapping. Not sealed yet: the other process that needs a writable mapping makes it
 * with tg_policy_attach before tg_policy_seal. The mapping is kept out of core dumps and locked where limits allow.
 * Returns 0 or a negative errno.
 */
int tg_policy_create(const char *tree, size_t capacity, int *ret_fd, struct tg_policy_page *ret_page);
int tg_policy_attach(int fd, struct tg_policy_page *ret_page);

/* Adds F_SEAL_FUTURE_WRITE, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL (memfd_create(2), fcntl(2)). */
int tg_policy_seal(int fd);

/*
 * Publishes `size` bytes as the next generation, then erases the slot of the one before. Returns the new generation
 * (> 0), or -E2BIG where it does not fit a slot (nothing is changed then).
 */
int64_t tg_policy_publish(struct tg_policy_page *page, const unsigned char *bytes, size_t size);

/* The generation that is served: live connections are judged by it. After tg_policy_publish; again does no harm. */
void tg_policy_recheck(struct tg_policy_page *page);

/* Largest document that fits, bytes. */
size_t tg_policy_capacity(const struct tg_policy_page *page);

#endif
