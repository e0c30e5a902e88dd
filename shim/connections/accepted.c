/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/accepted.h"

#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/connections/last_read.h"
#include "shim/connections/peers.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PAGE_ENTRIES 256
#define PAGE_COUNT 4096 /* a descriptor beyond these 2^20 is not known */
#define WORDS (TG_RANDOM_SIZE / 8)

enum state { NEW, READING, KNOWN, DONE };

/*
 * `state` leads: READING lets one reader in at a time, by `busy`; a second one (a handler that interrupts the first) goes
 * away, and what it saw is missing: the random will not be found. In KNOWN `random` is there for every thread.
 */
struct entry {
	_Atomic unsigned char state;
	atomic_flag busy;
	struct tg_hello hello;
	_Atomic uint64_t random[WORDS];
};

struct entries {
	struct entry entry[PAGE_ENTRIES];
};

_Atomic bool tg_accepted_wanted;

static atomic_bool is_wanted, serves;

static _Atomic(struct entries *) pages[PAGE_COUNT];
static _Atomic int highest;

/* One more than the descriptor that this thread read last; 0: none. In the thread's static block: no allocation. */
static _Thread_local int last __attribute__((tls_model("initial-exec")));

_Thread_local int tg_last_read __attribute__((tls_model("initial-exec")));

static void note(atomic_bool *mine, const atomic_bool *other)
{
	atomic_store(mine, true);
	if (atomic_load(other))
		atomic_store_explicit(&tg_accepted_wanted, true, memory_order_relaxed);
}

void tg_accepted_want(void)
{
	note(&is_wanted, &serves);
}

void tg_accepted_serves(void)
{
	note(&serves, &is_wanted);
}

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

static void note_highest(int fd)
{
	int seen = atomic_load_explicit(&highest, memory_order_relaxed);

	while (seen < fd &&
	       !atomic_compare_exchange_weak_explicit(&highest, &seen, fd, memory_order_relaxed, memory_order_relaxed))
		;
}

void tg_accepted_begin(int fd)
{
	struct entry *entry = make(fd);

	if (entry == NULL || atomic_flag_test_and_set_explicit(&entry->busy, memory_order_acquire))
		return;
	note_highest(fd);
	memset(&entry->hello, 0, sizeof(entry->hello));
	atomic_store_explicit(&entry->state, READING, memory_order_release);
	atomic_flag_clear_explicit(&entry->busy, memory_order_release);
}

void tg_accepted_read(int fd)
{
	last = fd + 1;
}

static void keep_random(struct entry *entry)
{
	uint64_t words[WORDS];

	memcpy(words, tg_hello_random(&entry->hello), sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&entry->random[i], words[i], memory_order_relaxed);
}

/* A number that we have not seen before, and a connection whose accept went by: before the policy asked for it, say. */
static bool begins(const struct entry *entry, const unsigned char *data, size_t size)
{
	return (entry == NULL || atomic_load_explicit(&entry->state, memory_order_relaxed) == NEW) && size > 1 &&
	       data[0] == 22 && data[1] == 3;
}

void tg_accepted_bytes(int fd, const void *data, size_t size)
{
	struct entry *entry = find_entry(fd);

	if (begins(entry, data, size)) {
		tg_accepted_begin(fd);
		entry = find_entry(fd);
	}
	if (entry == NULL || atomic_load_explicit(&entry->state, memory_order_acquire) != READING ||
	    atomic_flag_test_and_set_explicit(&entry->busy, memory_order_acquire))
		return;
	/* Looked at again: it may have changed before we had it. */
	if (atomic_load_explicit(&entry->state, memory_order_relaxed) == READING) {
		enum tg_hello_result result = tg_hello_feed(&entry->hello, data, size);
		if (result == TG_HELLO_COMPLETE)
			keep_random(entry);
		if (result != TG_HELLO_MORE)
			atomic_store_explicit(&entry->state, result == TG_HELLO_COMPLETE ? KNOWN : DONE,
					      memory_order_release);
	}
	atomic_flag_clear_explicit(&entry->busy, memory_order_release);
}

static bool has_random(struct entry *entry, const unsigned char random[TG_RANDOM_SIZE])
{
	uint64_t words[WORDS];

	if (atomic_load_explicit(&entry->state, memory_order_acquire) != KNOWN)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&entry->random[i], memory_order_relaxed);
	return memcmp(words, random, sizeof(words)) == 0;
}

/* 0: no socket any more. -1: an address that says nothing. 1: *ret is set. */
static int address_of(int fd, struct tg_address *ret)
{
	struct sockaddr_storage storage;
	socklen_t size = sizeof(storage);

	if (tg_libc.getsockname(fd, (struct sockaddr *)&storage, &size) != 0)
		return 0;
	if (tg_address_is_none(&storage)) {
		*ret = TG_ADDRESS_NONE;
		return 1;
	}
	return tg_address_from(&storage, ret) ? 1 : -1;
}

/* A client may send one random to two addresses; which of them libssl has before it nobody can tell then. */
static bool is_elsewhere(const unsigned char random[TG_RANDOM_SIZE], int fd, const struct tg_address *address)
{
	int end = atomic_load_explicit(&highest, memory_order_relaxed);

	for (int other = 0; other <= end; other++) {
		struct entry *entry = find_entry(other);
		struct tg_address there;
		if (entry == NULL) {
			other |= PAGE_ENTRIES - 1;
			continue;
		}
		if (other == fd || !has_random(entry, random))
			continue;
		/* What was closed since then is no candidate. */
		int known = address_of(other, &there);
		if (known < 0 || (known > 0 && memcmp(&there, address, sizeof(there)) != 0))
			return true;
	}
	return false;
}

bool tg_accepted_find(const unsigned char random[TG_RANDOM_SIZE], struct tg_address *ret, struct tg_address *ret_peer)
{
	int saved = errno;
	int fd = last - 1;
	struct entry *entry = find_entry(fd);
	struct tg_address address;
	bool found = entry != NULL && has_random(entry, random) && address_of(fd, &address) > 0 &&
		     !is_elsewhere(random, fd, &address);

	if (found) {
		atomic_store_explicit(&entry->state, DONE, memory_order_release);
		*ret = address;
		if (!tg_peers_find(fd, ret_peer))
			ret_peer->family = 0;
	}
	errno = saved;
	return found;
}
