/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that attached processes report to the keeper, one record each. So far the only kind is a refused client.
 *
 * The records have a fixed size and form a ring at the end of the report page. Any number of processes may write at once.
 * A writer uses one atomic addition and plain atomic stores: it takes no lock, allocates nothing, makes no system call and
 * never waits. The reader follows the writers and learns how many events were overwritten before it could read them.
 * Attached processes can write anything to this memory: an event that was read is complete, but its content is untrusted.
 */
#ifndef TG_IPC_EVENTS_H
#define TG_IPC_EVENTS_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>

#define TG_EVENT_WORDS_SIZE 96
#define TG_EVENT_SUBJECT_SIZE 240

enum tg_event_kind { TG_EVENT_NONE, TG_EVENT_REFUSED };

/* Where `code` comes from: our own code (it is 0 then), X509_V_ERR_* of libcrypto, or SSL_R_* of libssl. */
enum tg_event_source { TG_EVENT_OURS, TG_EVENT_X509, TG_EVENT_SSL };

struct tg_event_address {
	uint16_t family; /* 4 or 6; 0: not known */
	uint16_t port;   /* host byte order */
	unsigned char bytes[16];
};

/* Texts end in NUL; a text that was cut ends in "...". There is no padding, so that equal events have equal bytes. */
struct tg_event {
	uint64_t time; /* milliseconds since the epoch */
	uint32_t pid;
	uint16_t kind;
	uint16_t reason; /* enum tg_refusal */
	uint32_t code;
	int32_t depth; /* of the faulty certificate; 0: the client's own; -1: none */
	uint16_t source;
	uint16_t version; /* as on the wire: 0x0303 is TLS 1.2; 0: not known */
	struct tg_event_address client;
	struct tg_event_address server;
	char section[TG_SECTION_NAME_SIZE]; /* as in tg_section_slot */
	char words[TG_EVENT_WORDS_SIZE];    /* OpenSSL's description of the fault */
	char subject[TG_EVENT_SUBJECT_SIZE];
	unsigned char reserved[TG_EVENT_SIZE - 472]; /* zeros */
};

_Static_assert(sizeof(struct tg_event) == TG_EVENT_SIZE, "an event fills its record");

/* Copies `text` to a text of an event, cut to `size` bytes with its NUL. */
void tg_event_set_text(char *field, size_t size, const char *text);

/* Attached process: writes one event. Async-signal-safe; any thread. */
void tg_events_write(struct tg_report_page *page, const struct tg_event *event);

/* Counts `count` events as lost that the caller could not write. */
void tg_events_lost(struct tg_report_page *page, uint64_t count);

/* The position of one reader. All zeros is the beginning. The reader owns it. */
struct tg_event_reader {
	uint64_t seen;    /* all events with a lower number are read or lost */
	uint64_t gap_end; /* missing events have lower numbers; they count as lost some time after `gap_since`; 0: none is
			     missing */
	int64_t gap_since;
	bool is_read[TG_EVENT_SLOTS]; /* of those from `seen` on, by slot */
};

/*
 * Calls `take` for each event since the last call. `event` is valid only during `take`. `now` is in milliseconds of a
 * monotonic clock. Returns the number of lost events: overwritten, or begun by a process that died before it finished.
 */
uint64_t tg_events_read(const struct tg_report_page *page, struct tg_event_reader *reader, int64_t now,
			void (*take)(const struct tg_event *event, void *arg), void *arg);

#endif
