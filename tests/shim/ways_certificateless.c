/* SPDX-License-Identifier: Apache-2.0 */
/* Ways below the protocol's limits, into a renegotiation, and in by what is no certificate. */

/* The API that is tried here is deprecated in parts; servers use it all the same. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tests/shim/files.h"
#include "tests/shim/ways.h"

#include <openssl/srp.h>
#include <stdio.h>
#include <string.h>

#define SUITE_12 "ECDHE-RSA-AES128-GCM-SHA256"
#define SUITE_13 "TLS_AES_128_GCM_SHA256"

unsigned ways_asked;

static SSL_CONF_CTX *conf;

/* protocol */

static long suites_12(SSL *ssl)
{
	return SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0");
}

static long suites_13(SSL *ssl)
{
	return SSL_set_ciphersuites(ssl, SUITE_13);
}

static int secure_enough(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	(void)ssl, (void)ctx, (void)op, (void)bits, (void)nid, (void)other, (void)ex;
	return 1;
}

static long any_security(SSL *ssl)
{
	SSL_set_security_callback(ssl, secure_enough);
	return 1;
}

static void any_security_before(SSL_CTX *ctx)
{
	SSL_CTX_set_security_callback(ctx, secure_enough);
}

static long no_level(SSL *ssl)
{
	SSL_set_security_level(ssl, 0);
	return 1;
}

static void no_level_before(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
}

static long groups(SSL *ssl)
{
	int list[] = {NID_X25519, NID_secp384r1};

	return SSL_set1_groups(ssl, list, 2);
}

static long groups_list(SSL *ssl)
{
	char list[] = "X25519:P-384";

	return SSL_set1_groups_list(ssl, list);
}

static void weak_suite(SSL_CTX *ctx)
{
	SSL_CTX_set_cipher_list(ctx, SUITE_12);
	SSL_CTX_set_ciphersuites(ctx, SUITE_13);
}

static void weak_group(SSL_CTX *ctx)
{
	char list[] = "X25519";

	SSL_CTX_set1_groups_list(ctx, list);
}

static void weak_signature(SSL_CTX *ctx)
{
	char list[] = "RSA+SHA1";

	SSL_CTX_set1_sigalgs_list(ctx, list);
}

/* early data, renegotiation, sessions */

static long early(SSL *ssl)
{
	return SSL_set_max_early_data(ssl, 16384);
}

static void early_before(SSL_CTX *ctx)
{
	SSL_CTX_set_max_early_data(ctx, 16384);
}

static long renegotiation(SSL *ssl)
{
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	return 1;
}

static long session(SSL *ssl)
{
	SSL_SESSION *other = SSL_SESSION_new();
	long result = SSL_set_session(ssl, other);

	SSL_SESSION_free(other);
	return result;
}

/* keys that stand in for a certificate */

