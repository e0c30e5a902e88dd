/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/read.h"

#include "ipc/slot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A copy is made again only where a whole generation was published meanwhile: far more often than anybody reloads. */
#define COPY_ATTEMPTS 64

int tg_policy_map(int fd, const struct tg_policy_header **ret_header, size_t *ret_size)
{
	struct stat status;
	size_t size;
	void *map;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)TG_PAGE_SIZE)
		return -EPROTO;
	size = (size_t)status.st_size;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	if (!tg_slot_sane(map, size)) {
		munmap(map, size);
		return -EPROTO;
	}
	madvise(map, size, MADV_DONTDUMP);
	*ret_header = map;
	*ret_size = size;
	return 0;
}

void tg_policy_unmap(const struct tg_policy_header *header, size_t size)
{
	if (header)
		munmap((void *)(uintptr_t)header, size);
}

uint64_t tg_policy_generation(const struct tg_policy_header *header)
{
	return atomic_load_explicit(&header->sequence, memory_order_acquire);
}

uint64_t tg_policy_recheck_generation(const struct tg_policy_header *header)
{
	return atomic_load_explicit(&header->recheck, memory_order_acquire);
}

static void copy_words(unsigned char *target, const _Atomic uint64_t *words, size_t size)
{
	for (size_t done = 0; done < size; done += sizeof *words) {
		const uint64_t word = atomic_load_explicit(&words[done / sizeof *words], memory_order_acquire);
		const size_t left = size - done;

		memcpy(target + done, &word, left < sizeof word ? left : sizeof word);
	}
}

int tg_policy_copy(const struct tg_policy_header *header, size_t map_size, unsigned char **ret_bytes, size_t *ret_size,
		   uint64_t *ret_generation)
{
	if (!tg_slot_sane(header, map_size))
		return -EPROTO;
	for (int attempt = 0; attempt < COPY_ATTEMPTS; attempt++) {
		const uint64_t sequence = tg_policy_generation(header);
		const uint64_t length = __atomic_load_n(&header->slots[sequence & 1].length, __ATOMIC_ACQUIRE);
		const unsigned char *const slot = (const unsigned char *)header + tg_slot_offset(header, sequence);
		unsigned char *bytes;

		if (sequence == 0)
			return -ENODATA;
		if (length == 0 || length > header->slot_size) {
			if (tg_policy_generation(header) != sequence)
				continue;
			return -EPROTO;
		}
		bytes = malloc(length);
		if (!bytes)
			return -ENOMEM;
		copy_words(bytes, (const _Atomic uint64_t *)(const void *)slot, length);
		if (tg_policy_generation(header) == sequence) {
			*ret_bytes = bytes;
			*ret_size = length;
			*ret_generation = sequence;
			return 0;
		}
		tg_cleanse_free(bytes, length);
	}
	return -EAGAIN;
}

void tg_cleanse_free(void *bytes, size_t size)
{
	if (!bytes)
		return;
	explicit_bzero(bytes, size);
	free(bytes);
}
