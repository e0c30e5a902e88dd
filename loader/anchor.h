/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a CA certificate that `ca` makes a trust anchor.
 */
#ifndef TG_LOADER_ANCHOR_H
#define TG_LOADER_ANCHOR_H

#include "loader/arena.h"

#include <openssl/x509.h>

/* True if its own trust settings (TRUSTED CERTIFICATE block, PKCS#12) forbid it as an anchor for clients. */
bool tg_anchor_rejected(X509 *certificate);

/*
 * Returns why OpenSSL on its own would not accept this certificate as a root, dates aside, or NULL if it would. Here it is
 * an anchor nevertheless, because `ca` lists it.
 */
const char *tg_anchor_note(struct tg_arena *arena, X509 *certificate);

#endif
