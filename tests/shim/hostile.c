/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that try, each in its own way, to undo the policy they run under. Started preloaded, with a folder of
 * certificates: `hostile FOLDER mutual|server`, the mode that it runs under. For each scenario, in TLS 1.2 and 1.3: clients
 * that must be refused get no byte, and the right client is served with the injected certificate. One line for each; the
 * status is the failures.
 */
#include "tests/shim/files.h"
#include "tests/shim/pair.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

static bool server_mode; /* the policy is `server`: our certificate is served, clients are the server's affair */
static SSL_CTX *second;  /* what an SNI switch goes to */
static SSL_CTX *foreign; /* likewise, a client's context */

static int say_yes(int verdict, X509_STORE_CTX *store)
{
	(void)verdict, (void)store;
	return 1;
}

static int chain_yes(X509_STORE_CTX *store, void *arg)
{
	(void)store, (void)arg;
	return 1;
}

/* What servers do late, from a callback that runs after the certificate callback or around it. */
static void undo_on_ssl(SSL *ssl)
{
	SSL_set_verify(ssl, SSL_VERIFY_NONE, say_yes);
	SSL_use_certificate_chain_file(ssl, files_path("own.pem"));
	SSL_use_certificate_file(ssl, files_path("own.pem"), SSL_FILETYPE_PEM);
	SSL_use_PrivateKey_file(ssl, files_path("own.key"), SSL_FILETYPE_PEM);
	SSL_clear_chain_certs(ssl);
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_set_max_early_data(ssl, 16384);
	SSL_set_client_CA_list(ssl, SSL_load_client_CA_file(files_path("own.pem")));
	X509_STORE *store = X509_STORE_new();
	X509_STORE_load_file(store, files_path("wrong-ca.pem"));
	SSL_set0_verify_cert_store(ssl, store);
}

static int late_alpn(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in, unsigned in_size,
		     void *arg)
{
	(void)arg, (void)in_size;
	undo_on_ssl(ssl);
	*out = in + 1;
	*size = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static int switch_alpn(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in, unsigned in_size,
		       void *arg)
{
	(void)arg, (void)in_size;
	SSL_set_SSL_CTX(ssl, second);
	*out = in + 1;
	*size = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static int switch_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	SSL_set_SSL_CTX(ssl, second);
	SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	SSL_set_session_id_context(ssl, (const unsigned char *)"late", 4);
	return SSL_TLSEXT_ERR_OK;
}

/* A context made for clients has none of the shim's callbacks: nothing may be served through it. */
static int foreign_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	SSL_set_SSL_CTX(ssl, foreign);
	return SSL_TLSEXT_ERR_OK;
}

static int undo_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	undo_on_ssl(ssl);
	SSL_set_SSL_CTX(ssl, second);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int undo_certificate(SSL *ssl, void *arg)
{
	(void)arg;
	undo_on_ssl(ssl);
	return 1;
}

static int certificate_two(SSL *ssl, void *arg)
{
	(void)ssl, (void)arg;
	return 2; /* libssl takes any positive answer for a yes */
}

static int staple(SSL *ssl, void *arg)
{
	(void)arg;
	unsigned char *response = OPENSSL_malloc(8);
	memset(response, 7, 8);
	SSL_set_tlsext_status_ocsp_resp(ssl, response, 8);
	return SSL_TLSEXT_ERR_OK;
}

static unsigned psk_server(SSL *ssl, const char *identity, unsigned char *key, unsigned size)
{
	(void)ssl, (void)identity, (void)size;
	memset(key, 1, 16);
	return 16;
}

static unsigned psk_client(SSL *ssl, const char *hint, char *identity, unsigned identity_size, unsigned char *key,
			   unsigned size)
{
	(void)ssl, (void)hint, (void)size;
	snprintf(identity, identity_size, "anyone");
	memset(key, 1, 16);
	return 16;
}

static void plain(SSL_CTX *ctx)
{
	(void)ctx;
}

static void own_verify_yes(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, say_yes);
}

static void own_chain_yes(SSL_CTX *ctx)
{
	SSL_CTX_set_cert_verify_callback(ctx, chain_yes, NULL);
}

static void own_post_handshake(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, say_yes);
}

static void own_trust(SSL_CTX *ctx)
{
	X509_STORE_load_file(SSL_CTX_get_cert_store(ctx), files_path("wrong-ca.pem"));
	X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_NO_CHECK_TIME);
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_verify_depth(ctx, 50);
}

static void own_alpn(SSL_CTX *ctx)
{
	SSL_CTX_set_alpn_select_cb(ctx, late_alpn, NULL);
}

