/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and answers over many connections, of one thread with epoll: how many a second, and how long each takes.
 *
 *     requests [-c CONNECTIONS] [-d DEPTH] [-s SECONDS] [-n full|resumed] [-C CERT -K KEY] [-p PID]... PORT REQUEST BODY
 * TAIL
 *
 * -d    so many requests go at once, and the next ones when all of their answers are here
 * -n    a new connection for each request, with a full or a resumed handshake
 * -C    TLS 1.3 with this client certificate and TLS_AES_128_GCM_SHA256 alone; without it plaintext
 * -p    processor time of this process and its children is measured
 *
 * REQUEST and TAIL may hold \r and \n. An answer has at least BODY bytes and ends with TAIL; all have the length of the
 * first. Prints: requests a second, median and 99th percentile of the time from sending (with -n: connecting) to the last
 * byte of the answer in microseconds, CPU seconds of the -p processes for a million requests, the parts of one processor
 * that they and this program kept busy, and the part of the handshakes that were resumed.
 */
#include "samples.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SOME = 256 * 1024,
	AT_ONCE = 32,                /* handshakes, fewer than any server's backlog */
	WARM_UP = 200,               /* milliseconds */
	GIVE_UP = 5000,              /* milliseconds without anything */
	LARGEST_REQUEST = 32 * 1024, /* bytes */
};

/* One connection. Blocking is only its connect(2), which the server's backlog takes at once. */
struct slot {
	int fd;
	SSL *ssl;
	SSL_SESSION *session;
	bool greeted;     /* the handshake is finished */
	size_t missing;   /* bytes of the answers that are on their way; 0: none was asked for */
	uint64_t started; /* when the requests went, or the connection was made */
};

static struct {
	struct sockaddr_in server;
	SSL_CTX *tls;
	int connections, depth;
	double seconds;
	bool each_new, resume;
	char *batch;
	size_t request_size, answer;
	int epoll;
} load = {.connections = 50, .depth = 1, .seconds = 1};

static struct {
	uint64_t bytes, handshakes, resumed;
	bool open; /* what comes now is measured */
} count;

static char room[SOME];

