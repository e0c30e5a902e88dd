/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/credential.h"

#include "loader/foreign.h"
#include "loader/pkcs12.h"
#include "loader/private_key.h"
#include "loader/reader.h"

#include <openssl/err.h>

#include <stdint.h>
#include <string.h>

enum tg_read_result tg_reader_certificate(struct tg_reader *reader, X509 *certificate)
{
	reader->objects.certificate_count++;
	if (certificate && !(reader->wanted & TG_WANT_CERTIFICATES)) {
		X509_free(certificate);
		return TG_READ_OK;
	}
	if (certificate && sk_X509_push(reader->objects.certificates, certificate) > 0)
		return TG_READ_OK;
	X509_free(certificate);
	return TG_READ_NO_MEMORY;
}

enum tg_read_result tg_reader_crl(struct tg_reader *reader, X509_CRL *crl)
{
	reader->objects.crl_count++;
	if (crl && !(reader->wanted & TG_WANT_CRLS)) {
		X509_CRL_free(crl);
		return TG_READ_OK;
	}
	if (crl && sk_X509_CRL_push(reader->objects.crls, crl) > 0)
		return TG_READ_OK;
	X509_CRL_free(crl);
	return TG_READ_NO_MEMORY;
}

enum tg_read_result tg_reader_key(struct tg_reader *reader, EVP_PKEY *key)
{
	reader->objects.key_count++;
	if (reader->wanted & TG_WANT_KEYS && !reader->objects.key)
		reader->objects.key = key;
	else
		EVP_PKEY_free(key);
	return key ? TG_READ_OK : TG_READ_NO_MEMORY;
}

static enum tg_read_result undecodable(struct tg_reader *reader, const char *what)
{
	return tg_reader_fault(reader, TG_READ_UNFINISHED, tg_arena_format(reader->arena, "%s cannot be decoded", what));
}

enum block_kind {
	BLOCK_CERTIFICATE,
	BLOCK_TRUSTED,
	BLOCK_PKCS8,
	BLOCK_ENCRYPTED,
	BLOCK_RSA,
	BLOCK_EC,
	BLOCK_CRL,
	BLOCK_PARAMETERS,
	BLOCK_PUBLIC,
	BLOCK_REFUSED,
};

static const struct {
	const char *label;
	enum block_kind kind;
	unsigned wanted; /* for whom it is decoded */
} labels[] = {
    {"CERTIFICATE", BLOCK_CERTIFICATE, TG_WANT_CERTIFICATES},
    {"X509 CERTIFICATE", BLOCK_CERTIFICATE, TG_WANT_CERTIFICATES},
    {"TRUSTED CERTIFICATE", BLOCK_TRUSTED, TG_WANT_CERTIFICATES},
    {"PRIVATE KEY", BLOCK_PKCS8, TG_WANT_KEYS},
    {"ENCRYPTED PRIVATE KEY", BLOCK_ENCRYPTED, TG_WANT_KEYS},
    {"RSA PRIVATE KEY", BLOCK_RSA, TG_WANT_KEYS},
    {"EC PRIVATE KEY", BLOCK_EC, TG_WANT_KEYS},
    {"X509 CRL", BLOCK_CRL, TG_WANT_CRLS},
    /* What servers keep in the same file. */
    {"EC PARAMETERS", BLOCK_PARAMETERS, 0},
    {"DH PARAMETERS", BLOCK_PARAMETERS, 0},
    {"X9.42 DH PARAMETERS", BLOCK_PARAMETERS, 0},
    {"PUBLIC KEY", BLOCK_PUBLIC, 0},
    {"RSA PUBLIC KEY", BLOCK_PUBLIC, 0},
};

/* With what follows it where `trusted`: the settings that `openssl x509 -addtrust` and `-addreject` put there. */
static enum tg_read_result read_certificate(struct tg_reader *reader, const unsigned char *der, size_t size, bool trusted,
					    const char *what)
{
	const unsigned char *at = der;
	X509 *certificate = trusted ? d2i_X509_AUX(NULL, &at, (long)size) : d2i_X509(NULL, &at, (long)size);

	if (certificate && at == der + size)
		return tg_reader_certificate(reader, certificate);
	X509_free(certificate);
	if (certificate)
		return tg_reader_fault(reader, TG_READ_BAD,
				       tg_arena_format(reader->arena, "%s holds more than a certificate", what));
	return undecodable(reader, what);
}

