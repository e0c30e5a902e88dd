/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ca`, `crl` and what goes with them: who may sign clients, and whom they have revoked.
 */
#ifndef TG_LOADER_TRUST_H
#define TG_LOADER_TRUST_H

#include "loader/load.h"

/* Which section gives each key of one policy. */
struct tg_trust_source {
	const struct tg_section *ca;  /* not NULL */
	const struct tg_section *crl; /* NULL: no revocation */
	enum tg_crl_check crl_check;
	int verify_depth;
	int security_level;
};

/*
 * Reads and judges the lists. Every fault is appended to the load's messages; true where the result can be used. CAs and
 * CRLs come out sorted by content, each once.
 */
bool tg_trust_load(struct tg_load *load, const struct tg_trust_source *source, struct tg_trust *ret);

#endif
