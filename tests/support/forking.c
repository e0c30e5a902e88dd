/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server with one process for each connection, as PostgreSQL and many inetd services are: forking PORT CERT KEY. The
 * context is made once, in the parent; the child makes the connection its standard input, handshakes, answers one HTTP
 * request and ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 24\r\nConnection: close\r\n\r\nserver-data one.example\n";

static int serve(SSL_CTX *context, int fd)
{
	SSL *ssl = SSL_new(context);
	char request[4096];
	int status = 1;

	alarm(30);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0 &&
	    SSL_write(ssl, answer, sizeof(answer) - 1) == (int)sizeof(answer) - 1) {
		SSL_shutdown(ssl);
		status = 0;
	}
	SSL_free(ssl);
	return status;
}

static void reap(int number)
{
	const int saved = errno;

	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	errno = saved;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sigaction ended = {.sa_handler = reap, .sa_flags = SA_RESTART};
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	const int one = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4 || SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
		return 64;
	sigaction(SIGCHLD, &ended, NULL);
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 256) != 0)
		return 71;
	for (;;) {
		const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pid_t child;

		if (fd < 0)
			continue;
		child = fork();
		if (child == 0) {
			signal(SIGCHLD, SIG_DFL);
			close(listener);
			if (dup2(fd, STDIN_FILENO) != STDIN_FILENO || close(fd) != 0)
				exit(71);
			exit(serve(context, STDIN_FILENO));
		}
		close(fd);
	}
}
