/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that attached processes tell the keeper of, one record each: so far, clients that were refused.
 *
 * A ring of fixed-size records at the end of the report page. Any number of processes write, by one atomic addition and
 * stores: no lock, no allocation, no system call, nothing to wait for. Whoever reads does so behind them and is told how
 * many were overwritten before. The memory is the attached processes': a record that was read is whole, and may hold
 * anything.
 */
#ifndef TG_IPC_EVENTS_H
#define TG_IPC_EVENTS_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>

#define TG_EVENT_WORDS_SIZE 96
#define TG_EVENT_SUBJECT_SIZE 240

enum tg_event_kind { TG_EVENT_NONE, TG_EVENT_REFUSED };

/* What `code` counts: libcrypto's X509_V_ERR_*, libssl's reasons (SSL_R_*), or nothing of OpenSSL's. */
enum tg_event_source { TG_EVENT_OURS, TG_EVENT_X509, TG_EVENT_SSL };

struct tg_event_address {
	uint16_t family; /* 4 or 6; 0: not known */
	uint16_t port;   /* host byte order */
	unsigned char bytes[16];
};

/* Texts are NUL-terminated; what did not fit ends in "...". Without padding, so that equal events have equal bytes. */
struct tg_event {
	uint64_t time; /* milliseconds since the epoch */
	uint32_t pid;
	uint16_t kind;
	uint16_t reason; /* enum tg_refusal */
	uint32_t code;
	int32_t depth; /* of the certificate that is at fault, 0 is the client's own; -1: none is */
	uint16_t source;
	uint16_t version; /* as on the wire: 0x0303 is TLS 1.2; 0: not known */
	struct tg_event_address client;
	struct tg_event_address server;
	char section[TG_SECTION_NAME_SIZE]; /* as in tg_section_slot */
	char words[TG_EVENT_WORDS_SIZE];    /* what OpenSSL says of it */
	char subject[TG_EVENT_SUBJECT_SIZE];
	unsigned char reserved[TG_EVENT_SIZE - 472]; /* zeros */
};

_Static_assert(sizeof(struct tg_event) == TG_EVENT_SIZE, "an event fills its record");

/* Copies `text` into one of an event's texts. */
void tg_event_set_text(char *field, size_t size, const char *text);

/* Guest side: async-signal-safe. */
void tg_events_write(struct tg_report_page *page, const struct tg_event *event);

/* Says of `count` events that whoever passes them on has lost them. */
void tg_events_lost(struct tg_report_page *page, uint64_t count);

/* How far somebody has read; zeros: nothing yet. */
struct tg_event_reader {
	uint64_t seen;    /* all events below are read, or lost */
	uint64_t gap_end; /* events below are not waited for after `gap_since`; 0: none is missing */
	int64_t gap_since;
	bool is_read[TG_EVENT_SLOTS]; /* of those from `seen` on, by slot */
};

/*
 * Calls `take` for each event that was written since the last time. `now`: of a monotonic clock, in milliseconds. Returns
 * how many were lost: overwritten, or begun by a process that died meanwhile.
 */
uint64_t tg_events_read(const struct tg_report_page *page, struct tg_event_reader *reader, int64_t now,
			void (*take)(const struct tg_event *event, void *arg), void *arg);

#endif
