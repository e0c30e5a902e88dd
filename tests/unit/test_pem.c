/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files as people make them: joined, marked, indented, cut, converted. Each is either read as a whole or refused with its
 * line; nothing in one goes missing without a word.
 */
#include "certificates.h"
#include "loader/anchor.h"
#include "loader/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERYTHING (TG_WANT_CERTIFICATES | TG_WANT_KEYS | TG_WANT_CRLS)

static struct maker maker;
static struct site site;
static char *leaf, *ca; /* PEM */

static char *pem_of(X509 *certificate, bool trusted)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *text;
	long size;

	assert_int_equal(trusted ? PEM_write_bio_X509_AUX(bio, certificate) : PEM_write_bio_X509(bio, certificate), 1);
	size = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t)size);
	BIO_free(bio);
	return text;
}

static int start(void **state)
{
	(void)state;
	maker_start(&maker);
	make_site(&maker, &site, "");
	leaf = pem_of(site.certificate, false);
	ca = pem_of(site.ca, false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(leaf);
	free(ca);
	free_site(&site);
	maker_stop(&maker);
	return 0;
}

static enum tg_read_result read_bytes(const void *bytes, size_t size, const char *passphrase, size_t *ret_count,
				      char why[500])
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_objects objects;
	const char *reason = "";
	enum tg_read_result result = tg_objects_read(arena, bytes, size, EVERYTHING, passphrase, &objects, &reason);

	*ret_count = objects.certificate_count;
	snprintf(why, 500, "%s", reason);
	assert_int_equal(ERR_peek_error(), 0);
	tg_objects_clear(&objects);
	tg_arena_free(arena);
	return result;
}

static void expect_bytes(const void *bytes, size_t size, enum tg_read_result expected, const char *words)
{
	char why[500];
	size_t count;
	enum tg_read_result result = read_bytes(bytes, size, NULL, &count, why);

	if (result != expected || !strstr(why, words))
		fail_msg("%d instead of %d (%s): %s", (int)result, (int)expected, words, why);
}

/* The text that `format` makes, refused with these words. */
__attribute__((format(printf, 3, 4))) static void refuse(enum tg_read_result expected, const char *words,
							 const char *format, ...)
{
	va_list arguments;
	char *text;
	int size;

	va_start(arguments, format);
	size = vasprintf(&text, format, arguments);
	va_end(arguments);
	assert_true(size >= 0);
	expect_bytes(text, (size_t)size, expected, words);
	free(text);
}

__attribute__((format(printf, 2, 3))) static void take(size_t certificates, const char *format, ...)
{
	va_list arguments;
	char why[500];
	size_t count;
	char *text;
	int size;

	va_start(arguments, format);
	size = vasprintf(&text, format, arguments);
	va_end(arguments);
	assert_true(size >= 0);
	if (read_bytes(text, (size_t)size, NULL, &count, why) != TG_READ_OK)
		fail_msg("%s", why);
	assert_int_equal(count, certificates);
	free(text);
}

static char *replaced(const char *text, const char *what, const char *with)
{
	const char *at = strstr(text, what);
	char *copy;

	assert_non_null(at);
	assert_true(asprintf(&copy, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what)) > 0);
	return copy;
}

static char *with_line_ends(const char *text, const char *end)
{
	char *copy = calloc(2, strlen(text) + 1), *out = copy;

	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			memcpy(out, end, strlen(end));
			out += strlen(end);
		} else {
			*out++ = *text;
		}
	}
	return copy;
}

static void marks_and_line_ends_do_not_matter(void **state)
{
	char *crlf = with_line_ends(ca, "\r\n"), *cr = with_line_ends(ca, "\r"), *blanks = with_line_ends(ca, " \t\n");

	(void)state;
	take(2, "\xef\xbb\xbf%s%s", leaf, ca);
	take(2, "%s\xef\xbb\xbf%s", leaf, ca);
	take(2, "%s%s", leaf, crlf);
	take(2, "%s%s", cr, cr);
	take(2, "%s%s", leaf, blanks);
	take(1, "%.*s", (int)strlen(leaf) - 1, leaf); /* no line end behind the last boundary */
	free(crlf);
	free(cr);
	free(blanks);
}

