#include "shim/ready.h"

#include "shim/enforce.h"
#include "shim/state.h"

int tg_ready_handshake(SSL *ssl, int (*step)(SSL *))
{
	struct tg_connection *connection = tg_enforce_begin(ssl);

	if (connection == NULL)
		return step(ssl);
	/* A refused connection does not go on, whatever its server tries. */
	if (connection->phase == TG_PHASE_REFUSED)
		return tg_enforce_settle(connection, ssl, -1);
	return tg_enforce_settle(connection, ssl, step(ssl));
}

int tg_ready(const struct tg_openssl *o, SSL *ssl)
{
	if (tg_shim_state() == TG_STATE_INERT || !o->SSL_is_server(ssl))
		return 1;
	if (!o->SSL_is_init_finished(ssl))
		return tg_ready_handshake(ssl, o->SSL_do_handshake);
	if (!tg_enforce_refused_any())
		return 1;
	struct tg_connection *connection = tg_connection_find(ssl);
	if (connection == NULL || connection->phase != TG_PHASE_REFUSED)
		return 1;
	return tg_enforce_settle(connection, ssl, -1);
}
