/*
 * What the shim is in this process: decided once before main, read-only after.
 */
#ifndef TG_SHIM_STATE_H
#define TG_SHIM_STATE_H

#include "page/layout.h"

#include <stdbool.h>
#include <stddef.h>

/* An exported hook: everything else in the shim is hidden (an anonymous version script lists exactly hooks.def). */
#define TG_EXPORT __attribute__((visibility("default")))

enum tg_state {
	TG_STATE_INERT,    /* every hook passes through; exec keeps the variables */
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
};

extern struct tg_shim tg_shim;

/*
 * Decides the state. Our constructor calls it; a hook that another library's constructor may reach before ours calls it
 * first: one atomic load once the state is decided. In a process that is still being decided (the decision itself calls
 * hooked functions) it returns at once.
 */
void tg_shim_start(void);

static inline enum tg_state tg_shim_state(void)
{
	return (enum tg_state)atomic_load_explicit(&tg_shim.state, memory_order_acquire);
}

static inline bool tg_shim_is(enum tg_state state)
{
	return tg_shim_state() == state;
}

#endif
