/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of every case, plaintext or TLS: client CONTROL_PATH PORT [CERT KEY VERSION]
 *
 * Takes connections on the UNIX socket CONTROL_PATH, each from one case, and does for it what it asks (protocol.h).
 * Prints "ready"; runs until its standard input ends.
 */
#include "protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A case that waits for its client for ever has failed long before. */
enum { TIMEOUT_S = 15, PIECE = 65536 };

struct connection {
	int fd;
	SSL *ssl;
	uint64_t sent;
	bool failed;
};

static SSL_CTX *context; /* NULL: plaintext */
static struct sockaddr_in server = {.sin_family = AF_INET};

static ssize_t put(struct connection *c, const char *buffer, size_t size)
{
	size_t written = 0;

	if (c->failed)
		return -1;
	if (!c->ssl)
		return send(c->fd, buffer, size, MSG_NOSIGNAL);
	return SSL_write_ex(c->ssl, buffer, size, &written) == 1 ? (ssize_t)written : -1;
}

/* 0: an end that the peer said; -1: everything else, also EAGAIN. */
static ssize_t get(struct connection *c, char *buffer, size_t size)
{
	size_t got = 0;

	if (c->failed)
		return -1;
	if (!c->ssl)
		return recv(c->fd, buffer, size, 0);
	if (SSL_read_ex(c->ssl, buffer, size, &got) == 1)
		return (ssize_t)got;
	return SSL_get_error(c->ssl, 0) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void set_blocking(const struct connection *c, bool blocking)
{
	const int flags = fcntl(c->fd, F_GETFL);

	fcntl(c->fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static bool would_wait(const struct connection *c)
{
	if (!c->ssl)
		return errno == EAGAIN;
	return SSL_want_read(c->ssl) || SSL_want_write(c->ssl);
}

static struct answer connect_to_server(struct connection *c)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct answer answer = {.result = -1};
	struct sockaddr_in own = {0};
	socklen_t size = sizeof(own);

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(c->fd, (const struct sockaddr *)&server, sizeof(server)) < 0 ||
	    getsockname(c->fd, (struct sockaddr *)&own, &size) < 0)
		return answer;
	if (context) {
		c->ssl = SSL_new(context);
		if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1) {
			c->failed = true;
			return answer;
		}
	}
	answer.result = ntohs(own.sin_port);
	return answer;
}

static struct answer send_pieces(struct connection *c, size_t size, unsigned count)
{
	struct answer answer = {0};
	static char buffer[PIECE];

	while (count-- > 0)
		for (size_t left = size; left > 0;) {
			const uint64_t place = c->sent;
			const size_t piece = left < sizeof(buffer) ? left : sizeof(buffer);
			ssize_t done;

			fill(buffer, piece, &c->sent);
			done = put(c, buffer, piece);
			c->sent = place + (uint64_t)(done > 0 ? done : 0);
			if (done <= 0) {
				answer.result = -1;
				return answer;
			}
			left -= (size_t)done;
			answer.result += done;
		}
	return answer;
}

static struct answer receive(struct connection *c, size_t size)
{
	struct answer answer = {.sum = SUM_BEGIN};
	static char buffer[PIECE];

	while ((size_t)answer.result < size) {
		const size_t left = size - (size_t)answer.result;
		const ssize_t got = get(c, buffer, left < sizeof(buffer) ? left : sizeof(buffer));

		if (got <= 0) {
			answer.ending = got == 0 ? ENDING_END : ENDING_ERROR;
			break;
		}
		answer.sum = sum_of(answer.sum, buffer, (size_t)got);
		answer.result += got;
	}
	return answer;
}

/* Both directions at once, in pieces of odd sizes. */
static struct answer exchange(struct connection *c, size_t to_send, size_t to_read)
{
	struct answer answer = {.sum = SUM_BEGIN};
	size_t sent = 0;
	static char out[1777], in[PIECE];

