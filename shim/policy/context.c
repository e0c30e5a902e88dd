/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/context.h"

#include "shim/policy/enforce.h"
#include "shim/policy/generation.h"
#include "shim/policy/protocol_limits.h"
#include "shim/process/log.h"
#include "shim/process/signals.h"
#include "shim/process/state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "tlsgraft"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)

static struct tg_table contexts = TG_TABLE_INITIALIZER(struct tg_context, CONTEXT);
static pthread_once_t freed_once = PTHREAD_ONCE_INIT;

static void context_freed(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)value, (void)data, (void)index, (void)argl, (void)argp;
	struct tg_context *context = tg_table_take(&contexts, parent);

	if (context == NULL)
		return;
	tg_openssl()->X509_free(context->shown);
	free(context);
}

static void ask_for_frees(void)
{
	tg_openssl()->CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, context_freed);
}

void tg_context_set_prefix(unsigned char digest[TG_DIGEST_SIZE])
{
	memcpy(digest, PREFIX, PREFIX_SIZE);
}

bool tg_context_has_prefix(const unsigned char *bytes, size_t length)
{
	return length == TG_DIGEST_SIZE && memcmp(bytes, PREFIX, PREFIX_SIZE) == 0;
}

struct tg_context *tg_context_find(const SSL_CTX *ssl_ctx)
{
	return tg_table_find(&contexts, ssl_ctx);
}

/* A libssl that is not supported may lack some: what is not known to be a client can serve. */
static bool is_of(const SSL_METHOD *method, const SSL_METHOD *(*client)(void))
{
	return client != NULL && client() == method;
}

bool tg_context_can_serve(const SSL_CTX *ssl_ctx)
{
	const struct tg_openssl *o = tg_openssl();
	const SSL_METHOD *method = o->SSL_CTX_get_ssl_method == NULL ? NULL : o->SSL_CTX_get_ssl_method(ssl_ctx);

	return !is_of(method, o->TLS_client_method) && !is_of(method, o->TLSv1_2_client_method) &&
	       !is_of(method, o->TLSv1_1_client_method) && !is_of(method, o->TLSv1_client_method) &&
	       !is_of(method, o->DTLS_client_method) && !is_of(method, o->DTLSv1_2_client_method);
}

bool tg_context_adopt(SSL_CTX *ssl_ctx)
{
	const struct tg_openssl *o = tg_openssl();

	const char *why = tg_openssl_unusable();
	if (why != NULL) {
		static atomic_bool said;
		if (!atomic_exchange(&said, true))
			tg_shim_log("%s: no TLS context is made", why);
		return false;
	}
	if (!tg_context_can_serve(ssl_ctx))
		return true;
	pthread_once(&freed_once, ask_for_frees);
	struct tg_context *context = tg_table_get(&contexts, ssl_ctx);
	if (context == NULL)
		return false;
	/* What is there may be of an older context that went without its free callback: this one is new. */
	*context = (struct tg_context){.entry = context->entry};
	tg_protocol_limits_learn(ssl_ctx);
	o->SSL_CTX_set_client_hello_cb(ssl_ctx, tg_enforce_client_hello, NULL);
	o->SSL_CTX_set_cert_cb(ssl_ctx, tg_enforce_certificate, NULL);
	o->SSL_CTX_set_cert_verify_callback(ssl_ctx, tg_enforce_verify, NULL);
	tg_shim_note_serving();
	if (tg_shim_state() == TG_STATE_GOVERNED) {
		tg_signals_serve();
		tg_generation_prepare();
	}
	return true;
}

void tg_context_lock(void)
{
	tg_table_lock_all(&contexts);
}

void tg_context_unlock(void)
{
	tg_table_unlock_all(&contexts);
}
