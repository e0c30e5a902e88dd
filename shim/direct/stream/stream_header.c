/* SPDX-License-Identifier: Apache-2.0 */
/* The facts of a connection for its PROXY header. */
#include "ipc/report.h"
#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/direct/stream/proxy_header.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/policy/connection.h"
#include "shim/process/log.h"
#include "shim/process/state.h"

#include <errno.h>
#include <string.h>

/* Both addresses in one family. An IPv6 socket that serves an IPv4 client has IPv4-mapped addresses (RFC 4291,
 * section 2.5.5.2). */
static bool addresses_of(int fd, struct tg_proxy_facts *facts)
{
	struct sockaddr_storage peer = {0}, local = {0};
	socklen_t peer_size = sizeof(peer), local_size = sizeof(local);

	return tg_libc.getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && tg_address_from(&peer, &facts->peer) &&
	       tg_libc.getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 &&
	       tg_address_from(&local, &facts->local) && facts->peer.family == facts->local.family;
}

/* The subject's common name, if there is exactly one. The caller frees *ret_text with OPENSSL_free. */
static struct tg_span common_name(const struct tg_openssl *o, const X509 *leaf, unsigned char **ret_text)
{
	struct tg_span none = {NULL, 0};
	const X509_NAME *subject = leaf == NULL ? NULL : o->X509_get_subject_name(leaf);
	int at = subject == NULL ? -1 : o->X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || o->X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return none;
	const ASN1_STRING *value = o->X509_NAME_ENTRY_get_data(o->X509_NAME_get_entry(subject, at));
	int size = o->ASN1_STRING_to_UTF8(ret_text, value);
	if (size <= 0 || memchr(*ret_text, '\0', (size_t)size) != NULL)
		return none;
	return (struct tg_span){*ret_text, (size_t)size};
}

static struct tg_span protocol_of(const struct tg_openssl *o, const SSL *ssl)
{
	const unsigned char *name = NULL;
	unsigned size = 0;

	o->SSL_get0_alpn_selected(ssl, &name, &size);
	return (struct tg_span){name, size};
}

static const char *group_of(const struct tg_openssl *o, SSL *ssl)
{
	int group = (int)o->SSL_ctrl(ssl, SSL_CTRL_GET_NEGOTIATED_GROUP, 0, NULL);

	return group == 0 ? NULL : o->SSL_group_to_name(ssl, group);
}

/* libssl 3.0 names a signature scheme in two parts. The names of RFC 8446, section 4.2.3. */
static const struct {
	int type, digest;
	const char *name;
} schemes[] = {
    {EVP_PKEY_RSA_PSS, NID_sha256, "rsa_pss_rsae_sha256"},
    {EVP_PKEY_RSA_PSS, NID_sha384, "rsa_pss_rsae_sha384"},
    {EVP_PKEY_RSA_PSS, NID_sha512, "rsa_pss_rsae_sha512"},
    {EVP_PKEY_EC, NID_sha256, "ecdsa_secp256r1_sha256"},
    {EVP_PKEY_EC, NID_sha384, "ecdsa_secp384r1_sha384"},
    {EVP_PKEY_EC, NID_sha512, "ecdsa_secp521r1_sha512"},
    {EVP_PKEY_EC, NID_sha1, "ecdsa_sha1"},
    {EVP_PKEY_RSA, NID_sha256, "rsa_pkcs1_sha256"},
    {EVP_PKEY_RSA, NID_sha384, "rsa_pkcs1_sha384"},
    {EVP_PKEY_RSA, NID_sha512, "rsa_pkcs1_sha512"},
    {EVP_PKEY_RSA, NID_sha1, "rsa_pkcs1_sha1"},
    {EVP_PKEY_ED25519, NID_undef, "ed25519"},
    {EVP_PKEY_ED448, NID_undef, "ed448"},
};

/* A key that is only for PSS has schemes of its own (rsa_pss_pss_*). */
static const char *with_pss_key(const char *name)
{
	static const char *const names[][2] = {{"rsa_pss_rsae_sha256", "rsa_pss_pss_sha256"},
					       {"rsa_pss_rsae_sha384", "rsa_pss_pss_sha384"},
					       {"rsa_pss_rsae_sha512", "rsa_pss_pss_sha512"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], name) == 0)
			return names[i][1];
	return name;
}