static void own_alpn_switch(SSL_CTX *ctx)
{
	SSL_CTX_set_alpn_select_cb(ctx, switch_alpn, NULL);
}

static void own_name_switch(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_servername_callback(ctx, switch_name);
}

static void own_name_foreign(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_servername_callback(ctx, foreign_name);
}

static void own_hello(SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, undo_hello, NULL);
}

static void own_certificate(SSL_CTX *ctx)
{
	SSL_CTX_set_cert_cb(ctx, undo_certificate, NULL);
}

static void own_certificate_two(SSL_CTX *ctx)
{
	SSL_CTX_set_cert_cb(ctx, certificate_two, NULL);
}

static void own_staple(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_status_cb(ctx, staple);
}

static void own_psk(SSL_CTX *ctx)
{
	SSL_CTX_set_psk_server_callback(ctx, psk_server);
}

static void own_anonymous(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_cipher_list(ctx, "aNULL:ALL:@SECLEVEL=0");
}

static void own_early(SSL_CTX *ctx)
{
	SSL_CTX_set_max_early_data(ctx, 16384);
}

static void own_renegotiation(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	SSL_CTX_set_alpn_select_cb(ctx, late_alpn, NULL);
}

static void own_session_context(SSL_CTX *ctx)
{
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"server", 6);
}

/* Server-side actions on the SSL before its handshake. */
static void ssl_nothing(SSL *ssl)
{
	(void)ssl;
}

static void ssl_certificate_callback(SSL *ssl)
{
	SSL_set_cert_cb(ssl, undo_certificate, NULL);
}

struct scenario {
	const char *name;
	void (*server)(SSL_CTX *);
	void (*ssl)(SSL *);
	enum server_style style;
	bool in_server_mode; /* it tries what counts under `server` too: another certificate, chain or staple */
	bool serves_nobody;  /* where the policy cannot be put in force, the right client gets nothing either */
};

static const struct scenario scenarios[] = {
    {"control", plain, ssl_nothing, STYLE_ACCEPT, true, false},
    {"read finishes the handshake", plain, ssl_nothing, STYLE_READ, false, false},
    {"read_ex finishes the handshake", plain, ssl_nothing, STYLE_READ_EX, false, false},
    {"server speaks first", plain, ssl_nothing, STYLE_WRITE, false, false},
    {"verify callback says yes", own_verify_yes, ssl_nothing, STYLE_ACCEPT, false, false},
    {"whole-chain callback says yes", own_chain_yes, ssl_nothing, STYLE_ACCEPT, false, false},
    {"post-handshake bit", own_post_handshake, ssl_nothing, STYLE_READ, false, false},
    {"trust store, flags, depth of its own", own_trust, ssl_nothing, STYLE_ACCEPT, false, false},
    {"everything undone in the ALPN callback", own_alpn, ssl_nothing, STYLE_ACCEPT, true, false},
    {"context switched in the ALPN callback", own_alpn_switch, ssl_nothing, STYLE_ACCEPT, true, false},
    {"context switched in the name callback", own_name_switch, ssl_nothing, STYLE_ACCEPT, true, false},
    {"context of a client in the name callback", own_name_foreign, ssl_nothing, STYLE_ACCEPT, true, true},
    {"everything undone in the ClientHello callback", own_hello, ssl_nothing, STYLE_ACCEPT, true, false},
    {"everything undone in the certificate callback", own_certificate, ssl_nothing, STYLE_ACCEPT, true, false},
    {"certificate callback on the SSL", plain, ssl_certificate_callback, STYLE_READ, true, false},
    {"certificate callback that answers 2", own_certificate_two, ssl_nothing, STYLE_BIO, true, false},
    {"reads through a BIO", plain, ssl_nothing, STYLE_BIO, true, false},
    {"context of a client, read through a BIO", own_name_foreign, ssl_nothing, STYLE_BIO, true, true},
    {"context of a client, handshake by a BIO", own_name_foreign, ssl_nothing, STYLE_BIO_HANDSHAKE, true, true},
    {"context of a client, handshake by SSL_connect", own_name_foreign, ssl_nothing, STYLE_CONNECT, true, true},
    {"handshake by a BIO", plain, ssl_nothing, STYLE_BIO_HANDSHAKE, true, false},
    {"handshake by SSL_connect", plain, ssl_nothing, STYLE_CONNECT, true, false},
    {"staple of another certificate", own_staple, ssl_nothing, STYLE_ACCEPT, true, false},
    {"pre-shared key", own_psk, ssl_nothing, STYLE_ACCEPT, false, false},
    {"anonymous suites", own_anonymous, ssl_nothing, STYLE_ACCEPT, false, false},
    {"early data asked for", own_early, ssl_nothing, STYLE_EARLY, true, false},
    {"context of a client, early data asked for", own_name_foreign, ssl_nothing, STYLE_EARLY, true, true},
    {"renegotiation", own_renegotiation, ssl_nothing, STYLE_ACCEPT, false, false},
    {"session context of its own", own_session_context, ssl_nothing, STYLE_ACCEPT, false, false},
};