static enum tg_read_result read_crl(struct tg_reader *reader, const unsigned char *der, size_t size, const char *what)
{
	const unsigned char *at = der;
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)size);

	if (crl && at == der + size)
		return tg_reader_crl(reader, crl);
	X509_CRL_free(crl);
	if (crl)
		return tg_reader_fault(reader, TG_READ_BAD,
				       tg_arena_format(reader->arena, "%s holds more than a CRL", what));
	return undecodable(reader, what);
}

static void count(struct tg_objects *objects, enum block_kind kind)
{
	if (kind == BLOCK_CERTIFICATE || kind == BLOCK_TRUSTED)
		objects->certificate_count++;
	else if (kind == BLOCK_CRL)
		objects->crl_count++;
	else if (kind == BLOCK_PARAMETERS)
		objects->parameter_count++;
	else if (kind == BLOCK_PUBLIC)
		objects->public_count++;
	else
		objects->key_count++;
}

/* What a block is by its label; BLOCK_REFUSED, and a fault, where it does not belong into any of these files. */
static enum block_kind kind_of(struct tg_reader *reader, const struct tg_pem_block *block, unsigned *ret_wanted)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		if (strcmp(labels[i].label, block->label) != 0)
			continue;
		*ret_wanted = labels[i].wanted;
		return labels[i].kind;
	}
	tg_reader_fault(reader, TG_READ_BAD,
			tg_arena_format(reader->arena, "%s is neither certificate, key nor CRL%s", block->what,
					tg_foreign_block(block->label)));
	return BLOCK_REFUSED;
}

static enum tg_read_result read_block(struct tg_reader *reader, const struct tg_pem_block *block, enum block_kind kind,
				      unsigned wanted)
{
	if (*block->headers != '\0' && kind != BLOCK_RSA && kind != BLOCK_EC)
		return tg_reader_fault(reader, TG_READ_BAD,
				       tg_arena_format(reader->arena,
						       "%s has headers: only an encrypted RSA or EC private key has any",
						       block->what));
	if (!(wanted & reader->wanted)) {
		count(&reader->objects, kind);
		return TG_READ_OK;
	}
	switch (kind) {
	case BLOCK_CERTIFICATE:
	case BLOCK_TRUSTED:
		return read_certificate(reader, block->data, block->size, kind == BLOCK_TRUSTED, block->what);
	case BLOCK_CRL:
		return read_crl(reader, block->data, block->size, block->what);
	case BLOCK_PKCS8:
		return tg_key_read_plain(reader, block->data, block->size, block->what);
	case BLOCK_ENCRYPTED:
		return tg_key_read_encrypted(reader, block->data, block->size, block->what);
	default:
		return tg_key_read_traditional(reader, kind == BLOCK_RSA ? EVP_PKEY_RSA : EVP_PKEY_EC, block->headers,
					       block->data, block->size, block->what);
	}
}

static enum tg_read_result read_pem(struct tg_reader *reader, const unsigned char *bytes, size_t size)
{
	enum tg_read_result result = TG_READ_OK;
	struct tg_pem pem;
	bool any = false;

	tg_pem_init(&pem, reader->arena, bytes, size);
	while (result == TG_READ_OK) {
		struct tg_pem_block block;
		enum block_kind kind;
		unsigned wanted = 0;
		bool end;

		result = tg_pem_begin(&pem, &block, &end);
		if (result == TG_READ_OK && end)
			break;
		kind = result == TG_READ_OK ? kind_of(reader, &block, &wanted) : BLOCK_REFUSED;
		if (result == TG_READ_OK && kind == BLOCK_REFUSED)
			return reader->reason ? TG_READ_BAD : TG_READ_NO_MEMORY;
		if (result == TG_READ_OK)
			result = tg_pem_body(&pem, &block);
		if (result != TG_READ_OK)
			return tg_reader_fault(reader, result, pem.reason);
		any = true;
		result = read_block(reader, &block, kind, wanted);
	}
	if (result == TG_READ_OK && !any)
		return tg_reader_fault(reader, TG_READ_BAD, "neither PEM nor DER");
	return result;
}