static unsigned psk(SSL *ssl, const char *identity, unsigned char *key, unsigned size)
{
	(void)ssl, (void)identity, (void)size;
	ways_asked++;
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

static int psk_session(SSL *ssl, const unsigned char *identity, size_t size, SSL_SESSION **ret)
{
	static const unsigned char suite[] = {0x13, 0x01}, key[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	(void)identity, (void)size;

	ways_asked++;
	*ret = SSL_SESSION_new();
	SSL_SESSION_set1_master_key(*ret, key, sizeof(key));
	SSL_SESSION_set_cipher(*ret, SSL_CIPHER_find(ssl, suite));
	SSL_SESSION_set_protocol_version(*ret, TLS1_3_VERSION);
	return 1;
}

static long psk_late(SSL *ssl)
{
	SSL_set_psk_server_callback(ssl, psk);
	return 1;
}

static void psk_before(SSL_CTX *ctx)
{
	SSL_CTX_set_psk_server_callback(ctx, psk);
}

static long psk_session_late(SSL *ssl)
{
	SSL_set_psk_find_session_callback(ssl, psk_session);
	return 1;
}

static void psk_session_before(SSL_CTX *ctx)
{
	SSL_CTX_set_psk_find_session_callback(ctx, psk_session);
}

static void by_psk(SSL_CTX *ctx)
{
	SSL_CTX_set_cipher_list(ctx, "PSK:@SECLEVEL=0");
	SSL_CTX_set_psk_client_callback(ctx, psk_client);
}

static int secret(SSL *ssl, void *key, int *size, STACK_OF(SSL_CIPHER) * suites, const SSL_CIPHER **suite, void *arg)
{
	(void)ssl, (void)suites, (void)suite, (void)arg;
	ways_asked++;
	memset(key, 1, 48);
	*size = 48;
	return 1;
}

static long secret_late(SSL *ssl)
{
	return SSL_set_session_secret_cb(ssl, secret, NULL);
}

static void secret_before(SSL *ssl)
{
	SSL_set_session_secret_cb(ssl, secret, NULL);
}

static int srp_user(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	ways_asked++;
	return SSL_set_srp_server_param_pw(ssl, "anyone", "secret", "1024") == 1 ? SSL_ERROR_NONE : SSL3_AL_FATAL;
}

static void srp_before(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_srp_username_callback(ctx, srp_user);
}

static long srp_late(SSL *ssl)
{
	return SSL_SRP_CTX_init(ssl);
}

static void by_srp(SSL_CTX *ctx)
{
	char user[] = "anyone";
	char password[] = "secret";

	SSL_CTX_set_cipher_list(ctx, "SRP:@SECLEVEL=0");
	SSL_CTX_set_srp_username(ctx, user);
	SSL_CTX_set_srp_password(ctx, password);
}

static void all_suites(SSL_CTX *ctx)
{
	SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
}

static void by_nobody(SSL_CTX *ctx)
{
	SSL_CTX_set_cipher_list(ctx, "aNULL:@SECLEVEL=0");
}

static void in_the_clear(SSL_CTX *ctx)
{
	SSL_CTX_set_cipher_list(ctx, "eNULL:!aNULL:@SECLEVEL=0");
}

/* SSL_CONF_cmd */

static void conf_before(SSL *ssl)
{
	conf = SSL_CONF_CTX_new();
	SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CERTIFICATE);
	SSL_CONF_CTX_set_ssl(conf, ssl);
}

static void conf_clean(void)
{
	SSL_CONF_CTX_free(conf);
}

static long conf_verify(SSL *ssl)
{
	(void)ssl;
	return SSL_CONF_cmd(conf, "VerifyMode", "-Require");
}

static long conf_certificate(SSL *ssl)
{
	(void)ssl;
	return SSL_CONF_cmd(conf, "Certificate", files_path("own.pem")) == 2 &&
	       SSL_CONF_cmd(conf, "PrivateKey", files_path("own.key")) == 2;
}

static long conf_renegotiation(SSL *ssl)
{
	(void)ssl;
	return SSL_CONF_cmd(conf, "Options", "-NoRenegotiation");
}

#define BOTH "mutual server"
#define V12 TLS1_2_VERSION
#define V13 TLS1_3_VERSION

const struct way ways_certificateless[] = {
    {"suites, before", "limits", MOMENT_NEVER, 0, .prepare = all_suites, .sneak = weak_suite},
    {"SSL_set_cipher_list", "limits", MOMENT_NAME, V12, .call = suites_12, .sneak = weak_suite},
    {"SSL_set_ciphersuites", "limits", MOMENT_CHOICE, V13, .call = suites_13, .sneak = weak_suite},
    {"SSL_set_security_callback", "limits", MOMENT_NAME, V12, .call = any_security, .prepare = no_level_before,
     .sneak = weak_signature},
    {"security callback, before", "limits", MOMENT_NEVER, V12, .prepare = any_security_before, .sneak = weak_signature},
    {"SSL_set_security_level", "limits", MOMENT_NAME, V12, .call = no_level, .sneak = weak_signature},
    {"security level, before", "limits", MOMENT_NEVER, V12, .prepare = no_level_before, .sneak = weak_signature},
    {"SSL_CTRL_SET_GROUPS", "limits", MOMENT_NAME, 0, .call = groups, .sneak = weak_group},
    {"SSL_CTRL_SET_GROUPS_LIST", "limits", MOMENT_NAME, 0, .call = groups_list, .sneak = weak_group},
    {"groups, before", "limits", MOMENT_NEVER, 0, .sneak = weak_group},
    {"SSL_set_max_early_data", "mutual", MOMENT_NAME, V13, .call = early},
    {"early data, before", "mutual", MOMENT_NEVER, V13, .prepare = early_before},
    {"SSL_OP_NO_RENEGOTIATION", "mutual", MOMENT_AFTER, V12, .call = renegotiation},
    {"SSL_set_session", "mutual", MOMENT_AFTER, 0, .call = session},
    {"SSL_set_psk_server_callback", "mutual", MOMENT_NAME, V12, .call = psk_late, .sneak = by_psk},
    {"SSL_set_psk_server_callback, TLS 1.3", "mutual", MOMENT_CHOICE, V13, .call = psk_late, .sneak = by_psk},
    {"PSK, before", "mutual", MOMENT_NEVER, 0, .prepare = psk_before, .sneak = by_psk},
    {"SSL_set_psk_find_session_callback", "mutual", MOMENT_CHOICE, V13, .call = psk_session_late, .sneak = by_psk},
    {"PSK session, before", "mutual", MOMENT_NEVER, V13, .prepare = psk_session_before, .sneak = by_psk},
    {"SSL_set_session_secret_cb", "mutual", MOMENT_NAME, V12, .call = secret_late},
    {"session secret, before", "mutual", MOMENT_NEVER, V12, .before = secret_before},
    {"SSL_SRP_CTX_init", "mutual", MOMENT_CHOICE, V12, .call = srp_late, .prepare = srp_before, .sneak = by_srp},
    {"SRP, before", "mutual", MOMENT_NEVER, V12, .prepare = srp_before, .sneak = by_srp},
    {"anonymous suites", BOTH, MOMENT_NEVER, V12, .prepare = all_suites, .sneak = by_nobody},
    {"suites that do not encrypt", "mutual", MOMENT_NEVER, V12, .prepare = all_suites, .sneak = in_the_clear},
    {"SSL_CONF_cmd VerifyMode", "mutual", MOMENT_AFTER, 0, .call = conf_verify, .before = conf_before, .clean = conf_clean},
    {"SSL_CONF_cmd Certificate", BOTH, MOMENT_AFTER, 0, .call = conf_certificate, .before = conf_before,
     .clean = conf_clean},
    {"SSL_CONF_cmd Options", "mutual", MOMENT_AFTER, V12, .call = conf_renegotiation, .before = conf_before,
     .clean = conf_clean},
    {0},
};
