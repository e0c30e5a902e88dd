/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server itself set on an SSL_CTX, because the shim's callbacks took the places of the server's and call them.
 * Only server-capable contexts have an entry; an SSL_CTX without one was never changed.
 */
#ifndef TG_SHIM_POLICY_CONTEXT_H
#define TG_SHIM_POLICY_CONTEXT_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"
#include "shim/policy/table.h"

typedef int (*tg_verify_chain_fn)(X509_STORE_CTX *, void *);

struct tg_session_context {
	unsigned char bytes[SSL_MAX_SID_CTX_LENGTH];
	unsigned length;
};

struct tg_context {
	struct tg_entry entry;
	SSL_client_hello_cb_fn client_hello;
	void *client_hello_arg;
	int (*certificate)(SSL *, void *);
	void *certificate_arg;
	tg_verify_chain_fn verify_chain;
	void *verify_chain_arg;
	struct tg_session_context session_context;
	bool chooses_alpn; /* the shim's own, by which TLS is terminated for a plaintext server (alpn.h) */
	X509 *shown;       /* what a server without a certificate sees as its own (unused_files.h); a reference, or NULL */
};

/*
 * Every session id context that the shim makes begins with the same eight bytes. So it is recognised wherever it turns up,
 * for example in a session from the server's own cache. The remaining 24 bytes are digest enough.
 */
void tg_context_set_prefix(unsigned char digest[TG_DIGEST_SIZE]);
bool tg_context_has_prefix(const unsigned char *bytes, size_t length);

/* NULL: no entry, the context was never changed. */
struct tg_context *tg_context_find(const SSL_CTX *ssl_ctx);

/* False for a context with a client method. Binds libssl. */
bool tg_context_can_serve(const SSL_CTX *ssl_ctx);

/*
 * Installs the three callbacks of enforce.h in a context that was just created, if it can serve. Idempotent, because
 * SSL_CTX_new calls SSL_CTX_new_ex through our hook. False: the process must not serve with it, and the caller frees it.
 */
bool tg_context_adopt(SSL_CTX *ssl_ctx);

/* For the fork handlers (shim/fork.c). */
void tg_context_lock(void);
void tg_context_unlock(void);

#endif
