/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BIO_f_ssl(3) reads and writes through libssl's inside, past SSL_read and SSL_write: its methods get the same guard, in a
 * copy of the method table.
 */
#include "shim/policy/enforce.h"
#include "shim/policy/ready.h"
#include "shim/process/state.h"

#include <pthread.h>
#include <string.h>

static const BIO_METHOD *original;
static BIO_METHOD *guarded; /* NULL: could not be made; no such BIO is handed out then */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static SSL *ssl_of(const struct tg_openssl *o, BIO *bio)
{
	SSL *ssl = NULL;

	o->BIO_ctrl(bio, BIO_C_GET_SSL, 0, &ssl);
	return ssl;
}

/* What the original would have told its caller of an unfinished handshake (BIO_should_retry(3)). */
static void tell_retry(const struct tg_openssl *o, BIO *bio, const SSL *ssl, int result)
{
	o->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	switch (o->SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		o->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
		break;
	case SSL_ERROR_WANT_WRITE:
		o->BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
		break;
	case SSL_ERROR_WANT_X509_LOOKUP:
	case SSL_ERROR_WANT_CLIENT_HELLO_CB:
		o->BIO_set_flags(bio, BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY);
		o->BIO_set_retry_reason(bio, BIO_RR_SSL_X509_LOOKUP);
		break;
	default:
		break;
	}
}

static bool may_go(const struct tg_openssl *o, BIO *bio)
{
	SSL *ssl = ssl_of(o, bio);
	int go = ssl == NULL ? 1 : tg_ready(o, ssl);

	if (go != 1)
		tell_retry(o, bio, ssl, go);
	return go == 1;
}

static int guarded_read(BIO *bio, char *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();

	if (!may_go(o, bio))
		return 0;
	int result = o->BIO_meth_get_read_ex(original)(bio, data, size, done);
	SSL *ssl = result == 1 ? ssl_of(o, bio) : NULL;
	if (ssl == NULL || tg_ready_still(o, ssl))
		return result;
	explicit_bzero(data, *done);
	*done = 0;
	return 0;
}

static int guarded_write(BIO *bio, const char *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();

	return may_go(o, bio) ? o->BIO_meth_get_write_ex(original)(bio, data, size, done) : 0;
}

/* BIO_do_handshake(3) finishes a handshake too. */
static long guarded_control(BIO *bio, int command, long number, void *pointer)
{
	const struct tg_openssl *o = tg_openssl();

	if (command == BIO_C_DO_STATE_MACHINE && !may_go(o, bio))
		return -1;
	return o->BIO_meth_get_ctrl(original)(bio, command, number, pointer);
}

static void make(void)
{
	const struct tg_openssl *o = tg_openssl();

	original = o->BIO_f_ssl();
	BIO_METHOD *copy = o->BIO_meth_new(BIO_TYPE_SSL, "ssl");
	if (copy == NULL)
		return;
	o->BIO_meth_set_read_ex(copy, guarded_read);
	o->BIO_meth_set_write_ex(copy, guarded_write);
	o->BIO_meth_set_puts(copy, o->BIO_meth_get_puts(original));
	o->BIO_meth_set_gets(copy, o->BIO_meth_get_gets(original));
	o->BIO_meth_set_ctrl(copy, guarded_control);
	o->BIO_meth_set_create(copy, o->BIO_meth_get_create(original));
	o->BIO_meth_set_destroy(copy, o->BIO_meth_get_destroy(original));
	o->BIO_meth_set_callback_ctrl(copy, o->BIO_meth_get_callback_ctrl(original));
	guarded = copy;
}

TG_EXPORT const BIO_METHOD *BIO_f_ssl(void)
{
	const struct tg_openssl *o = tg_openssl();

	tg_shim_start();
	if (tg_shim_state() == TG_STATE_INERT || !o->supported)
		return o->BIO_f_ssl();
	pthread_once(&once, make);
	return guarded;
}

/* A libssl that calls itself directly would use its own methods. */
TG_EXPORT BIO *BIO_new_ssl(SSL_CTX *ssl_ctx, int client)
{
	const struct tg_openssl *o = tg_openssl();

	tg_shim_start();
	if (tg_shim_is(TG_STATE_INERT) || !o->supported)
		return o->BIO_new_ssl(ssl_ctx, client);
	const BIO_METHOD *method = BIO_f_ssl();
	BIO *bio = method == NULL ? NULL : o->BIO_new(method);
	SSL *ssl = bio == NULL ? NULL : SSL_new(ssl_ctx);
	if (ssl == NULL) {
		o->BIO_free(bio);
		return NULL;
	}
	if (client != 0)
		o->SSL_set_connect_state(ssl);
	else
		o->SSL_set_accept_state(ssl);
	o->BIO_ctrl(bio, BIO_C_SET_SSL, BIO_CLOSE, ssl);
	return bio;
}
