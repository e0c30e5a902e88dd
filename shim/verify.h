/*
 * Judging a client's certificate by our own trust, independent of whatever store, flags, purpose, depth or callback the
 * server has set (RFC 5280 section 6; X509_verify_cert(3)).
 */
#ifndef TG_SHIM_VERIFY_H
#define TG_SHIM_VERIFY_H

#include "shim/connection.h"

/*
 * Verifies the chain that libssl received, held in `from`, against the pinned policy. Leaves error and verified chain in
 * `from`, where libssl looks for them. Returns 1, or 0 with the reason noted in the connection.
 */
int tg_verify_chain(struct tg_connection *connection, SSL *ssl, X509_STORE_CTX *from);

/* A resumed session brings a certificate that was verified earlier: are its dates still right? */
bool tg_verify_dates(struct tg_connection *connection, const X509 *leaf);

/* A CRL of this trust is past its nextUpdate: nobody may resume on an answer that it would give no more. */
bool tg_verify_crl_stale(const struct tg_anchors *anchors);

#endif
