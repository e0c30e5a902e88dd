/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/publish.h"

#include "ipc/calls.h"
#include "ipc/slot.h"
#include "ipc/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Maps `size` bytes writable; NULL, with errno, on failure. Locking is best effort: limits may forbid it. */
static struct tg_policy_header *map_writable(int fd, size_t size)
{
	void *const map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return NULL;
	madvise(map, size, MADV_DONTDUMP);
	mlock2(map, size, MLOCK_ONFAULT);
	return map;
}

int tg_policy_create(const char *tree, size_t capacity, int *ret_fd, struct tg_policy_page *ret_page)
{
	struct tg_policy_header *header;
	size_t slot_size, size;
	int fd, error;

	if (capacity > SIZE_MAX / 4)
		return -E2BIG;
	slot_size = (capacity / TG_PAGE_SIZE + (capacity % TG_PAGE_SIZE != 0 || capacity == 0)) * TG_PAGE_SIZE;
	size = TG_PAGE_SIZE + 2 * slot_size;
	fd = tg_tree_memfd(TG_POLICY_NAME, tree, size);
	if (fd < 0)
		return fd;
	header = map_writable(fd, size);
	if (!header) {
		error = -errno;
		tg_call_close(fd);
		return error;
	}
	header->magic = TG_POLICY_MAGIC;
	header->layout = TG_LAYOUT;
	header->slot_size = slot_size;
	if (getrandom(header->relay_key, sizeof header->relay_key, 0) != (ssize_t)sizeof header->relay_key) {
		munmap(header, size);
		tg_call_close(fd);
		return -EIO;
	}
	*ret_fd = fd;
	*ret_page = (struct tg_policy_page){.header = header, .size = size};
	return 0;
}

int tg_policy_attach(int fd, struct tg_policy_page *ret_page)
{
	struct tg_policy_header *header;
	struct stat status;
	size_t size;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)TG_PAGE_SIZE)
		return -EPROTO;
	size = (size_t)status.st_size;
	header = map_writable(fd, size);
	if (!header)
		return -errno;
	if (!tg_slot_sane(header, size)) {
		munmap(header, size);
		return -EPROTO;
	}
	*ret_page = (struct tg_policy_page){.header = header, .size = size};
	return 0;
}

int tg_policy_seal(int fd)
{
	return tg_call_add_seals(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ? -errno : 0;
}

static _Atomic uint64_t *slot_words(struct tg_policy_header *header, uint64_t sequence)
{
	return (_Atomic uint64_t *)(void *)((unsigned char *)header + tg_slot_offset(header, sequence));
}

static void fill(_Atomic uint64_t *words, const unsigned char *bytes, size_t size)
{
	for (size_t done = 0; done < size; done += sizeof *words) {
		const size_t left = size - done;
		uint64_t word = 0;

		memcpy(&word, bytes + done, left < sizeof word ? left : sizeof word);
		atomic_store_explicit(&words[done / sizeof *words], word, memory_order_release);
	}
}

/* The length goes last: a writer that dies in between leaves a length that covers what is still to be erased. */
static void erase(struct tg_policy_header *header, uint64_t sequence)
{
	uint64_t *const length = &header->slots[sequence & 1].length;
	_Atomic uint64_t *const words = slot_words(header, sequence);

	for (size_t done = 0; done < *length && done < header->slot_size; done += sizeof *words)
		atomic_store_explicit(&words[done / sizeof *words], 0, memory_order_release);
	__atomic_store_n(length, 0, __ATOMIC_RELEASE);
}

int64_t tg_policy_publish(struct tg_policy_page *page, const unsigned char *bytes, size_t size)
{
	struct tg_policy_header *const header = page->header;
	const uint64_t serving = atomic_load_explicit(&header->sequence, memory_order_relaxed);
	const uint64_t next = serving + 1;

	if (size == 0)
		return -EINVAL;
	if (size > tg_policy_capacity(page))
		return -E2BIG;
	erase(header, next); /* what a writer left that died while it published */
	__atomic_store_n(&header->slots[next & 1].length, size, __ATOMIC_RELEASE);
	fill(slot_words(header, next), bytes, size);
	atomic_store_explicit(&header->sequence, next, memory_order_release);
	erase(header, serving);
	return (int64_t)next;
}

void tg_policy_recheck(struct tg_policy_page *page)
{
	struct tg_policy_header *const header = page->header;
	const uint64_t serving = atomic_load_explicit(&header->sequence, memory_order_relaxed);

	atomic_store_explicit(&header->recheck, serving, memory_order_release);
}

size_t tg_policy_capacity(const struct tg_policy_page *page)
{
	return page->header->slot_size;
}
