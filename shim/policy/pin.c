/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/pin.h"

#include "ipc/match.h"
#include "ipc/report.h"
#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/connections/accepted.h"
#include "shim/connections/own_hello.h"
#include "shim/connections/sockets.h"
#include "shim/process/log.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HOST_SIZE 256 /* a DNS name has at most 253 characters */

/* The local address of a socket; false for what is none. */
static bool local_address(int fd, struct tg_address *ret)
{
	struct sockaddr_storage storage;
	socklen_t size = sizeof(storage);
	int saved = errno;
	bool is_socket = tg_libc.getsockname(fd, (struct sockaddr *)&storage, &size) == 0;

	errno = saved;
	if (is_socket && tg_address_is_none(&storage)) {
		*ret = TG_ADDRESS_NONE;
		return true;
	}
	return is_socket && tg_address_from(&storage, ret);
}

/* A callback that asked for a retry sees its ClientHello again, and the bytes of it were read long ago. */
void tg_pin_locate(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const unsigned char *random;

	if (!tg_accepted_is_wanted() || o->SSL_get_rfd(ssl) >= 0 ||
	    o->SSL_client_hello_get0_random(ssl, &random) != TG_RANDOM_SIZE ||
	    (connection->has_origin && memcmp(connection->origin_random, random, TG_RANDOM_SIZE) == 0))
		return;
	/* A renegotiation comes inside the connection that it began with; its bytes are not to be seen from outside. */
	if (connection->phase == TG_PHASE_DONE && connection->has_origin)
		return;
	/* A hello of SSLv2's form is not looked for: who has the same random elsewhere, in a usual one, must not answer for
	 * it. */
	connection->has_origin =
	    o->SSL_client_hello_isv2(ssl) == 0 && tg_accepted_find(random, &connection->origin, &connection->origin_peer);
	memcpy(connection->origin_random, random, TG_RANDOM_SIZE);
}

/* The connection's local address: of its descriptor, else where its ClientHello came in. */
static bool locate(const struct tg_openssl *o, const struct tg_connection *connection, const SSL *ssl,
		   struct tg_address *ret)
{
	int fd = o->SSL_get_rfd(ssl);

	if (fd >= 0)
		return local_address(fd, ret);
	if (connection->has_origin)
		*ret = connection->origin;
	return connection->has_origin;
}

/*
 * A pair of SSLs in one process: bytes that libssl got from no descriptor, of a ClientHello that this process made itself
 * and that no socket is known to have brought. Nor could one have, unseen: there is no connection to an address of a
 * [listener].
 */
static bool is_from_inside(const struct tg_openssl *o, const struct tg_document *document, SSL *ssl)
{
	const unsigned char *random;

	return o->SSL_get_rfd(ssl) < 0 && o->SSL_client_hello_get0_random(ssl, &random) == TG_RANDOM_SIZE &&
	       tg_own_hello_is(random) && !tg_sockets_any_governed(document);
}

/* server_name of the ClientHello, RFC 6066 section 3. False: none, or malformed, which libssl refuses by itself. */
static bool requested_host(const struct tg_openssl *o, SSL *ssl, char ret[HOST_SIZE])
{
	const unsigned char *data;
	size_t size;

	if (o->SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1 || size < 5)
		return false;
	size_t name_size = (size_t)data[3] << 8 | data[4];
	if (data[2] != TLSEXT_NAMETYPE_host_name || name_size > size - 5)
		return false;
	return tg_host_normalise(data + 5, name_size, ret, HOST_SIZE);
}

static enum tg_route_result find_policy(const struct tg_openssl *o, struct tg_connection *connection,
					const struct tg_document *document, SSL *ssl, const char *host,
					const struct tg_policy **ret_policy)
{
	if (tg_route_needs_address(document) && !connection->has_address)
		connection->has_address = locate(o, connection, ssl, &connection->address);
	return tg_route_find(document, connection->has_address ? &connection->address : NULL, host, ret_policy);
}

static void report_guess(enum tg_route_result result)
{
	static _Atomic bool said;

	if (result == TG_ROUTE_STRICTEST && !atomic_exchange(&said, true))
		tg_shim_log("a connection's listener is not known (no descriptor): the strictest section applies");
	if (result == TG_ROUTE_AMBIGUOUS && !atomic_exchange(&said, true))
		tg_shim_log(
		    "a connection's listener is not known (no descriptor) and two sections verify differently: refused");
}

static struct tg_section_slot *counters_of(const struct tg_generation *generation, const struct tg_policy *policy)
{
	return policy == NULL ? NULL : generation->counters[policy - generation->document->policies];
}

bool tg_pin(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_generation *generation = tg_generation_acquire();
	const struct tg_policy *policy = NULL;
	const struct tg_address *address = &connection->address;
	char host[HOST_SIZE];

	if (generation == NULL)
		return false;
	tg_process_report(generation->number);
	bool named = requested_host(o, ssl, host);
	if (tg_route_needs_address(generation->document) && !tg_pin_address(connection, ssl) &&
	    is_from_inside(o, generation->document, ssl)) {
		connection->has_address = true;
		connection->address = TG_ADDRESS_NONE;
	}
	enum tg_route_result result = find_policy(o, connection, generation->document, ssl, named ? host : NULL, &policy);
	report_guess(result);
	tg_generation_unref(connection->generation);
	connection->generation = generation;
	free(connection->host);
	connection->host = named ? strdup(host) : NULL;
	connection->policy = policy;
	connection->counters = counters_of(generation, policy);
	connection->anchors = policy == NULL || policy->trust == TG_NONE ? NULL : &generation->anchors[policy->trust];
	if (result == TG_ROUTE_NONE && connection->has_address)
		tg_report_ungoverned(tg_shim.report, address->family, address->bytes, address->port);
	return result != TG_ROUTE_AMBIGUOUS && (!named || connection->host != NULL);
}

bool tg_pin_holds(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_policy *policy = NULL;
	char host[HOST_SIZE];
	bool named = requested_host(o, ssl, host);

	find_policy(o, connection, connection->generation->document, ssl, named ? host : NULL, &policy);
	return policy == connection->policy;
}

bool tg_pin_address(struct tg_connection *connection, SSL *ssl)
{
	if (!connection->has_address)
		connection->has_address = locate(tg_openssl(), connection, ssl, &connection->address);
	return connection->has_address;
}

void tg_pin_counters(struct tg_connection *connection, SSL *ssl)
{
	struct tg_generation *generation = tg_generation_acquire();
	const struct tg_policy *policy = NULL;

	if (generation == NULL)
		return;
	find_policy(tg_openssl(), connection, generation->document, ssl, NULL, &policy);
	connection->counters = counters_of(generation, policy);
	tg_generation_unref(generation);
}
