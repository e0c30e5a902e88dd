#include "loader/credential.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#define REASON_SIZE 200

struct passphrase {
	const char *text; /* NULL: none was given */
	bool asked;
};

static int answer(char *buffer, int size, int writing, void *user)
{
	struct passphrase *passphrase = user;
	size_t length;

	(void)writing;
	passphrase->asked = true;
	if (!passphrase->text)
		return -1;
	length = strlen(passphrase->text);
	if (length > (size_t)size)
		return -1;
	memcpy(buffer, passphrase->text, length);
	return (int)length;
}

/* True where memory ran out. */
static bool keep(struct tg_objects *objects, OSSL_STORE_INFO *info, unsigned wanted)
{
	switch (OSSL_STORE_INFO_get_type(info)) {
	case OSSL_STORE_INFO_CERT:
		objects->certificate_count++;
		if (wanted & TG_WANT_CERTIFICATES) {
			X509 *certificate = OSSL_STORE_INFO_get1_CERT(info);

			if (!certificate || sk_X509_push(objects->certificates, certificate) <= 0) {
				X509_free(certificate);
				return true;
			}
		}
		return false;
	case OSSL_STORE_INFO_CRL:
		objects->crl_count++;
		if (wanted & TG_WANT_CRLS) {
			X509_CRL *crl = OSSL_STORE_INFO_get1_CRL(info);

			if (!crl || sk_X509_CRL_push(objects->crls, crl) <= 0) {
				X509_CRL_free(crl);
				return true;
			}
		}
		return false;
	case OSSL_STORE_INFO_PKEY:
		objects->key_count++;
		if (wanted & TG_WANT_KEYS && !objects->key)
			objects->key = OSSL_STORE_INFO_get1_PKEY(info);
		return false;
	default:
		return false; /* parameters, public keys */
	}
}

static enum tg_read_result explain(const struct passphrase *passphrase, const char *what, char reason[static REASON_SIZE])
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	if (passphrase->asked && !passphrase->text)
		snprintf(reason, REASON_SIZE, "%s is encrypted: name the file of its passphrase in key_passphrase_file",
			 what);
	else if (passphrase->asked)
		snprintf(reason, REASON_SIZE, "%s cannot be decrypted with the passphrase given", what);
	else
		snprintf(reason, REASON_SIZE, "%s cannot be decoded%s%s%s", what, text ? " (" : "", text ? text : "",
			 text ? ")" : "");
	return TG_READ_BAD;
}

/* Everything that the store loader finds in these bytes. `what` names them in a fault. */
static enum tg_read_result load(const unsigned char *bytes, size_t size, unsigned wanted, const char *text,
				const char *what, struct tg_objects *objects, char reason[static REASON_SIZE])
{
	struct passphrase passphrase = {.text = text};
	enum tg_read_result result = TG_READ_NO_MEMORY;
	UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(answer, 0);
	BIO *bio = BIO_new_mem_buf(bytes, (int)size);
	OSSL_STORE_CTX *store = NULL;
	size_t found = 0;

	ERR_set_mark();
	if (!method || !bio)
		goto out;
	store = OSSL_STORE_attach(bio, "file", NULL, NULL, method, &passphrase, NULL, NULL, NULL);
	if (!store)
		goto out;
	while (!OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (!info)
			break;
		found++;
		if (keep(objects, info, wanted)) {
			OSSL_STORE_INFO_free(info);
			goto out;
		}
		OSSL_STORE_INFO_free(info);
	}
	objects->passphrase_used = objects->passphrase_used || passphrase.asked;
	result = found > 0 && !OSSL_STORE_error(store) ? TG_READ_OK : explain(&passphrase, what, reason);
out:
	OSSL_STORE_close(store);
	BIO_free(bio);
	UI_destroy_method(method);
	ERR_pop_to_mark();
	return result;
}

enum block_kind { BLOCK_CERTIFICATE, BLOCK_KEY, BLOCK_CRL, BLOCK_IGNORED, BLOCK_REFUSED };

static const struct {
	const char *label;
	enum block_kind kind;
} labels[] = {
    {"CERTIFICATE", BLOCK_CERTIFICATE},
    {"X509 CERTIFICATE", BLOCK_CERTIFICATE},
    {"TRUSTED CERTIFICATE", BLOCK_CERTIFICATE},
    {"PRIVATE KEY", BLOCK_KEY},
    {"ENCRYPTED PRIVATE KEY", BLOCK_KEY},
    {"RSA PRIVATE KEY", BLOCK_KEY},
    {"EC PRIVATE KEY", BLOCK_KEY},
    {"X509 CRL", BLOCK_CRL},
    {"EC PARAMETERS", BLOCK_IGNORED},
    {"DH PARAMETERS", BLOCK_IGNORED},
    {"PUBLIC KEY", BLOCK_IGNORED},
};

