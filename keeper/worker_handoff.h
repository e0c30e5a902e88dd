/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker leaves for the one that the guardian starts when it dies: shared anonymous memory, made by the guardian,
 * which never looks into it. So a restarted worker parses no file before somebody asks it to, and forgets neither a request
 * that its predecessor did not answer nor where it logged.
 */
#ifndef TG_KEEPER_WORKER_HANDOFF_H
#define TG_KEEPER_WORKER_HANDOFF_H

#include "keeper/refused.h"
#include "keeper/verdict.h"
#include "loader/identity.h"

#include <stdbool.h>
#include <stdint.h>

struct tg_worker_handoff {
	uint64_t requests_answered;
	unsigned int begun;    /* workers that began to read for a verdict that is not out yet */
	_Atomic uint32_t last; /* which of the verdicts is the newest: a worker may die while it writes the other */
	struct tg_verdict verdicts[2];
	int64_t retry_at;      /* seconds since the epoch: what was refused is then good; 0: nothing is waited for */
	int64_t serving_since; /* monotonic, milliseconds: when the newest generation was published */
	struct tg_refused_log refused;
	/* in effect: what a reload may change */
	enum tg_log_target log_target;
	enum tg_log_level log_level;
	bool watch;
	int warn_days;
	char log_file[4096];
	/* as at the start: what a reload does not change */
	int reload_signal;
	bool children_keep;
	char exes[16384]; /* texts one after another, an empty one ends them */
	char users[4096];
	char files[1 << 20]; /* what the serving generation was read from */
	char end;            /* always 0: ends the list also where a worker died while it wrote it */
};

/* NULL where memory ran out. */
struct tg_worker_handoff *tg_handoff_new(void);

/* The newest verdict; valid until the next but one. */
const struct tg_verdict *tg_handoff_verdict(const struct tg_worker_handoff *handoff);

/* Takes over `verdict` in one step, now; `reason` is escaped, NULL: memory ran out. */
void tg_handoff_note(struct tg_worker_handoff *handoff, enum tg_verdict_kind kind, double took_ms, const char *reason);

/* 0, or -E2BIG where the programs or users named do not fit. */
int tg_handoff_store_start(struct tg_worker_handoff *handoff, const struct tg_settings *settings);
int tg_handoff_store_effective(struct tg_worker_handoff *handoff, const struct tg_settings *settings);

/*
 * True where the list is another than before. *ret_left_out counts the files that do not fit, which are then not watched:
 * whoever watches says so.
 */
bool tg_handoff_store_files(struct tg_worker_handoff *handoff, const tlsgraft_identity *identity, size_t *ret_left_out);

/*
 * The settings as they were at the start; lists are malloc'ed, their texts lie in the handoff. Free with
 * tg_handoff_settings_free. 0 or -ENOMEM.
 */
int tg_handoff_start_settings(struct tg_worker_handoff *handoff, struct tg_settings *ret);
void tg_handoff_settings_free(struct tg_settings *settings);

/* The next of texts one after another: pass their beginning first, then what was returned. NULL: no more. */
const char *tg_handoff_first(const char *texts);
const char *tg_handoff_next(const char *text);

#endif