/* The length that the DER value at the front says it has, head included; 0: there is none. */
static uint64_t der_length(const unsigned char *bytes, size_t size)
{
	uint64_t length = 0;
	size_t count;

	if (size < 2 || bytes[0] != 0x30)
		return 0;
	if (bytes[1] < 0x80)
		return bytes[1] + 2u;
	count = bytes[1] & 0x7f;
	if (count == 0 || count > 4 || size < 2 + count)
		return 0;
	for (size_t i = 0; i < count; i++)
		length = length << 8 | bytes[2 + i];
	return length + 2 + count;
}

/* True where these few bytes are rather the beginning of DER than of a text: "0" is how a SEQUENCE begins. */
static bool der_begins(const unsigned char *bytes, size_t size)
{
	return bytes[0] == 0x30 &&
	       (size < 4 || (bytes[1] > 0x80 && bytes[1] <= 0x84) || (bytes[1] < 0x80 && bytes[2] == 0x02));
}

/* The older encodings begin with a version and, for RSA, a number; for EC, a string. */
static int traditional_type(const unsigned char *bytes, size_t size)
{
	size_t head = bytes[1] >= 0x80 ? 2u + (bytes[1] & 0x7f) : 2u;

	if (size < head + 4)
		return EVP_PKEY_NONE;
	if (memcmp(bytes + head, "\x02\x01\x00\x02", 4) == 0)
		return EVP_PKEY_RSA;
	return memcmp(bytes + head, "\x02\x01\x01\x04", 4) == 0 ? EVP_PKEY_EC : EVP_PKEY_NONE;
}

/* One DER value, whose kind nothing but its structure tells. */
static enum tg_read_result read_der(struct tg_reader *reader, const unsigned char *bytes, size_t size)
{
	static const char what[] = "the file";
	const unsigned char *at = bytes;
	int type = traditional_type(bytes, size);
	const char *foreign;
	X509 *certificate;
	X509_CRL *crl;
	PKCS8_PRIV_KEY_INFO *info;
	X509_SIG *encrypted;
	unsigned char *copy;

	certificate = d2i_X509(NULL, &at, (long)size);
	if (certificate)
		return tg_reader_certificate(reader, certificate);
	at = bytes;
	crl = d2i_X509_CRL(NULL, &at, (long)size);
	if (crl)
		return tg_reader_crl(reader, crl);
	at = bytes;
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)size);
	PKCS8_PRIV_KEY_INFO_free(info);
	at = bytes;
	encrypted = info ? NULL : d2i_X509_SIG(NULL, &at, (long)size);
	X509_SIG_free(encrypted);
	if ((info || encrypted || type != EVP_PKEY_NONE) && !(reader->wanted & TG_WANT_KEYS)) {
		reader->objects.key_count++;
		return TG_READ_OK;
	}
	if (info)
		return tg_key_read_plain(reader, bytes, size, what);
	if (encrypted)
		return tg_key_read_encrypted(reader, bytes, size, what);
	if (type != EVP_PKEY_NONE) {
		copy = tg_arena_copy(reader->arena, bytes, size);
		return copy ? tg_key_read_traditional(reader, type, "", copy, size, what) : TG_READ_NO_MEMORY;
	}
	foreign = tg_foreign_der(bytes, size);
	return foreign ? tg_reader_fault(reader, TG_READ_BAD, foreign) : undecodable(reader, what);
}

/* Neither PEM nor one DER value: what else. */
static enum tg_read_result read_other(struct tg_reader *reader, const unsigned char *bytes, size_t size)
{
	const uint64_t length = der_length(bytes, size);
	const char *foreign = tg_foreign_file(bytes, size, true);

