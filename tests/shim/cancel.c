/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that cancels its threads: `cancel FOLDER`. It has a live connection, says "ready" and waits for a line; then a
 * thread that is cancelled already makes the call that ends the connection. Another thread has to get on afterwards.
 */
#include "tests/shim/files.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT 10 /* seconds */

/* Both ends of a TCP connection. */
static int connected(int *ret_server)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
	    connect(client, (struct sockaddr *)&address, size) != 0)
		return -1;
	*ret_server = accept(listener, NULL, NULL);
	close(listener);
	return client;
}

static void *handshake(void *client)
{
	return SSL_connect(client) == 1 ? client : NULL;
}

static void *read_cancelled(void *server)
{
	char data[16];

	pthread_cancel(pthread_self());
	SSL_read(server, data, sizeof(data));
	pthread_testcancel();
	return NULL;
}

static SSL *side(SSL_CTX *ctx, const char *name, int fd)
{
	files_use(ctx, name);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	return ssl;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *result = NULL;
	int server_fd = -1;
	int client_fd = connected(&server_fd);

	if (argc != 2 || client_fd < 0 || server_fd < 0)
		return 64;
	alarm(TIMEOUT);
	files_in(argv[1]);
	SSL_CTX *server_ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server = side(server_ctx, "own", server_fd);
	SSL *client = side(client_ctx, "client", client_fd);
	pthread_create(&thread, NULL, handshake, client);
	int done = SSL_accept(server);
	pthread_join(thread, &result);
	if (done != 1 || result == NULL)
		return 1;
	puts("ready");
	fflush(stdout);
	getchar();
	pthread_create(&thread, NULL, read_cancelled, server);
	pthread_join(thread, &result);
	SSL_free(server);
	puts(result == PTHREAD_CANCELED ? "cancelled" : "FAIL: not cancelled");
	SSL_free(client);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	close(server_fd);
	close(client_fd);
	return 0;
}
