/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/peers.h"

#include "ipc/route.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_ENTRIES 256
#define PAGE_COUNT 4096 /* a descriptor beyond these 2^20 is not known */
#define WORDS 3

/* Family and port, 0: not known; then the address. Whoever reads has the descriptor from whoever accepted it. */
struct entry {
	_Atomic uint64_t words[WORDS];
};

struct entries {
	struct entry entry[PAGE_ENTRIES];
};

static _Atomic(struct entries *) pages[PAGE_COUNT];

static struct entry *find_entry(int fd)
{
	if (fd < 0 || fd >= PAGE_COUNT * PAGE_ENTRIES)
		return NULL;
	struct entries *page = atomic_load_explicit(&pages[fd / PAGE_ENTRIES], memory_order_acquire);
	return page == NULL ? NULL : &page->entry[fd % PAGE_ENTRIES];
}

/* Pages stay: descriptor numbers are used again. */
static struct entry *make(int fd)
{
	struct entry *entry = find_entry(fd);

	if (entry != NULL || fd < 0 || fd >= PAGE_COUNT * PAGE_ENTRIES)
		return entry;
	int saved = errno;
	struct entries *none = NULL;
	void *page = mmap(NULL, sizeof(struct entries), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED && !atomic_compare_exchange_strong_explicit(&pages[fd / PAGE_ENTRIES], &none, page,
									   memory_order_acq_rel, memory_order_acquire))
		munmap(page, sizeof(struct entries));
	errno = saved;
	return find_entry(fd);
}

static void set(int fd, const struct tg_address *peer)
{
	struct entry *entry = make(fd);
	uint64_t words[WORDS] = {(uint64_t)peer->family << 16 | peer->port};

	memcpy(words + 1, peer->bytes, sizeof(peer->bytes));
	for (size_t i = 0; entry != NULL && i < WORDS; i++)
		atomic_store_explicit(&entry->words[i], words[i], memory_order_relaxed);
}

/* Whether all of the address is among the bytes. */
static bool is_whole(const struct sockaddr_storage *storage, socklen_t size)
{
	return size >= (storage->ss_family == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_addr) + sizeof(struct in6_addr)
						       : offsetof(struct sockaddr_in, sin_addr) + sizeof(struct in_addr));
}

void tg_peers_note(int fd, const struct sockaddr *address, socklen_t size)
{
	struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
	struct tg_address peer;

	memcpy(&storage, address, size < sizeof(storage) ? size : sizeof(storage));
	if (is_whole(&storage, size) && tg_address_from(&storage, &peer))
		set(fd, &peer);
	else
		tg_peers_forget(fd);
}

void tg_peers_copy(int from, int fd)
{
	struct tg_address peer, before;

	if (from == fd)
		return;
	/* Not over what is known: between vfork(2) and exec the numbers are the child's, and this memory the parent's. */
	if (tg_peers_find(from, &peer) && !tg_peers_find(fd, &before))
		set(fd, &peer);
	else
		tg_peers_forget(fd);
}

void tg_peers_forget(int fd)
{
	struct entry *entry = find_entry(fd);

	if (entry != NULL)
		atomic_store_explicit(&entry->words[0], 0, memory_order_relaxed);
}

bool tg_peers_find(int fd, struct tg_address *ret)
{
	struct entry *entry = find_entry(fd);
	uint64_t words[WORDS];
	struct tg_address peer = {0};

	for (size_t i = 0; entry != NULL && i < WORDS; i++)
		words[i] = atomic_load_explicit(&entry->words[i], memory_order_relaxed);
	if (entry == NULL || words[0] == 0)
		return false;
	peer.family = (uint8_t)(words[0] >> 16);
	peer.port = (uint16_t)words[0];
	memcpy(peer.bytes, words + 1, sizeof(peer.bytes));
	*ret = peer;
	return true;
}
