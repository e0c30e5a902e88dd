/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways past a certificate that libssl knows by itself, closed on one SSL. What the server sets of them later is blocked
 * (blocked_calls.def).
 */
#ifndef TG_SHIM_POLICY_CERTIFICATELESS_H
#define TG_SHIM_POLICY_CERTIFICATELESS_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"

#include <stdbool.h>

/*
 * At the ClientHello, before a session is looked up: early data and renegotiation where clients are verified; keys that
 * stand in for a certificate under `mutual`.
 */
void tg_certificateless_close(const struct tg_policy *policy, SSL *ssl);

/*
 * At the certificate, before TLS 1.2 chooses its suite: none that shows no certificate of ours, and where clients are
 * verified none that does not encrypt. False: there is no other, or memory ran out.
 */
bool tg_certificateless_drop_suites(const struct tg_policy *policy, SSL *ssl);

#endif
