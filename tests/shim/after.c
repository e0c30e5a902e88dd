/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server may do around a handshake rather than in it: `after FOLDER`, under [server] in mode mutual and [sni] of
 * public.example in mode server. Prints a line for each check; the status is 1 where any failed.
 */
#include "tests/shim/files.h"
#include "tests/shim/pair.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 10

static char private_name[] = "private.example";
static char public_name[] = "public.example";

static int failures;
static SSL_CTX *foreign;   /* a client's context, which trusts another CA: the shim has no callback there */
static bool switch_to_it;  /* in the name callback */
static SSL_SESSION *first; /* the newest that the server was told of before `bring_back` */
static bool bring_back;    /* the session callback brings it whatever was asked for */
static unsigned char context[SSL_MAX_SID_CTX_LENGTH];
static unsigned context_length;

static void expect(bool good, const char *what)
{
	printf("%s %s\n", good ? "ok  " : "FAIL", what);
	failures += !good;
}

static int say_yes(int verdict, X509_STORE_CTX *store)
{
	(void)verdict, (void)store;
	return 1;
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	if (switch_to_it)
		SSL_set_SSL_CTX(ssl, foreign);
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	files_use(ctx, "own");
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	return ctx;
}

static SSL_CTX *client_context(const char *certificate, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_post_handshake_auth(ctx, 1);
	if (certificate != NULL)
		files_use(ctx, certificate);
	return ctx;
}

static int read_ex(SSL *ssl, void *data, int size)
{
	size_t done = 0;

	return SSL_read_ex(ssl, data, (size_t)size, &done) == 1 ? (int)done : -1;
}

static int peek_ex(SSL *ssl, void *data, int size)
{
	size_t done = 0;

	return SSL_peek_ex(ssl, data, (size_t)size, &done) == 1 ? (int)done : -1;
}

static int read_bio(SSL *ssl, void *data, int size)
{
	BIO *bio = BIO_new(BIO_f_ssl());

	BIO_set_ssl(bio, ssl, BIO_NOCLOSE);
	int got = BIO_read(bio, data, size);
	BIO_free(bio);
	return got;
}

/* Both ends move; true where the server got the client's data. */
static bool passes(struct pair *pair, const char *text)
{
	char data[64];
	bool written = false, got = false;

	for (int i = 0; i < ROUNDS && !got; i++) {
		if (!SSL_is_init_finished(pair->client))
			SSL_do_handshake(pair->client);
		else if (!written)
			written = SSL_write(pair->client, text, (int)strlen(text)) > 0;
		int size = SSL_read(pair->server, data, sizeof(data));
		got = size == (int)strlen(text) && memcmp(data, text, (size_t)size) == 0;
		if (SSL_is_init_finished(pair->client))
			SSL_read(pair->client, data, sizeof(data));
		ERR_clear_error();
	}
	return got;
}

static struct pair connected(SSL_CTX *client, SSL_CTX *server, char *name)
{
	struct pair pair = pair_new(client, server);

	SSL_set_tlsext_host_name(pair.client, name);
	return pair;
}

/* A good client is asked once more, in TLS 1.3, and shows `certificate` then. True where its data reach the server. */
static bool asked_again(SSL_CTX *server, const char *certificate, SSL_SESSION *session, SSL_SESSION **ret_session)
{
	SSL_CTX *client = client_context("client", TLS1_3_VERSION);
	SSL_CTX *later = client_context(certificate, TLS1_3_VERSION);
	struct pair pair = connected(client, server, private_name);

	if (session != NULL)
		SSL_set_session(pair.client, session);
	bool good = passes(&pair, "first");
	SSL_certs_clear(pair.client);
	if (certificate != NULL)
		SSL_use_cert_and_key(pair.client, SSL_CTX_get0_certificate(later), SSL_CTX_get0_privatekey(later), NULL, 1);
	SSL_set_SSL_CTX(pair.server, foreign);
	SSL_set_verify(pair.server, SSL_VERIFY_PEER, say_yes);
	good = good && SSL_verify_client_post_handshake(pair.server) == 1 && SSL_do_handshake(pair.server) == 1 &&
	       passes(&pair, "second") && passes(&pair, "third");
	if (ret_session != NULL)
		*ret_session = SSL_get1_session(pair.client);
	good = good && (session == NULL || SSL_session_reused(pair.client));
	pair_free(&pair);
	SSL_CTX_free(later);
	SSL_CTX_free(client);
	return good;
}

