/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CA as an anchor of its own: what is against it, and what OpenSSL would have against it as a root.
 */
#ifndef TG_LOADER_ANCHOR_H
#define TG_LOADER_ANCHOR_H

#include "loader/arena.h"

#include <openssl/x509.h>

/* True where the trust settings that came with it (a TRUSTED CERTIFICATE block, PKCS#12) do not allow it for clients. */
bool tg_anchor_rejected(X509 *certificate);

/*
 * Why OpenSSL itself, asked to verify with this certificate alone, would not take it as a root; NULL: it would. Dates
 * aside. Here it is one because `ca` lists it.
 */
const char *tg_anchor_note(struct tg_arena *arena, X509 *certificate);

#endif
