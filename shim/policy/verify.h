/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging a client's certificate by our own trust, independent of whatever store, flags, purpose, depth or callback the
 * server has set (RFC 5280 section 6; X509_verify_cert(3)).
 */
#ifndef TG_SHIM_POLICY_VERIFY_H
#define TG_SHIM_POLICY_VERIFY_H

#include "shim/policy/connection.h"

/*
 * Verifies the chain that libssl received, held in `from`, against the pinned policy. Leaves error and verified chain in
 * `from`, where libssl looks for them. Returns 1, or 0 with the fault noted in the connection and in the error queue.
 */
int tg_verify_chain(struct tg_connection *connection, SSL *ssl, X509_STORE_CTX *from);

/* A client as it showed itself in its handshake. References are the owner's. */
struct tg_client {
	X509 *leaf;            /* NULL: no certificate */
	STACK_OF(X509) * sent; /* what came with it; NULL: nothing, or a resumed session, which has the leaf alone */
	int security_level;
};

/* Would this policy let the client in now? False with the fault. May be called in any thread. */
bool tg_verify_client(const struct tg_policy *policy, const struct tg_anchors *anchors, const struct tg_client *client,
		      struct tg_fault *ret_fault);

/* A resumed session brings a certificate that was verified earlier: are its dates still right? */
bool tg_verify_dates(struct tg_connection *connection, const X509 *leaf);

/*
 * How much of this trust has ended since it was loaded: CAs past their notAfter, and CRLs past the first nextUpdate.
 * Another number: nobody may resume on an answer that would not be given any more.
 */
int tg_verify_ended(const struct tg_anchors *anchors);

#endif
