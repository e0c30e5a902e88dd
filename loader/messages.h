/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults and warnings of one load, in the order found. An equal text is kept only once, because a file that two sections
 * name through inheritance has one fault. A failed allocation is remembered until the end of the load (tg_messages_failed).
 */
#ifndef TG_LOADER_MESSAGES_H
#define TG_LOADER_MESSAGES_H

#include "tlsgraft/loader.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a fault lies: "FILE:LINE: [section] key: ". line 0, section NULL and key NULL leave their part out. */
struct tg_place {
	const char *file;
	int line;
	const char *section;
	const char *key;
};

tlsgraft_messages *tg_messages_new(void); /* NULL where memory ran out */

void tg_message(tlsgraft_messages *messages, enum tlsgraft_severity severity, const struct tg_place *place,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds an error that may soon disappear by itself: the file, or one that belongs to it, is still being written. */
void tg_message_pending(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds an error about something that is not valid yet, but will be from `from` on (seconds since the epoch). */
void tg_message_early(tlsgraft_messages *messages, const struct tg_place *place, int64_t from, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Texts that only `check` prints and that are not logged: notes on surprising facts, and what was read from which file. */
void tg_note(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t tg_notes_count(const tlsgraft_messages *messages);
const char *tg_notes_text(const tlsgraft_messages *messages, size_t index); /* NULL beyond the last */
void tg_message_read(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t tg_reads_count(const tlsgraft_messages *messages);
const char *tg_reads_text(const tlsgraft_messages *messages, size_t index);

size_t tg_messages_errors(const tlsgraft_messages *messages);  /* pending ones included */
size_t tg_messages_pending(const tlsgraft_messages *messages); /* pending ones alone */
size_t tg_messages_early(const tlsgraft_messages *messages);   /* tg_message_early's alone */
bool tg_messages_failed(const tlsgraft_messages *messages);    /* memory ran out */

/* When all faults will have passed, in seconds since the epoch; 0: waiting does not help, or there is no fault. */
int64_t tg_messages_good_from(const tlsgraft_messages *messages);

#endif
