/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header that tells a server behind a proxy who its client is: PROXY protocol, version 2 (HAProxy's
 * doc/proxy-protocol.txt, section 2.2). Pure: bytes from facts.
 */
#ifndef TG_SHIM_DIRECT_STREAM_PROXY_HEADER_H
#define TG_SHIM_DIRECT_STREAM_PROXY_HEADER_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_proxy_tls {
	bool has_certificate;       /* the client has shown one in this session */
	bool in_connection;         /* and in this connection: the session is not a resumed one */
	uint32_t verify;            /* 0: a certificate that was verified */
	const char *version;        /* "TLSv1.3" */
	const char *cipher;         /* OpenSSL's name */
	struct tg_span name;        /* the certificate's common name, UTF-8; empty: none, or several */
	const char *authority;      /* the host that the client asked for; NULL: none */
	struct tg_span protocol;    /* that was agreed on by ALPN; empty: none */
	const char *group;          /* of the key exchange, TLS's name ("secp256r1"); NULL: not known */
	const char *scheme;         /* by which the server signed, TLS's name; NULL: it has not signed in this connection */
	struct tg_span certificate; /* the client's, DER; empty: none, or it is not wanted */
};

struct tg_proxy_facts {
	bool has_addresses; /* both; of one family */
	struct tg_address peer, local;
	const struct tg_proxy_tls *tls; /* NULL: a plaintext client */
};

#define TG_PROXY_HEADER_SIZE 2048 /* the longest but for the certificate; names that do not fit are left out */

/*
 * All of the header but the bytes of the certificate, which belong right behind it. Returns the size; 0: with the
 * certificate the header would be longer than the 65,535 bytes that its length can say.
 */
size_t tg_proxy_header(const struct tg_proxy_facts *facts, unsigned char ret[TG_PROXY_HEADER_SIZE]);

#endif
