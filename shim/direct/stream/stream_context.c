/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one SSL_CTX of a process in which the shim terminates TLS. The callbacks of tg_context_adopt apply the policy to each
 * connection; here is only what is the same for all of them.
 */
#include "shim/direct/stream/stream_inside.h"
#include "shim/policy/alpn.h"
#include "shim/policy/context.h"
#include "shim/process/log.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdatomic.h>

static _Atomic(SSL_CTX *) made;
static _Atomic(BIO_METHOD *) bio_method;
static _Thread_local bool is_preparing __attribute__((tls_model("initial-exec")));

SSL_CTX *tg_stream_context(void)
{
	return atomic_load_explicit(&made, memory_order_acquire);
}

const BIO_METHOD *tg_stream_bio(void)
{
	return atomic_load_explicit(&bio_method, memory_order_acquire);
}

/* Ticket keys belong to the context. It is made before a fork, so that children share them. */
static bool set_up(const struct tg_openssl *o, SSL_CTX *ssl_ctx)
{
	static const unsigned char session_context[] = "tlsgraft stream";

	o->SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
	o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_MODE,
			SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
			NULL);
	o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
	o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
	o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_SET_DH_AUTO, 1, NULL);
	return o->SSL_CTX_set_session_id_context(ssl_ctx, session_context, sizeof(session_context) - 1) == 1;
}

static void over(void)
{
	atomic_store_explicit(&made, NULL, memory_order_release);
	tg_stream_end_all();
}

static SSL_CTX *make(const struct tg_openssl *o)
{
	BIO_METHOD *method = NULL, *fresh = tg_stream_bio() == NULL ? tg_stream_bio_method(o) : NULL;

	/* Two threads may get here at once; the second method stays unused. */
	if (fresh != NULL)
		atomic_compare_exchange_strong(&bio_method, &method, fresh);
	SSL_CTX *ssl_ctx = tg_stream_bio() == NULL ? NULL : o->SSL_CTX_new(o->TLS_server_method());
	if (ssl_ctx != NULL && set_up(o, ssl_ctx) && tg_context_adopt(ssl_ctx) && o->OPENSSL_atexit(over) == 1) {
		tg_alpn_serve(ssl_ctx);
		return ssl_ctx;
	}
	o->SSL_CTX_free(ssl_ctx);
	return NULL;
}

bool tg_stream_is_preparing(void)
{
	return is_preparing;
}

bool tg_stream_prepare(void)
{
	int saved = errno;

	if (tg_stream_context() != NULL)
		return true;
	const struct tg_openssl *o = tg_openssl_open();
	if (tg_stream_context() == NULL && o->supported && tg_shim_is(TG_STATE_GOVERNED)) {
		o->ERR_set_mark();
		is_preparing = true;
		SSL_CTX *mine = make(o), *none = NULL;
		/* Without a lock, because libssl is called, which may call the server. Another thread may have been first.
		 */
		if (mine != NULL && !atomic_compare_exchange_strong(&made, &none, mine))
			o->SSL_CTX_free(mine);
		is_preparing = false;
		o->ERR_pop_to_mark();
	}
	bool done = tg_stream_context() != NULL;
	if (!done && !o->supported) {
		static atomic_bool said;
		if (!atomic_exchange(&said, true))
			tg_shim_log("%s: no TLS can be spoken for this server", o->unsupported_why);
	}
	errno = saved;
	return done;
}
