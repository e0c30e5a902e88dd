/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that imports nothing of libssl: it opens LIBRARY and takes each function from its handle.
 *
 *   fetch serve|version LIBRARY FOLDER CLIENT   a server that undoes every verification, and CLIENT (client, wrong, none):
 *                                               prints what the client saw; `version`: by dlvsym
 *   fetch two LIBRARY OTHER                     contexts before and after another libssl is opened, from both
 */
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;
static int by_version;

static void *take(const char *name)
{
	void *found = by_version ? dlvsym(library, name, "OPENSSL_3.0.0") : dlsym(library, name);

	if (found == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(70);
	}
	return found;
}

#define TAKE(name) ((__typeof__(name) *)take(#name))

static void undo(const SSL *ssl, int where, int result)
{
	(void)where, (void)result;
	TAKE(SSL_set_verify)((SSL *)(size_t)ssl, SSL_VERIFY_NONE, NULL);
}

static SSL_CTX *context(const SSL_METHOD *method, const char *folder, const char *name)
{
	SSL_CTX *ctx = TAKE(SSL_CTX_new)(method);
	char file[512];

	if (ctx == NULL || strcmp(name, "none") == 0)
		return ctx;
	snprintf(file, sizeof(file), "%s/%s.pem", folder, name);
	TAKE(SSL_CTX_use_certificate_chain_file)(ctx, file);
	snprintf(file, sizeof(file), "%s/%s.key", folder, name);
	TAKE(SSL_CTX_use_PrivateKey_file)(ctx, file, SSL_FILETYPE_PEM);
	return ctx;
}

static int serve(const char *folder, const char *who)
{
	SSL_CTX *server_ctx = context(TAKE(TLS_server_method)(), folder, "own");
	SSL_CTX *client_ctx = context(TAKE(TLS_client_method)(), folder, who);
	char data[64], name[64] = "nothing";
	int served = 0;
	BIO *a, *b;

	if (server_ctx == NULL || client_ctx == NULL)
		return puts("no context"), 0;
	TAKE(SSL_CTX_set_info_callback)(server_ctx, undo);
	SSL *server = TAKE(SSL_new)(server_ctx), *client = TAKE(SSL_new)(client_ctx);
	TAKE(BIO_new_bio_pair)(&a, 1 << 15, &b, 1 << 15);
	TAKE(SSL_set_bio)(server, a, a);
	TAKE(SSL_set_bio)(client, b, b);
	TAKE(SSL_set_accept_state)(server);
	TAKE(SSL_set_connect_state)(client);
	for (int i = 0; i < 10 && !served; i++) {
		TAKE(SSL_do_handshake)(client);
		if (TAKE(SSL_do_handshake)(server) == 1)
			TAKE(SSL_write)(server, "data", 4);
		served = TAKE(SSL_read)(client, data, sizeof(data)) == 4;
	}
	X509 *seen = TAKE(SSL_get1_peer_certificate)(client);
	if (seen != NULL)
		TAKE(X509_NAME_get_text_by_NID)(TAKE(X509_get_subject_name)(seen), NID_commonName, name, sizeof(name));
	printf("%s %s\n", served ? "served" : "refused", name);
	return 0;
}

static int makes_context(void *from)
{
	library = from;
	return TAKE(SSL_CTX_new)(TAKE(TLS_server_method)()) != NULL;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 64;
	by_version = strcmp(argv[1], "version") == 0;
	library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return fprintf(stderr, "%s\n", dlerror()), 70;
	if (strcmp(argv[1], "two") != 0)
		return serve(argv[3], argv[4]);
	void *first = library;
	int before = makes_context(first);
	void *second = dlopen(argv[3], RTLD_NOW | RTLD_LOCAL);
	printf("%d", before);
	printf(" %d", makes_context(first));
	printf(" %d\n", makes_context(second));
	return 0;
}
