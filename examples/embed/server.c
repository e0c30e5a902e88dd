/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS server of one's own that uses the tlsgraft loader: certificate, key, CA, CRL, allow rules and mode come from the
 * [server] section of an INI file; SIGHUP renews them. What is good replaces what served for the connections to come; what
 * is not is refused with its reasons, and what served goes on serving.
 *
 *     embed site.ini 8443
 *
 * Clients are served one after the other, each with one line. Ends on SIGTERM and SIGINT.
 */
#include <tlsgraft/loader.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 200    /* a certificate whose key is not there yet is tried again this often, */
#define TIMEOUT_MS 3000 /* for so long */

static volatile sig_atomic_t hangup, end;

static void on_signal(int number)
{
	if (number == SIGHUP)
		hangup = 1;
	else
		end = 1;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void print_messages(const tlsgraft_messages *messages)
{
	for (size_t i = 0; messages && i < tlsgraft_messages_count(messages); i++)
		fprintf(stderr, "embed: %s: %s\n",
			tlsgraft_messages_severity(messages, i) == TLSGRAFT_ERROR ? "error" : "warning",
			tlsgraft_messages_text(messages, i));
}

/* An SSL_CTX for an identity; NULL where libssl does not take it. */
static SSL_CTX *context_of(tlsgraft_identity *identity)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx && tlsgraft_identity_configure(identity, "server", ctx) == TLSGRAFT_OK)
		return ctx;
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(ctx);
	return NULL;
}

/*
 * Loads, and on success replaces *identity and *ctx. Connections that are being served keep the old SSL_CTX alive by their
 * own reference. `last`: what is pending is not tried again, so its reasons are said. Returns what tlsgraft_load did.
 */
static int renew(const char *ini, bool last, tlsgraft_identity **identity, SSL_CTX **ctx)
{
	tlsgraft_messages *messages = NULL;
	tlsgraft_identity *loaded = NULL;
	int result = tlsgraft_load(ini, *identity, &loaded, &messages);
	SSL_CTX *made = NULL;
	char *difference;

	if (result == TLSGRAFT_OK) {
		made = context_of(loaded);
		if (!made)
			result = TLSGRAFT_REFUSED;
	}
	if (result != TLSGRAFT_PENDING || last)
		print_messages(messages);
	tlsgraft_messages_free(messages);
	if (result != TLSGRAFT_OK) {
		tlsgraft_identity_unref(loaded);
		return result;
	}
	difference = tlsgraft_identity_difference(*identity, loaded);
	fprintf(stderr, "embed: accepted: %s\n", difference ? difference : "");
	free(difference);
	SSL_CTX_free(*ctx);
	tlsgraft_identity_unref(*identity);
	*ctx = made;
	*identity = loaded;
	return TLSGRAFT_OK;
}

static int listen_on(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	address.sin_port = htons((uint16_t)atoi(port));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0) {
		perror("embed: listen");
		return -1;
	}
	return fd;
}

static void serve(SSL_CTX *ctx, int fd)
{
	const struct timeval timeout = {.tv_sec = 5};
	SSL *ssl = SSL_new(ctx);
	char line[256];
	int length;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
		X509 *peer = SSL_get1_peer_certificate(ssl);

		length = snprintf(line, sizeof(line), "hello %s\n", peer ? "client with a certificate" : "stranger");
		if (SSL_write(ssl, line, length) == length)
			SSL_shutdown(ssl);
		X509_free(peer);
	} else {
		fprintf(stderr, "embed: refused: %s\n", ERR_reason_error_string(ERR_peek_last_error()));
	}
	ERR_clear_error();
	SSL_free(ssl);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked, while_waiting;
	tlsgraft_identity *identity = NULL;
	SSL_CTX *ctx = NULL;
	long give_up = 0; /* while a key is waited for */
	int listener;

	if (argc != 3) {
		fprintf(stderr, "usage: embed INI PORT\n");
		return 64;
	}
	if (renew(argv[1], true, &identity, &ctx) != TLSGRAFT_OK)
		return 78;
	listener = listen_on(argv[2]);
	if (listener < 0)
		return 1;

	/* Signals are let in only while ppoll waits, so that none gets between looking at the flag and waiting. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &while_waiting);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	fprintf(stderr, "embed: ready\n");

	while (!end) {
		const struct timespec retry = {.tv_nsec = RETRY_MS * 1000000L};
		struct pollfd waiting = {.fd = listener, .events = POLLIN};
		int ready = ppoll(&waiting, 1, give_up != 0 ? &retry : NULL, &while_waiting);

		if (hangup || (give_up != 0 && ready <= 0)) {
			bool last;
			int result;

			if (hangup)
				give_up = now_ms() + TIMEOUT_MS;
			hangup = 0;
			last = now_ms() >= give_up;
			result = renew(argv[1], last, &identity, &ctx);
			if (result != TLSGRAFT_PENDING || last)
				give_up = 0;
			if (result == TLSGRAFT_REFUSED || (result == TLSGRAFT_PENDING && last))
				fprintf(stderr, "embed: refused: what served goes on serving\n");
		}
		if (ready > 0) {
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0) {
				serve(ctx, fd);
				close(fd);
			}
		}
	}
	close(listener);
	SSL_CTX_free(ctx);
	tlsgraft_identity_unref(identity);
	return 0;
}
