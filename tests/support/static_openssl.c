/* SPDX-License-Identifier: Apache-2.0 */
/* A server of lines with an OpenSSL of its own inside: each line's SHA-256, one process for each connection. PORT */
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int answer(int connection, const char *line, size_t size)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	char text[2 * EVP_MAX_MD_SIZE + 2];
	unsigned int i;

	if (EVP_Digest(line, size, digest, &length, EVP_sha256(), NULL) != 1) {
		return -1;
	}
	for (i = 0; i < length; i++) {
		snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
	}
	strcpy(text + (size_t)2 * length, "\n");
	return write(connection, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static void serve(int connection)
{
	char line[256];
	size_t size = 0;

	while (read(connection, line + size, 1) == 1) {
		if (line[size] != '\n' && size + 1 < sizeof(line)) {
			size++;
			continue;
		}
		if (size == 4 && memcmp(line, "quit", 4) == 0) {
			return;
		}
		if (answer(connection, line, size) != 0) {
			return;
		}
		size = 0;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	const int yes = 1;
	int listener;
	int connection;

	/* A context of its own, so that its libssl is linked and in use, not only there. */
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (argc != 2 || !context) {
		return 64;
	}
	signal(SIGCHLD, SIG_IGN);
	address.sin_port = htons((unsigned short)strtoul(argv[1], NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 16) != 0) {
		perror("listen");
		return 1;
	}
	while ((connection = accept(listener, (struct sockaddr *)&address, &length)) >= 0) {
		char from[INET_ADDRSTRLEN];

		fprintf(stderr, "from %s\n", inet_ntop(AF_INET, &address.sin_addr, from, sizeof(from)));
		if (fork() == 0) {
			serve(connection);
			_exit(0);
		}
		close(connection);
	}
	return 1;
}
