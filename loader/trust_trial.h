/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of a trust, tried as a whole: what would refuse every client of a CA is said before it is published.
 */
#ifndef TG_LOADER_TRUST_TRIAL_H
#define TG_LOADER_TRUST_TRIAL_H

#include "loader/load.h"

#include <openssl/x509.h>

/* A CA or a CRL, and where it was named. */
struct tg_listed {
	X509 *ca;
	X509_CRL *crl;
	const struct tg_place *place;
	const char *file; /* as written */
};

struct tg_listing {
	const struct tg_listed *cas;
	size_t ca_count;
	const struct tg_listed *crls;
	size_t crl_count;
};

/* Appends what it finds to the load's messages. False where that is an error. */
bool tg_trust_try(struct tg_load *load, const struct tg_trust *trust, const struct tg_listing *listing, int security_level);

#endif
