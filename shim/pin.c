#include "shim/pin.h"

#include "page/match.h"
#include "page/report.h"
#include "shim/process.h"
#include "shim/route.h"
#include "shim/say.h"
#include "shim/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HOST_SIZE 256 /* a DNS name has at most 253 characters */

/* The local address of the connection's socket; false where the SSL has no descriptor or it is no IP socket. */
static bool local_address(const struct tg_openssl *o, const SSL *ssl, struct tg_address *ret)
{
	struct sockaddr_storage storage;
	socklen_t size = sizeof(storage);
	int saved = errno;
	int fd = o->SSL_get_rfd(ssl);
	bool known = fd >= 0 && getsockname(fd, (struct sockaddr *)&storage, &size) == 0 && tg_address_from(&storage, ret);

	errno = saved;
	return known;
}

/* server_name of the ClientHello, RFC 6066 section 3. False: none, or malformed, which libssl refuses by itself. */
static bool asked_host(const struct tg_openssl *o, SSL *ssl, char ret[HOST_SIZE])
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

static bool needs_address(const struct tg_document *document)
{
	return document->route_count != 1 || !document->routes[0].is_server;
}

static enum tg_route_result find(const struct tg_openssl *o, struct tg_connection *connection,
				 const struct tg_document *document, SSL *ssl, const char *host,
				 const struct tg_policy **ret_policy)
{
	if (needs_address(document) && !connection->has_address)
		connection->has_address = local_address(o, ssl, &connection->address);
	return tg_route_find(document, connection->has_address ? &connection->address : NULL, host, ret_policy);
}

static void say_guess(enum tg_route_result result)
{
	static _Atomic bool said;

	if (result == TG_ROUTE_STRICTEST && !atomic_exchange(&said, true))
		tg_say("a connection's listener is not known (no descriptor): the strictest section applies");
	if (result == TG_ROUTE_AMBIGUOUS && !atomic_exchange(&said, true))
		tg_say("a connection's listener is not known (no descriptor) and two sections verify differently: refused");
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
	bool named = asked_host(o, ssl, host);
	enum tg_route_result result = find(o, connection, generation->document, ssl, named ? host : NULL, &policy);
	say_guess(result);
	tg_generation_unref(connection->generation);
	connection->generation = generation;
	free(connection->host);
	connection->host = named ? strdup(host) : NULL;
	connection->policy = policy;
	connection->counters = counters_of(generation, policy);
	connection->anchors = policy == NULL || policy->trust == TG_NONE ? NULL : &generation->anchors[policy->trust];
	if (result == TG_ROUTE_NONE)
		tg_report_ungoverned(tg_shim.report, connection->has_address ? address->family : 0, address->bytes,
				     address->port);
	return result != TG_ROUTE_AMBIGUOUS && (!named || connection->host != NULL);
}

bool tg_pin_holds(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_policy *policy = NULL;
	char host[HOST_SIZE];
	bool named = asked_host(o, ssl, host);

	find(o, connection, connection->generation->document, ssl, named ? host : NULL, &policy);
	return policy == connection->policy;
}

bool tg_pin_address(struct tg_connection *connection, SSL *ssl)
{
	if (!connection->has_address)
		connection->has_address = local_address(tg_openssl(), ssl, &connection->address);
	return connection->has_address;
}

void tg_pin_counters(struct tg_connection *connection, SSL *ssl)
{
	struct tg_generation *generation = tg_generation_acquire();
	const struct tg_policy *policy = NULL;

	if (generation == NULL)
		return;
	find(tg_openssl(), connection, generation->document, ssl, NULL, &policy);
	connection->counters = counters_of(generation, policy);
	tg_generation_unref(generation);
}