static void explanations_are_allowed(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	(void)state;
	assert_int_equal(X509_print(bio, site.ca), 1);
	BIO_write(bio, "", 1);
	BIO_get_mem_data(bio, &text);
	take(2,
	     "%s%sBag Attributes\n    friendlyName: server\n    localKeyID: 8D 31 04 5E\nKey Attributes: <No "
	     "Attributes>\n%s",
	     text, ca, leaf);
	take(1,
	     "# sha256 1f825aa2f0020ef7cf91dfa30da4668d791c5d4824fc8e41354b89ec05795ab3\n"
	     "1f825aa2f0020ef7cf91dfa30da4668d791c5d4824fc8e41354b89ec05795ab3\n"
	     "pin-sha256=\"r8udi/Mxd6pLO7y7hZyUMWq8YnFnIWXCqeHsTRRqy8A=\"\nGlobalSign Root CA\n==================\n---\n%s",
	     ca);
	take(2, "%s-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQI=\n-----END DH PARAMETERS-----\n%s", ca, leaf);
	BIO_free(bio);
}

static void boundaries_that_are_none(void **state)
{
	static const char *const damaged[] = {"----BEGIN CERTIFICATE-----",
					      "-----BEGIN CERTIFICATE----",
					      " -----BEGIN CERTIFICATE-----",
					      "\t-----BEGIN CERTIFICATE-----",
					      "> -----BEGIN CERTIFICATE-----",
					      "- -----BEGIN CERTIFICATE-----",
					      "-----begin certificate-----",
					      "-----BEGIN  CERTIFICATE-----x",
					      "-----BEGIN_CERTIFICATE-----",
					      "\xe2\x80\x94 BEGIN CERTIFICATE \xe2\x80\x94",
					      "ca: -----BEGIN CERTIFICATE-----",
					      "BEGIN CERTIFICATE",
					      "-----BEGlN CERTIFICATE-----",
					      "",
					      "x"};

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		char *text = replaced(ca, "-----BEGIN CERTIFICATE-----", damaged[i]);

		refuse(TG_READ_BAD, "line ", "%s%s", leaf, text);
		refuse(TG_READ_BAD, "", "%s%s", text, leaf);
		free(text);
	}
}

