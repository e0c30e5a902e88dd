/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/shares.h"

#include <netinet/in.h>

static uint32_t share_of(const void *data, size_t size, const unsigned char key[TG_SIPHASH_KEY_SIZE])
{
	return (uint32_t)(tg_siphash(key, data, size) % TG_SHARES);
}

uint32_t tg_share_of_peer(const struct sockaddr_storage *peer, const unsigned char key[TG_SIPHASH_KEY_SIZE])
{
	const struct in6_addr *address = &((const struct sockaddr_in6 *)peer)->sin6_addr;

	if (peer->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(address))
		return share_of(address, 8, key);
	if (peer->ss_family == AF_INET6)
		return share_of(&address->s6_addr[12], 4, key);
	return share_of(&((const struct sockaddr_in *)peer)->sin_addr, 4, key);
}

uint32_t tg_share_of_user(uid_t uid, const unsigned char key[TG_SIPHASH_KEY_SIZE])
{
	return share_of(&uid, sizeof(uid), key);
}

void tg_shares_add(struct tg_shares *shares, struct tg_share_entry *entry, uint32_t share)
{
	*entry = (struct tg_share_entry){.older = shares->newest[share], .number = ++shares->last_number, .share = share};
	*(entry->older != NULL ? &entry->older->newer : &shares->oldest[share]) = entry;
	shares->newest[share] = entry;
	shares->counts[share]++;
	shares->count++;
}

void tg_shares_remove(struct tg_shares *shares, struct tg_share_entry *entry)
{
	*(entry->older != NULL ? &entry->older->newer : &shares->oldest[entry->share]) = entry->newer;
	*(entry->newer != NULL ? &entry->newer->older : &shares->newest[entry->share]) = entry->older;
	entry->older = entry->newer = NULL;
	shares->counts[entry->share]--;
	shares->count--;
}

struct tg_share_entry *tg_shares_next_to_go(const struct tg_shares *shares)
{
	struct tg_share_entry *best = NULL;
	uint32_t most = 0;

	for (uint32_t share = 0; share < TG_SHARES; share++) {
		struct tg_share_entry *oldest = shares->oldest[share];

		if (shares->counts[share] < most || oldest == NULL)
			continue;
		if (best == NULL || shares->counts[share] > most || oldest->number < best->number)
			best = oldest;
		most = shares->counts[share];
	}
	return best;
}
