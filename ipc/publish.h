/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side of the policy memory, in the keeper. The caller makes sure that there is only one writer at a time.
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
 * tg_policy_create makes the policy memfd of `tree` with two slots of at least `capacity` bytes and maps it writable. The
 * caller closes the returned file descriptor, which is close-on-exec. The memfd is not sealed yet, because another process
 * also needs a writable mapping: it makes one with tg_policy_attach, and then tg_policy_seal is called. The mapping holds
 * private keys, so it is excluded from core dumps and locked in memory as far as limits allow. Both return 0 or a negative
 * errno.
 */
int tg_policy_create(const char *tree, size_t capacity, int *ret_fd, struct tg_policy_page *ret_page);
int tg_policy_attach(int fd, struct tg_policy_page *ret_page);

/* Adds F_SEAL_FUTURE_WRITE, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL (memfd_create(2), fcntl(2)). */
int tg_policy_seal(int fd);

/*
 * Publishes `size` bytes as the next generation and then erases the slot of the previous one. Returns the new generation
 * (> 0), or -E2BIG if the bytes do not fit a slot. Nothing changes then.
 */
int64_t tg_policy_publish(struct tg_policy_page *page, const unsigned char *bytes, size_t size);

/*
 * Marks the current generation as one by which live connections are judged again. Call it after tg_policy_publish; calling
 * it twice is harmless.
 */
void tg_policy_recheck(struct tg_policy_page *page);

/* The size in bytes of the largest document that fits. */
size_t tg_policy_capacity(const struct tg_policy_page *page);

#endif
