/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A constant stream of new TLS connections: each one handshakes in full, asks once, reads the whole answer and closes.
 *
 *     load PORT CERT KEY THREADS [REQUEST BEGINNING PART]
 *
 * Runs until SIGTERM, then prints "connections N failed N" and the first faults. A connection counts as
 * failed where anything in it went wrong, also the absence of the server's orderly end. An answer begins with BEGINNING and
 * holds PART; without them, HTTP is spoken.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MAX_THREADS = 32, TIMEOUT_S = 20 };

static const char *request = "GET / HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n";
static const char *beginning = "HTTP/1.1 200";
static const char *wanted_part = "server-data one.example\n";

static atomic_bool stopping;
static atomic_ulong done, failed;
static SSL_CTX *context;
static struct sockaddr_in server;

static void fault(const char *what)
{
	char reason[256];
	unsigned long before = atomic_fetch_add(&failed, 1);

	if (before < 5) {
		ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
		fprintf(stderr, "load: %s: %m: %s\n", what, reason);
	}
	ERR_clear_error();
}

/* Asks and reads to the end. NULL where all was well, else what was not. */
static const char *converse(SSL *ssl)
{
	char answer[4096];
	size_t length = 0;

	if (SSL_connect(ssl) != 1)
		return "handshake";
	if (SSL_write(ssl, request, (int)strlen(request)) != (int)strlen(request))
		return "request";
	for (;;) {
		int got = SSL_read(ssl, answer + length, (int)(sizeof(answer) - 1 - length));

		if (got <= 0)
			break;
		length += (size_t)got;
	}
	answer[length] = '\0';
	if (strncmp(answer, beginning, strlen(beginning)) != 0 || !strstr(answer, wanted_part))
		return "answer";
	if (!(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN))
		return "end of the answer";
	return NULL;
}

static void connect_once(void)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	const struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: ports would run out */
	const char *what = NULL;
	SSL *ssl = NULL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) != 0) {
		what = "connect";
		goto out;
	}
	ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	what = converse(ssl);
	SSL_shutdown(ssl);
out:
	atomic_fetch_add(&done, 1);
	if (what)
		fault(what);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	SSL_free(ssl);
	close(fd);
}

static void *run(void *unused)
{
	(void)unused;
	while (!atomic_load(&stopping))
		connect_once();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	sigset_t ends;
	int count = argc == 5 || argc == 8 ? atoi(argv[4]) : 0;
	int received;

	if (count < 1 || count > MAX_THREADS)
		return 64;
	if (argc == 8) {
		request = argv[5];
		beginning = argv[6];
		wanted_part = argv[7];
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	context = SSL_CTX_new(TLS_client_method());
	if (SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
		return 66;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, run, NULL) != 0)
			return 71;
	sigwait(&ends, &received);
	atomic_store(&stopping, true);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("connections %lu failed %lu\n", atomic_load(&done), atomic_load(&failed));
	return atomic_load(&failed) ? 1 : 0;
}
