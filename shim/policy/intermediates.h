/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps intermediate certificates that clients of this process sent in full handshakes. A resumed session has only the
 * client's own certificate, so a later verification needs them to build the chain. They are not trusted: every path must
 * still end in an anchor of the policy.
 */
#ifndef TG_SHIM_POLICY_INTERMEDIATES_H
#define TG_SHIM_POLICY_INTERMEDIATES_H

#include "shim/binding/openssl.h"

/* Adds the certificates sent with a verified one. Only the newest are kept. NULL is allowed. Any thread. */
void tg_intermediates_add(STACK_OF(X509) * sent);

/* All known ones, with references that the caller drops; NULL: none, or no memory. Any thread. */
STACK_OF(X509) * tg_intermediates_get(void);

/* Around fork, in the forking thread. */
void tg_intermediates_lock(void);
void tg_intermediates_unlock(void);

#endif
