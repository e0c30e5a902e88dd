/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warnings while a generation serves: certificates that come near their end, and CRLs that go stale, after which clients
 * are refused.
 */
#ifndef TG_KEEPER_EXPIRY_H
#define TG_KEEPER_EXPIRY_H

#include "ipc/policy.h"
#include "keeper/crls.h"

#include <stdint.h>

struct tg_expiry {
	int64_t next_look;         /* monotonic, milliseconds */
	int64_t certificates_said; /* seconds since the epoch; 0: not yet */
	int64_t crls_seen;         /* seconds since the epoch: what came up to then is said */
	struct tg_crls crls;       /* of the generation that serves */
};

/* Begins anew after a verdict, for what serves now: what the loader itself warned of is not said twice within a day. */
void tg_expiry_reset(struct tg_expiry *expiry, const struct tg_document *document);

/*
 * Logs certificates within `warn_days` once a day, and of each CRL the moment in which it is about to go stale (the last
 * tenth of its time begins) and the one in which it does.
 */
void tg_expiry_look(struct tg_expiry *expiry, const struct tg_document *document, int warn_days);
void tg_expiry_end(struct tg_expiry *expiry);

#endif