	set_blocking(c, false);
	if (c->ssl)
		SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while (sent < to_send || (size_t)answer.result < to_read) {
		struct pollfd waiting = {.fd = c->fd, .events = POLLIN};
		bool moved = false;

		if (sent < to_send) {
			const size_t piece = to_send - sent < sizeof(out) ? to_send - sent : sizeof(out);
			uint64_t place = c->sent;
			ssize_t done;

			fill(out, piece, &place);
			done = put(c, out, piece);
			if (done < 0 && !would_wait(c))
				break;
			if (done > 0) {
				c->sent += (uint64_t)done;
				sent += (size_t)done;
				moved = true;
			}
			waiting.events |= POLLOUT;
		}
		if ((size_t)answer.result < to_read) {
			const ssize_t got = get(c, in, sizeof(in));

			if (got == 0 || (got < 0 && !would_wait(c))) {
				answer.ending = got == 0 ? ENDING_END : ENDING_ERROR;
				break;
			}
			if (got > 0) {
				answer.sum = sum_of(answer.sum, in, (size_t)got);
				answer.result += got;
				moved = true;
			}
		}
		if (!moved && poll(&waiting, 1, TIMEOUT_S * 1000) == 0)
			break;
	}
	set_blocking(c, true);
	return answer;
}

/* What is there already is read first: closing over it would be a reset. */
static void drain(struct connection *c)
{
	static char buffer[PIECE];

	set_blocking(c, false);
	while (get(c, buffer, sizeof(buffer)) > 0)
		;
	set_blocking(c, true);
}

static void close_connection(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	c->failed = true;
}

static struct answer take(struct connection *c, const struct step *step)
{
	const struct linger reset = {.l_onoff = 1};
	const struct timespec pause = {.tv_sec = step->size / 1000, .tv_nsec = step->size % 1000 * 1000000L};

	switch (step->kind) {
	case STEP_CONNECT:
		return connect_to_server(c);
	case STEP_SEND:
		return send_pieces(c, step->size, step->count);
	case STEP_RECEIVE:
		return receive(c, step->size);
	case STEP_EXCHANGE:
		return exchange(c, step->size, step->count);
	case STEP_PAUSE:
		nanosleep(&pause, NULL);
		break;
	case STEP_HALF:
	case STEP_NOTIFY:
		if (c->ssl && !c->failed)
			SSL_shutdown(c->ssl);
		if (!c->ssl || step->kind == STEP_HALF)
			shutdown(c->fd, SHUT_WR);
		break;
	case STEP_CLOSE:
	case STEP_CUT:
		drain(c);
		if (c->ssl && !c->failed && step->kind == STEP_CLOSE)
			SSL_shutdown(c->ssl);
		close_connection(c);
		break;
	case STEP_ABORT:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close_connection(c);
		break;
	}
	return (struct answer){0};
}

static void serve(int control)
{
	struct connection c = {.fd = -1};
	struct step step;

	alarm(2 * TIMEOUT_S);
	while (recv(control, &step, sizeof(step), 0) == (ssize_t)sizeof(step)) {
		const struct answer answer = take(&c, &step);

		if (send(control, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
}

static bool make_context(const char *cert, const char *key, const char *version)
{
	const int only = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	context = SSL_CTX_new(TLS_client_method());
	return context && SSL_CTX_set_min_proto_version(context, only) == 1 &&
	       SSL_CTX_set_max_proto_version(context, only) == 1 &&
	       SSL_CTX_use_certificate_chain_file(context, cert) == 1 &&
	       SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct pollfd ready[] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

	if ((argc != 3 && argc != 6) || strlen(argv[1]) >= sizeof(address.sun_path))
		return 64;
	if (argc == 6 && !make_context(argv[3], argv[4], argv[5]))
		return 66;
	memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
		return 71;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	puts("ready");
	fflush(stdout);
	while (poll(ready, 2, -1) > 0 || errno == EINTR) {
		int control;

		if (ready[1].revents)
			break;
		control = ready[0].revents ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (control < 0)
			continue;
		if (fork() == 0) {
			serve(control);
			_exit(0);
		}
		close(control);
	}
	return 0;
}
