/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one TLS handshake in memory between a server and a client context. Uses no network, never blocks, and ends after a
 * bounded number of steps.
 */
#ifndef TG_LOADER_HANDSHAKE_H
#define TG_LOADER_HANDSHAKE_H

#include <openssl/ssl.h>

#include <stdbool.h>

#define TG_HANDSHAKE_REASON 160

enum tg_handshake_extent {
	TG_HANDSHAKE_WHOLE,
	TG_HANDSHAKE_CHOICE, /* until the server has chosen certificate, cipher suite and signature, before it signs */
};

/* Prepares a server context for TG_HANDSHAKE_CHOICE. */
void tg_handshake_prepare(SSL_CTX *server);

/* False, with the reason, if the handshake fails. May leave errors in OpenSSL's queue. */
bool tg_handshake_try(SSL_CTX *server, SSL_CTX *client, enum tg_handshake_extent extent,
		      char ret_reason[static TG_HANDSHAKE_REASON]);

#endif