	if (foreign)
		return tg_reader_fault(reader, TG_READ_BAD, foreign);
	if (bytes[0] == '\0')
		return tg_reader_fault(reader, TG_READ_UNFINISHED, "begins with NUL bytes");
	if (der_begins(bytes, size) && (length == 0 || length > size))
		return tg_reader_fault(reader, TG_READ_UNFINISHED, "ends in the middle of its DER value");
	if (der_begins(bytes, size))
		return tg_reader_fault(reader, TG_READ_BAD,
				       bytes[length] == 0x30
					   ? "bytes behind the DER value, which look like another: write them as PEM, "
					     "which can hold several"
					   : "bytes behind the DER value");
	/* a text; that it may be base64 without its first line is said there */
	return read_pem(reader, bytes, size);
}

static enum tg_read_result read_bytes(struct tg_reader *reader, const unsigned char *bytes, size_t size)
{
	const char *foreign = tg_foreign_file(bytes, size, false);

	if (foreign)
		return tg_reader_fault(reader, TG_READ_BAD, foreign);
	if (size > 0 && size < 3 && memcmp(bytes, "\xef\xbb\xbf", size) == 0)
		return tg_reader_fault(reader, TG_READ_UNFINISHED, "ends in the middle of its byte order mark");
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		size -= 3;
	}
	if (size == 0)
		return tg_reader_fault(reader, TG_READ_UNFINISHED, "is empty");
	/* PKCS#12 may be BER, whose length is known at its end alone */
	if (tg_pkcs12_probable(bytes, size) && (der_length(bytes, size) == size || bytes[1] == 0x80))
		return tg_pkcs12_read(reader, bytes, size);
	if (der_length(bytes, size) == size)
		return read_der(reader, bytes, size);
	if (tg_pem_probable(bytes, size))
		return read_pem(reader, bytes, size);
	return read_other(reader, bytes, size);
}

enum tg_read_result tg_objects_read(struct tg_arena *arena, const unsigned char *bytes, size_t size, unsigned wanted,
				    const char *passphrase, struct tg_objects *ret, const char **ret_reason)
{
	struct tg_reader reader = {
	    .arena = arena,
	    .wanted = wanted,
	    .passphrase = passphrase,
	    .objects = {.certificates = sk_X509_new_null(), .crls = sk_X509_CRL_new_null()},
	};
	enum tg_read_result result = TG_READ_NO_MEMORY;

	*ret = (struct tg_objects){0};
	ERR_set_mark();
	if (reader.objects.certificates && reader.objects.crls)
		result = read_bytes(&reader, bytes, size);
	ERR_pop_to_mark();
	if (result == TG_READ_OK) {
		*ret = reader.objects;
		return TG_READ_OK;
	}
	tg_objects_clear(&reader.objects);
	if (result == TG_READ_NO_MEMORY)
		tg_arena_fail(arena);
	*ret_reason = result == TG_READ_NO_MEMORY || !reader.reason ? "memory ran out" : reader.reason;
	return result;
}

void tg_objects_clear(struct tg_objects *objects)
{
	sk_X509_pop_free(objects->certificates, X509_free);
	sk_X509_CRL_pop_free(objects->crls, X509_CRL_free);
	EVP_PKEY_free(objects->key);
	*objects = (struct tg_objects){0};
}

const char *tg_objects_text(struct tg_arena *arena, const struct tg_objects *objects)
{
	const struct {
		size_t count;
		const char *one, *many;
	} kinds[] = {
	    {objects->certificate_count, "certificate", "certificates"},
	    {objects->key_count, "private key", "private keys"},
	    {objects->crl_count, "CRL", "CRLs"},
	    {objects->parameter_count, "block of parameters (not used)", "blocks of parameters (not used)"},
	    {objects->public_count, "public key (not used)", "public keys (not used)"},
	};
	const char *text = "";

	for (size_t i = 0; text && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].count > 0)
			text = tg_arena_format(arena, "%s%s%zu %s", text, *text != '\0' ? ", " : "", kinds[i].count,
					       kinds[i].count == 1 ? kinds[i].one : kinds[i].many);
	return text ? text : "memory ran out";
}