static void post_handshake(void)
{
	SSL_CTX *server = server_context();
	SSL_SESSION *session = NULL;

	expect(asked_again(server, "client", NULL, &session), "asked after the handshake: the right certificate goes on");
	expect(!asked_again(server, "wrong", NULL, NULL),
	       "asked after the handshake: one of the server's own trust does not");
	expect(!asked_again(server, NULL, NULL, NULL), "asked after the handshake: none does not");
	expect(asked_again(server, "client", session, NULL), "asked after a resumption: the right certificate goes on");
	expect(!asked_again(server, "wrong", session, NULL),
	       "asked after a resumption: one of the server's own trust does not");
	SSL_SESSION_free(session);
	SSL_CTX_free(server);
}

static SSL *pumped; /* a client that moves whenever its server reads: as over a socket that blocks */
static bool pumped_written;

static long pump(BIO *bio, int operation, const char *data, size_t size, int number, long value, int result, size_t *done)
{
	(void)bio, (void)data, (void)size, (void)number, (void)value, (void)done;
	if (operation != BIO_CB_READ || pumped == NULL)
		return result;
	if (!SSL_is_init_finished(pumped))
		SSL_do_handshake(pumped);
	if (SSL_is_init_finished(pumped) && !pumped_written)
		pumped_written = SSL_write(pumped, "second", 6) > 0;
	return result;
}

/* The server finishes the handshake and gets the data in one call. */
static bool read_at_once(struct pair *pair, int (*reads)(SSL *, void *, int))
{
	char data[64];

	pumped = pair->client;
	pumped_written = false;
	BIO_set_callback_ex(SSL_get_rbio(pair->server), pump);
	int size = reads(pair->server, data, sizeof(data));
	pumped = NULL;
	ERR_clear_error();
	return size == 6 && memcmp(data, "second", 6) == 0;
}

/* A client without a certificate begins under one name and says hello again under another. */
static bool again_as(char *second_name, bool switches, int (*reads)(SSL *, void *, int))
{
	SSL_CTX *server = server_context(), *client = client_context(NULL, TLS1_2_VERSION);
	struct pair pair = connected(client, server, public_name);
	bool good = passes(&pair, "first");

	switch_to_it = switches;
	SSL_set_tlsext_host_name(pair.client, second_name);
	SSL_renegotiate(pair.client);
	SSL_do_handshake(pair.client);
	good = good && read_at_once(&pair, reads);
	switch_to_it = false;
	pair_free(&pair);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	return good;
}

static void renegotiated(void)
{
	expect(again_as(public_name, false, SSL_read), "a public name may renegotiate");
	expect(again_as(public_name, false, read_bio), "also where the server reads through a BIO");
	expect(!again_as(private_name, false, SSL_read), "but not to a name that wants a certificate");
	expect(!again_as(private_name, true, SSL_read), "nor where the server leaves our context on the way");
	expect(!again_as(private_name, true, SSL_peek), "nor where it looks first");
	expect(!again_as(private_name, true, read_ex) && !again_as(private_name, true, peek_ex), "nor by the newer calls");
	expect(!again_as(private_name, true, read_bio), "nor through a BIO");
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	const unsigned char *bytes = SSL_SESSION_get0_id_context(session, &context_length);
	(void)ssl;

	memcpy(context, bytes, context_length);
	SSL_SESSION_free(first);
	first = session;
	return 1;
}

/* The session of the public name, under the context of the private one. */
static SSL_SESSION *on_lookup(SSL *ssl, const unsigned char *id, int size, int *copy)
{
	(void)ssl;
	if (!bring_back || first == NULL)
		return NULL;
	SSL_SESSION_set1_id_context(first, context, context_length);
	SSL_SESSION_set1_id(first, id, (unsigned)size);
	*copy = 1;
	return first;
}

enum label { LABEL_SESSION, LABEL_SSL, LABEL_CONTEXT };

/* A session that another CA's client got under the public name, brought back as one of the private name. */
static bool relabelled(enum label label)
{
	SSL_CTX *server = server_context(), *good = client_context("client", TLS1_2_VERSION);
	SSL_CTX *wrong = client_context("wrong", TLS1_2_VERSION);
	unsigned char taken[SSL_MAX_SID_CTX_LENGTH];

	SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(server, on_session);
	SSL_CTX_sess_set_get_cb(server, on_lookup);
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER, say_yes);
	SSL_CTX_set_session_id_context(server, (const unsigned char *)"own", 3);
	struct pair pair = connected(good, server, private_name);
	bool worked = passes(&pair, "first");
	pair_free(&pair);
	unsigned taken_length = context_length;
	memcpy(taken, context, taken_length);
	if (label == LABEL_CONTEXT)
		SSL_CTX_set_session_id_context(server, taken, taken_length);
	pair = connected(wrong, server, public_name);
	if (label == LABEL_SSL)
		SSL_set_session_id_context(pair.server, taken, taken_length);
	worked = worked && passes(&pair, "second");
	SSL_SESSION *session = SSL_get1_session(pair.client);
	pair_free(&pair);
	SSL_CTX_set_session_id_context(server, (const unsigned char *)"own", 3);
	memcpy(context, taken, taken_length);
	context_length = taken_length;
	bring_back = true;
	pair = connected(wrong, server, private_name);
	SSL_set_session(pair.client, session);
	bool served = passes(&pair, "third");
	bring_back = false;
	pair_free(&pair);
	expect(worked, "what the session is taken from");
	SSL_SESSION_free(session);
	SSL_SESSION_free(first);
	first = NULL;
	SSL_CTX_free(wrong);
	SSL_CTX_free(good);
	SSL_CTX_free(server);
	return served;
}

