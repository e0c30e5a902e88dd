/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS client and a server in one process, over memory, for servers that try to undo the policy that they run under.
 */
#ifndef TG_TESTS_SHIM_PAIR_H
#define TG_TESTS_SHIM_PAIR_H

#include <openssl/ssl.h>
#include <stdbool.h>

#define SECRET "the server's data"

/* How the server goes about its handshake: by an explicit call, or hidden in its first read or write. */
enum server_style {
	STYLE_ACCEPT,
	STYLE_READ,
	STYLE_READ_EX,
	STYLE_EARLY,
	STYLE_WRITE,
	STYLE_BIO,
	STYLE_BIO_HANDSHAKE,
	STYLE_CONNECT
};

struct pair {
	SSL *client;
	SSL *server;
	bool renegotiate; /* the client asks for it at the end; refused, its session is worth nothing any more */
};

struct outcome {
	bool served;  /* the client read the server's data */
	bool reached; /* the server read the client's data */
	bool resumed;
	bool early_over; /* the server need not ask for such data again */
	bool renegotiated;
	bool stapled;
	bool our_names;    /* the server announced our CA and no other */
	unsigned messages; /* what the client received: a bit for each handshake message's number up to 31 */
	int alert;         /* the last that it received, -1: none */
	int chain_length;
	bool finished; /* the client's handshake */
	int version;
	char subject[64]; /* CN of the certificate that the client saw */
	SSL_SESSION *session;
};

struct pair pair_new(SSL_CTX *client, SSL_CTX *server);
void pair_free(struct pair *pair);

/* Runs both sides until neither moves: each writes, and reads what came. */
void pair_run(struct pair *pair, enum server_style style, struct outcome *ret);

#endif
