/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict reader in front of inih. inih (r55 as packaged) cuts a line over its buffer and parses the tail as a line of
 * its own, takes an indented line as a continuation of the key above, cuts names at 49 bytes, and says nothing of any of
 * it. So each line is judged here first; only lines that inih reads the same way are handed to it, one by one, so that
 * line numbers are exact. A callback that does not fit what was judged is an error.
 *
 * As in inih: a line that begins with ";" or "#" is a comment, and " ;" begins one inside a value; " #" does not.
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
 * Reads `size` bytes. Every fault is appended to `messages` with `name` as the file; what could be read is in *ini, all of
 * it in `arena`.
 */
void tg_ini_read(struct tg_arena *arena, const char *name, const unsigned char *bytes, size_t size, struct tg_ini *ini,
		 tlsgraft_messages *messages);

#endif
