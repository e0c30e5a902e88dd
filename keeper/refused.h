/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's lines about refused clients. Each stands for one or more of them: the first of an address that is refused for
 * some reason has its line at once, later ones are counted and told together, and so are those of more addresses than there
 * is room for. The counters in `status` are exact whatever happens here.
 *
 * What attached processes say is untrusted: an event that does not hold what it must is dropped, its texts are escaped by
 * the log.
 */
#ifndef TG_KEEPER_REFUSED_H
#define TG_KEEPER_REFUSED_H

#include "ipc/events.h"
#include "ipc/policy.h"

#define TG_REFUSED_ENTRIES 128    /* addresses and reasons that are told apart at once */
#define TG_REFUSED_PAUSE_MS 10000 /* between two lines about the same */

struct tg_refused_entry {
	struct tg_event last; /* kind TG_EVENT_NONE: free */
	uint64_t waiting;     /* refused like it since its last line */
	int64_t due;          /* when they are told, or the place is free again */
};

/* All zeros at the beginning. In the handoff: counts survive a worker. */
struct tg_refused_log {
	struct tg_event_reader reader;
	struct tg_refused_entry places[TG_REFUSED_ENTRIES];
	struct tg_refused_entry others[TG_REFUSAL_COUNT]; /* by reason: what found no place */
	uint64_t lost;                                    /* events that were overwritten, not told yet */
	int64_t lost_due;
};

/* Where a line goes: tg_log at `info`, or a test. */
typedef void (*tg_refused_write)(const char *line);

/* Reads what attached processes have told since the last time, and writes what is due. `now`: monotonic, milliseconds. */
void tg_refused_look(struct tg_refused_log *log, const struct tg_report_page *report, const struct tg_document *document,
		     int64_t now, tg_refused_write write);

/* Writes all that waits: the tree has ended. */
void tg_refused_end(struct tg_refused_log *log, const struct tg_document *document, tg_refused_write write);

#endif
