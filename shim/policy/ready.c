/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/ready.h"

#include "shim/connections/accepted.h"
#include "shim/connections/last_read.h"
#include "shim/connections/own_hello.h"
#include "shim/policy/enforce.h"
#include "shim/policy/recheck.h"
#include "shim/process/state.h"

/* The first call to see a generation that asks for it judges all live connections. */
static uint64_t recheck(void)
{
	uint64_t wanted = tg_recheck_wanted();

	if (wanted != 0)
		tg_recheck_all(wanted);
	return wanted;
}

int tg_ready_noted(const SSL *ssl, int result)
{
	if (tg_accepted_is_wanted() && tg_shim_is(TG_STATE_GOVERNED) && !tg_openssl()->SSL_is_server(ssl))
		tg_own_hello_note(ssl);
	return result;
}

int tg_ready_handshake(SSL *ssl, int (*step)(SSL *))
{
	recheck();
	struct tg_connection *connection;

	if (!tg_enforce_begin(ssl, &connection))
		return -1;
	if (connection == NULL)
		return tg_ready_noted(ssl, step(ssl));
	/* A refused connection does not go on, whatever its server tries. */
	if (connection->phase == TG_PHASE_REFUSED)
		return tg_enforce_verdict(connection, ssl, -1);
	tg_last_read = 0;
	int result = step(ssl);
	if (tg_last_read != 0)
		connection->read_from = tg_last_read;
	return tg_enforce_verdict(connection, ssl, result);
}

int tg_ready(const struct tg_openssl *o, SSL *ssl)
{
	if (tg_shim_state() == TG_STATE_INERT)
		return 1;
	uint64_t wanted = recheck();
	if (!o->SSL_is_server(ssl))
		return 1;
	if (!o->SSL_is_init_finished(ssl))
		return tg_ready_handshake(ssl, o->SSL_do_handshake);
	if (wanted == 0 && !tg_enforce_refused_any())
		return 1;
	struct tg_connection *connection = tg_connection_find(ssl);
	if (connection == NULL)
		return 1;
	if (wanted != 0 && tg_recheck_refuses(connection, ssl, wanted))
		connection->phase = TG_PHASE_REFUSED;
	return connection->phase == TG_PHASE_REFUSED ? tg_enforce_verdict(connection, ssl, -1) : 1;
}

bool tg_ready_still(const struct tg_openssl *o, SSL *ssl)
{
	if (!tg_enforce_renegotiated_any() || !o->SSL_is_init_finished(ssl))
		return true;
	struct tg_connection *connection = tg_connection_find(ssl);
	if (connection == NULL || (connection->phase != TG_PHASE_HELLO && connection->phase != TG_PHASE_IDENTITY))
		return true;
	return tg_enforce_verdict(connection, ssl, 1) == 1;
}
