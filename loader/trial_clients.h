/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Could any client of a CA be let in by a trust? Tried by one that is made up (made_up.h): whatever it fails for, beside
 * its signature, every client of that CA would fail for.
 */
#ifndef TG_LOADER_TRIAL_CLIENTS_H
#define TG_LOADER_TRIAL_CLIENTS_H

#include "ipc/policy.h"

#include <openssl/x509.h>

struct tg_clients_trial {
	const struct tg_trust *trust;
	X509_STORE *store;
	EVP_PKEY *key; /* of the made-up clients */
	int security_level;
};

/* What stands in the way of the clients of a CA. References are the caller's. */
struct tg_obstacle {
	int error;      /* X509_V_ERR_*; X509_V_OK: nothing */
	X509 *at;       /* the certificate that it was found at; NULL: the made-up one */
	X509 *issuer;   /* of that one, where the chain came so far; else NULL */
	X509_CRL *only; /* no obstacle, but only for clients that name this CRL's distribution point; else NULL */
};

/* False where memory ran out; clear it in either case. `trust` must outlive it. */
bool tg_clients_trial_begin(struct tg_clients_trial *trial, const struct tg_trust *trust, int security_level);
void tg_clients_trial_clear(struct tg_clients_trial *trial);

/* False where memory ran out, else clear *ret. `ca` is one of the trust's. */
bool tg_clients_trial_run(const struct tg_clients_trial *trial, X509 *ca, struct tg_obstacle *ret);
void tg_obstacle_clear(struct tg_obstacle *obstacle);

/* Is it a fault of a CRL, or the want of one? */
bool tg_obstacle_is_crl(const struct tg_obstacle *obstacle);

#endif
