/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to another certificate, chain or staple, and past the verification of clients. */

/* The API that is tried here is deprecated in parts; servers use it all the same. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tests/shim/ways.h"

#include "tests/shim/files.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

static X509 *own;
static EVP_PKEY *own_key;
static SSL_CTX *second;

void ways_begin(void)
{
	BIO *in = BIO_new_file(files_path("own.pem"), "r");

	own = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	in = BIO_new_file(files_path("own.key"), "r");
	own_key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	second = SSL_CTX_new(TLS_server_method());
	files_use(second, "own");
	SSL_CTX_set_security_level(second, 0);
}

void ways_end(void)
{
	X509_free(own);
	EVP_PKEY_free(own_key);
	SSL_CTX_free(second);
}

static long nothing(SSL *ssl)
{
	(void)ssl;
	return 1;
}

/* certificate and key */

static long certificate(SSL *ssl)
{
	return SSL_use_certificate(ssl, own);
}

static long certificate_der(SSL *ssl)
{
	unsigned char *der = NULL;
	int size = i2d_X509(own, &der);
	long result = SSL_use_certificate_ASN1(ssl, der, size);

	OPENSSL_free(der);
	return result;
}

static long certificate_file(SSL *ssl)
{
	return SSL_use_certificate_file(ssl, files_path("own.pem"), SSL_FILETYPE_PEM);
}

static long certificate_chain_file(SSL *ssl)
{
	return SSL_use_certificate_chain_file(ssl, files_path("own.pem"));
}

static long private_key(SSL *ssl)
{
	return SSL_use_PrivateKey(ssl, own_key);
}

static long private_key_der(SSL *ssl)
{
	unsigned char *der = NULL;
	int size = i2d_PrivateKey(own_key, &der);
	long result = SSL_use_PrivateKey_ASN1(EVP_PKEY_RSA, ssl, der, size);

	OPENSSL_free(der);
	return result;
}

static long private_key_file(SSL *ssl)
{
	return SSL_use_PrivateKey_file(ssl, files_path("own.key"), SSL_FILETYPE_PEM);
}

static long rsa_key(SSL *ssl)
{
	RSA *key = EVP_PKEY_get1_RSA(own_key);
	long result = SSL_use_RSAPrivateKey(ssl, key);

	RSA_free(key);
	return result;
}

static long rsa_key_der(SSL *ssl)
{
	RSA *key = EVP_PKEY_get1_RSA(own_key);
	unsigned char *der = NULL;
	int size = i2d_RSAPrivateKey(key, &der);
	long result = SSL_use_RSAPrivateKey_ASN1(ssl, der, size);

	OPENSSL_free(der);
	RSA_free(key);
	return result;
}

static long rsa_key_file(SSL *ssl)
{
	return SSL_use_RSAPrivateKey_file(ssl, files_path("own.key"), SSL_FILETYPE_PEM);
}

static long both(SSL *ssl)
{
	return SSL_use_cert_and_key(ssl, own, own_key, NULL, 1);
}

static long copied(SSL *ssl)
{
	SSL *from = SSL_new(second);
	long result = SSL_copy_session_id(ssl, from);

	SSL_free(from);
	return result;
}

static long switched(SSL *ssl)
{
	return SSL_set_SSL_CTX(ssl, second) != NULL;
}

/* A certificate of another key type, from a switch's callback, would be served beside ours. */
static void own_of_another_type(SSL_CTX *ctx)
{
	files_use(ctx, "second");
}

static void wants_ecdsa(SSL_CTX *ctx)
{
	char list[] = "ECDSA+SHA256";

	SSL_CTX_set1_sigalgs_list(ctx, list);
}

/* chain and staple */

static long chain(SSL *ssl)
{
	STACK_OF(X509) *certificates = sk_X509_new_null();

	X509_up_ref(own);
	sk_X509_push(certificates, own);
	X509_up_ref(own);
	sk_X509_push(certificates, own);
	return SSL_set0_chain(ssl, certificates);
}

static long chain_certificate(SSL *ssl)
{
	X509_up_ref(own);
	return SSL_add0_chain_cert(ssl, own);
}

static long chain_built(SSL *ssl)
{
	return SSL_build_cert_chain(ssl, SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
}

static long status_type(SSL *ssl)
{
	return SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
}

static int staple(SSL *ssl, void *arg)
{
	unsigned char *response = OPENSSL_malloc(8);
	(void)arg;

	memset(response, 7, 8);
	SSL_set_tlsext_status_ocsp_resp(ssl, response, 8);
	return SSL_TLSEXT_ERR_OK;
}

static void staples(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_status_cb(ctx, staple);
}

/* verification */

static int say_yes(int verdict, X509_STORE_CTX *store)
{
	(void)verdict, (void)store;
	return 1;
}

static long verify_none(SSL *ssl)
{
	SSL_set_verify(ssl, SSL_VERIFY_NONE, say_yes);
	return 1;
}

static long verify_once_done(SSL *ssl)
{
	SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, say_yes);
	return 1;
}

static long client_names(SSL *ssl)
{
	SSL_set_client_CA_list(ssl, SSL_load_client_CA_file(files_path("own.pem")));
	return 1;
}

static long client_name(SSL *ssl)
{
	return SSL_add_client_CA(ssl, own);
}

