/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on loading a server's own certificate, key and trust into its context. unused_files.h says when a failure is made
 * good.
 */
#include "shim/policy/unused_files.h"
#include "shim/process/state.h"

#include <errno.h>

TG_EXPORT int SSL_CTX_use_certificate_file(SSL_CTX *ssl_ctx, const char *file, int type)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	bool begun = tg_unused_begin(ssl_ctx, TG_UNUSED_CERTIFICATE);
	int result = o->SSL_CTX_use_certificate_file(ssl_ctx, file, type);

	return begun ? tg_unused_loaded(TG_UNUSED_CERTIFICATE, file, result, saved) : result;
}

TG_EXPORT int SSL_CTX_use_certificate_chain_file(SSL_CTX *ssl_ctx, const char *file)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	bool begun = tg_unused_begin(ssl_ctx, TG_UNUSED_CERTIFICATE);
	int result = o->SSL_CTX_use_certificate_chain_file(ssl_ctx, file);

	return begun ? tg_unused_loaded(TG_UNUSED_CERTIFICATE, file, result, saved) : result;
}

TG_EXPORT int SSL_CTX_use_PrivateKey_file(SSL_CTX *ssl_ctx, const char *file, int type)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	bool begun = tg_unused_begin(ssl_ctx, TG_UNUSED_KEY);
	int result = o->SSL_CTX_use_PrivateKey_file(ssl_ctx, file, type);

	return begun ? tg_unused_loaded(TG_UNUSED_KEY, file, result, saved) : result;
}

TG_EXPORT int SSL_CTX_check_private_key(const SSL_CTX *ssl_ctx)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	bool begun = tg_unused_begin(ssl_ctx, TG_UNUSED_PAIR);
	int result = o->SSL_CTX_check_private_key(ssl_ctx);

	return begun ? tg_unused_loaded(TG_UNUSED_PAIR, NULL, result, saved) : result;
}

TG_EXPORT int SSL_CTX_load_verify_locations(SSL_CTX *ssl_ctx, const char *file, const char *folder)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	/* Without a name its failure is an answer: some go on to the default places then. */
	bool begun = (file != NULL || folder != NULL) && tg_unused_begin(ssl_ctx, TG_UNUSED_TRUST);
	int result = o->SSL_CTX_load_verify_locations(ssl_ctx, file, folder);

	return begun ? tg_unused_loaded(TG_UNUSED_TRUST, file == NULL ? folder : file, result, saved) : result;
}

TG_EXPORT int SSL_CTX_load_verify_file(SSL_CTX *ssl_ctx, const char *file)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	bool begun = tg_unused_begin(ssl_ctx, TG_UNUSED_TRUST);
	int result = o->SSL_CTX_load_verify_file(ssl_ctx, file);

	return begun ? tg_unused_loaded(TG_UNUSED_TRUST, file, result, saved) : result;
}

TG_EXPORT int SSL_CTX_load_verify_dir(SSL_CTX *ssl_ctx, const char *folder)
{
	const struct tg_openssl *o = tg_openssl();
	int saved = errno;
	bool begun = tg_unused_begin(ssl_ctx, TG_UNUSED_TRUST);
	int result = o->SSL_CTX_load_verify_dir(ssl_ctx, folder);

	return begun ? tg_unused_loaded(TG_UNUSED_TRUST, folder, result, saved) : result;
}

/* Apache starts no TLS host whose context has none. */
TG_EXPORT X509 *SSL_CTX_get0_certificate(const SSL_CTX *ssl_ctx)
{
	X509 *own = tg_openssl()->SSL_CTX_get0_certificate(ssl_ctx);

	return own == NULL ? tg_unused_shown(ssl_ctx) : own;
}
