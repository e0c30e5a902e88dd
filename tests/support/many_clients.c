/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many TLS connections that stay open: many_clients PORT CERT KEY COUNT [REQUEST PART]. Prints "open N"; for each line of
 * its input it sends a request on every connection, reads the answers up to PART, and prints "answered N". Ends with its
 * input. Without REQUEST, HTTP is spoken.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_S = 60 };

static const char *request = "GET / HTTP/1.1\r\nHost: one.example\r\n\r\n";
static const char *part; /* NULL: HTTP */

static SSL *connect_one(SSL_CTX *context, const struct sockaddr_in *server)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(context);

	if (fd < 0 || !ssl)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0 && SSL_set_fd(ssl, fd) == 1 &&
	    SSL_connect(ssl) == 1)
		return ssl;
	fprintf(stderr, "many_clients: %m: ");
	ERR_print_errors_fp(stderr);
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static bool answered(SSL *ssl)
{
	char answer[4096];
	size_t length = 0;

	for (;;) {
		const int got = SSL_read(ssl, answer + length, (int)(sizeof(answer) - 1 - length));

		if (got <= 0)
			return false;
		length += (size_t)got;
		answer[length] = '\0';
		if (part && strstr(answer, part))
			return true;
		if (!part && strstr(answer, "\r\n\r\n") && strstr(answer, "server-data one.example\n"))
			return strncmp(answer, "HTTP/1.1 200", 12) == 0;
	}
}

int main(int argc, char **argv)
{
	const int count = argc == 5 || argc == 7 ? atoi(argv[4]) : 0;
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL **clients;
	int open_count = 0;
	char line[16];

	if (count < 1 || !context)
		return 64;
	if (argc == 7) {
		request = argv[5];
		part = argv[6];
	}
	signal(SIGPIPE, SIG_IGN);
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	if (SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
		return 66;
	clients = (SSL **)calloc((size_t)count, sizeof(SSL *));
	if (!clients)
		return 71;
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	for (int i = 0; i < count; i++) {
		clients[i] = connect_one(context, &server);
		open_count += clients[i] != NULL;
	}
	printf("open %d\n", open_count);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int answers = 0;

		/* one that cannot be written to has no answer either */
		for (int i = 0; i < count; i++)
			if (clients[i])
				SSL_write(clients[i], request, (int)strlen(request));
		for (int i = 0; i < count; i++)
			answers += clients[i] && answered(clients[i]);
		printf("answered %d\n", answers);
		fflush(stdout);
	}
	free((void *)clients);
	return 0;
}
