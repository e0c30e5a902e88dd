/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are a certificate's key and signature strong enough for a security level? libssl would refuse them without saying which
 * file it means.
 */
#ifndef TG_LOADER_STRENGTH_H
#define TG_LOADER_STRENGTH_H

#include "loader/arena.h"

#include <openssl/x509.h>

/* Why not, and what to do, in `arena`; NULL: it is. A self-signed certificate's signature proves nothing and may be weak.
 */
const char *tg_certificate_weak(struct tg_arena *arena, X509 *certificate, int security_level);

#endif
