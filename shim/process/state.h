/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim is in this process. Decided before main; a process that is latent then is decided again, once, when it
 * makes its first TLS context that can serve, listens, accepts, or is passed a socket of the internet.
 */
#ifndef TG_SHIM_PROCESS_STATE_H
#define TG_SHIM_PROCESS_STATE_H

#include "ipc/layout.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* An exported hook: everything else in the shim is hidden (an anonymous version script lists exactly hooks.def). */
#define TG_EXPORT __attribute__((visibility("default")))

enum tg_state {
	TG_STATE_INERT,    /* every hook passes through; exec keeps the variables */
	TG_STATE_LATENT,   /* configured, and cannot serve yet: as inert, but no library is bound deeply (dlopen(3)) */
	TG_STATE_GOVERNED, /* the policy is mapped: sections apply */
	TG_STATE_CLOSED,   /* should have a policy and has none: server handshakes fail, all else passes through */
};

struct tg_shim {
	_Atomic int state; /* enum tg_state; the members below count in TG_STATE_GOVERNED alone */
	const struct tg_policy_header *policy;
	size_t policy_size;
	struct tg_report_page *report;
	int reload_signal; /* 0: none */
	bool children_keep;
	_Atomic bool serves; /* it has a server context or a governed connection: generations are built before a fork */
};

extern struct tg_shim tg_shim;

/*
 * Decides the state. Our constructor calls it; a hook that another library's constructor may reach before ours calls it
 * first: one atomic load once the state is decided. A thread that comes while another one decides waits for it; the
 * deciding thread itself (the decision calls hooked functions) returns at once.
 */
void tg_shim_start(void);

/*
 * This process is about to serve: where it is latent, it becomes governed, inert or closed now. Other
 * threads wait as above. Never ends the process. errno is kept; no cancellation point; signals are held up meanwhile.
 */
void tg_shim_serve(void);

/*
 * The same where `fd`, on which connections are about to be accepted or which another process passed, is a socket of the
 * internet.
 */
void tg_shim_serve_on(int fd);

/* The decision's lock. False, and not taken, where this thread holds it already. */
bool tg_shim_decision_begin(void);
void tg_shim_decision_end(void);

static inline void tg_shim_note_serving(void)
{
	atomic_store_explicit(&tg_shim.serves, true, memory_order_release);
}

static inline enum tg_state tg_shim_state(void)
{
	return (enum tg_state)atomic_load_explicit(&tg_shim.state, memory_order_acquire);
}

static inline bool tg_shim_is(enum tg_state state)
{
	return tg_shim_state() == state;
}

#endif
