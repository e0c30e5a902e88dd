/*
 * Faults and warnings of one load, in the order found. The same text twice is kept once: a file that two sections name
 * through inheritance has one fault. A failed allocation is remembered until the end of the load.
 */
#ifndef TG_LOADER_MESSAGES_H
#define TG_LOADER_MESSAGES_H

#include "tlsgraft/loader.h"

#include <stdbool.h>

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

/* An error that may go away by itself: the certificate is there, its key is not yet. */
void tg_message_pending(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t tg_messages_errors(const tlsgraft_messages *messages);  /* pending ones included */
size_t tg_messages_pending(const tlsgraft_messages *messages); /* pending ones alone */
bool tg_messages_failed(const tlsgraft_messages *messages);    /* memory ran out */

#endif
