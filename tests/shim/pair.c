/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shim/pair.h"

#include <openssl/x509.h>
#include <string.h>

#define ROUNDS 20

struct pair pair_new(SSL_CTX *client, SSL_CTX *server)
{
	struct pair pair = {SSL_new(client), SSL_new(server), false};
	BIO *a = NULL;
	BIO *b = NULL;

	BIO_new_bio_pair(&a, 1 << 17, &b, 1 << 17);
	SSL_set_bio(pair.client, a, a);
	SSL_set_bio(pair.server, b, b);
	SSL_set_connect_state(pair.client);
	SSL_set_accept_state(pair.server);
	return pair;
}

/* Without a proper end libssl lets no session resume. */
void pair_free(struct pair *pair)
{
	SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_set_shutdown(pair->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(pair->client);
	SSL_free(pair->server);
}

/* The server goes through BIO_f_ssl(3), which is not SSL_read. */
static bool bio_moves(SSL *server, bool handshakes, struct outcome *out)
{
	char data[64];
	BIO *bio = BIO_new(BIO_f_ssl());

	BIO_set_ssl(bio, server, BIO_NOCLOSE);
	if (handshakes && BIO_do_handshake(bio) != 1) {
		BIO_free(bio);
		return false;
	}
	/* What would be read once the handshake is over is read past the BIO: the handshake was to be judged by itself. */
	bool got = (handshakes ? SSL_read(server, data, sizeof(data)) : BIO_read(bio, data, sizeof(data))) > 0;
	out->reached = out->reached || got;
	bool done = got && BIO_write(bio, SECRET, sizeof(SECRET)) > 0;
	BIO_free(bio);
	return done;
}

/* One move of the server; true once it has written its data. */
static bool server_moves(SSL *server, enum server_style style, struct outcome *out)
{
	char data[64];
	size_t done = 0;
	int got = 0;

	switch (style) {
	case STYLE_ACCEPT:
		if (SSL_accept(server) != 1)
			return false;
		got = SSL_read(server, data, sizeof(data));
		break;
	case STYLE_READ:
		got = SSL_read(server, data, sizeof(data));
		break;
	case STYLE_READ_EX:
		got = SSL_read_ex(server, data, sizeof(data), &done);
		break;
	case STYLE_EARLY:
		if (!out->early_over) {
			int early = SSL_read_early_data(server, data, sizeof(data), &done);
			out->early_over = early == SSL_READ_EARLY_DATA_FINISH;
			if (early == SSL_READ_EARLY_DATA_SUCCESS && done > 0)
				SSL_write_early_data(server, SECRET, sizeof(SECRET), &done);
			if (!out->early_over)
				return false;
		}
		got = SSL_read(server, data, sizeof(data));
		break;
	case STYLE_BIO:
	case STYLE_BIO_HANDSHAKE:
		return bio_moves(server, style == STYLE_BIO_HANDSHAKE, out);
	case STYLE_CONNECT:
		if (SSL_connect(server) != 1)
			return false;
		got = SSL_read(server, data, sizeof(data));
		break;
	case STYLE_WRITE:
		return SSL_write(server, SECRET, sizeof(SECRET)) > 0;
	}
	if (got <= 0)
		return false;
	out->reached = true;
	return SSL_write(server, SECRET, sizeof(SECRET)) > 0;
}

static void note_subject(SSL *client, struct outcome *out)
{
	X509 *leaf = SSL_get0_peer_certificate(client);

	if (leaf != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, out->subject, sizeof(out->subject));
}

static void note_names(SSL *client, struct outcome *out)
{
	const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(client);
	char text[64] = "";

	if (sk_X509_NAME_num(names) == 1)
		X509_NAME_get_text_by_NID(sk_X509_NAME_value(names, 0), NID_commonName, text, sizeof(text));
	out->our_names = strcmp(text, "Test CA") == 0;
}

/* In TLS 1.3 there is no renegotiation. One that was done has another Finished message. */
static void try_renegotiation(struct pair *pair, struct outcome *out)
{
	char data[64];
	unsigned char before[64] = {0};
	unsigned char after[64] = {0};

	if (SSL_version(pair->client) != TLS1_2_VERSION)
		return;
	SSL_get_peer_finished(pair->client, before, sizeof(before));
	SSL_renegotiate(pair->client);
	for (int i = 0; i < ROUNDS; i++) {
		SSL_do_handshake(pair->client);
		SSL_read(pair->server, data, sizeof(data));
	}
	SSL_get_peer_finished(pair->client, after, sizeof(after));
	out->renegotiated = memcmp(before, after, sizeof(before)) != 0;
}

static void note_message(int written, int version, int type, const void *data, size_t size, SSL *ssl, void *arg)
{
	const unsigned char *bytes = data;
	struct outcome *out = arg;
	(void)version, (void)ssl;

	if (written != 0 || size < 2)
		return;
	if (type == SSL3_RT_HANDSHAKE && bytes[0] < 32)
		out->messages |= 1u << bytes[0];
	else if (type == SSL3_RT_ALERT && bytes[1] != SSL_AD_CLOSE_NOTIFY)
		out->alert = bytes[1];
}

void pair_run(struct pair *pair, enum server_style style, struct outcome *ret)
{
	char data[64];
	bool asked = false;
	bool answered = false;

	ret->alert = -1;
	SSL_set_msg_callback(pair->client, note_message);
	SSL_set_msg_callback_arg(pair->client, ret);
	for (int i = 0; i < ROUNDS; i++) {
		if (!SSL_is_init_finished(pair->client))
			SSL_do_handshake(pair->client);
		else if (!asked)
			asked = SSL_write(pair->client, "hello", 5) > 0;
		if (!answered)
			answered = server_moves(pair->server, style, ret);
		if (SSL_is_init_finished(pair->client) && SSL_read(pair->client, data, sizeof(data)) > 0)
			ret->served = true;
	}
	ret->version = SSL_version(pair->client);
	ret->finished = SSL_is_init_finished(pair->client) == 1;
	ret->chain_length = sk_X509_num(SSL_get_peer_cert_chain(pair->client));
	ret->resumed = SSL_session_reused(pair->client) == 1;
	const unsigned char *staple = NULL;
	ret->stapled = SSL_get_tlsext_status_ocsp_resp(pair->client, &staple) > 0;
	note_subject(pair->client, ret);
	note_names(pair->client, ret);
	ret->session = SSL_get1_session(pair->client);
	if (ret->served && pair->renegotiate)
		try_renegotiation(pair, ret);
}
