/*
 * The header that tells a server behind a proxy who its client is: PROXY protocol, version 2 (HAProxy's
 * doc/proxy-protocol.txt, section 2.2). Pure: bytes from facts.
 */
#ifndef TG_SHIM_DIRECT_PROXY_HEADER_H
#define TG_SHIM_DIRECT_PROXY_HEADER_H

#include "page/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_proxy_tls {
	bool has_certificate;  /* the client has shown one in this session */
	bool in_connection;    /* and in this connection: the session is not a resumed one */
	uint32_t verify;       /* 0: a certificate that was verified */
	const char *version;   /* "TLSv1.3" */
	const char *cipher;    /* OpenSSL's name */
	struct tg_span name;   /* the certificate's common name, UTF-8; empty: none, or several */
	const char *authority; /* the host that the client asked for; NULL: none */
};

struct tg_proxy_facts {
	bool has_addresses; /* both; of one family */
	struct tg_address peer, local;
	const struct tg_proxy_tls *tls; /* NULL: a plaintext client */
};

#define TG_PROXY_HEADER_SIZE 1024 /* the longest; names that do not fit are left out */

/* Returns the size. */
size_t tg_proxy_header(const struct tg_proxy_facts *facts, unsigned char ret[TG_PROXY_HEADER_SIZE]);

#endif
