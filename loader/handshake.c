/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/handshake.h"

#include <openssl/err.h>

#include <stdio.h>

#define TURNS 16 /* of each side; a handshake with a HelloRetryRequest takes four */

/* What the server's status callback knows of its connection. */
struct end {
	enum tg_handshake_extent extent;
	bool chosen;
};

/* libssl asks for a staple when everything else of its answer is chosen, and before it signs (tls_handle_status_request).
 */
static int on_status(SSL *server, void *user)
{
	struct end *end = SSL_get_app_data(server);

	(void)user;
	if (!end)
		return SSL_TLSEXT_ERR_NOACK;
	end->chosen = true;
	return end->extent == TG_HANDSHAKE_CHOICE ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

void tg_handshake_prepare(SSL_CTX *server)
{
	SSL_CTX_set_tlsext_status_cb(server, on_status);
}

static void report_why(const SSL *one, char reason[static TG_HANDSHAKE_REASON])
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());
	const long verified = SSL_get_verify_result(one);

	if (verified != X509_V_OK)
		text = X509_verify_cert_error_string(verified);
	snprintf(reason, TG_HANDSHAKE_REASON, "%s", text ? text : "the handshake fails");
}

/* One turn. False where the handshake cannot go on. */
static bool turn(SSL *one, char reason[static TG_HANDSHAKE_REASON])
{
	/* SSL_get_error(3) would take what the caller has in the queue for an error of this handshake. */
	if (SSL_do_handshake(one) == 1 || SSL_want(one) == SSL_READING || SSL_want(one) == SSL_WRITING)
		return true;
	report_why(one, reason);
	return false;
}

static bool join(SSL *server, SSL *client)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());

	if (!to_server || !to_client || BIO_up_ref(to_server) != 1) {
		BIO_free(to_server);
		BIO_free(to_client);
		return false;
	}
	SSL_set_bio(client, to_client, to_server);
	if (BIO_up_ref(to_client) != 1) {
		BIO_free(to_server);
		return false;
	}
	SSL_set_bio(server, to_server, to_client);
	return true;
}

bool tg_handshake_try(SSL_CTX *server_context, SSL_CTX *client_context, enum tg_handshake_extent extent,
		      char ret_reason[static TG_HANDSHAKE_REASON])
{
	SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
	struct end end = {.extent = extent};
	bool done = false, goes_on = server && client && join(server, client);

	snprintf(ret_reason, TG_HANDSHAKE_REASON, "the handshake does not end");
	if (goes_on) {
		SSL_set_app_data(server, &end);
		SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
		SSL_set_accept_state(server);
		SSL_set_connect_state(client);
	}
	for (int i = 0; i < TURNS && goes_on && !done; i++) {
		goes_on = turn(client, ret_reason) && turn(server, ret_reason);
		done = goes_on && SSL_is_init_finished(server) && SSL_is_init_finished(client);
	}
	SSL_free(server);
	SSL_free(client);
	return done || (extent == TG_HANDSHAKE_CHOICE && end.chosen);
}
