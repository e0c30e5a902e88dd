/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many answers a server gives: rate PORT CERT KEY CONNECTIONS SECONDS REQUEST END
 *
 * Each connection, by a thread of its own, sends REQUEST and reads up to END, again and again. Prints "answers N failed N".
 * With an empty CERT in plaintext, else by TLS.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64, ROOM = 65536 };

static SSL_CTX *context; /* NULL: plaintext */
static struct sockaddr_in server = {.sin_family = AF_INET};
static const char *request, *end;
static atomic_bool stopping;
static atomic_ulong answers, failed;

static ssize_t put(SSL *ssl, int fd, const char *data, size_t size)
{
	return ssl ? SSL_write(ssl, data, (int)size) : write(fd, data, size);
}

static ssize_t get(SSL *ssl, int fd, char *data, size_t room)
{
	return ssl ? SSL_read(ssl, data, (int)room) : read(fd, data, room);
}

static bool ask(SSL *ssl, int fd)
{
	static _Thread_local char answer[ROOM];
	size_t length = 0;
	const size_t wanted = strlen(end);

	if (put(ssl, fd, request, strlen(request)) <= 0)
		return false;
	while (length < wanted || memcmp(&answer[length - wanted], end, wanted) != 0) {
		const ssize_t got = get(ssl, fd, answer + length, sizeof(answer) - length);

		if (got <= 0)
			return false;
		length += (size_t)got;
	}
	return true;
}

static void *converse(void *argument)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = context ? SSL_new(context) : NULL;

	(void)argument;
	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) < 0 ||
	    (ssl && (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1))) {
		failed++;
	} else {
		while (!stopping)
			if (ask(ssl, fd)) {
				answers++;
			} else {
				failed++;
				break;
			}
	}
	SSL_free(ssl);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	const int count = argc == 8 ? atoi(argv[4]) : 0;
	pthread_t threads[MAX_CONNECTIONS];
	struct timespec period = {0};

	if (count < 1 || count > MAX_CONNECTIONS)
		return 64;
	period.tv_sec = atoi(argv[5]);
	request = argv[6];
	end = argv[7];
	signal(SIGPIPE, SIG_IGN);
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	const bool plain = *argv[2] == '\0';
	context = plain ? NULL : SSL_CTX_new(TLS_client_method());
	if (!plain && (!context || SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
		       SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1))
		return 66;
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, converse, NULL) != 0)
			return 71;
	nanosleep(&period, NULL);
	stopping = true;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("answers %lu failed %lu\n", answers, failed);
	return 0;
}
