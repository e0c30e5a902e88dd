/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys `alpn` and `alpn_required`: parses them, applies them to a policy or an SSL_CTX, and prints them.
 */
#ifndef TG_LOADER_ALPN_H
#define TG_LOADER_ALPN_H

#include "loader/load.h"
#include "loader/protocol.h"

#include <openssl/ssl.h>

#include <stdio.h>

/* Checks `length` bytes of `text` as one protocol name. Returns NULL if it is valid, else the fault. */
const char *tg_alpn_parse(const char *text, size_t length);

/* The likely intended name for one that no known client offers; NULL: the name may be right. */
const char *tg_alpn_meant(const char *name);

/* Sets ALPN of the policy from `effective`. Reports a fault for alpn_required without a protocol. */
void tg_alpn_resolve(struct tg_load *load, const struct tg_effective *effective, struct tg_policy *policy);

/*
 * Reports a fault for each ALPN key of `sni` if the server of this route speaks TLS itself. `listener` is that of the
 * route; NULL: [server].
 */
void tg_alpn_check_sni(struct tg_load *load, const struct tg_section *sni, const struct tg_section *listener);

/* Sets up ALPN on a server's SSL_CTX. The policy must outlive it. Does nothing if the policy lists no protocol. */
void tg_alpn_configure(SSL_CTX *ctx, const struct tg_policy *policy);

/* "h2, http/1.1"; "none" for an empty list. */
void tg_alpn_print(FILE *stream, struct tg_span list);

#endif
