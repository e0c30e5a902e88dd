/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that came from files, certificates or attached processes, made fit for a terminal, a log line and JSON.
 */
#ifndef TG_KEEPER_ESCAPE_H
#define TG_KEEPER_ESCAPE_H

#include <stddef.h>

/*
 * Copies `text` into `out` (`size` bytes, always terminated); control characters (C0, DEL and C1) and bytes that are not
 * UTF-8 (RFC 3629) become "\xNN". What does not fit is left out, never half an escape or half a character. Returns the
 * length of what was written.
 */
size_t tg_escape(const char *text, char *out, size_t size);

/* The same, and where not all of it fits, the end is " [cut]" ("[cut]" at least: `size` above 8). */
size_t tg_escape_cut(const char *text, char *out, size_t size);

/* The same into malloc'ed memory; NULL where memory ran out. */
char *tg_escape_new(const char *text);

#endif
