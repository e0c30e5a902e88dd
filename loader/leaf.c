/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/leaf.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define STATUS_REQUEST 5 /* RFC 6066: the extension that asks for an OCSP response; 17 for several (RFC 6961) */
#define STATUS_REQUEST_V2 17

/* RFC 5280 4.2.1.3 and 4.2.1.12. X509_check_purpose would not take anyExtendedKeyUsage. */
static void check_usage(struct tg_load *load, const struct tg_place *place, const char *text, X509 *leaf)
{
	uint32_t extended = X509_get_extended_key_usage(leaf);
	uint32_t usage = X509_get_key_usage(leaf);
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	bool rsa = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

	if (X509_get_extension_flags(leaf) & EXFLAG_INVALID)
		tg_message(load->messages, TLSGRAFT_ERROR, place, "%s: holds extensions that cannot be read", text);
	else if (extended != UINT32_MAX && !(extended & (XKU_SSL_SERVER | XKU_SGC | XKU_ANYEKU)))
		tg_message(load->messages, TLSGRAFT_ERROR, place,
			   "%s: may not be used by servers: its extended key usage lacks serverAuth", text);
	else if (!(usage & KU_DIGITAL_SIGNATURE) && !(rsa && usage & KU_KEY_ENCIPHERMENT))
		tg_message(load->messages, TLSGRAFT_ERROR, place,
			   "%s: may not be used by servers: its key usage lacks digitalSignature", text);
	else if (!(usage & KU_DIGITAL_SIGNATURE))
		tg_message(load->messages, TLSGRAFT_WARNING, place,
			   "%s: its key usage lacks digitalSignature: clients refuse it in TLS 1.3", text);
}

/* RFC 7633: clients that insist on it refuse a handshake without a stapled OCSP response. */
static void check_must_staple(struct tg_load *load, const struct tg_place *place, const char *text, const X509 *leaf)
{
	TLS_FEATURE *features = X509_get_ext_d2i(leaf, NID_tlsfeature, NULL, NULL);

	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
		const long feature = ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i));

		if (feature != STATUS_REQUEST && feature != STATUS_REQUEST_V2)
			continue;
		tg_message(load->messages, TLSGRAFT_WARNING, place,
			   "%s: demands an OCSP response in each handshake (must-staple), and none is stapled here: a "
			   "server's own "
			   "goes out only where it is for this very certificate, and clients that insist refuse the rest",
			   text);
		break;
	}
	TLS_FEATURE_free(features);
}

void tg_leaf_check(struct tg_load *load, const struct tg_place *place, const char *text, X509 *leaf)
{
	check_usage(load, place, text, leaf);
	check_must_staple(load, place, text, leaf);
}
