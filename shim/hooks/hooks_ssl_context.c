/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on SSL_CTX: creation, and the callback places that the shim took. Small on purpose: context.h decides.
 */
#include "shim/connections/accepted.h"
#include "shim/direct/stream/stream.h"
#include "shim/policy/context.h"
#include "shim/policy/generation.h"
#include "shim/process/state.h"

#include <string.h>

/* Takes what is to be governed. False: the process must not serve with it. */
static bool may_have(SSL_CTX *ssl_ctx)
{
	if (tg_shim_is(TG_STATE_LATENT)) {
		if (!tg_context_can_serve(ssl_ctx))
			return true;
		tg_shim_serve();
		/* Only a context that is made from inside the decision, by an allocator say, still finds it open. */
		if (tg_shim_is(TG_STATE_LATENT))
			return false;
	}
	return tg_shim_is(TG_STATE_INERT) || tg_context_adopt(ssl_ctx);
}

static SSL_CTX *adopted(const struct tg_openssl *o, SSL_CTX *ssl_ctx)
{
	/* Real functions call hooks: a context of ours comes by here, too. */
	if (ssl_ctx != NULL && !tg_stream_is_preparing())
		tg_accepted_serves();
	if (ssl_ctx == NULL || may_have(ssl_ctx))
		return ssl_ctx;
	o->SSL_CTX_free(ssl_ctx);
	return NULL;
}

TG_EXPORT SSL_CTX *SSL_CTX_new(const SSL_METHOD *method)
{
	tg_shim_start();
	const struct tg_openssl *o = tg_openssl();
	return adopted(o, o->SSL_CTX_new(method));
}

TG_EXPORT SSL_CTX *SSL_CTX_new_ex(OSSL_LIB_CTX *library, const char *properties, const SSL_METHOD *method)
{
	tg_shim_start();
	const struct tg_openssl *o = tg_openssl();
	return adopted(o, o->SSL_CTX_new_ex(library, properties, method));
}

/* A client's context may become a server's. */
TG_EXPORT int SSL_CTX_set_ssl_version(SSL_CTX *ssl_ctx, const SSL_METHOD *method)
{
	int result = tg_openssl()->SSL_CTX_set_ssl_version(ssl_ctx, method);

	if (result != 1 || tg_context_find(ssl_ctx) != NULL)
		return result;
	return may_have(ssl_ctx) ? result : 0;
}

TG_EXPORT void SSL_CTX_set_client_hello_cb(SSL_CTX *ssl_ctx, SSL_client_hello_cb_fn callback, void *arg)
{
	struct tg_context *context = tg_context_find(ssl_ctx);

	if (context == NULL) {
		tg_openssl()->SSL_CTX_set_client_hello_cb(ssl_ctx, callback, arg);
		return;
	}
	context->client_hello = callback;
	context->client_hello_arg = arg;
}

TG_EXPORT void SSL_CTX_set_cert_cb(SSL_CTX *ssl_ctx, int (*callback)(SSL *, void *), void *arg)
{
	struct tg_context *context = tg_context_find(ssl_ctx);

	if (context == NULL) {
		tg_openssl()->SSL_CTX_set_cert_cb(ssl_ctx, callback, arg);
		return;
	}
	context->certificate = callback;
	context->certificate_arg = arg;
}

TG_EXPORT void SSL_CTX_set_cert_verify_callback(SSL_CTX *ssl_ctx, int (*callback)(X509_STORE_CTX *, void *), void *arg)
{
	struct tg_context *context = tg_context_find(ssl_ctx);

	if (context == NULL) {
		tg_openssl()->SSL_CTX_set_cert_verify_callback(ssl_ctx, callback, arg);
		return;
	}
	context->verify_chain = callback;
	context->verify_chain_arg = arg;
}

/* A server never has one of ours for its own: from a session, it can only have taken it to bring that session elsewhere. */
TG_EXPORT int SSL_CTX_set_session_id_context(SSL_CTX *ssl_ctx, const unsigned char *bytes, unsigned length)
{
	if (tg_shim_is(TG_STATE_GOVERNED) && tg_context_has_prefix(bytes, length))
		return 1;
	int result = tg_openssl()->SSL_CTX_set_session_id_context(ssl_ctx, bytes, length);
	struct tg_context *context = tg_context_find(ssl_ctx);

	if (result == 1 && context != NULL) {
		if (length > 0)
			memcpy(context->session_context.bytes, bytes, length);
		context->session_context.length = length;
	}
	return result;
}