static enum block_kind kind_of(const char *label, size_t length)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strlen(labels[i].label) == length && memcmp(labels[i].label, label, length) == 0)
			return labels[i].kind;
	return BLOCK_REFUSED;
}

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";

/* The next line at or after `from` that begins with `mark`; NULL: none. */
static const unsigned char *find_mark(const unsigned char *start, const unsigned char *from, const unsigned char *end,
				      const char *mark)
{
	size_t length = strlen(mark);

	while (from < end) {
		const unsigned char *hit = memmem(from, (size_t)(end - from), mark, length);

		if (!hit || hit == start || hit[-1] == '\n' || hit[-1] == '\r')
			return hit;
		from = hit + 1;
	}
	return NULL;
}

static int line_of(const unsigned char *start, const unsigned char *at)
{
	int line = 1;

	for (; start < at; start++)
		line += *start == '\n';
	return line;
}

struct block {
	enum block_kind kind;
	const unsigned char *begin;
	const unsigned char *end; /* behind its last line */
	char what[80];            /* "block CERTIFICATE on line 12" */
};

/* Takes apart the block that begins at `begin`. */
static enum tg_read_result frame(const unsigned char *start, const unsigned char *begin, const unsigned char *end,
				 struct block *block, char reason[static REASON_SIZE])
{
	const unsigned char *label = begin + strlen(begin_mark);
	const unsigned char *dashes = memmem(label, (size_t)(end - label), "-----", 5);
	const unsigned char *line_end = memchr(label, '\n', (size_t)(end - label));
	const unsigned char *closing, *next;
	int line = line_of(start, begin);
	size_t length;

	if (!line_end) {
		snprintf(reason, REASON_SIZE, "the PEM block on line %d has no end", line);
		return TG_READ_UNFINISHED;
	}
	if (!dashes || dashes > line_end || dashes - label > 40) {
		snprintf(reason, REASON_SIZE, "the PEM block on line %d is malformed", line);
		return TG_READ_BAD;
	}
	length = (size_t)(dashes - label);
	block->kind = kind_of((const char *)label, length);
	snprintf(block->what, sizeof(block->what), "the %.*s on line %d", (int)length, (const char *)label, line);
	for (size_t i = 0; block->what[i] != '\0'; i++)
		if ((unsigned char)block->what[i] < 0x20 || (unsigned char)block->what[i] > 0x7e)
			block->what[i] = '?';
	closing = find_mark(start, line_end, end, end_mark);
	next = find_mark(start, line_end, end, begin_mark);
	if (!closing || (next && next < closing)) {
		snprintf(reason, REASON_SIZE, "%s has no end", block->what);
		return next ? TG_READ_BAD : TG_READ_UNFINISHED;
	}
	closing += strlen(end_mark);
	if ((size_t)(end - closing) < length + 5) {
		snprintf(reason, REASON_SIZE, "%s has no end", block->what);
		return TG_READ_UNFINISHED;
	}
	if (memcmp(closing, label, length) != 0 || memcmp(closing + length, "-----", 5) != 0) {
		snprintf(reason, REASON_SIZE, "%s ends as something else", block->what);
		return TG_READ_BAD;
	}
	block->begin = begin;
	block->end = closing + length + 5;
	return TG_READ_OK;
}

static enum tg_read_result read_block(const struct block *block, unsigned wanted, const char *passphrase,
				      struct tg_objects *objects, char reason[static REASON_SIZE])
{
	switch (block->kind) {
	case BLOCK_IGNORED:
		return TG_READ_OK;
	case BLOCK_REFUSED:
		snprintf(reason, REASON_SIZE, "%s is neither certificate, key nor CRL", block->what);
		return TG_READ_BAD;
	case BLOCK_KEY:
		if (wanted & TG_WANT_KEYS)
			break;
		objects->key_count++;
		return TG_READ_OK;
	case BLOCK_CERTIFICATE:
		if (wanted & TG_WANT_CERTIFICATES)
			break;
		objects->certificate_count++;
		return TG_READ_OK;
	case BLOCK_CRL:
		if (wanted & TG_WANT_CRLS)
			break;
		objects->crl_count++;
		return TG_READ_OK;
	}
	return load(block->begin, (size_t)(block->end - block->begin), wanted, passphrase, block->what, objects, reason);
}

