/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reasons for which clients are refused, as people read them: in `status`, in the log, in the manual, which is printed
 * from this table.
 */
#ifndef TG_IPC_REFUSAL_H
#define TG_IPC_REFUSAL_H

#include "ipc/layout.h"

struct tg_refusal_text {
	const char *name;    /* as in `status --json`: "no_certificate" and so on */
	const char *meaning; /* a sentence without its full stop */
	const char *advice;  /* another one: what to do */
};

/* Of "other" for anything that is no reason. */
const struct tg_refusal_text *tg_refusal_text(enum tg_refusal reason);
const char *tg_refusal_name(enum tg_refusal reason);

/* NULL: no reason is called so. */
const struct tg_refusal_text *tg_refusal_named(const char *name);

/* The order in which they are shown: `other` last. `place` below TG_REFUSAL_COUNT. */
enum tg_refusal tg_refusal_shown(unsigned place);

#endif
