/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol names of `alpn` and `alpn_required`: from the file to the list that handshakes choose from, and back to words.
 */
#ifndef TG_LOADER_ALPN_H
#define TG_LOADER_ALPN_H

#include "loader/load.h"
#include "loader/protocol.h"

#include <openssl/ssl.h>

#include <stdio.h>

/* `length` bytes of `text` as one protocol name. NULL, or why it is none. */
const char *tg_alpn_parse(const char *text, size_t length);

/* What was meant by a name that no client is known to offer; NULL: it may be right. */
const char *tg_alpn_meant(const char *name);

/* Adds what `effective` says of ALPN to the policy. A fault for alpn_required without a protocol. */
void tg_alpn_resolve(struct tg_load *load, const struct tg_effective *effective, struct tg_policy *policy);

/* A fault for each such key of `sni` where this route's server speaks TLS itself. `listener`: the route's; NULL: [server].
 */
void tg_alpn_check_sni(struct tg_load *load, const struct tg_section *sni, const struct tg_section *listener);

/* On an SSL_CTX of a server's own; the policy outlives it. Nothing where the policy lists no protocol. */
void tg_alpn_configure(SSL_CTX *ctx, const struct tg_policy *policy);

/* "h2, http/1.1"; "none" for an empty list. */
void tg_alpn_print(FILE *stream, struct tg_span list);

#endif