/* Length of the DER value at the front, head included; 0: malformed, or longer than `size`. */
static size_t der_length(const unsigned char *bytes, size_t size)
{
	size_t length, count;

	if (size < 2 || bytes[0] != 0x30)
		return 0;
	if (bytes[1] < 0x80)
		return bytes[1] + 2u <= size ? bytes[1] + 2u : 0;
	count = bytes[1] & 0x7f;
	if (count == 0 || count > 4 || size < 2 + count)
		return 0;
	length = 0;
	for (size_t i = 0; i < count; i++)
		length = length << 8 | bytes[2 + i];
	return length <= size - 2 - count ? length + 2 + count : 0;
}

/* PKCS#12 begins with a SEQUENCE of an INTEGER 3 (RFC 7292 section 4); no certificate, key or CRL does. */
static bool is_pkcs12(const unsigned char *bytes, size_t size)
{
	size_t head = size > 1 && bytes[1] >= 0x80 ? 2u + (bytes[1] & 0x7f) : 2u;

	return size >= head + 3 && memcmp(bytes + head, "\x02\x01\x03", 3) == 0;
}

/* A PKCS#12 file has no order: the certificate of the key comes first, then what issued it, and so on. */
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

static enum tg_read_result read_der(const unsigned char *bytes, size_t size, unsigned wanted, const char *passphrase,
				    struct tg_objects *objects, char reason[static REASON_SIZE])
{
	size_t length = der_length(bytes, size);
	enum tg_read_result result;

	if (length == 0 || length != size) {
		snprintf(reason, REASON_SIZE, "%s", length == 0 ? "neither PEM nor DER" : "bytes behind the DER value");
		return TG_READ_BAD;
	}
	objects->pkcs12 = is_pkcs12(bytes, size);
	result = load(bytes, size, wanted, passphrase, objects->pkcs12 ? "the PKCS#12 file" : "the file", objects, reason);
	if (result == TG_READ_OK && objects->pkcs12 && objects->certificates)
		order(objects->certificates, objects->key);
	return result;
}

static enum tg_read_result read_pem(const unsigned char *bytes, const unsigned char *begin, size_t size, unsigned wanted,
				    const char *passphrase, struct tg_objects *objects, char reason[static REASON_SIZE])
{
	enum tg_read_result result = TG_READ_OK;

	while (begin && result == TG_READ_OK) {
		struct block block = {0};

		result = frame(bytes, begin, bytes + size, &block, reason);
		if (result == TG_READ_OK)
			result = read_block(&block, wanted, passphrase, objects, reason);
		if (result == TG_READ_OK)
			begin = find_mark(bytes, block.end, bytes + size, begin_mark);
	}
	return result;
}

enum tg_read_result tg_objects_read(const unsigned char *bytes, size_t size, unsigned wanted, const char *passphrase,
				    struct tg_objects *ret, char reason[static REASON_SIZE])
{
	struct tg_objects objects = {.certificates = sk_X509_new_null(), .crls = sk_X509_CRL_new_null()};
	const unsigned char *begin = find_mark(bytes, bytes, bytes + size, begin_mark);
	enum tg_read_result result = TG_READ_NO_MEMORY;

	*ret = (struct tg_objects){0};
	if (!objects.certificates || !objects.crls)
		goto out;
	if (begin) {
		result = read_pem(bytes, begin, size, wanted, passphrase, &objects, reason);
	} else if (size == 0 || bytes[0] == '-') {
		snprintf(reason, REASON_SIZE, "%s", size == 0 ? "is empty" : "holds no PEM block");
		result = TG_READ_UNFINISHED;
	} else {
		result = read_der(bytes, size, wanted, passphrase, &objects, reason);
	}
out:
	if (result != TG_READ_OK) {
		tg_objects_clear(&objects);
		if (result == TG_READ_NO_MEMORY)
			snprintf(reason, REASON_SIZE, "memory ran out");
		return result;
	}
	*ret = objects;
	return TG_READ_OK;
}

void tg_objects_clear(struct tg_objects *objects)
{
	sk_X509_pop_free(objects->certificates, X509_free);
	sk_X509_CRL_pop_free(objects->crls, X509_CRL_free);
	EVP_PKEY_free(objects->key);
	*objects = (struct tg_objects){0};
}
