/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the entry to evict when a table is full: the oldest entry of the share that has the most entries; among shares
 * with equally many, the oldest entry. So a client or local user that fills the table evicts its own entries, and the
 * entries of others stay.
 *
 * A share is a set of entries that are counted together. A keyed hash maps a client or user to a share, so that nobody can
 * choose whose share to fill. No function allocates, locks or makes a system call; the caller serialises calls.
 */
#ifndef TG_IPC_SHARES_H
#define TG_IPC_SHARES_H

#include "ipc/siphash.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TG_SHARES 1024u

/* The caller owns it and must not move or free it between tg_shares_add and tg_shares_remove. */
struct tg_share_entry {
	struct tg_share_entry *older, *newer;
	uint64_t number; /* the order of insertion */
	uint32_t share;
};

/* All zeros is the empty set. */
struct tg_shares {
	size_t count; /* of entries */
	uint64_t last_number;
	uint32_t counts[TG_SHARES];
	struct tg_share_entry *oldest[TG_SHARES], *newest[TG_SHARES];
};

/*
 * `key` is secret and the same for all entries of one struct tg_shares. All addresses of an IPv6 /64 have one share; each
 * IPv4 address, v4-mapped ones included, has its own.
 */
uint32_t tg_share_of_peer(const struct sockaddr_storage *peer, const unsigned char key[TG_SIPHASH_KEY_SIZE]);
uint32_t tg_share_of_user(uid_t uid, const unsigned char key[TG_SIPHASH_KEY_SIZE]);

/* Adds `entry` as the newest of `share`. */
void tg_shares_add(struct tg_shares *shares, struct tg_share_entry *entry, uint32_t share);
void tg_shares_remove(struct tg_shares *shares, struct tg_share_entry *entry);

/* Returns the entry to evict without removing it, or NULL if there are no entries. */
struct tg_share_entry *tg_shares_next_to_go(const struct tg_shares *shares);

#endif
