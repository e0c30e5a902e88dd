/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a generation trusts, as OpenSSL objects. Immutable once built; any thread.
 */
#ifndef TG_SHIM_POLICY_ANCHORS_H
#define TG_SHIM_POLICY_ANCHORS_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"

#include <stdbool.h>
#include <stdint.h>

struct tg_anchors {
	X509_STORE *store;
	STACK_OF(X509_NAME) * names; /* to be sent to clients; empty where they would not fit */
	int64_t *ends;               /* notAfter of each CA, seconds since the epoch */
	const struct tg_trust *trust;
};

/* False where memory ran out or this libcrypto cannot read what the loader's could; what is there can be freed. */
bool tg_anchors_build(struct tg_anchors *anchors, const struct tg_trust *trust);
void tg_anchors_free(struct tg_anchors *anchors);

/* Readies `ctx` for X509_verify_cert by the rules of this trust. `leaf` and `sent` (may be NULL) stay the caller's. */
bool tg_anchors_begin(const struct tg_anchors *anchors, X509_STORE_CTX *ctx, X509 *leaf, STACK_OF(X509) * sent,
		      int security_level);

#endif
