/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/private_key.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <ctype.h>
#include <limits.h>
#include <string.h>

static enum tg_read_result undecodable(struct tg_reader *reader, const char *what)
{
	return tg_reader_fault(reader, TG_READ_UNFINISHED, tg_arena_format(reader->arena, "%s cannot be decoded", what));
}

enum tg_read_result tg_passphrase_fault(struct tg_reader *reader, const char *what)
{
	const char *text = reader->passphrase;
	size_t length = text ? strlen(text) : 0;
	bool blank = length > 0 && (isspace((unsigned char)text[0]) || isspace((unsigned char)text[length - 1]));

	if (!text)
		return tg_reader_fault(reader, TG_READ_PASSPHRASE,
				       tg_arena_format(reader->arena,
						       "%s is encrypted: name the file of its passphrase in "
						       "key_passphrase_file",
						       what));
	return tg_reader_fault(reader, TG_READ_PASSPHRASE,
			       tg_arena_format(reader->arena, "%s cannot be decrypted with the passphrase given%s", what,
					       blank ? ", whose first or last character is a blank" : ""));
}

static const char *cipher_missing(struct tg_arena *arena, const char *name)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);

	EVP_CIPHER_free(cipher);
	return cipher ? NULL : tg_arena_text(arena, name);
}

static const char *digest_missing(struct tg_arena *arena, const char *name)
{
	EVP_MD *digest = EVP_MD_fetch(NULL, name, NULL);

	EVP_MD_free(digest);
	return digest ? NULL : tg_arena_text(arena, name);
}

static const char *object_name(struct tg_arena *arena, const ASN1_OBJECT *object)
{
	char text[128];

	return OBJ_obj2txt(text, sizeof(text), object, 0) > 0 ? tg_arena_text(arena, text) : "an unknown algorithm";
}

/* `parameters` of an algorithm as a structure of that kind; NULL: they are none. */
static void *unpack(const X509_ALGOR *algorithm, const ASN1_ITEM *item)
{
	const void *value;
	int type;

	X509_ALGOR_get0(NULL, &type, &value, algorithm);
	return type == V_ASN1_SEQUENCE ? ASN1_item_unpack(value, item) : NULL;
}

/* PBES2 (RFC 8018) names its key derivation and its cipher inside. */
static const char *pbes2_missing(struct tg_arena *arena, const X509_ALGOR *algorithm)
{
	const char *missing = NULL;
	const ASN1_OBJECT *object;
	PBE2PARAM *parameters = unpack(algorithm, ASN1_ITEM_rptr(PBE2PARAM));

	if (!parameters)
		return NULL;
	X509_ALGOR_get0(&object, NULL, NULL, parameters->encryption);
	if (OBJ_obj2nid(object) == NID_undef)
		missing = object_name(arena, object);
	else
		missing = cipher_missing(arena, OBJ_nid2sn(OBJ_obj2nid(object)));
	X509_ALGOR_get0(&object, NULL, NULL, parameters->keyfunc);
	if (!missing && OBJ_obj2nid(object) != NID_id_pbkdf2 && OBJ_obj2nid(object) != NID_id_scrypt)
		missing = object_name(arena, object);
	PBE2PARAM_free(parameters);
	return missing;
}

const char *tg_algorithm_missing(struct tg_arena *arena, const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object;
	const char *missing = NULL;
	int nid, cipher, digest;

	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	nid = OBJ_obj2nid(object);
	if (nid == NID_pbes2)
		return pbes2_missing(arena, algorithm);
	if (nid == NID_undef || EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, &cipher, &digest, NULL) != 1)
		return object_name(arena, object);
	if (cipher > 0)
		missing = cipher_missing(arena, OBJ_nid2sn(cipher));
	if (!missing && digest > 0)
		missing = digest_missing(arena, OBJ_nid2sn(digest));
	return missing ? tg_arena_format(arena, "%s (%s)", object_name(arena, object), missing) : NULL;
}

static int64_t number_of(const ASN1_INTEGER *number)
{
	int64_t value;

	return ASN1_INTEGER_get_int64(&value, number) == 1 && value >= 0 ? value : INT64_MAX;
}

int64_t tg_algorithm_rounds(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object;
	int64_t rounds = 0;

	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	if (OBJ_obj2nid(object) == NID_pbes2) {
		PBE2PARAM *outer = unpack(algorithm, ASN1_ITEM_rptr(PBE2PARAM));
		PBKDF2PARAM *inner = outer ? unpack(outer->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM)) : NULL;

		rounds = inner ? number_of(inner->iter) : 0;
		PBKDF2PARAM_free(inner);
		PBE2PARAM_free(outer);
	} else {
		PBEPARAM *parameters = unpack(algorithm, ASN1_ITEM_rptr(PBEPARAM));

		rounds = parameters && parameters->iter ? number_of(parameters->iter) : 0;
		PBEPARAM_free(parameters);
	}
	return rounds;
}

enum tg_read_result tg_rounds_fault(struct tg_reader *reader, const char *what)
{
	return tg_reader_fault(reader, TG_READ_BAD,
			       tg_arena_format(reader->arena,
					       "%s asks for more than %d rounds of its key derivation: no key is better "
					       "protected by that; encrypt it anew",
					       what, TG_ROUNDS_MAX));
}

