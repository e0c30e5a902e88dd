/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has to go where there is room for so many and no more: the oldest entry of whoever has the most. So one client, or
 * one local user, pushes out its own, and another one keeps its place; among equals the oldest goes.
 *
 * A share is whose entries are counted together: by a keyed hash, so that nobody can choose with whom. No function
 * allocates, locks or makes a system call.
 */
#ifndef TG_IPC_SHARES_H
#define TG_IPC_SHARES_H

#include "ipc/siphash.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TG_SHARES 1024u

/* At the disposal of its owner, who keeps it in place while it is in. */
struct tg_share_entry {
	struct tg_share_entry *older, *newer;
	uint64_t number; /* the order in which they came */
	uint32_t share;
};

/* All zero: empty. */
struct tg_shares {
	size_t count; /* of entries */
	uint64_t last_number;
	uint32_t counts[TG_SHARES];
	struct tg_share_entry *oldest[TG_SHARES], *newest[TG_SHARES];
};

/* `key`: secret, the same for all of one struct tg_shares. An IPv6 client has a /64, an address in IPv4's form its own. */
uint32_t tg_share_of_peer(const struct sockaddr_storage *peer, const unsigned char key[TG_SIPHASH_KEY_SIZE]);
uint32_t tg_share_of_user(uid_t uid, const unsigned char key[TG_SIPHASH_KEY_SIZE]);

/* The newest of `share`. */
void tg_shares_add(struct tg_shares *shares, struct tg_share_entry *entry, uint32_t share);
void tg_shares_remove(struct tg_shares *shares, struct tg_share_entry *entry);

/* NULL: empty. Takes it not out. */
struct tg_share_entry *tg_shares_next_to_go(const struct tg_shares *shares);

#endif
