/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number of mutual handshakes, one after the other, without a request: what they cost is the server's handshake.
 *
 *     handshakes PORT CERT KEY 1.2|1.3 COUNT full|resumed
 *
 * Resumed ones are all of the newest session that the server gave; the first, which makes it, is not counted.
 * After each one the client says goodbye and waits for the server's end; a refusal, which in TLS 1.3 comes only then, ends
 * the program with status 1. Tries to connect for up to 60 s first, since a server under valgrind starts slowly.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in server;
static SSL_SESSION *newest; /* NULL: full handshakes are wanted, or there is none yet */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(newest);
	newest = session;
	return 1;
}

static int connected(void)
{
	const struct timespec pause = {.tv_nsec = 100000000};

	for (int tries = 0; tries < 600; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) == 0)
			return fd;
		close(fd);
		nanosleep(&pause, NULL);
	}
	return -1;
}

/* 0 where the server took the handshake, also after it has seen our certificate. */
static int handshake(SSL_CTX *context)
{
	char rest[64];
	int result = -1, resumes = 0;
	int fd = connected();
	SSL *ssl = SSL_new(context);

	if (fd < 0 || !ssl || SSL_set_fd(ssl, fd) != 1)
		goto out;
	if (newest && SSL_set_session(ssl, newest) != 1)
		goto out;
	resumes = newest != NULL; /* the callback may put a newer one there meanwhile */
	if (SSL_connect(ssl) != 1)
		goto out;
	if (SSL_session_reused(ssl) != resumes) {
		fprintf(stderr, "the server %s\n", resumes ? "did not resume the session" : "resumed without being asked");
		goto out;
	}
	SSL_shutdown(ssl);
	ERR_clear_error();
	while (SSL_read(ssl, rest, sizeof(rest)) > 0)
		;
	/* The end of the connection is what is expected; an alert is not. */
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL && ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET)
		goto out;
	result = 0;
out:
	if (result)
		ERR_print_errors_fp(stderr);
	ERR_clear_error();
	SSL_free(ssl);
	if (fd >= 0)
		close(fd);
	return result;
}

int main(int argc, char **argv)
{
	int version;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (argc != 7) {
		fputs("handshakes PORT CERT KEY 1.2|1.3 COUNT full|resumed\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	version = strcmp(argv[4], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
	if (!context || SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_min_proto_version(context, version) != 1 || SSL_CTX_set_max_proto_version(context, version) != 1)
		return 66;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (strcmp(argv[6], "resumed") == 0) {
		SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(context, keep_session);
	}
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (strcmp(argv[6], "resumed") == 0 && (handshake(context) != 0 || !newest)) {
		fputs("the server gave no session\n", stderr);
		return 1;
	}
	for (int i = 0; i < atoi(argv[5]); i++)
		if (handshake(context) != 0)
			return 1;
	return 0;
}