static SSL_CTX *client_context(const char *certificate, int version)
{
	static const unsigned char protocols[] = "\x02h2";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_cipher_list(ctx, "PSK:ALL:aNULL:@SECLEVEL=0");
	SSL_CTX_set_alpn_protos(ctx, protocols, sizeof(protocols) - 1);
	SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
	SSL_CTX_set_psk_client_callback(ctx, psk_client);
	if (certificate != NULL)
		files_use(ctx, certificate);
	return ctx;
}

static void run(SSL_CTX *client, SSL_CTX *server, const struct scenario *scenario, SSL_SESSION *session,
		struct outcome *out)
{
	struct pair pair = pair_new(client, server);
	char name[] = "second.example";

	memset(out, 0, sizeof(*out));
	SSL_set_tlsext_host_name(pair.client, name);
	pair.renegotiate = session != NULL;
	if (session != NULL)
		SSL_set_session(pair.client, session);
	scenario->ssl(pair.server);
	pair_run(&pair, scenario->style, out);
	pair_free(&pair);
	ERR_clear_error();
}

static int failures;

static void expect(bool good, const struct scenario *scenario, int version, const char *client, const char *what)
{
	printf("%s %s / TLS 1.%d / %s: %s\n", good ? "ok  " : "FAIL", scenario->name, version - TLS1_VERSION, client, what);
	failures += !good;
}

static void refused(SSL_CTX *server, const struct scenario *scenario, int version, const char *name,
		    const char *certificate)
{
	struct outcome out;
	SSL_CTX *client = client_context(certificate, version);

	run(client, server, scenario, NULL, &out);
	expect(!out.served && !out.reached, scenario, version, name, "gets nothing and reaches nothing");
	SSL_SESSION_free(out.session);
	SSL_CTX_free(client);
}

static void served(SSL_CTX *server, const struct scenario *scenario, int version)
{
	struct outcome out;
	struct outcome again;
	SSL_CTX *client = client_context("client", version);

	run(client, server, scenario, NULL, &out);
	expect(out.served, scenario, version, "right client", "is served");
	expect(strncmp(out.subject, "injected", 8) == 0, scenario, version, "right client", "sees our certificate");
	if (!server_mode) {
		expect(out.our_names, scenario, version, "right client", "is told our CA and no other");
	}
	expect(!out.stapled, scenario, version, "right client", "gets no staple of another certificate");
	run(client, server, scenario, out.session, &again);
	expect(again.served, scenario, version, "right client again", "is served");
	if (!server_mode)
		expect(!again.renegotiated, scenario, version, "right client again", "cannot renegotiate");
	if (scenario->server == plain && scenario->ssl == ssl_nothing)
		expect(again.resumed, scenario, version, "right client again", "resumes");
	SSL_SESSION_free(out.session);
	SSL_SESSION_free(again.session);
	SSL_CTX_free(client);
}

static void try_scenario(const struct scenario *scenario, int version)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());

	files_use(server, "own");
	scenario->server(server);
	if (!server_mode) {
		refused(server, scenario, version, "no certificate", NULL);
		refused(server, scenario, version, "wrong CA", "wrong");
		refused(server, scenario, version, "expired", "expired");
	}
	if (scenario->serves_nobody)
		refused(server, scenario, version, "right client", "client");
	else
		served(server, scenario, version);
	SSL_CTX_free(server);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 64;
	files_in(argv[1]);
	server_mode = strcmp(argv[2], "server") == 0;
	second = SSL_CTX_new(TLS_server_method());
	files_use(second, "second");
	foreign = SSL_CTX_new(TLS_client_method());
	files_use(foreign, "second");
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (server_mode && !scenarios[i].in_server_mode)
			continue;
		try_scenario(&scenarios[i], TLS1_2_VERSION);
		try_scenario(&scenarios[i], TLS1_3_VERSION);
	}
	SSL_CTX_free(second);
	SSL_CTX_free(foreign);
	printf("%d failures\n", failures);
	return failures == 0 ? 0 : 1;
}
