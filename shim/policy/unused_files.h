/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that has no usable certificate of its own, and needs none: where every connection that it can accept is governed
 * by a section with a certificate, what fails to load is never served. The load reports success then, so that the server
 * starts. A context without a certificate cannot serve by itself: should a later policy leave a connection to the server,
 * its handshake fails.
 *
 * Not for client contexts (context.h has no entry of them). A context that may do both is taken for a server's: as a client
 * it has no certificate, and trusts nobody, where these could not be loaded.
 */
#ifndef TG_SHIM_POLICY_UNUSED_FILES_H
#define TG_SHIM_POLICY_UNUSED_FILES_H

#include "shim/binding/openssl.h"

enum tg_unused { TG_UNUSED_CERTIFICATE, TG_UNUSED_KEY, TG_UNUSED_PAIR, TG_UNUSED_TRUST };

/*
 * Before a call that loads; true where its failure may be made good. Marks OpenSSL's error queue then: tg_unused_loaded has
 * to follow.
 */
bool tg_unused_begin(const SSL_CTX *ssl_ctx, enum tg_unused what);

/*
 * After it: `result`, or 1 where it is made good: errors of the call are gone from the queue, errno is as before, and why
 * is said, once for each file. `file` may be NULL.
 */
int tg_unused_loaded(enum tg_unused what, const char *file, int result, int saved_errno);

/* The certificate that a server which asks for its own may look at: [server]'s. NULL: none. Lives as long as the context.
 */
X509 *tg_unused_shown(const SSL_CTX *ssl_ctx);

#endif
