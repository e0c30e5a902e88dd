/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients see of one renewal: new connections one after the other, running connections that keep asking, and in the
 * middle of it the renewal.
 *
 *     renewal PORT CERT KEY OLD NEW signal PID NUMBER
 *     renewal PORT CERT KEY OLD NEW send SOCKET FILE     a UNIX socket, to which the file is written
 *     renewal PORT CERT KEY OLD NEW run COMMAND...
 *
 * OLD and NEW are files with the two leaves. Prints one line: milliseconds from the trigger to the first handshake with the
 * new leaf, to the last one with the old, the longest time that any running connection waited for an answer, how many
 * new connections failed after the trigger, how many running ones were lost, and how many handshakes were seen.
 * Status 1 where the new leaf never came.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROBERS 2
#define RUNNERS 4
#define BEFORE_MS 300
#define AFTER_MS 1500 /* at least, and until the new leaf came */
#define LIMIT_MS 10000
#define RUNNER_PAUSE_NS 1000000

extern char **environ;

static struct sockaddr_in server;
static SSL_CTX *context;
static X509 *old_leaf, *new_leaf;
static _Atomic bool ended;
static _Atomic int64_t triggered; /* nanoseconds of the monotonic clock; 0: not yet */
static _Atomic int64_t first_new, last_old, longest_wait;
static atomic_int failed, lost, handshakes, running;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void at_most(_Atomic int64_t *what, int64_t value)
{
	int64_t seen = atomic_load(what);

	while ((seen == 0 || value < seen) && !atomic_compare_exchange_weak(what, &seen, value))
		;
}

static void at_least(_Atomic int64_t *what, int64_t value)
{
	int64_t seen = atomic_load(what);

	while (value > seen && !atomic_compare_exchange_weak(what, &seen, value))
		;
}

static SSL *open_connection(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(context);
	const struct timeval timeout = {.tv_sec = 5};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	SSL_set_fd(ssl, fd);
	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) == 0 && SSL_connect(ssl) == 1)
		return ssl;
	ERR_clear_error();
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void close_connection(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	ERR_clear_error();
	SSL_free(ssl);
	close(fd);
}

/* One request and its whole answer, which ends in "ok\n". */
static bool exchange(SSL *ssl)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
	char answer[4096];
	int have = 0;

	if (SSL_write(ssl, request, sizeof(request) - 1) != (int)sizeof(request) - 1)
		return false;
	while (have < (int)sizeof(answer)) {
		int n = SSL_read(ssl, answer + have, (int)sizeof(answer) - have);
		if (n <= 0)
			return false;
		have += n;
		if (have >= 3 && memcmp(answer + have - 3, "ok\n", 3) == 0)
			return true;
	}
	return false;
}

static void *probe(void *unused)
{
	(void)unused;
	while (!atomic_load(&ended)) {
		SSL *ssl = open_connection();
		int64_t end = now(), began = atomic_load(&triggered);
		if (!ssl) {
			if (began != 0)
				atomic_fetch_add(&failed, 1);
			continue;
		}
		X509 *leaf = SSL_get0_peer_certificate(ssl);
		atomic_fetch_add(&handshakes, 1);
		if (began != 0 && X509_cmp(leaf, new_leaf) == 0)
			at_most(&first_new, end);
		else if (began != 0 && X509_cmp(leaf, old_leaf) == 0)
			at_least(&last_old, end);
		close_connection(ssl);
	}
	return NULL;
}

static void *keep_asking(void *unused)
{
	const struct timespec pause = {.tv_nsec = RUNNER_PAUSE_NS};
	SSL *ssl = open_connection();

	(void)unused;
	if (!ssl || !exchange(ssl)) {
		fputs("a running connection could not begin\n", stderr);
		exit(1);
	}
	atomic_fetch_add(&running, 1);
	while (!atomic_load(&ended)) {
		int64_t began = now();
		if (!exchange(ssl)) {
			atomic_fetch_add(&lost, 1);
			break;
		}
		if (atomic_load(&triggered) != 0)
			at_least(&longest_wait, now() - began);
		nanosleep(&pause, NULL);
	}
	close_connection(ssl);
	return NULL;
}

static void pull(int argc, char **argv)
{
	pid_t child;

	atomic_store(&triggered, now());
	if (strcmp(argv[0], "signal") == 0 && argc == 3) {
		kill(atoi(argv[1]), atoi(argv[2]));
	} else if (strcmp(argv[0], "send") == 0 && argc == 3) {
		struct sockaddr_un where = {.sun_family = AF_UNIX};
		char buffer[65536];
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), file = open(argv[2], O_RDONLY | O_CLOEXEC);
		strncpy(where.sun_path, argv[1], sizeof(where.sun_path) - 1);
		ssize_t size = read(file, buffer, sizeof(buffer));
		if (connect(fd, (const struct sockaddr *)&where, sizeof(where)) != 0 ||
		    write(fd, buffer, (size_t)size) != size)
			perror(argv[1]);
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		close(file);
		close(fd);
	} else if (posix_spawnp(&child, argv[1], NULL, NULL, argv + 1, environ) == 0) {
		waitpid(child, NULL, 0);
	}
}

static X509 *leaf_of(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *leaf = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

	if (!leaf) {
		fprintf(stderr, "%s: no certificate\n", path);
		exit(66);
	}
	fclose(file);
	return leaf;
}

static void wait_ms(int64_t milliseconds)
{
	const struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

static double after_ms(int64_t time)
{
	return time == 0 ? 0 : (double)(time - atomic_load(&triggered)) / 1e6;
}

int main(int argc, char **argv)
{
	pthread_t threads[PROBERS + RUNNERS];

	if (argc < 8) {
		fputs("renewal PORT CERT KEY OLD NEW signal|send|run ...\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	context = SSL_CTX_new(TLS_client_method());
	if (SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
		return 66;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	old_leaf = leaf_of(argv[4]);
	new_leaf = leaf_of(argv[5]);
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

	for (int i = 0; i < PROBERS + RUNNERS; i++)
		if (pthread_create(&threads[i], NULL, i < PROBERS ? probe : keep_asking, NULL) != 0)
			return 1;
	while (atomic_load(&running) < RUNNERS)
		wait_ms(1);
	wait_ms(BEFORE_MS);
	pull(argc - 6, argv + 6);
	wait_ms(AFTER_MS);
	while (atomic_load(&first_new) == 0 && after_ms(now()) < LIMIT_MS)
		wait_ms(10);
	atomic_store(&ended, true);
	for (int i = 0; i < PROBERS + RUNNERS; i++)
		pthread_join(threads[i], NULL);
	printf("%.1f %.1f %.1f %d %d %d\n", after_ms(first_new), after_ms(last_old), (double)longest_wait / 1e6, failed,
	       lost, handshakes);
	return first_new == 0;
}
