/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that undoes the policy by one call at a time, each at the moment when it would count: `late FOLDER RULES [WAY]`,
 * WAY: what its name begins with. The ways are in ways_*.c. For each, in TLS 1.2 and 1.3: the right client is served under
 * our certificate, chain and names; clients that must be refused are refused by the handshake itself, with the alert of RFC
 * 8446 section 6.2 and no ticket, not only by the verdict at its end. A line for each that failed.
 */
#include "tests/shim/files.h"
#include "tests/shim/pair.h"
#include "tests/shim/ways.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE(type) (1u << (type))

static const struct way *trying;
static bool mutual;
static bool hello_seen;
static bool certificate_seen;
static bool inside;
static unsigned calls;
static bool reported_failure;
static int checks;
static int failures;
static int (*default_callback)(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

static void at(enum moment moment, SSL *ssl)
{
	if (trying->moment != moment || inside || (calls > 0 && moment != MOMENT_SUITE))
		return;
	inside = true;
	calls++;
	reported_failure = trying->call(ssl) <= 0 || reported_failure;
	inside = false;
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	hello_seen = true;
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	at(MOMENT_NAME, ssl);
	return SSL_TLSEXT_ERR_OK;
}

static int on_certificate(SSL *ssl, void *arg)
{
	(void)ssl, (void)arg;
	certificate_seen = true;
	return 1;
}

/* libssl asks about versions and suites right after the ClientHello, and about suites again after the certificate. */
static int on_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	SSL *server = (SSL *)(uintptr_t)ssl;

	if (server != NULL && hello_seen)
		at(MOMENT_CHOICE, server);
	if (server != NULL && certificate_seen)
		at(MOMENT_SUITE, server);
	return default_callback(ssl, ctx, op, bits, nid, other, ex);
}

static void on_info(const SSL *ssl, int where, int result)
{
	(void)result;
	if (where == SSL_CB_ACCEPT_LOOP && SSL_get_state(ssl) == TLS_ST_SR_CLNT_HELLO)
		at(MOMENT_AFTER, (SSL *)(uintptr_t)ssl);
}

static SSL_CTX *server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	files_use(ctx, "own");
	SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_cert_cb(ctx, on_certificate, NULL);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	default_callback = SSL_CTX_get_security_callback(ctx);
	if (trying->moment == MOMENT_CHOICE || trying->moment == MOMENT_SUITE)
		SSL_CTX_set_security_callback(ctx, on_security);
	if (trying->prepare != NULL)
		trying->prepare(ctx);
	return ctx;
}

static SSL_CTX *client_context(const char *certificate, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
	if (certificate != NULL)
		files_use(ctx, certificate);
	return ctx;
}

static void run(SSL_CTX *client, struct outcome *out)
{
	char name[] = "second.example";
	SSL_CTX *server = server_context();
	struct pair pair = pair_new(client, server);

	memset(out, 0, sizeof(*out));
	calls = 0;
	ways_asked = 0;
	reported_failure = hello_seen = certificate_seen = false;
	pair.renegotiate = true;
	SSL_set_tlsext_host_name(pair.client, name);
	if (trying->before != NULL)
		trying->before(pair.server);
	pair_run(&pair, STYLE_ACCEPT, out);
	pair_free(&pair);
	if (trying->clean != NULL)
		trying->clean();
	SSL_CTX_free(server);
	ERR_clear_error();
}

static void expect(bool good, int version, const char *client, const char *what)
{
	checks++;
	failures += !good;
	if (!good)
		printf("FAIL %s / TLS 1.%d / %s: %s\n", trying->name, version - TLS1_VERSION, client, what);
}

static void served(int version)
{
	struct outcome out;
	SSL_CTX *client = client_context("client", version);

	run(client, &out);
	expect(out.served, version, "right client", "is served");
	expect(strncmp(out.subject, "injected", 8) == 0, version, "right client", "sees our certificate");
	expect(out.chain_length == 2, version, "right client", "sees our chain");
	expect(!out.stapled, version, "right client", "gets no staple of another certificate");
	if (mutual) {
		expect(out.our_names, version, "right client", "is told our CA and no other");
		expect(!out.renegotiated, version, "right client", "cannot renegotiate");
		expect(SSL_SESSION_get_max_early_data(out.session) == 0, version, "right client",
		       "is promised no early data");
	}
	expect(ways_asked == 0, version, "right client", "is not let in by another key");
	expect(trying->moment == MOMENT_NEVER || calls > 0, version, "right client", "the server did it");
	expect(!reported_failure, version, "right client", "the server is told that it had its way");
	SSL_SESSION_free(out.session);
	SSL_CTX_free(client);
}

static void refused(int version, const char *who, const char *certificate, int alert)
{
	struct outcome out;
	SSL_CTX *client = client_context(certificate, version);

	run(client, &out);
	expect(!out.served && !out.reached, version, who, "gets nothing and reaches nothing");
	expect(out.alert == alert, version, who, "is told why");
	expect((out.messages & MESSAGE(SSL3_MT_NEWSESSION_TICKET)) == 0, version, who, "gets no ticket");
	expect(version == TLS1_3_VERSION || !out.finished, version, who, "cannot finish");
	expect(ways_asked == 0, version, who, "is not let in by another key");
	SSL_SESSION_free(out.session);
	SSL_CTX_free(client);
}

/* A client that knows nothing but the way that the server wants to open. */
static void sneaks(int version)
{
	struct outcome out;
	SSL_CTX *client = client_context(mutual ? NULL : "client", version);

	SSL_CTX_set_security_level(client, 0);
	trying->sneak(client);
	run(client, &out);
	expect(!out.served && !out.reached, version, "sneaking client", "gets nothing and reaches nothing");
	expect(version == TLS1_3_VERSION || (out.messages & MESSAGE(SSL3_MT_SERVER_HELLO)) == 0, version, "sneaking client",
	       "gets no ServerHello");
	expect(!out.resumed && ways_asked == 0, version, "sneaking client", "is not let in by another key");
	SSL_SESSION_free(out.session);
	SSL_CTX_free(client);
}

static void try_way(int version)
{
	if (trying->version != 0 && trying->version != version)
		return;
	served(version);
	if (mutual) {
		bool new = version == TLS1_3_VERSION;
		refused(version, "no certificate", NULL, new ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);
		refused(version, "wrong CA", "wrong", SSL_AD_UNKNOWN_CA);
		refused(version, "expired", "expired", SSL_AD_CERTIFICATE_EXPIRED);
	}
	if (trying->sneak != NULL)
		sneaks(version);
}

/* How many were tried. */
static unsigned try_all(const struct way *ways, const char *rules, const char *only)
{
	unsigned tried = 0;

	for (trying = ways; trying->name != NULL; trying++) {
		if (strstr(trying->rules, rules) == NULL || strncmp(trying->name, only, strlen(only)) != 0)
			continue;
		tried++;
		try_way(TLS1_2_VERSION);
		try_way(TLS1_3_VERSION);
	}
	return tried;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 64;
	const char *only = argc > 3 ? argv[3] : "";
	files_in(argv[1]);
	mutual = strcmp(argv[2], "mutual") == 0;
	ways_begin();
	unsigned tried = try_all(ways_identity, argv[2], only) + try_all(ways_certificateless, argv[2], only);
	ways_end();
	printf("%u ways, %d checks, %d failures\n", tried, checks, failures);
	return failures == 0 ? 0 : 1;
}