/* NULL for a resumed session, and for a key exchange by RSA encryption: nothing is signed there. */
static const char *scheme_of(const struct tg_openssl *o, SSL *ssl)
{
	const X509 *served = o->SSL_get_certificate(ssl);
	int type = NID_undef, digest = NID_undef;

	if (o->SSL_CIPHER_get_kx_nid(o->SSL_get_current_cipher(ssl)) == NID_kx_rsa ||
	    o->SSL_get_signature_type_nid(ssl, &type) != 1)
		return NULL;
	o->SSL_ctrl(ssl, SSL_CTRL_GET_SIGNATURE_NID, 0, &digest);
	const EVP_PKEY *key = served == NULL ? NULL : o->X509_get0_pubkey(served);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (schemes[i].type != type || (schemes[i].digest != NID_undef && schemes[i].digest != digest))
			continue;
		bool is_pss = key != NULL && o->EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA_PSS;
		return is_pss ? with_pss_key(schemes[i].name) : schemes[i].name;
	}
	return NULL;
}

static void free_text(const struct tg_openssl *o, unsigned char *text)
{
	if (text != NULL)
		o->CRYPTO_free(text, "tlsgraft", 0);
}

/* False: no memory. `ret_der` is OpenSSL's to free. */
static bool encode(const struct tg_openssl *o, const X509 *leaf, unsigned char **ret_der, struct tg_span *ret)
{
	int size = leaf == NULL ? 0 : o->i2d_X509(leaf, ret_der);

	if (size < 0 || (size == 0 && leaf != NULL))
		return false;
	*ret = (struct tg_span){*ret_der, (size_t)size};
	return true;
}

/* Puts the header in front of the client's bytes. 0, or an errno. */
static int add(struct tg_stream *stream, const struct tg_proxy_facts *facts)
{
	unsigned char header[TG_PROXY_HEADER_SIZE];
	size_t size = tg_proxy_header(facts, header);

	if (size == 0)
		return EMSGSIZE;
	if (!tg_bytes_add(&stream->input.kept, header, size))
		return ENOMEM;
	if (facts->tls == NULL || facts->tls->certificate.size == 0)
		return 0;
	return tg_bytes_add(&stream->input.kept, facts->tls->certificate.data, facts->tls->certificate.size) ? 0 : ENOMEM;
}

static int add_tls(struct tg_stream *stream, struct tg_proxy_facts *facts)
{
	const struct tg_openssl *o = tg_openssl();
	SSL *ssl = stream->tls.ssl;
	const struct tg_connection *connection = tg_connection_find(ssl);
	const X509 *leaf = o->SSL_get0_peer_certificate(ssl);
	unsigned char *text = NULL, *der = NULL;
	struct tg_proxy_tls tls = {
	    .has_certificate = leaf != NULL,
	    .in_connection = leaf != NULL && o->SSL_session_reused(ssl) == 0,
	    .verify = leaf == NULL ? X509_V_ERR_UNSPECIFIED : (uint32_t)o->SSL_get_verify_result(ssl),
	    .version = o->SSL_get_version(ssl),
	    .cipher = o->SSL_CIPHER_get_name(o->SSL_get_current_cipher(ssl)),
	    .name = common_name(o, leaf, &text),
	    .authority = connection == NULL ? NULL : connection->host,
	    .protocol = protocol_of(o, ssl),
	    .group = group_of(o, ssl),
	    .scheme = scheme_of(o, ssl),
	};
	int error = 0;

	facts->tls = &tls;
	if (stream->header == TG_PROXY_V2 && !encode(o, leaf, &der, &tls.certificate))
		error = ENOMEM;
	if (error == 0)
		error = add(stream, facts);
	facts->tls = NULL;
	free_text(o, text);
	free_text(o, der);
	return error;
}

/* A truncated certificate must not be passed on: the server might take it for a complete one. */
static void refuse_long(const struct tg_stream *stream)
{
	static atomic_bool said;

	if (tg_shim_is(TG_STATE_GOVERNED))
		tg_report_plaintext(tg_shim.report, stream->counters, TG_PLAINTEXT_CLOSED);
	if (!atomic_exchange(&said, true))
		tg_shim_log(
		    "a connection was closed: the client's certificate is too long for a header of the PROXY protocol, "
		    "which v2-ssl-cn sends without it");
}

bool tg_stream_add_header(struct tg_stream *stream)
{
	struct tg_proxy_facts facts = {.tls = NULL};

	if (stream->header == TG_PROXY_OFF)
		return true;
	facts.has_addresses = addresses_of(stream->fd, &facts);
	int error = stream->tls.ssl == NULL ? add(stream, &facts) : add_tls(stream, &facts);
	if (error == 0)
		return true;
	if (error == EMSGSIZE)
		refuse_long(stream);
	tg_stream_refuse(stream);
	return false;
}
