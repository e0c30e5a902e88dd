/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on what a server may set on an SSL during a handshake. blocked_calls.h says when such a call is blocked.
 */
#include "shim/policy/blocked_calls.h"
#include "shim/policy/connection.h"
#include "shim/policy/enforce.h"
#include "shim/process/state.h"

#include <string.h>

/*
 * The switch to another context (SNI) replaces certificate, verification and certificate callback on the SSL. Before our
 * certificate callback it may: that puts ours back. After it (say, from the ALPN callback) it is blocked: libssl has chosen
 * its certificate by then, in TLS 1.2 as a pointer into what the switch would free.
 */
TG_EXPORT SSL_CTX *SSL_set_SSL_CTX(SSL *ssl, SSL_CTX *ssl_ctx)
{
	struct tg_connection *connection = tg_shim_state() == TG_STATE_INERT ? NULL : tg_connection_find(ssl);

	if (tg_call_is_blocked(ssl, TG_WAY_SSL_set_SSL_CTX))
		return ssl_ctx;
	SSL_CTX *result = tg_openssl()->SSL_set_SSL_CTX(ssl, ssl_ctx);
	if (connection != NULL && result != NULL) {
		connection->has_own_certificate = false; /* gone with the rest, as without the shim */
		tg_enforce_switched(connection, ssl);
	}
	return result;
}

TG_EXPORT SSL *SSL_new(SSL_CTX *ssl_ctx)
{
	SSL *ssl = tg_openssl()->SSL_new(ssl_ctx);

	if (ssl != NULL && tg_shim_state() != TG_STATE_INERT)
		tg_connection_forget(ssl);
	return ssl;
}

TG_EXPORT SSL *SSL_dup(SSL *ssl)
{
	SSL *copy = tg_openssl()->SSL_dup(ssl);

	if (copy == NULL || copy == ssl || tg_shim_state() == TG_STATE_INERT || tg_connection_copy(ssl, copy))
		return copy;
	tg_openssl()->SSL_free(copy);
	return NULL;
}

TG_EXPORT void SSL_set_cert_cb(SSL *ssl, int (*callback)(SSL *, void *), void *arg)
{
	const struct tg_openssl *o = tg_openssl();
	bool ours = tg_shim_state() != TG_STATE_INERT && tg_context_find(o->SSL_get_SSL_CTX(ssl)) != NULL;
	struct tg_connection *connection = ours ? tg_connection_get(ssl) : NULL;

	if (!ours)
		o->SSL_set_cert_cb(ssl, callback, arg);
	if (connection == NULL) /* without memory ours stays in its place, and the server's is not called */
		return;
	connection->has_own_certificate = true;
	connection->own_certificate = callback;
	connection->own_certificate_arg = arg;
}

/*
 * The server's own context is part of ours: sessions that it would keep apart stay apart. One of ours comes back here by
 * SSL_copy_session_id(3) and SSL_dup(3): the next ClientHello gives this SSL its own.
 */
TG_EXPORT int SSL_set_session_id_context(SSL *ssl, const unsigned char *bytes, unsigned length)
{
	const struct tg_openssl *o = tg_openssl();
	if (tg_shim_is(TG_STATE_GOVERNED) && tg_context_has_prefix(bytes, length))
		return 1;
	bool ours = tg_shim_state() == TG_STATE_GOVERNED && tg_context_find(o->SSL_get_SSL_CTX(ssl)) != NULL;
	struct tg_connection *connection = ours ? tg_connection_get(ssl) : NULL;

	if (ours && connection == NULL)
		return 0;
	if (connection == NULL || length > SSL_MAX_SID_CTX_LENGTH)
		return o->SSL_set_session_id_context(ssl, bytes, length);
	connection->has_own_session_context = true;
	if (length > 0)
		memcpy(connection->own_session_context.bytes, bytes, length);
	connection->own_session_context.length = length;
	if (tg_enforce_session_context_is_ours(connection))
		return tg_enforce_session_context(connection, ssl) ? 1 : 0;
	return o->SSL_set_session_id_context(ssl, bytes, length);
}

TG_EXPORT void SSL_set_verify(SSL *ssl, int mode, SSL_verify_cb callback)
{
	if (!tg_call_is_blocked(ssl, TG_WAY_SSL_set_verify))
		tg_openssl()->SSL_set_verify(ssl, mode, callback);
}

TG_EXPORT void SSL_set_client_CA_list(SSL *ssl, STACK_OF(X509_NAME) * names)
{
	const struct tg_openssl *o = tg_openssl();

	if (tg_call_is_blocked(ssl, TG_WAY_SSL_set_client_CA_list))
		o->OPENSSL_sk_pop_free((OPENSSL_STACK *)names, (OPENSSL_sk_freefunc)(void *)o->X509_NAME_free);
	else
		o->SSL_set_client_CA_list(ssl, names);
}

TG_EXPORT int SSL_add_client_CA(SSL *ssl, X509 *certificate)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_add_client_CA) ? 1 : tg_openssl()->SSL_add_client_CA(ssl, certificate);
}

TG_EXPORT int SSL_use_certificate(SSL *ssl, X509 *certificate)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_certificate) ? 1
								   : tg_openssl()->SSL_use_certificate(ssl, certificate);
}

TG_EXPORT int SSL_use_certificate_ASN1(SSL *ssl, const unsigned char *der, int size)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_certificate_ASN1)
		   ? 1
		   : tg_openssl()->SSL_use_certificate_ASN1(ssl, der, size);
}

