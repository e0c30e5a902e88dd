/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader in front of inih. inih (r55 as packaged) splits a line that exceeds its buffer and parses the rest as a
 * new line, treats an indented line as a continuation of the key above, and cuts names at 49 bytes, all silently. So this
 * reader checks each line first. It passes only lines that inih reads the same way, one by one, so that line numbers are
 * exact. If inih's callback does not match what was checked, that is an error.
 *
 * As in inih, a line that begins with ";" or "#" is a comment. " ;" begins a comment inside a value; " #" does not.
 */
#ifndef TG_LOADER_INI_H
#define TG_LOADER_INI_H

#include "loader/arena.h"
#include "loader/messages.h"

#include <stddef.h>

#define TG_INI_LINE_MAX 198 /* bytes: inih's 200 less the line feed and the NUL */
#define TG_INI_NAME_MAX 49  /* bytes of a section's or key's name: inih's 50 less the NUL */

struct tg_ini_section {
	int line;
	const char *title; /* "listener api" */
};

struct tg_ini_entry {
	int line;
	size_t section; /* index */
	const char *key;
	const char *value; /* never empty */
};

struct tg_ini {
	struct tg_ini_section *sections;
	size_t section_count;
	size_t section_capacity;
	struct tg_ini_entry *entries;
	size_t entry_count;
	size_t entry_capacity;
};

/*
 * Reads `size` bytes. Appends every fault to `messages`, with `name` as the file. *ini, all in `arena`, holds what could be
 * read.
 */
void tg_ini_read(struct tg_arena *arena, const char *name, const unsigned char *bytes, size_t size, struct tg_ini *ini,
		 tlsgraft_messages *messages);

#endif