static void joined_files(void **state)
{
	(void)state;
	refuse(TG_READ_BAD, "joins two boundaries of PEM blocks", "%.*s%s", (int)strlen(leaf) - 1, leaf, ca);
	refuse(TG_READ_BAD, "looks like the boundary", "some words%s", ca);
	refuse(TG_READ_BAD, "must hold the boundary of a PEM block and nothing else", "%.*s some words\n%s",
	       (int)strlen(leaf) - 1, leaf, ca);
	refuse(TG_READ_BAD, "ends a block that no line begins", "-----END CERTIFICATE-----\n%s", ca);
	refuse(TG_READ_BAD, "another block begins on line", "%.100s\n%s", leaf, ca);
	refuse(TG_READ_BAD, "ends as something else", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END X509 CRL-----\n%s", ca);
	refuse(TG_READ_BAD, "does not begin in the first column",
	       "-----BEGIN CERTIFICATE-----\nMAA=\n -----END CERTIFICATE-----\n%s", ca);
}

static void what_no_pem_file_is(void **state)
{
	char *json = with_line_ends(ca, "\\n"), wide[4096];
	size_t size = 0;

	(void)state;
	refuse(TG_READ_BAD, "is JSON", "{\"ca\": \"%s\"}", json);
	refuse(TG_READ_BAD, "\\n as two characters", "%s", json);
	for (const char *c = ca; *c != '\0'; c++) {
		wide[size++] = *c;
		wide[size++] = '\0';
	}
	expect_bytes(wide, size, TG_READ_BAD, "is UTF-16");
	memmove(wide + 2, wide, size);
	memcpy(wide, "\xff\xfe", 2);
	expect_bytes(wide, size + 2, TG_READ_BAD, "is UTF-16");
	expect_bytes("\xfe\xed\xfe\xed\0\0\0\2", 8, TG_READ_BAD, "is a Java keystore");
	expect_bytes("\xce\xce\xce\xce\0\0\0\2", 8, TG_READ_BAD, "is a Java keystore");
	refuse(TG_READ_BAD, "base64 outside any PEM block", "%.200s", ca + strlen("-----BEGIN CERTIFICATE-----\n"));
	refuse(TG_READ_BAD, "an object of p11-kit", "%s[p11-kit-object-v1]\nx-distrusted: true\n%s", leaf, ca);
	refuse(TG_READ_BAD, "neither PEM nor DER", "certificate\n");
	refuse(TG_READ_BAD, "ssh-keygen",
	       "-----BEGIN OPENSSH "
	       "PRIVATE KEY-----\nAAAA\n-----END OPENSSH "
	       "PRIVATE KEY-----\n");
	refuse(TG_READ_BAD, "openssl pkcs7 -print_certs", "-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n");
	refuse(TG_READ_BAD, "a request for a certificate (CSR)", "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n");
	free(json);
}

/* One block with two values, headers, nothing, or bytes that no text has. */
static void blocks_that_hold_something_else(void **state)
{
	unsigned char der[4096], *out = der;
	char base64[8192];
	char *text = replaced(ca, "-----\n", "-----\nComment: hello\n\n");
	int size;

	(void)state;
	refuse(TG_READ_BAD, "has headers", "%s", text);
	free(text);
	size = i2d_X509(site.ca, &out);
	i2d_X509(site.certificate, &out);
	EVP_EncodeBlock((unsigned char *)base64, der, (int)(out - der));
	refuse(TG_READ_BAD, "holds more than a certificate", "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n",
	       base64);
	expect_bytes(der, (size_t)(out - der), TG_READ_BAD, "bytes behind the DER value, which look like another");
	expect_bytes(der, (size_t)size - 1, TG_READ_UNFINISHED, "ends in the middle of its DER value");
	refuse(TG_READ_UNFINISHED, "is empty", "%s-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", leaf);
	refuse(TG_READ_UNFINISHED, "its base64 is incomplete",
	       "-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----\n");
	memcpy(base64, ca, 100);
	memset(base64 + 100, 0, 100);
	expect_bytes(base64, 200, TG_READ_UNFINISHED, "NUL bytes");
	expect_bytes(base64 + 100, 100, TG_READ_UNFINISHED, "NUL bytes");
}

/* Cut anywhere, a file with a key, a certificate and a CRL is either what it was up to a block's end, or unfinished. */
static void cut_anywhere(void **state)
{
	char *text;
	int size;

	(void)state;
	size = asprintf(&text, "\xef\xbb\xbf%s%s", leaf, ca);
	for (int cut = 0; cut < size; cut++) {
		char why[500];
		size_t count;
		enum tg_read_result result = read_bytes(text, (size_t)cut, NULL, &count, why);

		if (result == TG_READ_OK && count == (cut >= size - 1 ? 2u : 1u))
			continue;
		if (result != TG_READ_UNFINISHED)
			fail_msg("cut at %d of %d: %d, %zu certificates, %s", cut, size, (int)result, count, why);
	}
	free(text);
}

static void trust_settings_are_kept(void **state)
{
	static const struct {
		int trust, reject;
		bool rejected;
	} rows[] = {{0, 0, false},
		    {NID_client_auth, 0, false},
		    {NID_anyExtendedKeyUsage, 0, false},
		    {NID_server_auth, 0, true},
		    {0, NID_client_auth, true},
		    {NID_client_auth, NID_client_auth, true},
		    {0, NID_server_auth, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tg_arena *arena = tg_arena_new();
		X509 *copy = X509_dup(site.ca);
		struct tg_objects objects;
		const char *reason = "";
		char *text;

		if (rows[i].trust)
			X509_add1_trust_object(copy, OBJ_nid2obj(rows[i].trust));
		if (rows[i].reject)
			X509_add1_reject_object(copy, OBJ_nid2obj(rows[i].reject));
		text = pem_of(copy, true);
		assert_non_null(strstr(text, "BEGIN TRUSTED CERTIFICATE"));
		if (tg_objects_read(arena, (unsigned char *)text, strlen(text), EVERYTHING, NULL, &objects, &reason) !=
		    TG_READ_OK)
			fail_msg("%s", reason);
		if (tg_anchor_rejected(sk_X509_value(objects.certificates, 0)) != rows[i].rejected)
			fail_msg("row %zu", i);
		tg_objects_clear(&objects);
		X509_free(copy);
		free(text);
		tg_arena_free(arena);
	}
}

/* A truststore as keytool makes it, with that usage (NID_undef: without one), encrypted with "secret". */
static void write_truststore(X509 *certificate, int usage, PKCS12_SAFEBAG *more, unsigned char **ret, size_t *ret_size)
{
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	STACK_OF(PKCS7) *parts = NULL;
	PKCS12_SAFEBAG *bag = PKCS12_add_cert(&bags, certificate);
	unsigned char *bytes = NULL;
	PKCS12 *file;

	if (usage != NID_undef) {
		ASN1_OBJECT *object = OBJ_nid2obj(usage);
		X509_ATTRIBUTE *attribute = X509_ATTRIBUTE_create_by_txt(NULL, "2.16.840.1.113894.746875.1.1",
									 V_ASN1_OBJECT, (const unsigned char *)object, -1);
		STACK_OF(X509_ATTRIBUTE) * attributes;

		/* so that there are attributes to put another beside */
		assert_int_equal(PKCS12_add_friendlyname_utf8(bag, "ca", 2), 1);
		attributes = (void *)(uintptr_t)PKCS12_SAFEBAG_get0_attrs(bag);
		assert_non_null(attribute);
		assert_true(sk_X509_ATTRIBUTE_push(attributes, attribute) > 0);
	}
	if (more)
		sk_PKCS12_SAFEBAG_push(bags, more);
	assert_int_equal(PKCS12_add_safe(&parts, bags, NID_aes_256_cbc, 1000, "secret"), 1);
	file = PKCS12_add_safes(parts, 0);
	assert_int_equal(PKCS12_set_mac(file, "secret", -1, NULL, 0, 1000, EVP_sha256()), 1);
	*ret_size = (size_t)i2d_PKCS12(file, &bytes);
	*ret = bytes;
	PKCS12_free(file);
	sk_PKCS7_pop_free(parts, PKCS7_free);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

static void read_truststore(int usage, bool rejected)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_objects objects;
	const char *reason = "";
	unsigned char *bytes;
	size_t size;

	write_truststore(site.ca, usage, NULL, &bytes, &size);
	if (tg_objects_read(arena, bytes, size, TG_WANT_CERTIFICATES, "secret", &objects, &reason) != TG_READ_OK)
		fail_msg("%s", reason);
	assert_int_equal(objects.certificate_count, 1);
	assert_int_equal(objects.key_count, 0);
	assert_true(objects.passphrase_used);
	assert_int_equal(tg_anchor_rejected(sk_X509_value(objects.certificates, 0)), rejected);
	tg_objects_clear(&objects);
	assert_int_equal(tg_objects_read(arena, bytes, size, TG_WANT_CERTIFICATES, NULL, &objects, &reason),
			 TG_READ_PASSPHRASE);
	OPENSSL_free(bytes);
	tg_arena_free(arena);
}

static void truststores_say_what_they_are_for(void **state)
{
	(void)state;
	read_truststore(NID_undef, false);
	read_truststore(NID_anyExtendedKeyUsage, false);
	read_truststore(NID_client_auth, false);
	read_truststore(NID_server_auth, true);
}

/* A CRL and a second key in PKCS#12, which OpenSSL's own reader leaves out. */
static void nothing_in_pkcs12_is_left_out(void **state)
{
	X509_CRL *crl = make_crl(site.ca, site.ca_key, -60, DAY, NULL);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(site.key);
	struct tg_arena *arena = tg_arena_new();
	unsigned char secret[] = "x";
	struct tg_objects objects;
	const char *reason = "";
	unsigned char *bytes;
	size_t size;

	(void)state;
	write_truststore(site.ca, NID_undef, PKCS12_SAFEBAG_create_crl(crl), &bytes, &size);
	assert_int_equal(tg_objects_read(arena, bytes, size, EVERYTHING, "secret", &objects, &reason), TG_READ_OK);
	assert_int_equal(objects.crl_count, 1);
	assert_int_equal(sk_X509_CRL_num(objects.crls), 1);
	assert_string_equal(tg_objects_text(arena, &objects), "1 certificate, 1 CRL");
	tg_objects_clear(&objects);
	OPENSSL_free(bytes);
	write_truststore(site.ca, NID_undef, PKCS12_SAFEBAG_create0_p8inf(info), &bytes, &size);
	assert_int_equal(tg_objects_read(arena, bytes, size, TG_WANT_CERTIFICATES, "secret", &objects, &reason),
			 TG_READ_OK);
	assert_int_equal(objects.key_count, 1);
	tg_objects_clear(&objects);
	OPENSSL_free(bytes);
	write_truststore(site.ca, NID_undef,
			 PKCS12_SAFEBAG_create_secret(NID_pkcs9_emailAddress, V_ASN1_OCTET_STRING, secret, 1), &bytes,
			 &size);
	assert_int_equal(tg_objects_read(arena, bytes, size, EVERYTHING, "secret", &objects, &reason), TG_READ_BAD);
	assert_non_null(strstr(reason, "neither certificate, key nor CRL"));
	OPENSSL_free(bytes);
	tg_arena_free(arena);
	X509_CRL_free(crl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(marks_and_line_ends_do_not_matter),
	    cmocka_unit_test(explanations_are_allowed),
	    cmocka_unit_test(boundaries_that_are_none),
	    cmocka_unit_test(joined_files),
	    cmocka_unit_test(what_no_pem_file_is),
	    cmocka_unit_test(blocks_that_hold_something_else),
	    cmocka_unit_test(cut_anywhere),
	    cmocka_unit_test(trust_settings_are_kept),
	    cmocka_unit_test(truststores_say_what_they_are_for),
	    cmocka_unit_test(nothing_in_pkcs12_is_left_out),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