TG_EXPORT int SSL_use_certificate_file(SSL *ssl, const char *file, int type)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_certificate_file)
		   ? 1
		   : tg_openssl()->SSL_use_certificate_file(ssl, file, type);
}

TG_EXPORT int SSL_use_certificate_chain_file(SSL *ssl, const char *file)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_certificate_chain_file)
		   ? 1
		   : tg_openssl()->SSL_use_certificate_chain_file(ssl, file);
}

TG_EXPORT int SSL_use_PrivateKey(SSL *ssl, EVP_PKEY *key)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_PrivateKey) ? 1 : tg_openssl()->SSL_use_PrivateKey(ssl, key);
}

TG_EXPORT int SSL_use_PrivateKey_ASN1(int type, SSL *ssl, const unsigned char *der, long size)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_PrivateKey_ASN1)
		   ? 1
		   : tg_openssl()->SSL_use_PrivateKey_ASN1(type, ssl, der, size);
}

TG_EXPORT int SSL_use_PrivateKey_file(SSL *ssl, const char *file, int type)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_PrivateKey_file)
		   ? 1
		   : tg_openssl()->SSL_use_PrivateKey_file(ssl, file, type);
}

TG_EXPORT int SSL_use_RSAPrivateKey(SSL *ssl, RSA *key)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_RSAPrivateKey) ? 1 : tg_openssl()->SSL_use_RSAPrivateKey(ssl, key);
}

TG_EXPORT int SSL_use_RSAPrivateKey_ASN1(SSL *ssl, const unsigned char *der, long size)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_RSAPrivateKey_ASN1)
		   ? 1
		   : tg_openssl()->SSL_use_RSAPrivateKey_ASN1(ssl, der, size);
}

TG_EXPORT int SSL_use_RSAPrivateKey_file(SSL *ssl, const char *file, int type)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_RSAPrivateKey_file)
		   ? 1
		   : tg_openssl()->SSL_use_RSAPrivateKey_file(ssl, file, type);
}

TG_EXPORT int SSL_use_cert_and_key(SSL *ssl, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain, int override)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_use_cert_and_key)
		   ? 1
		   : tg_openssl()->SSL_use_cert_and_key(ssl, leaf, key, chain, override);
}

/* A blocked chain is handed over by its caller: it is released as libssl would have done in its time. */
TG_EXPORT long SSL_ctrl(SSL *ssl, int command, long number, void *pointer)
{
	const struct tg_openssl *o = tg_openssl();

	if (!tg_control_is_blocked(ssl, command))
		return o->SSL_ctrl(ssl, command, number, pointer);
	if (command == SSL_CTRL_CHAIN && number == 0)
		o->OPENSSL_sk_pop_free(pointer, (OPENSSL_sk_freefunc)(void *)o->X509_free);
	else if (command == SSL_CTRL_CHAIN_CERT && number == 0)
		o->X509_free(pointer);
	return 1;
}

TG_EXPORT uint64_t SSL_clear_options(SSL *ssl, uint64_t options)
{
	if (tg_call_is_blocked(ssl, TG_WAY_SSL_OP_NO_RENEGOTIATION))
		options &= ~(uint64_t)SSL_OP_NO_RENEGOTIATION;
	return tg_openssl()->SSL_clear_options(ssl, options);
}

TG_EXPORT int SSL_set_cipher_list(SSL *ssl, const char *list)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_set_cipher_list) ? 1 : tg_openssl()->SSL_set_cipher_list(ssl, list);
}

TG_EXPORT int SSL_set_ciphersuites(SSL *ssl, const char *list)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_set_ciphersuites) ? 1 : tg_openssl()->SSL_set_ciphersuites(ssl, list);
}

TG_EXPORT void SSL_set_security_level(SSL *ssl, int level)
{
	if (!tg_call_is_blocked(ssl, TG_WAY_SSL_set_security_level))
		tg_openssl()->SSL_set_security_level(ssl, level);
}

TG_EXPORT void SSL_set_security_callback(SSL *ssl, tg_security_fn callback)
{
	if (!tg_call_is_blocked(ssl, TG_WAY_SSL_set_security_callback))
		tg_openssl()->SSL_set_security_callback(ssl, callback);
}

/* Takes over what the context allows of SRP. */
TG_EXPORT int SSL_SRP_CTX_init(SSL *ssl)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_SRP_CTX_init) ? 1 : tg_openssl()->SSL_SRP_CTX_init(ssl);
}

TG_EXPORT int SSL_set_max_early_data(SSL *ssl, uint32_t size)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_set_max_early_data) ? 1 : tg_openssl()->SSL_set_max_early_data(ssl, size);
}

TG_EXPORT void SSL_set_psk_server_callback(SSL *ssl, SSL_psk_server_cb_func callback)
{
	if (!tg_call_is_blocked(ssl, TG_WAY_SSL_set_psk_server_callback))
		tg_openssl()->SSL_set_psk_server_callback(ssl, callback);
}

TG_EXPORT void SSL_set_psk_find_session_callback(SSL *ssl, SSL_psk_find_session_cb_func callback)
{
	if (!tg_call_is_blocked(ssl, TG_WAY_SSL_set_psk_find_session_callback))
		tg_openssl()->SSL_set_psk_find_session_callback(ssl, callback);
}
