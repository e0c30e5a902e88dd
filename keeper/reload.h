/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to reload, and their verdicts.
 *
 * A request is one of the report memory (a reload signal somewhere in the tree), a changed file where `watch = yes`, or
 * a connection of `tlsgraft reload`. A verdict answers all that arrived before its reading began. What is not there, or not
 * wholly written, is read again, on every change and every 200 ms, for 3 s. What is refused for being of the future alone
 * is read again when its time comes.
 */
#ifndef TG_KEEPER_RELOAD_H
#define TG_KEEPER_RELOAD_H

#include "keeper/keeper.h"
#include "keeper/watch.h"
#include "tlsgraft/loader.h"

#include <stdbool.h>
#include <stdint.h>

struct tg_reload {
	struct tg_keeper *keeper;
	const struct tg_report_page *report;
	tlsgraft_identity *serving; /* owned */
	uint64_t generation;
	struct tg_settings start; /* of the first generation */
	struct tg_watch watch;
	bool refused;         /* the newest verdict: files not known yet may then be what is missing */
	uint64_t requests;    /* as at the newest reading */
	int64_t requests_due; /* when to read for requests, monotonic milliseconds; -1: nobody asked */
	int64_t changes_due;  /* when to read for changed files; -1 */
	int64_t changed;      /* first change of a file that is not read yet; -1 */
	bool catching_up;   /* nobody asked: files may have changed before they were watched. Finding none is no verdict */
	int64_t give_up_at; /* end of waiting for a key; -1: not waiting */
	double began;       /* of the first reading that led to the next verdict */
};

/* Takes over `serving`, published as `generation`. 0 or -ENOMEM. */
int tg_reload_begin(struct tg_reload *reload, struct tg_keeper *keeper, const struct tg_report_page *report,
		    tlsgraft_identity *serving, uint64_t generation);

/* Lets go of the serving identity, which erases its keys, and of the files. */
void tg_reload_end(struct tg_reload *reload);

/* Somebody asks: read now. */
void tg_reload_request(struct tg_reload *reload);

/* Looks at the requests, and at the watch where `watch_ready`. */
void tg_reload_look(struct tg_reload *reload, bool watch_ready);

/* Milliseconds until the next reading, or -1. */
int tg_reload_wait_ms(const struct tg_reload *reload);

/*
 * Reads if it is time. True where that gave a verdict, in tg_handoff_verdict(keeper->handoff): it answers every request
 * made before the call.
 */
bool tg_reload_run(struct tg_reload *reload);

/* `serving` has just been published: where a policy of it says so, live connections are judged by it. */
void tg_reload_ask_recheck(struct tg_keeper *keeper, const tlsgraft_identity *serving);

/* Lets the log follow the settings in effect; a file is opened anew. */
void tg_reload_open_log(const struct tg_keeper *keeper);

#endif
