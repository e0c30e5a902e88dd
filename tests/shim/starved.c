/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server without memory: `starved FOLDER shim|all 2|3`. Each allocation of the shim, or of the whole process, fails once,
 * the first, the second and so on, while a client without certificate connects, by TLS 1.2 or 1.3. It must never be served.
 * Says how many allocations there were.
 */
#include "tests/shim/files.h"
#include "tests/shim/pair.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

#define STRIDE 7 /* of the thousands that libssl makes, every seventh */

static bool shim_only;
static long left = -1; /* allocations until the one that fails; -1: none does */
static bool lasting;   /* all fail */

static bool fails(const void *caller)
{
	static bool looking; /* dladdr(3) must not come back here */
	Dl_info info;
	bool counts = true;

	if (left < 0 || looking)
		return false;
	if (shim_only) {
		looking = true;
		counts = dladdr(caller, &info) != 0 && strstr(info.dli_fname, "libtlsgraft.so") != NULL;
		looking = false;
	}
	if (counts && lasting)
		return true;
	return counts && left-- == 0;
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

/* Returns whether the client was served; `fail_at`: -1, or the allocation that fails from the server's context on. */
static bool served(SSL_CTX *client, enum server_style style, int version, long fail_at, bool *ret_failed)
{
	struct outcome out = {.alert = -1};
	SSL_CTX *server;

	left = fail_at;
	server = SSL_CTX_new(TLS_server_method());
	if (server != NULL) {
		struct pair pair;
		long rest = left;

		left = -1; /* the client's side, and what the test itself needs */
		SSL_CTX_set_min_proto_version(client, version);
		SSL_CTX_set_max_proto_version(client, version);
		pair = pair_new(client, server);
		left = rest;
		pair_run(&pair, style, &out);
		rest = left;
		left = -1;
		pair_free(&pair);
		SSL_SESSION_free(out.session);
		left = rest;
	}
	*ret_failed = fail_at >= 0 && left < 0;
	left = -1;
	SSL_CTX_free(server);
	ERR_clear_error();
	return out.served || out.reached;
}

static int accepts(SSL *ssl)
{
	return SSL_accept(ssl);
}

static int connects(SSL *ssl)
{
	return SSL_connect(ssl);
}

static int shakes_hands(SSL *ssl)
{
	return SSL_do_handshake(ssl);
}

static int reads(SSL *ssl)
{
	char data[8];

	return SSL_read(ssl, data, sizeof(data));
}

static int writes(SSL *ssl)
{
	return SSL_write(ssl, "x", 1);
}

static int reads_early(SSL *ssl)
{
	char data[8];
	size_t done;

	return SSL_read_early_data(ssl, data, sizeof(data), &done) == SSL_READ_EARLY_DATA_ERROR ? -1 : 0;
}

static int writes_early(SSL *ssl)
{
	size_t done;

	return SSL_write_early_data(ssl, "x", 1, &done) == 1 ? 1 : -1;
}

/* Where there is no record of a connection to judge it by, the call fails for that reason, instead of going on without. */
static int unjudged(SSL_CTX *client, SSL_CTX *server)
{
	static int (*const calls[])(SSL *) = {accepts, connects, shakes_hands, reads, writes, reads_early, writes_early};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct pair pair = pair_new(client, server);
		int result;

		SSL_do_handshake(pair.client);
		ERR_clear_error();
		left = 0;
		lasting = true;
		result = calls[i](pair.server);
		lasting = false;
		left = -1;
		if (result >= 0 || ERR_GET_REASON(ERR_peek_last_error()) != ERR_R_MALLOC_FAILURE) {
			printf("call %zu: %d, %s\n", i, result, ERR_reason_error_string(ERR_peek_last_error()));
			wrong++;
		}
		pair_free(&pair);
	}
	return wrong;
}

int main(int argc, char **argv)
{
	static const enum server_style styles[] = {STYLE_READ,  STYLE_ACCEPT, STYLE_EARLY,
						   STYLE_WRITE, STYLE_BIO,    STYLE_CONNECT};
	SSL_CTX *without, *right;
	int wrong = 0, version;
	bool failed;

	if (argc != 4)
		return 64;
	shim_only = strcmp(argv[2], "shim") == 0;
	version = argv[3][0] == '2' ? TLS1_2_VERSION : TLS1_3_VERSION;
	files_in(argv[1]);
	without = SSL_CTX_new(TLS_client_method());
	right = SSL_CTX_new(TLS_client_method());
	files_use(right, "client");
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		long count = 0;

		if (!served(right, styles[i], version, -1, &failed) || served(without, styles[i], version, -1, &failed))
			return 70;
		do {
			wrong += served(without, styles[i], version, count, &failed);
			count += shim_only ? 1 : STRIDE;
		} while (failed);
		wrong += !served(right, styles[i], version, -1, &failed);
		printf("style %zu: %ld allocations\n", i, count - (shim_only ? 1 : STRIDE));
		if (!shim_only)
			break;
	}
	if (shim_only) {
		SSL_CTX *server = SSL_CTX_new(TLS_server_method());
		wrong += unjudged(right, server);
		SSL_CTX_free(server);
	}
	printf("wrong %d\n", wrong);
	SSL_CTX_free(without);
	SSL_CTX_free(right);
	return wrong;
}
