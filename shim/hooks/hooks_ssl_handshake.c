/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on every call that can finish a handshake. In TLS 1.3 one SSL_read can finish it and return data, so calls that
 * carry data finish the handshake first, by itself, and go on only after the verdict.
 */
#include "shim/policy/enforce.h"
#include "shim/policy/ready.h"
#include "shim/process/state.h"

#include <string.h>

TG_EXPORT int SSL_accept(SSL *ssl)
{
	return tg_ready_handshake(ssl, tg_openssl()->SSL_accept);
}

/* On an SSL that accepts, it is only another name for SSL_do_handshake(3). Which side it is shows afterwards. */
TG_EXPORT int SSL_connect(SSL *ssl)
{
	int result = tg_openssl()->SSL_connect(ssl);
	struct tg_connection *connection;

	if (!tg_enforce_begin(ssl, &connection))
		return -1;
	return connection == NULL ? tg_ready_noted(ssl, result) : tg_enforce_verdict(connection, ssl, result);
}

TG_EXPORT int SSL_do_handshake(SSL *ssl)
{
	return tg_ready_handshake(ssl, tg_openssl()->SSL_do_handshake);
}

/* What a read brought, unless it finished a renegotiation that is refused: then nothing did. */
static int judged(const struct tg_openssl *o, SSL *ssl, void *data, int got)
{
	if (got <= 0 || tg_ready_still(o, ssl))
		return got;
	explicit_bzero(data, (size_t)got);
	return -1;
}

static int judged_ex(const struct tg_openssl *o, SSL *ssl, void *data, size_t *done, int result)
{
	if (result != 1 || tg_ready_still(o, ssl))
		return result;
	explicit_bzero(data, *done);
	*done = 0;
	return 0;
}

TG_EXPORT int SSL_read(SSL *ssl, void *data, int size)
{
	const struct tg_openssl *o = tg_openssl();
	int go = tg_ready(o, ssl);
	return go == 1 ? judged(o, ssl, data, o->SSL_read(ssl, data, size)) : go;
}

TG_EXPORT int SSL_read_ex(SSL *ssl, void *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	return tg_ready(o, ssl) == 1 ? judged_ex(o, ssl, data, done, o->SSL_read_ex(ssl, data, size, done)) : 0;
}

TG_EXPORT int SSL_peek(SSL *ssl, void *data, int size)
{
	const struct tg_openssl *o = tg_openssl();
	int go = tg_ready(o, ssl);
	return go == 1 ? judged(o, ssl, data, o->SSL_peek(ssl, data, size)) : go;
}

TG_EXPORT int SSL_peek_ex(SSL *ssl, void *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	return tg_ready(o, ssl) == 1 ? judged_ex(o, ssl, data, done, o->SSL_peek_ex(ssl, data, size, done)) : 0;
}

TG_EXPORT int SSL_write(SSL *ssl, const void *data, int size)
{
	const struct tg_openssl *o = tg_openssl();
	int go = tg_ready(o, ssl);
	return go == 1 ? o->SSL_write(ssl, data, size) : go;
}

TG_EXPORT int SSL_write_ex(SSL *ssl, const void *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	return tg_ready(o, ssl) == 1 ? o->SSL_write_ex(ssl, data, size, done) : 0;
}

TG_EXPORT ossl_ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size, int flags)
{
	const struct tg_openssl *o = tg_openssl();
	int go = tg_ready(o, ssl);
	return go == 1 ? o->SSL_sendfile(ssl, fd, offset, size, flags) : go;
}

/*
 * Early data comes from a client that has not proved anything in this connection. Where clients are verified none is
 * accepted (max_early_data 0 since the ClientHello), so this call only finishes the handshake.
 */
TG_EXPORT int SSL_read_early_data(SSL *ssl, void *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	int result = o->SSL_read_early_data(ssl, data, size, done);
	struct tg_connection *connection;

	if (!tg_enforce_begin(ssl, &connection)) {
		*done = 0;
		return SSL_READ_EARLY_DATA_ERROR;
	}
	if (connection != NULL && result == SSL_READ_EARLY_DATA_SUCCESS && !tg_enforce_early_data(connection)) {
		*done = 0;
		tg_connection_refuse(connection, TG_REFUSED_OTHER, "early data where clients are verified");
		connection->phase = TG_PHASE_REFUSED;
		tg_enforce_verdict(connection, ssl, -1);
		return SSL_READ_EARLY_DATA_ERROR;
	}
	/* Up to TLS 1.2 the whole handshake is over by now, and a libssl that calls itself directly has asked nobody. */
	if (connection != NULL && o->SSL_is_init_finished(ssl) && tg_enforce_verdict(connection, ssl, 1) != 1) {
		*done = 0;
		return SSL_READ_EARLY_DATA_ERROR;
	}
	return result;
}

/* Half-RTT data goes to a client that has not sent its certificate yet: where clients are verified, after it has. */
TG_EXPORT int SSL_write_early_data(SSL *ssl, const void *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_connection *connection;

	if (!tg_enforce_begin(ssl, &connection))
		return 0;
	if (connection == NULL || tg_enforce_early_data(connection))
		return o->SSL_write_early_data(ssl, data, size, done);
	return tg_ready(o, ssl) == 1 ? o->SSL_write_ex(ssl, data, size, done) : 0;
}

/* An SSL that is used again begins anew. libssl calls this itself when a handshake starts: nothing to forget then. */
TG_EXPORT int SSL_clear(SSL *ssl)
{
	struct tg_connection *connection = tg_shim_state() == TG_STATE_INERT ? NULL : tg_connection_find(ssl);

	if (connection != NULL && connection->phase != TG_PHASE_NEW)
		tg_connection_reset(connection);
	return tg_openssl()->SSL_clear(ssl);
}

/* The server asks for a certificate once more, TLS 1.3 only: judged by us like the first. */
TG_EXPORT int SSL_verify_client_post_handshake(SSL *ssl)
{
	struct tg_connection *connection = tg_shim_is(TG_STATE_GOVERNED) ? tg_connection_find(ssl) : NULL;

	if (connection != NULL && !tg_enforce_post_handshake(connection, ssl))
		return 0;
	return tg_openssl()->SSL_verify_client_post_handshake(ssl);
}
