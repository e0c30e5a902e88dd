/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TLS handshake in memory, between a server and a client of ours. No network, no waiting, bounded.
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

/* Readies a server context for TG_HANDSHAKE_CHOICE. */
void tg_handshake_prepare(SSL_CTX *server);

/* False, and why, where the two did not come to terms. Leaves errors in the queue. */
bool tg_handshake_try(SSL_CTX *server, SSL_CTX *client, enum tg_handshake_extent extent,
		      char ret_reason[static TG_HANDSHAKE_REASON]);

#endif
