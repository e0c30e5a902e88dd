/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/alpn.h"

#include "ipc/alpn.h"
#include "ipc/report.h"
#include "shim/process/state.h"

/* Once for a connection: after a HelloRetryRequest its hello is judged again. */
static void count_unanswered(struct tg_connection *connection)
{
	if (!connection->alpn_unanswered && tg_shim_is(TG_STATE_GOVERNED))
		tg_report_alpn_unanswered(tg_shim.report, connection->counters);
	connection->alpn_unanswered = true;
}

/* libssl copies the name, which lies in the pinned generation. It calls this only where the client offers something. */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in, unsigned in_size,
		  void *arg)
{
	struct tg_connection *connection = tg_connection_find(ssl);
	struct tg_span name;
	(void)arg;

	if (connection == NULL || connection->policy == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (tg_alpn_select(connection->policy->alpn, (struct tg_span){in, in_size}, &name)) {
		*out = name.data;
		*out_size = (unsigned char)name.size;
		return SSL_TLSEXT_ERR_OK;
	}
	count_unanswered(connection);
	return SSL_TLSEXT_ERR_NOACK; /* where one is required, the hello has been refused */
}

void tg_alpn_serve(SSL_CTX *ssl_ctx)
{
	struct tg_context *context = tg_context_find(ssl_ctx);

	if (context == NULL)
		return;
	context->chooses_alpn = true;
	tg_openssl()->SSL_CTX_set_alpn_select_cb(ssl_ctx, choose, NULL);
}

bool tg_alpn_offer_suits(const struct tg_context *context, struct tg_connection *connection, SSL *ssl)
{
	const struct tg_policy *policy = connection->policy;
	const unsigned char *data = NULL;
	size_t size = 0;
	struct tg_span name;

	if (context == NULL || !context->chooses_alpn || policy == NULL || !policy->alpn_required)
		return true;
	bool offers = tg_openssl()->SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
							      &data, &size) == 1;
	/* Two bytes hold the length of the list; where it is wrong libssl refuses by itself. */
	if (offers && size > 2 && tg_alpn_select(policy->alpn, (struct tg_span){data + 2, size - 2}, &name))
		return true;
	if (offers)
		count_unanswered(connection);
	tg_connection_refuse(connection, TG_REFUSED_NO_COMMON_ALPN, "no application protocol");
	return false;
}

bool tg_alpn_is_agreed(const struct tg_policy *policy, const SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const unsigned char *name = NULL;
	unsigned size = 0;

	if (!policy->alpn_required)
		return true;
	const struct tg_context *context = tg_context_find(o->SSL_get_SSL_CTX(ssl));
	if (context == NULL || !context->chooses_alpn)
		return true;
	o->SSL_get0_alpn_selected(ssl, &name, &size);
	return size > 0;
}
