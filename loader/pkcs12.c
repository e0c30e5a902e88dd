/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/pkcs12.h"

#include "loader/private_key.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <string.h>

#define NESTING_MAX 4 /* bags within bags; more is no file that anybody made to be read */

static const char what[] = "the PKCS#12 file";
static const char trusted_key_usage[] = "2.16.840.1.113894.746875.1.1"; /* Oracle's, in every truststore of keytool */

struct opening {
	struct tg_reader *reader;
	const char *passphrase; /* by which its MAC was right; NULL: there was none, and nothing was given */
	int length;
	bool
	    any_usage; /* some certificate has a trustedKeyUsage: one without is then in the file for no trust of its own */
};

bool tg_pkcs12_probable(const unsigned char *bytes, size_t size)
{
	size_t head = size > 1 && bytes[1] >= 0x80 ? 2u + (bytes[1] & 0x7f) : 2u;

	return size >= head + 3 && bytes[0] == 0x30 && memcmp(bytes + head, "\x02\x01\x03", 3) == 0;
}

static enum tg_read_result undecodable(struct tg_reader *reader)
{
	return tg_reader_fault(reader, TG_READ_UNFINISHED, tg_arena_format(reader->arena, "%s cannot be decoded", what));
}

static enum tg_read_result legacy_fault(struct tg_reader *reader, const char *missing)
{
	return tg_reader_fault(
	    reader, TG_READ_BAD,
	    tg_arena_format(
		reader->arena,
		"%s is protected with %s, which OpenSSL has in its legacy provider alone, if at all: convert it: "
		"openssl pkcs12 -legacy -in OLD -out NEW.pem",
		what, missing));
}

static enum tg_read_result add_trust(struct tg_reader *reader, X509 *certificate, const ASN1_TYPE *usage)
{
	ASN1_OBJECT *object;

	if (usage->type == V_ASN1_OBJECT)
		return X509_add1_trust_object(certificate, usage->value.object) == 1 ? TG_READ_OK : TG_READ_NO_MEMORY;
	object = usage->type == V_ASN1_NULL ? OBJ_nid2obj(NID_anyExtendedKeyUsage) : NULL;
	if (!object)
		return tg_reader_fault(
		    reader, TG_READ_BAD,
		    tg_arena_format(reader->arena, "%s holds a trustedKeyUsage that cannot be read", what));
	return X509_add1_trust_object(certificate, object) == 1 ? TG_READ_OK : TG_READ_NO_MEMORY;
}

/* What the file says about the trust in this certificate. */
static enum tg_read_result take_usage(const struct opening *opening, const PKCS12_SAFEBAG *bag, X509 *certificate)
{
	const STACK_OF(X509_ATTRIBUTE) *attributes = PKCS12_SAFEBAG_get0_attrs(bag);
	char oid[128];

	for (int i = 0; i < sk_X509_ATTRIBUTE_num(attributes); i++) {
		X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(attributes, i);

		if (OBJ_obj2txt(oid, sizeof(oid), X509_ATTRIBUTE_get0_object(attribute), 1) <= 0 ||
		    strcmp(oid, trusted_key_usage) != 0)
			continue;
		for (int k = 0; k < X509_ATTRIBUTE_count(attribute); k++) {
			enum tg_read_result result =
			    add_trust(opening->reader, certificate, X509_ATTRIBUTE_get0_type(attribute, k));

			if (result != TG_READ_OK)
				return result;
		}
		return TG_READ_OK;
	}
	if (opening->any_usage && X509_add1_reject_object(certificate, OBJ_nid2obj(NID_anyExtendedKeyUsage)) != 1)
		return TG_READ_NO_MEMORY;
	return TG_READ_OK;
}

static enum tg_read_result read_certificate(const struct opening *opening, const PKCS12_SAFEBAG *bag)
{
	X509 *certificate = PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate ? PKCS12_SAFEBAG_get1_cert(bag) : NULL;
	enum tg_read_result result;

	if (!certificate)
		return tg_reader_fault(
		    opening->reader, TG_READ_BAD,
		    tg_arena_format(opening->reader->arena, "%s holds a certificate that cannot be decoded", what));
	result = take_usage(opening, bag, certificate);
	if (result == TG_READ_OK)
		return tg_reader_certificate(opening->reader, certificate);
	X509_free(certificate);
	return result;
}

static enum tg_read_result read_key(const struct opening *opening, const PKCS12_SAFEBAG *bag)
{
	struct tg_reader *reader = opening->reader;
	const X509_SIG *encrypted = PKCS12_SAFEBAG_get0_pkcs8(bag);
	const PKCS8_PRIV_KEY_INFO *plain = PKCS12_SAFEBAG_get0_p8inf(bag);
	const X509_ALGOR *algorithm;
	PKCS8_PRIV_KEY_INFO *info;
	const char *missing;
	EVP_PKEY *key;

