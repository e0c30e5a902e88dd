/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process without libssl gets one, and gets it whole: what the program exports under the same names is neither called by
 * it nor by the shim. Linked with -rdynamic, and with no OpenSSL.
 */
#include "decoys.h"

#include "shim/binding/openssl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <string.h>

static unsigned char written[2000];
static size_t written_size;

static int swallow(BIO *bio, const char *data, size_t size, size_t *done)
{
	(void)bio;
	assert_true(size <= sizeof(written) - written_size);
	memcpy(written + written_size, data, size);
	written_size += size;
	*done = size;
	return 1;
}

static int give_nothing(BIO *bio, char *data, size_t size, size_t *done)
{
	(void)data, (void)size;
	*done = 0;
	tg_openssl()->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
	return 0;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* As far as a ClientHello: keys, random numbers, digests, stacks, locks. */
static void use(const struct tg_openssl *o)
{
	SSL_CTX *ssl_ctx = o->SSL_CTX_new(o->TLS_client_method());
	BIO_METHOD *method = o->BIO_meth_new(o->BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "test");

	assert_non_null(ssl_ctx);
	o->BIO_meth_set_read_ex(method, give_nothing);
	o->BIO_meth_set_write_ex(method, swallow);
	o->BIO_meth_set_ctrl(method, control);
	SSL *ssl = o->SSL_new(ssl_ctx);
	BIO *bio = o->BIO_new(method);
	o->BIO_set_init(bio, 1);
	o->SSL_set_bio(ssl, bio, bio);
	o->SSL_set_connect_state(ssl);
	assert_int_equal(o->SSL_do_handshake(ssl), -1);
	assert_int_equal(o->SSL_get_error(ssl, -1), SSL_ERROR_WANT_READ);
	assert_int_equal(written[0], 22);
	o->SSL_free(ssl);
	o->SSL_CTX_free(ssl_ctx);
}

/* A first look before there is one changes nothing. */
static void is_opened_whole(void **state)
{
	(void)state;

	assert_null(dlopen("libssl.so.3", RTLD_NOLOAD | RTLD_LAZY));
	assert_false(tg_openssl()->supported);
	assert_string_equal(tg_openssl()->unsupported_why, "no libssl in this process");
	const struct tg_openssl *o = tg_openssl_open();
	assert_true(o->supported);
	assert_ptr_equal(tg_openssl(), o);
	assert_null(tg_openssl_unusable());
	use(o);
	if (decoy_calls != 0)
		fail_msg("the program's own %s was called", decoy_last);
}

/* What the server loads later is the same object. */
static void later_is_the_same(void **state)
{
	(void)state;

	void *handle = dlopen("libssl.so.3", RTLD_NOW | RTLD_GLOBAL);
	assert_non_null(handle);
	void *found = dlsym(handle, "SSL_CTX_new");
	assert_memory_equal(&found, &tg_openssl()->SSL_CTX_new, sizeof(found));
	assert_null(tg_openssl_unusable());
	assert_ptr_equal(tg_openssl_open(), tg_openssl());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_opened_whole),
	    cmocka_unit_test(later_is_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
