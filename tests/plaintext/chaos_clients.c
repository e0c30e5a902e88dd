/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of every kind at once: chaos_clients PORT CONNECTIONS SEED CERTIFICATE KEY
 *
 * Verified clients send CLIENTS and read; others have no certificate, speak something else, or nothing, and are to see
 * nothing. What lies on the wire is looked at by all of them: a word of the server's plaintext there is a leak. Prints one
 * line; the status is 0 where nothing leaked, and verified clients were served.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 16, PLAN = 40000, CLIENTS = 'v' };

static const char ours[] = "chaos-says-this-in-plain-text\n"; /* as chaos.c has it */
static const size_t piece = 12;                               /* of it that counts as a leak */
static int port;
static _Atomic long left, made, served, leaks;
static SSL_CTX *verified[2], *nameless[2];
static unsigned first_seed;

struct client {
	unsigned seed;
	int fd;
	char tail[64]; /* what came last on the wire */
	size_t tail_size;
	char text[PLAN];
};

static int any(struct client *c, int below)
{
	return rand_r(&c->seed) % below;
}

static bool shows(const char *data, size_t size)
{
	for (size_t at = 0; at + piece <= sizeof(ours) - 1; at++)
		if (memmem(data, size, ours + at, piece) != NULL)
			return true;
	return false;
}

/* Also what is cut in two. */
static void look_at_wire(struct client *c, const char *data, size_t size)
{
	char both[sizeof(c->tail) + 16384];
	size_t kept = c->tail_size;

	memcpy(both, c->tail, kept);
	memcpy(both + kept, data, size);
	if (shows(both, kept + size))
		atomic_fetch_add(&leaks, 1);
	kept += size;
	c->tail_size = kept < piece - 1 ? kept : piece - 1;
	memcpy(c->tail, both + kept - c->tail_size, c->tail_size);
}

static bool open_one(struct client *c, int milliseconds)
{
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval limit = {.tv_usec = milliseconds * 1000};

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->tail_size = 0;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(c->fd);
	return false;
}

/* What libssl wants to send goes out. */
static bool flush(struct client *c, BIO *out)
{
	char data[16384];
	int size;

	while ((size = BIO_read(out, data, sizeof(data))) > 0)
		for (int done = 0; done < size;) {
			ssize_t sent = send(c->fd, data + done, (size_t)(size - done), MSG_NOSIGNAL);
			if (sent <= 0)
				return false;
			done += (int)sent;
		}
	return true;
}

static bool feed(struct client *c, BIO *in)
{
	char data[16384];
	ssize_t got = recv(c->fd, data, sizeof(data), 0);

	if (got <= 0)
		return false;
	look_at_wire(c, data, (size_t)got);
	return BIO_write(in, data, (int)got) == got;
}

/* What libssl answered, again where it waits for bytes that come. */
static int go_on(struct client *c, SSL *ssl, int (*call)(struct client *, SSL *))
{
	for (;;) {
		int r = call(c, ssl);
		if (!flush(c, SSL_get_wbio(ssl)))
			return -1;
		if (r > 0 || SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ || !feed(c, SSL_get_rbio(ssl)))
			return r;
	}
}

static int shake(struct client *c, SSL *ssl)
{
	(void)c;
	return SSL_do_handshake(ssl);
}

static int read_some(struct client *c, SSL *ssl)
{
	return SSL_read(ssl, c->text, 1 + any(c, 20000));
}

static void talk(struct client *c, SSL *ssl, bool may_read)
{
	static const int sizes[] = {1, 50, 5000, PLAN};

	if (go_on(c, ssl, shake) != 1)
		return;
	for (int i = any(c, 6); i > 0; i--) {
		memset(c->text, CLIENTS, sizeof(c->text));
		SSL_write(ssl, c->text, sizes[any(c, 4)]);
		if (!flush(c, SSL_get_wbio(ssl)))
			return;
		if (go_on(c, ssl, read_some) <= 0)
			return;
		atomic_fetch_add(may_read ? &served : &leaks, 1);
	}
	if (any(c, 3) == 0) {
		SSL_shutdown(ssl);
		flush(c, SSL_get_wbio(ssl));
	}
}

static void speak_tls(struct client *c, SSL_CTX *context, bool may_read)
{
	if (!open_one(c, 100))
		return;
	SSL *ssl = SSL_new(context);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	talk(c, ssl, may_read);
	SSL_free(ssl);
	close(c->fd);
}

static void speak_otherwise(struct client *c)
{
	const struct linger reset = {.l_onoff = 1};
	char data[16384];
	ssize_t got;

	if (!open_one(c, 30))
		return;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)any(c, 256);
	switch (any(c, 6)) {
	case 0:
		send(c->fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL);
		break;
	case 1: /* a record that promises more */
		memcpy(data, "\x16\x03\x01\x3f", 4);
		send(c->fd, data, 5 + (size_t)any(c, 2000), MSG_NOSIGNAL);
		break;
	case 2:
		send(c->fd, "\x16", 1, MSG_NOSIGNAL);
		send(c->fd, "x", 1, MSG_NOSIGNAL | MSG_OOB);
		break;
	case 3:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(c->fd);
		return;
	case 4:
		shutdown(c->fd, SHUT_WR);
		break;
	default:
		break;
	}
	while ((got = recv(c->fd, data, sizeof(data), 0)) > 0)
		look_at_wire(c, data, (size_t)got);
	close(c->fd);
}

static void *run(void *argument)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->seed = first_seed * 1000 + (unsigned)(uintptr_t)argument;
	while (atomic_fetch_sub(&left, 1) > 0) {
		const int kind = any(c, 10);
		if (kind < 4)
			speak_tls(c, verified[any(c, 2)], true);
		else if (kind < 5)
			speak_tls(c, nameless[any(c, 2)], false);
		else
			speak_otherwise(c);
		atomic_fetch_add(&made, 1);
	}
	free(c);
	return NULL;
}

static SSL_CTX *new_context(int version, const char *certificate, const char *key)
{
	SSL_CTX *made_context = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(made_context, version);
	SSL_CTX_set_max_proto_version(made_context, version);
	if (certificate != NULL && (SSL_CTX_use_certificate_chain_file(made_context, certificate) != 1 ||
				    SSL_CTX_use_PrivateKey_file(made_context, key, SSL_FILETYPE_PEM) != 1))
		exit(1);
	return made_context;
}

int main(int count, char **words)
{
	pthread_t threads[THREADS];

	if (count < 6)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	port = atoi(words[1]);
	left = atol(words[2]);
	first_seed = (unsigned)atoi(words[3]);
	for (int i = 0; i < 2; i++) {
		verified[i] = new_context(i ? TLS1_3_VERSION : TLS1_2_VERSION, words[4], words[5]);
		nameless[i] = new_context(i ? TLS1_3_VERSION : TLS1_2_VERSION, NULL, NULL);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%ld connections, %ld served, %ld leaks\n", made, served, leaks);
	return served > 0 ? 0 : 1;
}
