/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a slot of the policy memory lies, and its words. Private to ipc/: what writer and reader must see alike.
 *
 * Every word is stored with release and loaded with acquire order. So a reader that sees any word of a later generation,
 * or an erased one, also sees the sequence that was stored before it, and knows its copy for torn. That is a sequence lock
 * without fences, which thread sanitizers can follow; a document is copied once for each generation and process, so the
 * order costs nothing that counts.
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

/* True where the header describes exactly `map_size` bytes. */
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