static void fail(const char *what)
{
	fprintf(stderr, "requests: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
	ERR_print_errors_fp(stderr);
	exit(1);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct slot *slot = SSL_get_app_data(ssl);

	SSL_SESSION_free(slot->session);
	slot->session = session;
	return 1;
}

static void slot_connect(struct slot *slot)
{
	const int on = 1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = slot};

	slot->started = nanoseconds();
	slot->missing = 0;
	slot->greeted = !load.tls;
	slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (slot->fd < 0 || connect(slot->fd, (const struct sockaddr *)&load.server, sizeof(load.server)) != 0 ||
	    setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    fcntl(slot->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(load.epoll, EPOLL_CTL_ADD, slot->fd, &event) != 0)
		fail("connect");
	if (!load.tls)
		return;
	slot->ssl = SSL_new(load.tls);
	if (!slot->ssl || SSL_set_fd(slot->ssl, slot->fd) != 1 || SSL_set_app_data(slot->ssl, slot) != 1 ||
	    (load.resume && slot->session && SSL_set_session(slot->ssl, slot->session) != 1))
		fail("SSL_new");
	SSL_set_connect_state(slot->ssl);
}

static void slot_close(struct slot *slot)
{
	if (slot->ssl) {
		SSL_shutdown(slot->ssl);
		SSL_free(slot->ssl);
		slot->ssl = NULL;
	}
	close(slot->fd);
	slot->fd = -1;
}

/* `depth` requests go; all answers are to come. */
static void slot_ask(struct slot *slot, int depth)
{
	size_t size = load.request_size * (size_t)depth;
	ssize_t sent;

	if (!load.each_new)
		slot->started = nanoseconds();
	sent = slot->ssl ? SSL_write(slot->ssl, load.batch, (int)size) : send(slot->fd, load.batch, size, MSG_NOSIGNAL);
	if (sent != (ssize_t)size)
		fail("the server does not take requests");
	slot->missing = load.answer * (size_t)depth;
}

/* Bytes read into `room`; 0: none there now. */
static size_t slot_receive(struct slot *slot)
{
	ssize_t got = slot->ssl ? SSL_read(slot->ssl, room, SOME) : recv(slot->fd, room, SOME, 0);

	if (got > 0)
		return (size_t)got;
	if (slot->ssl ? SSL_get_error(slot->ssl, (int)got) != SSL_ERROR_WANT_READ : got == 0 || errno != EAGAIN)
		fail("the server ended the connection");
	return 0;
}

/* True when the handshake is finished, as agreed. */
static bool slot_greet(struct slot *slot)
{
	int result = SSL_do_handshake(slot->ssl);

	if (result != 1) {
		if (SSL_get_error(slot->ssl, result) != SSL_ERROR_WANT_READ)
			fail("the server refused the handshake");
		return false;
	}
	if (strcmp(SSL_get_cipher_name(slot->ssl), "TLS_AES_128_GCM_SHA256") != 0)
		fail("another cipher");
	if (count.open) {
		count.handshakes++;
		count.resumed += SSL_session_reused(slot->ssl) == 1;
	}
	slot->greeted = true;
	return true;
}

/* A connection that asks for one answer as soon as it can. */
static void slot_begin(struct slot *slot)
{
	slot_connect(slot);
	if (slot->greeted || slot_greet(slot))
		slot_ask(slot, 1);
}

/* What has come is taken. True where with it all answers that were asked for are here. */
static bool slot_advance(struct slot *slot)
{
	size_t got;

	if (!slot->greeted) {
		if (!slot_greet(slot))
			return false;
		slot_ask(slot, 1);
	}
	if (slot->missing == 0) { /* a session ticket, or the server's end */
		if (slot_receive(slot) > 0)
			fail("an answer that nobody asked for");
		return false;
	}
	/* Reads no further than the last answer: nothing comes behind it, and to look would be a system call. */
	while (slot->missing > 0 && (got = slot_receive(slot)) > 0) {
		if (got > slot->missing)
			fail("more answer than was asked for");
		slot->missing -= got;
		if (count.open)
			count.bytes += got;
	}
	return slot->missing == 0;
}

static int wait_events(struct epoll_event *events, int most)
{
	int many = epoll_wait(load.epoll, events, most, GIVE_UP);

	if (many <= 0)
		fail("no answer");
	return many;
}

/* The first connection: how long an answer is. */
static void learn(struct slot *slot, size_t body, const char *tail, size_t tail_size)
{
	size_t got = 0, piece;
	char *answer = malloc(body + SOME);
	struct epoll_event event;

	if (!answer)
		fail("learn");
	slot_connect(slot);
	while (!slot->greeted && !slot_greet(slot))
		wait_events(&event, 1);
	slot_ask(slot, 1);
	while (got < body + tail_size || memcmp(answer + got - tail_size, tail, tail_size) != 0) {
		piece = slot_receive(slot);
		if (piece == 0)
			wait_events(&event, 1);
		if (got + piece > body + SOME)
			fail("too long an answer");
		memcpy(answer + got, room, piece);
		got += piece;
	}
	free(answer);
	load.answer = got;
	slot_close(slot);
}

/* All connections are made, a few at a time, and each has had one answer: also the server's verdict on the client. */
static void open_all(struct slot *slots)
{
	struct epoll_event events[AT_ONCE];
	int begun = 0, finished = 0;

	while (finished < load.connections) {
		while (begun < load.connections && begun - finished < AT_ONCE)
			slot_begin(&slots[begun++]);
		for (int i = 0, many = wait_events(events, AT_ONCE); i < many; i++)
			finished += slot_advance(events[i].data.ptr);
	}
}

/* Until `end`, from and to where it is measured being the caller's to say. */
static void run_until(uint64_t end)
{
	struct epoll_event events[1024];
	struct slot *slot;
	uint64_t now;

	do {
		for (int i = 0, many = wait_events(events, 1024); i < many; i++) {
			slot = events[i].data.ptr;
			if (!slot_advance(slot))
				continue;
			if (count.open)
				sample_note(nanoseconds() - slot->started);
			if (load.each_new) {
				slot_close(slot);
				slot_begin(slot);
			} else {
				slot_ask(slot, load.depth);
			}
		}
		now = nanoseconds();
	} while (now < end);
}

static void measure(struct slot *slots)
{
	double servers, own, seconds;
	uint64_t begin;

	if (load.each_new)
		for (int i = 0; i < load.connections; i++)
			slot_begin(&slots[i]);
	else
		open_all(slots);
	for (int i = 0; !load.each_new && i < load.connections; i++)
		slot_ask(&slots[i], load.depth);
	if (load.seconds > 0)
		run_until(nanoseconds() + (uint64_t)WARM_UP * 1000000);
	count.open = true;
	servers = processes_seconds();
	own = own_seconds();
	begin = nanoseconds();
	run_until(begin + (uint64_t)(load.seconds * 1e9));
	seconds = (double)(nanoseconds() - begin) / 1e9;
	own = own_seconds() - own;
	servers = processes_seconds() - servers;
	count.open = false;

	double answers = (double)count.bytes / (double)load.answer;

	printf("%.0f %.1f %.1f %.3f %.3f %.3f %.3f\n", answers / seconds, sample_quantile(0.5), sample_quantile(0.99),
	       answers > 0 ? servers / answers * 1e6 : 0, servers / seconds, own / seconds,
	       count.handshakes ? (double)count.resumed / (double)count.handshakes : 0);
	for (int i = 0; i < load.connections; i++)
		slot_close(&slots[i]);
}

static void make_tls(const char *cert, const char *key)
{
	load.tls = SSL_CTX_new(TLS_client_method());
	if (!load.tls || SSL_CTX_use_certificate_chain_file(load.tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(load.tls, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_min_proto_version(load.tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(load.tls, "TLS_AES_128_GCM_SHA256") != 1)
		fail("SSL_CTX_new");
	/* One system call for as many records as are there. */
	SSL_CTX_set_read_ahead(load.tls, 1);
	SSL_CTX_set_default_read_buffer_len(load.tls, 128 * 1024);
	SSL_CTX_set_session_cache_mode(load.tls, load.resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
							     : SSL_SESS_CACHE_OFF);
	if (load.resume)
		SSL_CTX_sess_set_new_cb(load.tls, keep_session);
}

/* `text` with its \r and \n made bytes; returns how many were written to `bytes`. */
static size_t unescape(const char *text, char bytes[LARGEST_REQUEST])
{
	size_t size = 0;

	while (*text && size < LARGEST_REQUEST) {
		char byte = *text++;

		if (byte == '\\' && (*text == 'r' || *text == 'n'))
			byte = *text++ == 'r' ? '\r' : '\n';
		bytes[size++] = byte;
	}
	return size;
}

static void make_requests(const char *text)
{
	char request[LARGEST_REQUEST];

	load.request_size = unescape(text, request);
	if (load.request_size == 0)
		fail("an empty request");
	load.batch = malloc(load.request_size * (size_t)load.depth);
	if (!load.batch)
		fail("malloc");
	for (int i = 0; i < load.depth; i++)
		memcpy(load.batch + load.request_size * (size_t)i, request, load.request_size);
}

int main(int argc, char **argv)
{
	const char *cert = NULL, *key = NULL;
	char tail[LARGEST_REQUEST];
	struct slot *slots;
	int option;

	while ((option = getopt(argc, argv, "c:d:s:n:C:K:p:")) != -1) {
		switch (option) {
		case 'c':
			load.connections = atoi(optarg);
			break;
		case 'd':
			load.depth = atoi(optarg);
			break;
		case 's':
			load.seconds = atof(optarg);
			break;
		case 'n':
			load.each_new = true;
			load.resume = strcmp(optarg, "resumed") == 0;
			break;
		case 'C':
			cert = optarg;
			break;
		case 'K':
			key = optarg;
			break;
		case 'p':
			processes_add((pid_t)atoi(optarg));
			break;
		default:
			return 64;
		}
	}
	if (argc - optind != 4 || load.connections < 1 || load.depth < 1) {
		fputs("requests [OPTION]... PORT REQUEST BODY TAIL\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	load.server.sin_family = AF_INET;
	load.server.sin_port = htons((uint16_t)atoi(argv[optind]));
	load.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	slots = calloc((size_t)load.connections, sizeof(*slots));
	if (load.epoll < 0 || !slots)
		fail("start");
	make_requests(argv[optind + 1]);
	if (cert)
		make_tls(cert, key);
	learn(&slots[0], (size_t)atol(argv[optind + 2]), tail, unescape(argv[optind + 3], tail));
	measure(slots);
	free(slots);
	return 0;
}
