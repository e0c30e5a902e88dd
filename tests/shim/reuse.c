/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies that differ on one server: `reuse FOLDER retry|pool|late PORT_OFF PORT_MUTUAL`.
 *
 *   retry  [server] mutual, [sni public] of one.example in mode server: a client names one.example in its first hello and
 *          two.example in the second, after a HelloRetryRequest
 *   pool   one SSL for several connections: first on the port that is off, then on the mutual one
 *   late   both ports are read before the mutual one's ClientHello, of SSLv2's form, goes to libssl: the other port has one
 *          with the same random
 *
 * Prints a line for each client; the status is the number of wrong ones.
 */
#include "tests/shim/files.h"
#include "tests/shim/pair.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int failures;

static void expect(bool good, const char *what)
{
	printf("%s %s\n", good ? "ok  " : "FAIL", what);
	failures += !good;
}

static bool served_by_names(SSL_CTX *server, char *first, char *second)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct outcome out;
	char groups[] = "X25519:P-521";

	memset(&out, 0, sizeof(out));
	SSL_CTX_set1_groups_list(client, groups); /* the server takes the second: a retry */
	SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION);
	struct pair pair = pair_new(client, server);
	SSL_set_tlsext_host_name(pair.client, first);
	SSL_do_handshake(pair.client);
	SSL_accept(pair.server);
	SSL_set_tlsext_host_name(pair.client, second);
	pair_run(&pair, STYLE_ACCEPT, &out);
	pair_free(&pair);
	SSL_SESSION_free(out.session);
	SSL_CTX_free(client);
	ERR_clear_error();
	return out.served;
}

static void retry(SSL_CTX *server)
{
	char one[] = "one.example";
	char two[] = "two.example";
	char groups[] = "P-521";

	SSL_CTX_set1_groups_list(server, groups);
	expect(served_by_names(server, one, one), "the public name is served to anyone");
	expect(!served_by_names(server, two, two), "the other name is not");
	expect(!served_by_names(server, one, two), "nor by naming the public one first");
}

/* Two ends of a TCP connection to `port` of this process. */
static void connected(int port, int *ret_client, int *ret_server)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	*ret_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&in, sizeof(in)) != 0 || listen(listener, 1) != 0 ||
	    connect(*ret_client, (struct sockaddr *)&in, sizeof(in)) != 0) {
		perror("reuse: connection");
		exit(70);
	}
	*ret_server = accept(listener, NULL, NULL);
	close(listener);
}

/* One connection without a client certificate; the client is in memory of its own: both ends never block for long. */
static bool served_on(SSL *server, int port, bool says_hello)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(ctx);
	char data[64];
	bool served = false;
	int client_fd;
	int server_fd;
	struct timeval limit = {.tv_usec = 50000};

	connected(port, &client_fd, &server_fd);
	setsockopt(client_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(server_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	SSL_set_fd(client, client_fd);
	SSL_set_fd(server, server_fd);
	SSL_set_accept_state(server);
	for (int i = 0; i < 8 && !served; i++) {
		if (says_hello)
			SSL_connect(client);
		if (SSL_accept(server) == 1)
			SSL_write(server, SECRET, sizeof(SECRET));
		served = says_hello && SSL_read(client, data, sizeof(data)) > 0;
		ERR_clear_error();
	}
	SSL_free(client);
	SSL_CTX_free(ctx);
	close(client_fd);
	close(server_fd);
	return served;
}

static void pool(SSL_CTX *ctx, int off_port, int mutual_port)
{
	SSL *reused = SSL_new(ctx);
	SSL *fresh = SSL_new(ctx);

	expect(!served_on(reused, off_port, false), "a client that says nothing gets nothing");
	SSL_clear(reused);
	expect(!served_on(reused, mutual_port, true), "the mutual port refuses on a reused SSL");
	expect(served_on(fresh, off_port, true), "the port that is off serves anyone");
	SSL_clear(fresh);
	expect(!served_on(fresh, mutual_port, true), "the mutual port refuses after it");
	SSL_clear(fresh);
	expect(!served_on(fresh, off_port, true), "an SSL that carries our settings is not used where the server's count");
	SSL_free(reused);
	SSL_free(fresh);
}

/* The server's own certificate is in `flight`, or any is. */
static bool shows(const char *flight, size_t size, const char *name)
{
	FILE *file = name == NULL ? NULL : fopen(files_path(name), "re");
	X509 *own = file == NULL ? NULL : PEM_read_X509(file, NULL, NULL, NULL);
	const unsigned char certificate[] = {SSL3_MT_CERTIFICATE, 0};
	unsigned char *der = NULL;
	int der_size = own == NULL ? 0 : i2d_X509(own, &der);
	bool found;

	if (name == NULL)
		found = memmem(flight, size, certificate, sizeof(certificate)) != NULL;
	else /* what cannot be read is taken for shown: nothing passes for want of a file */
		found = der == NULL || memmem(flight, size, der, (size_t)der_size) != NULL;
	if (file != NULL)
		fclose(file);
	OPENSSL_free(der);
	X509_free(own);
	return found;
}

static void late(SSL_CTX *ctx, int off_port, int mutual_port)
{
	/* RFC 5246 appendix E.2; both randoms are zeros */
	unsigned char old[2 + 9 + 3 + 32] = {0x80, sizeof(old) - 2, 1, 3, 3, 0, 3, 0, 0, 0, 32, 0, 0, 0x9c};
	unsigned char usual[100] = {22, 3, 1, 0, sizeof(usual) - 5, 1, 0, 0, sizeof(usual) - 9, 3, 3};
	unsigned char data[256];
	char *flight = NULL;
	int old_client, old_server, usual_client, usual_server;

	connected(mutual_port, &old_client, &old_server);
	connected(off_port, &usual_client, &usual_server);
	expect(write(old_client, old, sizeof(old)) == sizeof(old) &&
		   write(usual_client, usual, sizeof(usual)) == sizeof(usual) &&
		   read(old_server, data, sizeof(data)) == sizeof(old) &&
		   read(usual_server, data, sizeof(data)) == sizeof(usual),
	       "both are read");
	SSL_CTX_set_security_level(ctx, 0); /* such a hello names no signature algorithms: SHA-1 is meant */
	SSL *ssl = SSL_new(ctx);
	SSL_set_bio(ssl, BIO_new_mem_buf(old, sizeof(old)), BIO_new(BIO_s_mem()));
	SSL_accept(ssl);
	long size = BIO_get_mem_data(SSL_get_wbio(ssl), &flight);
	expect(size > 0 && shows(flight, (size_t)size, NULL), "a hello of SSLv2's form is answered");
	expect(!shows(flight, (size_t)size, "own.pem"), "not as one of the port that is off");
	SSL_free(ssl);
	close(old_client);
	close(old_server);
	close(usual_client);
	close(usual_server);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 64;
	files_in(argv[1]);
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	files_use(server, "own");
	if (strcmp(argv[2], "retry") == 0)
		retry(server);
	else if (strcmp(argv[2], "late") == 0)
		late(server, atoi(argv[3]), atoi(argv[4]));
	else
		pool(server, atoi(argv[3]), atoi(argv[4]));
	SSL_CTX_free(server);
	return failures;
}
