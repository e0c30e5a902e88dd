/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy document: what the keeper publishes and the shim enforces, as plain structures, and its encoding.
 *
 * The loader fills a document and encodes it; the shim decodes it from a private copy. Sections are resolved by the
 * loader: a route is [server] or one [listener], with the policy of connections that name no known host, and the policies
 * of the host names that [sni] sections give it. The encoding holds private keys: the owner of the bytes must erase them
 * before freeing.
 *
 * Decoding checks every length, count, index and enumeration; a decoded document can be walked without further checks.
 * No function here keeps state; all are safe in any thread.
 */
#ifndef TG_IPC_POLICY_H
#define TG_IPC_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TG_DIGEST_SIZE 32 /* SHA-256 */
#define TG_NONE UINT32_MAX

/*
 * The names of CAs go into the handshake, each with two bytes for its length, and the message, or in TLS 1.3 all of its
 * extensions, may have 2^16-1 (RFC 5246 7.4.4, RFC 8446 4.2): of more than this none is sent.
 */
#define TG_CA_NAMES_MAX 64000
/* CAs of one name that nothing tells apart but a signature. */
#define TG_SAME_NAME_MAX 16

struct tg_span {
	const unsigned char *data;
	size_t size;
};

/* Numbers as in CONFIG.md for the three that have one. */
enum tg_mode {
	TG_MODE_OFF = 0,
	TG_MODE_SERVER = 1,
	TG_MODE_MUTUAL = 2,
	TG_MODE_OBSERVE = 3,
	TG_MODE_OPTIONAL = 4,
};

enum tg_crl_check { TG_CRL_NONE, TG_CRL_LEAF, TG_CRL_CHAIN };

/* One certificate that can be served: DER throughout, the key as PKCS#8 PrivateKeyInfo. */
struct tg_pair {
	struct tg_span leaf;
	struct tg_span *chain;
	size_t chain_count;
	struct tg_span key;
};

struct tg_credentials {
	struct tg_pair *pairs;
	size_t pair_count;
};

struct tg_trust {
	struct tg_span *cas; /* certificates, DER */
	size_t ca_count;
	struct tg_span *crls; /* DER */
	size_t crl_count;
	enum tg_crl_check crl_check;
	int verify_depth;
	int64_t crl_next_update; /* earliest nextUpdate of the CRLs, seconds since the epoch; 0: no CRL */
};

enum tg_rule_kind { TG_RULE_CN, TG_RULE_DNS, TG_RULE_URI, TG_RULE_EMAIL, TG_RULE_IP, TG_RULE_SHA256 };

/*
 * One allow rule. value: CN, DNS, URI and EMAIL as text without NUL (a wildcard is taken off: for URI the value is the
 * prefix up to and with the last "/", for DNS what follows "*."); IP 4 or 16 address bytes; SHA256 the 32 bytes.
 */
struct tg_rule {
	enum tg_rule_kind kind;
	bool wildcard;
	uint8_t prefix_length; /* IP only, bits */
	struct tg_span value;
};

/* Texts are NUL-terminated; NULL: the key was not given. */
struct tg_policy {
	char *section; /* "server", "listener api", "sni shop": under this name its handshakes are counted */
	enum tg_mode mode;
	bool override;
	uint32_t credentials; /* index, or TG_NONE (mode off) */
	uint32_t trust;       /* index, or TG_NONE */
	struct tg_rule *rules;
	size_t rule_count;
	uint16_t min_protocol; /* as on the wire: 0x0303 is TLS 1.2; 0: not given */
	uint16_t max_protocol;
	int security_level; /* -1: not given */
	char *ciphers;
	char *ciphersuites;
	char *groups;
	uint32_t max_session_age;             /* seconds; 0: not given */
	bool recheck;                         /* live connections are judged again by each new generation */
	unsigned char digest[TG_DIGEST_SIZE]; /* over mode, CAs, CRLs, depth and rules, never the served certificate */
	struct tg_span alpn;                  /* protocols to choose from, best first, as alpn.h has them; empty: none */
	bool alpn_required;                   /* clients that agree on none of them are refused; there are some */
};

struct tg_address {
	uint8_t family; /* 4, 6, or 0 for "*" (both) */
	bool any;       /* 0.0.0.0, [::] or * */
	uint16_t port;  /* host byte order */
	unsigned char bytes[16];
};

/* Where TLS is terminated for a plaintext server. */
enum tg_engine { TG_ENGINE_AUTO, TG_ENGINE_DIRECT, TG_ENGINE_RELAY };

/* The header that a plaintext server is sent. The short one does not hold the client's certificate. */
enum tg_proxy { TG_PROXY_OFF, TG_PROXY_V2, TG_PROXY_V2_SSL_CN };

/* What only listeners with `server_speaks = plaintext` have. */
struct tg_plaintext {
	bool terminated; /* the server speaks plaintext: TLS is terminated for it. The rest counts only then */
	bool accept;     /* accept_plaintext */
	enum tg_engine engine;
	uint32_t handshake_timeout; /* seconds */
	uint32_t wait_ms;           /* plaintext_wait: a client silent for so long is a plaintext one; 0: never */
	enum tg_proxy proxy_header;
};

/* A host name of an [sni] section, lower-case without a trailing dot; a wildcard without its "*." */
struct tg_name {
	char *text;
	bool wildcard;
	uint32_t policy;
};

struct tg_route {
	bool is_server; /* [server]: takes what no address below matches */
	struct tg_address *addresses;
	size_t address_count;
	uint32_t policy;
	struct tg_name *names;
	size_t name_count;
	struct tg_plaintext plaintext;
};

struct tg_document {
	int reload_signal; /* signal number; 0: none */
	bool children_keep;
	char **exes;
	size_t exe_count;
	struct tg_credentials *credentials;
	size_t credentials_count;
	struct tg_trust *trusts;
	size_t trust_count;
	struct tg_policy *policies;
	size_t policy_count;
	struct tg_route *routes;
	size_t route_count;
	void *arena; /* decoded documents: what tg_document_free releases */
};

/*
 * Encodes `document`. On success *ret_bytes is malloc'ed, *ret_size its length; the caller cleanses and frees it.
 * The same content gives the same bytes. Returns 0 or a negative errno (-ENOMEM, -E2BIG).
 */
int tg_document_encode(const struct tg_document *document, unsigned char **ret_bytes, size_t *ret_size);

/*
 * Decodes `size` bytes. The document points into `bytes` for spans and texts, which must outlive it, and owns only its
 * arrays. Returns 0, -EBADMSG for anything malformed (nothing is returned then), or -ENOMEM.
 */
int tg_document_decode(const unsigned char *bytes, size_t size, struct tg_document **ret);

/* Frees a decoded document's arrays, not the bytes it was decoded from. NULL is allowed. */
void tg_document_free(struct tg_document *document);

#endif
