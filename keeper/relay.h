/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guardian's side of the relay (relay/, ipc/relay.h): its socket, which outlives it, so that attached processes wait in
 * the queue while it is started again; and the process, as long as the policy has listeners whose servers speak plaintext.
 *
 *   starting   until it says that it serves; what ends it before is a failure
 *   serving    whoever asks is heard; where it dies it is started again at once
 *   down       it failed, or died several times in a moment: attached processes know by the policy header, and close
 * connections that need it; whoever asks is hung up on; it is started again every RETRY_MS
 *
 * `failure` says what `status` shows: it stays over what may be one attempt of many.
 */
#ifndef TG_KEEPER_RELAY_H
#define TG_KEEPER_RELAY_H

#include "keeper/keeper.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TG_RELAY_FAILURE 320

struct tg_relay {
	char path[PATH_MAX];
	int program;  /* descriptor of the executable as it was at the start, also where a package is upgraded; -1: none */
	int listener; /* -1: not wanted so far */
	int link;     /* -1: no relay runs */
	pid_t pid;
	int64_t since;      /* when it was started */
	int64_t restart_at; /* -1: not to be started */
	unsigned young_deaths;
	bool is_wanted;
	bool is_serving;
	bool is_busy; /* carries connections, by which the tree lives on */
	bool is_down;
	bool dies;                      /* `failure` is of one that served, and will be believed only after a while */
	char words[160];                /* its last ones */
	char failure[TG_RELAY_FAILURE]; /* why clients are, or soon may be, closed, and what to do; "": nothing */
};

/* What there is to say about it. */
enum tg_relay_event {
	TG_RELAY_NOTHING,
	TG_RELAY_SERVES, /* or does so again */
	TG_RELAY_DIED,   /* *ret_status is as waitpid(2) has it; it is started again */
	TG_RELAY_FAILED, /* `failure` is new */
};

/* Finds the program beside the keeper's own. */
void tg_relay_init(struct tg_relay *relay);

/* Starts it, or no longer does. */
enum tg_relay_event tg_relay_want(struct tg_relay *relay, const struct tg_keeper *keeper, bool wanted);

/* Its link was reported by poll(2), or the guardian is about to decide whether the tree has ended. */
enum tg_relay_event tg_relay_hear(struct tg_relay *relay, const struct tg_keeper *keeper, int *ret_status);

/* Does what is due: at tg_relay_due at the latest. */
enum tg_relay_event tg_relay_run(struct tg_relay *relay, const struct tg_keeper *keeper);
int64_t tg_relay_due(const struct tg_relay *relay); /* as tg_monotonic_ms; INT64_MAX: never */

/* Whose event is somebody who asks while nobody hears; -1: none. Then: hangs up. */
int tg_relay_refused_by(const struct tg_relay *relay);
void tg_relay_refuse(const struct tg_relay *relay);

/* Its process id, or 0 while it does not serve. */
pid_t tg_relay_serving(const struct tg_relay *relay);

/* Ends it for good. */
void tg_relay_end(struct tg_relay *relay);

#endif