static void sessions(void)
{
	expect(!relabelled(LABEL_SESSION), "a session gets no context of ours from the server");
	expect(!relabelled(LABEL_SSL), "nor does an SSL");
	expect(!relabelled(LABEL_CONTEXT), "nor does a context");
}

/* The server's end is a copy, or made by BIO_new_ssl(3). */
static bool served_by(bool duplicate, const char *certificate)
{
	SSL_CTX *server = server_context(), *client = client_context(certificate, TLS1_3_VERSION);
	SSL *original = SSL_new(server), *ssl = NULL;
	BIO *bio = duplicate ? NULL : BIO_new_ssl(server, 0);
	BIO *a = NULL, *b = NULL;
	char data[64];
	bool got = false, written = false;

	SSL_set_accept_state(original);
	if (duplicate)
		ssl = SSL_dup(original);
	else
		BIO_get_ssl(bio, &ssl);
	SSL *peer = SSL_new(client);
	BIO_new_bio_pair(&a, 1 << 15, &b, 1 << 15);
	SSL_set_bio(peer, a, a);
	SSL_set_bio(ssl, b, b);
	SSL_set_connect_state(peer);
	SSL_set_tlsext_host_name(peer, private_name);
	for (int i = 0; i < ROUNDS && !got; i++) {
		if (!SSL_is_init_finished(peer))
			SSL_do_handshake(peer);
		else if (!written)
			written = SSL_write(peer, "hello", 5) > 0;
		got = (bio == NULL ? SSL_read(ssl, data, sizeof(data)) : BIO_read(bio, data, sizeof(data))) == 5;
		ERR_clear_error();
	}
	SSL_free(peer);
	if (bio == NULL)
		SSL_free(ssl);
	BIO_free(bio);
	SSL_free(original);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	return got;
}

/* An SSL of a client's context, made a server's later, has passed none of our callbacks. */
static bool served_by_a_client(void)
{
	SSL_CTX *client = client_context("client", TLS1_3_VERSION);
	struct pair pair = connected(client, foreign, private_name);

	SSL_set_ssl_method(pair.server, TLS_server_method());
	SSL_set_accept_state(pair.server);
	bool got = passes(&pair, "hello");
	pair_free(&pair);
	SSL_CTX_free(client);
	return got;
}

/* A method of either role says that it accepts until it is told to connect: no policy may take it for a server. */
static bool connects(void)
{
	SSL_CTX *server = server_context(), *client = SSL_CTX_new(TLS_method());
	BIO *a = NULL, *b = NULL;
	bool done = false;

	files_use(client, "client");
	SSL *peer = SSL_new(client), *ssl = SSL_new(server);
	BIO_new_bio_pair(&a, 1 << 15, &b, 1 << 15);
	SSL_set_bio(peer, a, a);
	SSL_set_bio(ssl, b, b);
	for (int i = 0; i < ROUNDS && !done; i++) {
		done = SSL_connect(peer) == 1;
		done = SSL_accept(ssl) == 1 && done && SSL_write(peer, "hello", 5) == 5;
		ERR_clear_error();
	}
	SSL_free(peer);
	SSL_free(ssl);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	return done;
}

static void made_otherwise(void)
{
	expect(connects(), "a client of this process connects");
	expect(!served_by_a_client(), "a client's SSL serves nobody");
	expect(served_by(true, "client"), "a copied SSL serves the right client");
	expect(!served_by(true, NULL) && !served_by(true, "wrong"), "and no other");
	expect(served_by(false, "client"), "an SSL of BIO_new_ssl serves the right client");
	expect(!served_by(false, NULL) && !served_by(false, "wrong"), "and no other");
	switch_to_it = true;
	expect(!served_by(false, "client"), "nor by a context that is not ours");
	switch_to_it = false;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 64;
	files_in(argv[1]);
	foreign = SSL_CTX_new(TLS_client_method());
	files_use(foreign, "second");
	X509_STORE_load_file(SSL_CTX_get_cert_store(foreign), files_path("wrong-ca.pem"));
	post_handshake();
	renegotiated();
	sessions();
	made_otherwise();
	SSL_CTX_free(foreign);
	printf("%d failures\n", failures);
	return failures == 0 ? 0 : 1;
}
