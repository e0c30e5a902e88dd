/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns off, on one SSL, the ways of libssl to finish a handshake without a certificate. Later attempts of the server to
 * turn them on are blocked (blocked_calls.def).
 */
#ifndef TG_SHIM_POLICY_CERTIFICATELESS_H
#define TG_SHIM_POLICY_CERTIFICATELESS_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"

#include <stdbool.h>

/*
 * At the ClientHello, before libssl looks up a session. Turns off early data and renegotiation if clients are verified, and
 * under `mutual` also keys that replace a certificate.
 */
void tg_certificateless_close(const struct tg_policy *policy, SSL *ssl);

/*
 * At the certificate, before TLS 1.2 chooses its cipher suite. Removes suites that do not send our certificate and, if
 * clients are verified, suites without encryption. False if no suite remains or memory ran out.
 */
bool tg_certificateless_drop_suites(const struct tg_policy *policy, SSL *ssl);

#endif
