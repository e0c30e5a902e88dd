/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The position and the words of a slot of the policy memory. Private to ipc/: writer and reader must agree on them.
 *
 * The writer stores every word with release order and the reader loads it with acquire order. So a reader that sees a word
 * of a later generation, or an erased word, also sees the sequence number that was stored before it, and discards its copy
 * as torn. This is a sequence lock without fences, which thread sanitizers can follow. Each process copies a document once
 * for each generation, so the ordering costs nothing that matters.
 */
#ifndef TG_IPC_SLOT_H
#define TG_IPC_SLOT_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool tg_slot_layout_known(uint32_t layout)
{
	return layout == TG_LAYOUT || layout == TG_LAYOUT - 1;
}

/* True if the header describes exactly `map_size` bytes. */
static inline bool tg_slot_sane(const struct tg_policy_header *header, size_t map_size)
{
	const uint64_t slot_size = header->slot_size;

	return header->magic == TG_POLICY_MAGIC && tg_slot_layout_known(header->layout) && slot_size > 0 &&
	       slot_size % TG_PAGE_SIZE == 0 && slot_size <= (SIZE_MAX - TG_PAGE_SIZE) / 2 &&
	       map_size == TG_PAGE_SIZE + 2 * slot_size;
}

static inline size_t tg_slot_offset(const struct tg_policy_header *header, uint64_t sequence)
{
	return TG_PAGE_SIZE + (size_t)(sequence & 1) * header->slot_size;
}

#endif
