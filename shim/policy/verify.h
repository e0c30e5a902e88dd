/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies client certificates by the policy's own trust (RFC 5280, section 6; X509_verify_cert(3)), independent of the
 * store, flags, purpose, depth and callback that the server has set.
 */
#ifndef TG_SHIM_POLICY_VERIFY_H
#define TG_SHIM_POLICY_VERIFY_H

#include "shim/policy/connection.h"

/*
 * Verifies the chain that libssl received, in `from`, against the pinned policy. Stores the error and the verified chain in
 * `from`, where libssl reads them. Returns 1, or 0 with the fault in the connection and in the error queue.
 */
int tg_verify_chain(struct tg_connection *connection, SSL *ssl, X509_STORE_CTX *from);

/* What a client sent in its handshake. The owner of the structure holds the references. */
struct tg_client {
	X509 *leaf;            /* NULL: no certificate */
	STACK_OF(X509) * sent; /* the rest of its chain; NULL: none, or a resumed session, which has only the leaf */
	int security_level;
};

/* True if this policy accepts the client now, else false with the fault. Any thread. */
bool tg_verify_client(const struct tg_policy *policy, const struct tg_anchors *anchors, const struct tg_client *client,
		      struct tg_fault *ret_fault);

/* True if the dates of `leaf` are still good. For a resumed session, whose certificate was verified earlier. */
bool tg_verify_dates(struct tg_connection *connection, const X509 *leaf);

/*
 * Counts the CAs that are past their notAfter and the CRLs that are past the first nextUpdate. If the number changes, no
 * client may resume a session: its verification might fail now.
 */
int tg_verify_ended(const struct tg_anchors *anchors);

#endif
