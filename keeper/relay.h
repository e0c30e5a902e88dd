/*
 * The guardian's side of the relay (relay/, page/relay.h): its socket, which outlives it, so that guests wait in the queue
 * while it is started again; and the process, as long as the policy has listeners whose servers speak plaintext.
 */
#ifndef TG_KEEPER_RELAY_H
#define TG_KEEPER_RELAY_H

#include "keeper/keeper.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tg_relay {
	int program;  /* descriptor of the executable as it was at the start, also where a package is upgraded; -1: none */
	int listener; /* -1: not wanted so far */
	int link;     /* -1: no relay runs */
	pid_t pid;
	int64_t since;
	int64_t restart_at; /* -1: not to be started */
	bool is_wanted;
	bool is_busy; /* carries connections, by which the tree lives on */
};

/* Finds the program beside the keeper's own. */
void tg_relay_init(struct tg_relay *relay);

/* Starts it, or ends it. 0 or a negative errno. */
int tg_relay_want(struct tg_relay *relay, const struct tg_keeper *keeper, bool wanted);

/* Its link was reported by poll(2), or the guardian is about to decide whether the tree has ended. True: it has died, and
 * `ret_status` is as waitpid(2) has it. */
bool tg_relay_hear(struct tg_relay *relay, int *ret_status);

/* Starts it again when it is time. True: `relay->pid` is another one now. */
bool tg_relay_run(struct tg_relay *relay, const struct tg_keeper *keeper);

/* Ends it for good. */
void tg_relay_end(struct tg_relay *relay);

#endif
