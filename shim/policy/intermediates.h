/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates between a client's and its CA, as full handshakes of this process have shown them. A resumed session brings
 * the client's own alone; whoever judges it again builds its chain with these. They are no trust: every path still ends in
 * an anchor of the policy.
 */
#ifndef TG_SHIM_POLICY_INTERMEDIATES_H
#define TG_SHIM_POLICY_INTERMEDIATES_H

#include "shim/binding/openssl.h"

/* What came with a certificate that was verified; the newest are kept. NULL is allowed. Any thread. */
void tg_intermediates_add(STACK_OF(X509) * sent);

/* All that are known, with references of the caller's; NULL: none, or no memory. Any thread. */
STACK_OF(X509) * tg_intermediates_get(void);

/* Around fork, in the forking thread. */
void tg_intermediates_lock(void);
void tg_intermediates_unlock(void);

#endif