static enum tg_read_result legacy_fault(struct tg_reader *reader, const char *what, const char *missing)
{
	return tg_reader_fault(
	    reader, TG_READ_BAD,
	    tg_arena_format(
		reader->arena,
		"%s is encrypted with %s, which OpenSSL has in its legacy provider alone, if at all: encrypt it "
		"anew: openssl pkey -provider legacy -provider default -in OLD -aes256 -out NEW",
		what, missing));
}

/* Takes over `info`. */
static enum tg_read_result add(struct tg_reader *reader, PKCS8_PRIV_KEY_INFO *info, const char *what)
{
	EVP_PKEY *key = EVP_PKCS82PKEY(info);

	PKCS8_PRIV_KEY_INFO_free(info);
	if (!key)
		return tg_reader_fault(
		    reader, TG_READ_UNFINISHED,
		    tg_arena_format(reader->arena,
				    "%s cannot be decoded: it is damaged, or of a kind that this OpenSSL "
				    "does not know",
				    what));
	return tg_reader_key(reader, key);
}

enum tg_read_result tg_key_read_plain(struct tg_reader *reader, const unsigned char *der, size_t size, const char *what)
{
	const unsigned char *at = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)size);

	if (info && at == der + size)
		return add(reader, info, what);
	PKCS8_PRIV_KEY_INFO_free(info);
	return undecodable(reader, what);
}

enum tg_read_result tg_key_decrypt(struct tg_reader *reader, const X509_SIG *encrypted, const char *what)
{
	const X509_ALGOR *algorithm;
	const char *missing;
	PKCS8_PRIV_KEY_INFO *info;

	X509_SIG_get0(encrypted, &algorithm, NULL);
	missing = tg_algorithm_missing(reader->arena, algorithm);
	if (missing)
		return legacy_fault(reader, what, missing);
	if (tg_algorithm_rounds(algorithm) > TG_ROUNDS_MAX)
		return tg_rounds_fault(reader, what);
	if (!reader->passphrase)
		return tg_passphrase_fault(reader, what);
	info = PKCS8_decrypt(encrypted, reader->passphrase, (int)strlen(reader->passphrase));
	if (!info)
		return tg_passphrase_fault(reader, what);
	reader->objects.passphrase_used = true;
	return add(reader, info, what);
}

enum tg_read_result tg_key_read_encrypted(struct tg_reader *reader, const unsigned char *der, size_t size, const char *what)
{
	const unsigned char *at = der;
	X509_SIG *encrypted = d2i_X509_SIG(NULL, &at, (long)size);
	enum tg_read_result result;

	if (encrypted && at == der + size)
		result = tg_key_decrypt(reader, encrypted, what);
	else
		result = undecodable(reader, what);
	X509_SIG_free(encrypted);
	return result;
}

static int give_passphrase(char *buffer, int size, int writing, void *user)
{
	const char *passphrase = user;
	size_t length = strlen(passphrase);

	(void)writing;
	if (length > (size_t)size)
		return -1;
	memcpy(buffer, passphrase, length);
	return (int)length;
}

/* RFC 1421's encryption of `size` bytes, in place. The padding that went away is taken off *size. */
static enum tg_read_result decrypt_block(struct tg_reader *reader, const char *headers, unsigned char *data, size_t *size,
					 const char *what)
{
	char *copy = tg_arena_text(reader->arena, headers);
	const char *name = strstr(headers, "DEK-Info:");
	EVP_CIPHER_INFO cipher = {0};
	long length = (long)*size;
	const char *missing;

	if (!copy)
		return TG_READ_NO_MEMORY;
	if (!name || strncmp(headers, "Proc-Type:", 10) != 0 || !strstr(headers, "ENCRYPTED"))
		return tg_reader_fault(
		    reader, TG_READ_BAD,
		    tg_arena_format(reader->arena, "%s has headers that say nothing of encryption", what));
	name += strlen("DEK-Info:");
	name += strspn(name, " \t");
	name = tg_arena_format(reader->arena, "%.*s", (int)strcspn(name, ", \t\n"), name);
	missing = name ? cipher_missing(reader->arena, name) : NULL;
	if (missing)
		return legacy_fault(reader, what, missing);
	if (PEM_get_EVP_CIPHER_INFO(copy, &cipher) != 1)
		return tg_reader_fault(reader, TG_READ_UNFINISHED,
				       tg_arena_format(reader->arena, "%s has headers that cannot be read", what));
	if (!reader->passphrase ||
	    PEM_do_header(&cipher, data, &length, give_passphrase, (void *)(uintptr_t)reader->passphrase) != 1)
		return tg_passphrase_fault(reader, what);
	*size = (size_t)length;
	reader->objects.passphrase_used = true;
	return TG_READ_OK;
}

enum tg_read_result tg_key_read_traditional(struct tg_reader *reader, int type, const char *headers, unsigned char *der,
					    size_t size, const char *what)
{
	const unsigned char *at = der;
	bool encrypted = *headers != '\0';
	EVP_PKEY *key;

	if (encrypted) {
		enum tg_read_result result = decrypt_block(reader, headers, der, &size, what);

		if (result != TG_READ_OK)
			return result;
	}
	key = d2i_PrivateKey(type, NULL, &at, (long)size);
	if (key && at == der + size)
		return tg_reader_key(reader, key);
	EVP_PKEY_free(key);
	/* a wrong passphrase decrypts to something one time in 256 */
	return encrypted ? tg_passphrase_fault(reader, what) : undecodable(reader, what);
}
