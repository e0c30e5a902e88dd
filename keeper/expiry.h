/*
 * Warnings while a generation serves: certificates that come near their end, and CRLs that go stale, after which clients
 * are refused.
 */
#ifndef TG_KEEPER_EXPIRY_H
#define TG_KEEPER_EXPIRY_H

#include "page/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct tg_expiry {
	int64_t next_look;         /* monotonic, milliseconds */
	int64_t certificates_said; /* seconds since the epoch; 0: not yet */
	bool crl_soon_said;
	bool crl_stale_said;
};

/* Begins anew after a verdict: what the loader itself warned of is not said twice within a day. */
void tg_expiry_reset(struct tg_expiry *expiry);

/* Looks every ten minutes; logs certificates within `warn_days` once a day, and each CRL fault once. */
void tg_expiry_look(struct tg_expiry *expiry, const struct tg_document *document, int warn_days);

#endif