/* What libcrypto uses for every verification of the process by these names; an entry cannot be taken out alone. */
static void rules_of_the_process(SSL_CTX *ctx)
{
	static const char *const names[] = {"default", "ssl_client"};
	(void)ctx;

	for (size_t i = 0; i < 2; i++) {
		X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
		X509_VERIFY_PARAM_set1_name(param, names[i]);
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
		X509_VERIFY_PARAM_add0_table(param);
	}
}

static void rules_forgotten(void)
{
	X509_VERIFY_PARAM_table_cleanup();
}

static void trust_of_its_own(SSL_CTX *ctx)
{
	X509_STORE_load_file(SSL_CTX_get_cert_store(ctx), files_path("wrong-ca.pem"));
	X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_NO_CHECK_TIME);
	X509_STORE_set_verify_cb(SSL_CTX_get_cert_store(ctx), say_yes);
}

/* From the connection it gets a store and parameters that are its own, and nothing else. */
static long trust_on_the_connection(SSL *ssl)
{
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();

	X509_STORE_load_file(store, files_path("wrong-ca.pem"));
	X509_STORE_set_flags(store, X509_V_FLAG_NO_CHECK_TIME);
	SSL_set0_verify_cert_store(ssl, store);
	SSL_get0_verify_cert_store(ssl, &store);
	X509_STORE_set_verify_cb(store, say_yes);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
	SSL_set1_param(ssl, param);
	X509_VERIFY_PARAM_free(param);
	X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl), X509_V_FLAG_NO_CHECK_TIME);
	SSL_set_purpose(ssl, X509_PURPOSE_ANY);
	SSL_set_trust(ssl, X509_TRUST_COMPAT);
	SSL_set_verify_depth(ssl, 50);
	SSL_set_hostflags(ssl, 0);
	SSL_set_verify_result(ssl, X509_V_OK);
	return 1;
}

/* protocol */

static void weak_signature(SSL_CTX *ctx)
{
	char list[] = "RSA+SHA1";

	SSL_CTX_set1_sigalgs_list(ctx, list);
}

#define BOTH "mutual server"
#define V12 TLS1_2_VERSION
#define V13 TLS1_3_VERSION

const struct way ways_identity[] = {
    {"nothing", BOTH, MOMENT_AFTER, 0, .call = nothing},
    {"SSL_use_certificate", BOTH, MOMENT_AFTER, 0, .call = certificate},
    {"SSL_use_certificate_ASN1", BOTH, MOMENT_AFTER, 0, .call = certificate_der},
    {"SSL_use_certificate_file", BOTH, MOMENT_AFTER, 0, .call = certificate_file},
    {"SSL_use_certificate_chain_file", BOTH, MOMENT_AFTER, 0, .call = certificate_chain_file},
    {"SSL_use_PrivateKey", BOTH, MOMENT_AFTER, 0, .call = private_key},
    {"SSL_use_PrivateKey_ASN1", BOTH, MOMENT_AFTER, 0, .call = private_key_der},
    {"SSL_use_PrivateKey_file", BOTH, MOMENT_AFTER, 0, .call = private_key_file},
    {"SSL_use_RSAPrivateKey", BOTH, MOMENT_AFTER, 0, .call = rsa_key},
    {"SSL_use_RSAPrivateKey_ASN1", BOTH, MOMENT_AFTER, 0, .call = rsa_key_der},
    {"SSL_use_RSAPrivateKey_file", BOTH, MOMENT_AFTER, 0, .call = rsa_key_file},
    {"SSL_use_cert_and_key", BOTH, MOMENT_AFTER, 0, .call = both},
    {"certificate while ours is set", BOTH, MOMENT_SUITE, 0, .call = both},
    {"SSL_copy_session_id", BOTH, MOMENT_AFTER, 0, .call = copied},
    {"certificate of another key type", "server", MOMENT_NEVER, 0, .prepare = own_of_another_type, .sneak = wants_ecdsa},
    {"SSL_set_SSL_CTX", BOTH, MOMENT_AFTER, 0, .call = switched},
    {"context, in the name callback", BOTH, MOMENT_NAME, 0, .call = switched},
    {"SSL_CTRL_CHAIN", BOTH, MOMENT_AFTER, 0, .call = chain},
    {"SSL_CTRL_CHAIN_CERT", BOTH, MOMENT_AFTER, 0, .call = chain_certificate},
    {"SSL_CTRL_BUILD_CERT_CHAIN", BOTH, MOMENT_AFTER, 0, .call = chain_built},
    {"staple", BOTH, MOMENT_NEVER, 0, .prepare = staples},
    {"SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE", BOTH, MOMENT_SUITE, V12, .call = status_type, .prepare = staples},
    {"SSL_set_verify", "mutual", MOMENT_AFTER, 0, .call = verify_none},
    {"verify mode, early", "mutual", MOMENT_NAME, 0, .call = verify_none},
    {"verification put off", "mutual", MOMENT_AFTER, V13, .call = verify_once_done},
    {"SSL_set_client_CA_list", "mutual", MOMENT_AFTER, 0, .call = client_names},
    {"SSL_add_client_CA", "mutual", MOMENT_AFTER, 0, .call = client_name},
    {"rules of the process", "mutual", MOMENT_NEVER, 0, .prepare = rules_of_the_process, .clean = rules_forgotten},
    {"trust of the context", "mutual", MOMENT_NEVER, 0, .prepare = trust_of_its_own},
    {"trust of the connection", "mutual", MOMENT_AFTER, 0, .call = trust_on_the_connection},
    {"security level of another context", "limits", MOMENT_NAME, V12, .call = switched, .sneak = weak_signature},
    {0},
};
