/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A threaded server and its clients in one process, over memory: `threads FOLDER THREADS ROUNDS`. Every thread handshakes
 * on the same SSL_CTX, with the right certificate and with none, while somebody else reloads. Prints what was served and
 * refused; the status is 0 where each client got what it should. No thread forks: a child of a process whose other threads
 * are inside libcrypto may find its locks held, with or without a shim.
 */
#include "tests/shim/pair.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SSL_CTX *server;
static SSL_CTX *right;
static SSL_CTX *without;
static int rounds;
static atomic_int served;
static atomic_int refused;
static atomic_int wrong;

static void one(SSL_CTX *client, bool expected)
{
	struct outcome out;
	struct pair pair = pair_new(client, server);

	memset(&out, 0, sizeof(out));
	pair_run(&pair, STYLE_READ, &out);
	pair_free(&pair);
	SSL_SESSION_free(out.session);
	ERR_clear_error();
	atomic_fetch_add(out.served ? &served : &refused, 1);
	if (out.served != expected)
		atomic_fetch_add(&wrong, 1);
}

static void *work(void *arg)
{
	(void)arg;
	for (int i = 0; i < rounds; i++) {
		one(right, true);
		one(without, false);
	}
	return NULL;
}

static SSL_CTX *client(const char *folder, const char *name)
{
	char path[512];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (name == NULL)
		return ctx;
	snprintf(path, sizeof(path), "%s/%s.pem", folder, name);
	SSL_CTX_use_certificate_chain_file(ctx, path);
	snprintf(path, sizeof(path), "%s/%s.key", folder, name);
	SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM);
	return ctx;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	int count = atoi(argv[2]);
	rounds = atoi(argv[3]);
	pthread_t *threads = calloc((size_t)count, sizeof(pthread_t));
	server = SSL_CTX_new(TLS_server_method());
	right = client(argv[1], "client");
	without = client(argv[1], NULL);
	if (threads == NULL || server == NULL) {
		free(threads);
		return 70;
	}
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	SSL_CTX_free(server);
	SSL_CTX_free(right);
	SSL_CTX_free(without);
	free(threads);
	printf("served %d refused %d wrong %d\n", atomic_load(&served), atomic_load(&refused), atomic_load(&wrong));
	return atomic_load(&wrong) == 0 && atomic_load(&served) > 0 ? 0 : 1;
}