	if (!(reader->wanted & TG_WANT_KEYS)) {
		reader->objects.key_count++;
		return TG_READ_OK;
	}
	if (encrypted) {
		X509_SIG_get0(encrypted, &algorithm, NULL);
		missing = tg_algorithm_missing(reader->arena, algorithm);
		if (missing)
			return legacy_fault(reader, missing);
		if (tg_algorithm_rounds(algorithm) > TG_ROUNDS_MAX)
			return tg_rounds_fault(reader, what);
		info = PKCS8_decrypt(encrypted, opening->passphrase, opening->length);
		if (!info)
			return tg_passphrase_fault(reader, what);
		key = EVP_PKCS82PKEY(info);
		PKCS8_PRIV_KEY_INFO_free(info);
	} else {
		key = plain ? EVP_PKCS82PKEY(plain) : NULL;
	}
	if (!key)
		return tg_reader_fault(
		    reader, TG_READ_BAD,
		    tg_arena_format(reader->arena, "%s holds a key of a kind that this OpenSSL does not know", what));
	return tg_reader_key(reader, key);
}

static enum tg_read_result read_bags(struct opening *opening, const STACK_OF(PKCS12_SAFEBAG) * bags, int depth);

static enum tg_read_result read_bag(struct opening *opening, const PKCS12_SAFEBAG *bag, int depth)
{
	struct tg_reader *reader = opening->reader;

	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_certBag:
		return read_certificate(opening, bag);
	case NID_keyBag:
	case NID_pkcs8ShroudedKeyBag:
		return read_key(opening, bag);
	case NID_crlBag:
		if (PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Crl)
			return tg_reader_crl(reader, PKCS12_SAFEBAG_get1_crl(bag));
		break;
	case NID_safeContentsBag:
		if (depth < NESTING_MAX)
			return read_bags(opening, PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
		break;
	default:
		break;
	}
	return tg_reader_fault(reader, TG_READ_BAD,
			       tg_arena_format(reader->arena,
					       "%s holds something that is neither certificate, key nor CRL (%s)", what,
					       OBJ_nid2ln(PKCS12_SAFEBAG_get_nid(bag))));
}

static enum tg_read_result read_bags(struct opening *opening, const STACK_OF(PKCS12_SAFEBAG) * bags, int depth)
{
	enum tg_read_result result = TG_READ_OK;

	for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags) && result == TG_READ_OK; i++)
		result = read_bag(opening, sk_PKCS12_SAFEBAG_value(bags, i), depth);
	return result;
}

static bool names_usage(const STACK_OF(PKCS12_SAFEBAG) * bags)
{
	ASN1_OBJECT *wanted = OBJ_txt2obj(trusted_key_usage, 1);
	bool found = false;

	for (int i = 0; wanted && i < sk_PKCS12_SAFEBAG_num(bags) && !found; i++) {
		const STACK_OF(X509_ATTRIBUTE) *attributes = PKCS12_SAFEBAG_get0_attrs(sk_PKCS12_SAFEBAG_value(bags, i));

		found = X509at_get_attr_by_OBJ(attributes, wanted, -1) >= 0;
	}
	ASN1_OBJECT_free(wanted);
	return found;
}

/* One part of the file as its bags; NULL, and a fault in *ret. */
static STACK_OF(PKCS12_SAFEBAG) * open_part(struct opening *opening, PKCS7 *part, enum tg_read_result *ret)
{
	struct tg_reader *reader = opening->reader;
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	const char *missing;

	if (PKCS7_type_is_data(part)) {
		bags = PKCS12_unpack_p7data(part);
		*ret = bags ? TG_READ_OK : undecodable(reader);
	} else if (PKCS7_type_is_encrypted(part) && part->d.encrypted && part->d.encrypted->enc_data) {
		const X509_ALGOR *algorithm = part->d.encrypted->enc_data->algorithm;

		missing = tg_algorithm_missing(reader->arena, algorithm);
		if (missing)
			*ret = legacy_fault(reader, missing);
		else if (tg_algorithm_rounds(algorithm) > TG_ROUNDS_MAX)
			*ret = tg_rounds_fault(reader, what);
		else
			bags = PKCS12_unpack_p7encdata(part, opening->passphrase, opening->length);
		if (bags)
			*ret = TG_READ_OK;
		else if (!reader->reason)
			*ret = tg_passphrase_fault(reader, what);
	} else {
		*ret = tg_reader_fault(reader, TG_READ_BAD,
				       tg_arena_format(reader->arena, "%s is encrypted for a public key", what));
	}
	return bags;
}

