/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/probe_tls.h"

#include "cli/dial.h"
#include "keeper/clock.h"
#include "keeper/escape.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define AFTER_MS 1000 /* for what a server says once it saw that there is no client certificate */
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22

struct probe {
	int fd;
	SSL *ssl;
	BIO *in;  /* from the network */
	BIO *out; /* to the network */
	bool any; /* a byte came */
	bool plain;
	bool ended;
	bool ticket; /* a TLS 1.3 server sends one only to whom it accepts */
	struct tg_tls_answer answer;
};

static void note_message(int write, int version, int type, const void *data, size_t size, SSL *ssl, void *argument)
{
	struct probe *probe = argument;
	const unsigned char *bytes = data;

	(void)version;
	(void)ssl;
	if (write != 0 || size < 2)
		return;
	if (type == SSL3_RT_HANDSHAKE && bytes[0] == SSL3_MT_CERTIFICATE_REQUEST)
		probe->answer.requests_certificate = true;
	if (type == SSL3_RT_HANDSHAKE && bytes[0] == SSL3_MT_NEWSESSION_TICKET)
		probe->ticket = true;
	if (type == SSL3_RT_ALERT && bytes[1] != SSL_AD_CLOSE_NOTIFY)
		probe->answer.alert = bytes[1];
}

static SSL *new_ssl(struct probe *probe, SSL_CTX *context, const char *name)
{
	SSL *ssl = SSL_new(context);
	char host[TLSEXT_MAXLEN_host_name + 1];

	probe->in = BIO_new(BIO_s_mem());
	probe->out = BIO_new(BIO_s_mem());
	if (ssl == NULL || probe->in == NULL || probe->out == NULL) {
		BIO_free(probe->in);
		BIO_free(probe->out);
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_mem_eof_return(probe->in, -1);
	SSL_set_bio(ssl, probe->in, probe->out);
	SSL_set_connect_state(ssl);
	SSL_set_msg_callback(ssl, note_message);
	SSL_set_msg_callback_arg(ssl, probe);
	/* SSL_set_tlsext_host_name, whose cast drops the const */
	snprintf(host, sizeof(host), "%s", name == NULL ? "" : name);
	if (name != NULL)
		SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host);
	return ssl;
}

static void flush(struct probe *probe, int64_t deadline)
{
	char bytes[4096];
	int size;

	while ((size = BIO_read(probe->out, bytes, sizeof(bytes))) > 0)
		if (tg_dial_send(probe->fd, bytes, (size_t)size, deadline) < 0)
			return; /* what the server said before it hung up is still to be read */
}

/* Takes what came from the network; false where no more will, in time. */
static bool fetch(struct probe *probe, int64_t deadline)
{
	unsigned char bytes[4096];
	const ssize_t size = tg_dial_receive(probe->fd, bytes, sizeof(bytes), deadline);

	if (size <= 0) {
		probe->ended = size != -ETIMEDOUT;
		return false;
	}
	if (!probe->any && bytes[0] != RECORD_ALERT && bytes[0] != RECORD_HANDSHAKE) {
		char text[TG_SAMPLE_SIZE / 4];

		snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)bytes);
		text[strcspn(text, "\r\n")] = '\0';
		tg_escape(text, probe->answer.sample, sizeof(probe->answer.sample));
		probe->plain = true;
	}
	probe->any = true;
	return !probe->plain && BIO_write(probe->in, bytes, (int)size) == size;
}

static void take_leaf(struct probe *probe)
{
	const X509 *leaf = SSL_get0_peer_certificate(probe->ssl);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	if (leaf == NULL || probe->answer.sha256[0] != '\0' || X509_digest(leaf, EVP_sha256(), digest, &size) != 1)
		return;
	for (unsigned int i = 0; i < size; i++)
		snprintf(probe->answer.sha256 + (size_t)i * 2, 3, "%02x", digest[i]);
}

static bool shake_hands(struct probe *probe, int64_t deadline)
{
	for (;;) {
		const int result = SSL_do_handshake(probe->ssl);

		flush(probe, deadline);
		take_leaf(probe);
		if (result == 1)
			return true;
		if (SSL_get_error(probe->ssl, result) != SSL_ERROR_WANT_READ || !fetch(probe, deadline))
			return false;
	}
}

/* A TLS 1.3 server judges the client after the client's handshake is over. */
static void hear_verdict(struct probe *probe, int64_t deadline)
{
	const int64_t until = tg_monotonic_ms() + AFTER_MS < deadline ? tg_monotonic_ms() + AFTER_MS : deadline;
	const bool old = SSL_version(probe->ssl) < TLS1_3_VERSION;

	for (;;) {
		char bytes[256];
		const int result = SSL_read(probe->ssl, bytes, sizeof(bytes));

		if (result > 0 || probe->ticket || old) {
			probe->answer.accepted = true;
			return;
		}
		if (SSL_get_error(probe->ssl, result) != SSL_ERROR_WANT_READ) {
			probe->answer.refused = true;
			return;
		}
		if (!fetch(probe, until)) {
			probe->answer.refused = probe->ended;
			return;
		}
	}
}

int tg_probe_tls(int fd, const char *name, int64_t deadline, struct tg_tls_answer *ret)
{
	struct probe probe = {.fd = fd, .answer = {.alert = -1}};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int result = -ENOMEM;

	if (context == NULL)
		return -ENOMEM;
	/* whatever the server has, however weak: it is to be seen */
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	probe.ssl = new_ssl(&probe, context, name);
	if (probe.ssl == NULL)
		goto out;
	if (shake_hands(&probe, deadline))
		hear_verdict(&probe, deadline);
	else
		probe.answer.refused = probe.answer.alert >= 0 || probe.ended;
	probe.answer.kind = probe.answer.sha256[0] != '\0' ? TG_TLS_SERVED
			    : probe.answer.alert >= 0      ? TG_TLS_ALERT
			    : probe.plain                  ? TG_TLS_PLAIN
			    : probe.ended                  ? TG_TLS_CLOSED
							   : TG_TLS_SILENT;
	*ret = probe.answer;
	result = 0;
out:
	SSL_free(probe.ssl);
	SSL_CTX_free(context);
	ERR_clear_error();
	return result;
}
