/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an identity, for the files that implement its functions.
 */
#ifndef TG_LOADER_PRIVATE_H
#define TG_LOADER_PRIVATE_H

#include "loader/arena.h"
#include "loader/identity.h"
#include "loader/tried.h"

#include <stdatomic.h>

struct tlsgraft_identity {
	atomic_uint references;
	struct tg_arena *arena; /* settings and file names */
	struct tg_settings settings;
	bool from_bytes; /* settings are those that the document carries, no others */
	char **files;
	size_t file_count;
	struct tg_tried tried; /* what need not be tried again */
	char **notes;
	size_t note_count;
	unsigned char *bytes; /* the encoded document, in pages of its own */
	size_t size;
	size_t mapped;
	struct tg_document *document; /* decoded from `bytes` */
};

#endif