static enum tg_read_result read_parts(struct opening *opening, STACK_OF(PKCS7) * parts)
{
	int count = sk_PKCS7_num(parts);
	STACK_OF(PKCS12_SAFEBAG) **bags =
	    tg_arena_alloc(opening->reader->arena, ((size_t)(count > 0 ? count : 0) + 1) * sizeof(void *));
	enum tg_read_result result = bags ? TG_READ_OK : TG_READ_NO_MEMORY;

	for (int i = 0; i < count && result == TG_READ_OK; i++) {
		bags[i] = open_part(opening, sk_PKCS7_value(parts, i), &result);
		opening->any_usage = opening->any_usage || names_usage(bags[i]);
	}
	for (int i = 0; i < count && result == TG_READ_OK; i++)
		result = read_bags(opening, bags[i], 0);
	for (int i = 0; i < count && bags; i++)
		sk_PKCS12_SAFEBAG_pop_free(bags[i], PKCS12_SAFEBAG_free);
	return result;
}

/* The MAC says whether the passphrase is right. Files without one may have an empty one, or none at all. */
static enum tg_read_result find_passphrase(struct opening *opening, PKCS12 *file)
{
	struct tg_reader *reader = opening->reader;
	const X509_ALGOR *algorithm = NULL;
	const ASN1_INTEGER *rounds = NULL;
	const ASN1_OBJECT *object;
	EVP_MD *digest;
	char name[128];
	int64_t count;

	if (reader->passphrase) {
		opening->passphrase = reader->passphrase;
		opening->length = (int)strlen(reader->passphrase);
	}
	if (!PKCS12_mac_present(file))
		return TG_READ_OK;
	PKCS12_get0_mac(NULL, &algorithm, NULL, &rounds, file);
	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	if (OBJ_obj2txt(name, sizeof(name), object, 0) <= 0)
		return undecodable(reader);
	digest = EVP_MD_fetch(NULL, name, NULL);
	EVP_MD_free(digest);
	if (!digest)
		return legacy_fault(reader, tg_arena_text(reader->arena, name));
	if (rounds && (ASN1_INTEGER_get_int64(&count, rounds) != 1 || count > TG_ROUNDS_MAX))
		return tg_rounds_fault(reader, what);
	if (PKCS12_verify_mac(file, NULL, 0) == 1) {
		opening->passphrase = NULL;
		opening->length = 0;
		return TG_READ_OK;
	}
	if (PKCS12_verify_mac(file, "", 0) == 1) {
		opening->passphrase = "";
		opening->length = 0;
		return TG_READ_OK;
	}
	if (!opening->passphrase || PKCS12_verify_mac(file, opening->passphrase, opening->length) != 1)
		return tg_passphrase_fault(reader, what);
	reader->objects.passphrase_used = true;
	return TG_READ_OK;
}

/* The certificate of the key comes first, then what issued it, and so on: the file itself has no order. */
static void order(STACK_OF(X509) * certificates, EVP_PKEY *key)
{
	for (int place = 0; place < sk_X509_num(certificates); place++) {
		for (int i = place; i < sk_X509_num(certificates); i++) {
			X509 *candidate = sk_X509_value(certificates, i);
			bool fits = place == 0
					? key && EVP_PKEY_eq(X509_get0_pubkey(candidate), key) == 1
					: X509_check_issued(candidate, sk_X509_value(certificates, place - 1)) == X509_V_OK;

			if (!fits)
				continue;
			sk_X509_set(certificates, i, sk_X509_value(certificates, place));
			sk_X509_set(certificates, place, candidate);
			break;
		}
	}
}

enum tg_read_result tg_pkcs12_read(struct tg_reader *reader, const unsigned char *bytes, size_t size)
{
	const unsigned char *at = bytes;
	struct opening opening = {.reader = reader};
	PKCS12 *file = d2i_PKCS12(NULL, &at, (long)size);
	STACK_OF(PKCS7) *parts = NULL;
	enum tg_read_result result;

	reader->objects.pkcs12 = true;
	if (!file || at != bytes + size) {
		result = undecodable(reader);
		goto out;
	}
	result = find_passphrase(&opening, file);
	if (result != TG_READ_OK)
		goto out;
	parts = PKCS12_unpack_authsafes(file);
	result = parts ? read_parts(&opening, parts) : undecodable(reader);
	if (result == TG_READ_OK && reader->passphrase && opening.passphrase == reader->passphrase &&
	    !PKCS12_mac_present(file))
		reader->objects.passphrase_used = true;
	if (result == TG_READ_OK)
		order(reader->objects.certificates, reader->objects.key);
out:
	sk_PKCS7_pop_free(parts, PKCS7_free);
	PKCS12_free(file);
	return result;
}
