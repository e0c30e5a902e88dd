/* SPDX-License-Identifier: Apache-2.0 */
#include "governed.h"

#include "ipc/publish.h"
#include "ipc/read.h"
#include "ipc/report.h"
#include "loader/identity.h"
#include "shim/binding/libc.h"
#include "shim/process/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TREE "0123456789abcdef"
#define CAPACITY 200000

static struct maker maker;
static struct site site, other_site;
static struct tg_policy_page page;
static int listener = -1;
static struct tg_generation *acquired;

static struct {
	EVP_PKEY *key;
	X509 *certificate;
} clients[CLIENT_EXPIRED + 1];

static void make_client(enum client_kind kind, const struct site *issuer, long from, long until)
{
	clients[kind].key = make_key("EC");
	const struct spec spec = {.subject = "client",
				  .key = clients[kind].key,
				  .issuer = issuer->ca,
				  .issuer_key = issuer->ca_key,
				  .from = from,
				  .until = until,
				  .usage = "clientAuth"};
	clients[kind].certificate = make_certificate(&spec);
}

EVP_PKEY *client_key(enum client_kind kind, X509 **ret_certificate)
{
	*ret_certificate = clients[kind].certificate;
	return clients[kind].key;
}

/* %u in the text becomes the listener's port. */
static void publish(const char *ini)
{
	tlsgraft_identity *identity = NULL;
	char text[4096];
	size_t size;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, sizeof(text), ini, (unsigned)pair_port());
#pragma GCC diagnostic pop
	write_text(&maker, "site.ini", text);
	if (load(&maker, NULL, &identity) != TLSGRAFT_OK) {
		print_messages();
		fail();
	}
	const unsigned char *bytes = tg_identity_bytes(identity, &size);
	assert_true(tg_policy_publish(&page, bytes, size) > 0);
	tg_policy_recheck(&page);
	tlsgraft_identity_unref(identity);
	tg_generation_unref(acquired);
	acquired = tg_generation_acquire();
	assert_non_null(acquired);
}

static void listen_once(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1024), 0);
}

void govern(const char *ini)
{
	int policy, report;

	tg_libc_bind();
	listen_once();
	maker_start(&maker);
	make_site(&maker, &site, "");
	make_site(&maker, &other_site, "");
	write_certificate(&maker, "ca.pem", site.ca, false);
	write_certificate(&maker, "server.pem", site.certificate, false);
	write_key(&maker, "server.key", site.key, NULL, false);
	make_client(CLIENT_GOOD, &site, -DAY, DAY);
	make_client(CLIENT_OTHER_CA, &other_site, -DAY, DAY);
	make_client(CLIENT_EXPIRED, &site, -2 * DAY, -DAY);
	assert_int_equal(tg_policy_create(TREE, CAPACITY, &policy, &page), 0);
	assert_int_equal(tg_report_create(TREE, &report), 0);
	assert_int_equal(tg_policy_map(policy, &tg_shim.policy, &tg_shim.policy_size), 0);
	assert_int_equal(tg_report_map(report, true, &tg_shim.report), 0);
	close(policy);
	close(report);
	atomic_store(&tg_shim.state, TG_STATE_GOVERNED);
	publish(ini);
}

void govern_again(const char *ini)
{
	publish(ini);
}

void govern_end(void)
{
	tg_generation_unref(acquired);
	acquired = NULL;
	for (enum client_kind kind = CLIENT_GOOD; kind <= CLIENT_EXPIRED; kind++) {
		EVP_PKEY_free(clients[kind].key);
		X509_free(clients[kind].certificate);
	}
	free_site(&site);
	free_site(&other_site);
	maker_stop(&maker);
	close(listener);
}

struct tg_section_slot *counters_of(const char *section)
{
	struct tg_section_slot *slot = tg_report_section(tg_shim.report, section);

	assert_non_null(slot);
	return slot;
}

const struct tg_route *route_of(int fd)
{
	struct sockaddr_in local = {0};
	socklen_t size = sizeof(local);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &size), 0);
	for (size_t i = 0; i < acquired->document->route_count; i++) {
		const struct tg_route *route = &acquired->document->routes[i];
		if (route->address_count > 0 && route->addresses[0].port == ntohs(local.sin_port))
			return route;
	}
	fail_msg("no section for this address");
	return NULL;
}

uint16_t pair_port(void)
{
	struct sockaddr_in address = {0};
	socklen_t size = sizeof(address);

	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

void pair_open(struct pair *pair, int buffer)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(pair_port())};
	const int on = 1;

	pair->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (buffer > 0) {
		setsockopt(pair->client, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
		setsockopt(pair->client, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	assert_int_equal(connect(pair->client, (struct sockaddr *)&address, sizeof(address)), 0);
	pair->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair->server >= 0);
	if (buffer > 0) {
		setsockopt(pair->server, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
		setsockopt(pair->server, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	setsockopt(pair->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(pair->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	assert_int_equal(fcntl(pair->client, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(pair->server, F_SETFL, O_NONBLOCK), 0);
}

SSL *client_new(int fd, enum client_kind kind, int version)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ssl_ctx);
	SSL_CTX_set_min_proto_version(ssl_ctx, version);
	SSL_CTX_set_max_proto_version(ssl_ctx, version);
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl_ctx), site.ca), 1);
	SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
	if (kind != CLIENT_NONE) {
		assert_int_equal(SSL_CTX_use_certificate(ssl_ctx, clients[kind].certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ssl_ctx, clients[kind].key), 1);
	}
	SSL *ssl = SSL_new(ssl_ctx);
	SSL_CTX_free(ssl_ctx);
	assert_non_null(ssl);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	/* the macro of the same name casts const away */
	static char host[] = "localhost";
	assert_int_equal(SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host), 1);
	SSL_set_connect_state(ssl);
	return ssl;
}

void client_show(SSL *client, const char *names)
{
	const struct spec spec = {.subject = "client",
				  .key = clients[CLIENT_GOOD].key,
				  .issuer = site.ca,
				  .issuer_key = site.ca_key,
				  .from = -DAY,
				  .until = DAY,
				  .names = names,
				  .usage = "clientAuth"};
	X509 *certificate = make_certificate(&spec);

	assert_int_equal(SSL_use_certificate(client, certificate), 1);
	X509_free(certificate);
}
