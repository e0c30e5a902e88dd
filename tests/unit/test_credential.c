/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential reader: every format, whole or refused, and never a question to a terminal.
 */
#include "certificates.h"
#include "loader/credential.h"
#include "loader/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned everything = TG_WANT_CERTIFICATES | TG_WANT_KEYS | TG_WANT_CRLS;

static struct maker maker;
static struct site site;
static char reason[1000];

static int start(void **state)
{
	(void)state;
	maker_start(&maker);
	make_site(&maker, &site, "");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free_site(&site);
	maker_stop(&maker);
	return 0;
}

static enum tg_read_result read_file(const char *name, unsigned wanted, const char *passphrase, struct tg_objects *ret)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_snapshot snapshot = {.arena = arena};
	const struct tg_file *file = tg_snapshot_read(&snapshot, path_in(&maker, name));
	enum tg_read_result result;
	const char *why = "";

	assert_non_null(file);
	assert_null(file->fault);
	result = tg_objects_read(arena, file->data, file->size, wanted, passphrase, ret, &why);
	snprintf(reason, sizeof(reason), "%s", why);
	assert_int_equal(ERR_peek_error(), 0);
	tg_arena_free(arena);
	return result;
}

static void expect(const char *name, unsigned wanted, const char *passphrase, int certificates, int crls, bool key)
{
	struct tg_objects objects;

	if (read_file(name, wanted, passphrase, &objects) != TG_READ_OK)
		fail_msg("%s: %s", name, reason);
	assert_int_equal(sk_X509_num(objects.certificates), certificates);
	assert_int_equal(sk_X509_CRL_num(objects.crls), crls);
	assert_int_equal(objects.key != NULL, key);
	tg_objects_clear(&objects);
}

static void refuse(const char *name, const char *passphrase, enum tg_read_result expected, const char *why)
{
	struct tg_objects objects;

	assert_int_equal(read_file(name, everything, passphrase, &objects), expected);
	if (!strstr(reason, why))
		fail_msg("%s: said %s", name, reason);
	assert_null(objects.certificates);
	assert_null(objects.key);
}

static void pem_and_key_types(void **state)
{
	static const char *const types[] = {"EC", "RSA", "ED25519"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		EVP_PKEY *key = make_key(types[i]);
		struct tg_objects objects;

		write_key(&maker, "k.pem", key, NULL, false);
		assert_int_equal(read_file("k.pem", TG_WANT_KEYS, NULL, &objects), TG_READ_OK);
		assert_int_equal(EVP_PKEY_eq(objects.key, key), 1);
		assert_false(objects.passphrase_used);
		tg_objects_clear(&objects);
		write_key(&maker, "e.pem", key, "secret", false);
		assert_int_equal(read_file("e.pem", TG_WANT_KEYS, "secret", &objects), TG_READ_OK);
		assert_int_equal(EVP_PKEY_eq(objects.key, key), 1);
		assert_true(objects.passphrase_used);
		tg_objects_clear(&objects);
		EVP_PKEY_free(key);
	}
}

static void several_in_one_file(void **state)
{
	X509_CRL *crl = make_crl(site.ca, site.ca_key, -60, DAY, NULL);

	(void)state;
	write_text(&maker, "all.pem", "Some words before it, and --- lines\n");
	write_certificate(&maker, "all.pem", site.certificate, true);
	write_certificate(&maker, "all.pem", site.ca, true);
	write_key(&maker, "all.pem", site.key, NULL, true);
	write_crl(&maker, "all.pem", crl, true);
	expect("all.pem", everything, NULL, 2, 1, true);
	expect("all.pem", TG_WANT_CERTIFICATES, NULL, 2, 0, false);
	X509_CRL_free(crl);
}

/* An encrypted key beside a certificate is nobody's business who wants the certificate. */
static void unwanted_keys_are_not_decrypted(void **state)
{
	struct tg_objects objects;

	(void)state;
	write_certificate(&maker, "c.pem", site.certificate, false);
	write_key(&maker, "c.pem", site.key, "secret", true);
	assert_int_equal(read_file("c.pem", TG_WANT_CERTIFICATES, NULL, &objects), TG_READ_OK);
	assert_int_equal(objects.key_count, 1);
	assert_null(objects.key);
	tg_objects_clear(&objects);
}

static void write_traditional(const char *name, const char *before, EVP_PKEY *key, const char *passphrase)
{
	BIO *file = BIO_new_file(path_in(&maker, name), "w");

	assert_non_null(file);
	BIO_puts(file, before);
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(file, key, passphrase ? EVP_aes_128_cbc() : NULL,
							      (const unsigned char *)passphrase,
							      passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
			 1);
	BIO_free(file);
}

static void old_key_formats(void **state)
{
	EVP_PKEY *rsa = make_key("RSA");

	(void)state;
	write_traditional("old.pem", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
			  site.key, NULL);
	expect("old.pem", everything, NULL, 0, 0, true);
	write_traditional("old.pem", "", rsa, "secret");
	expect("old.pem", everything, "secret", 0, 0, true);
	refuse("old.pem", "wrong", TG_READ_PASSPHRASE, "cannot be decrypted");
	EVP_PKEY_free(rsa);
}

static void der(void **state)
{
	unsigned char *bytes = NULL;
	int size = i2d_X509(site.certificate, &bytes);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(site.key);
	X509_CRL *crl = make_crl(site.ca, site.ca_key, -60, DAY, NULL);

	(void)state;
	write_bytes(&maker, "c.der", bytes, (size_t)size);
	expect("c.der", everything, NULL, 1, 0, false);
	write_bytes(&maker, "short.der", bytes, (size_t)size - 1);
	refuse("short.der", NULL, TG_READ_UNFINISHED, "ends in the middle of its DER value");
	bytes[size - 1] ^= 1;
	bytes[10] ^= 0xff;
	write_bytes(&maker, "broken.der", bytes, (size_t)size);
	refuse("broken.der", NULL, TG_READ_UNFINISHED, "cannot be decoded");
	OPENSSL_free(bytes);

	bytes = NULL;
	size = i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);
	write_bytes(&maker, "k.der", bytes, (size_t)size);
	expect("k.der", everything, NULL, 0, 0, true);
	OPENSSL_free(bytes);
	PKCS8_PRIV_KEY_INFO_free(info);

	bytes = NULL;
	size = i2d_X509_CRL(crl, &bytes);
	write_bytes(&maker, "crl.der", bytes, (size_t)size);
	expect("crl.der", everything, NULL, 0, 1, false);
	OPENSSL_free(bytes);
	X509_CRL_free(crl);
}

static void pkcs12(void **state)
{
	STACK_OF(X509) *more = sk_X509_new_null();
	PKCS12 *bag;
	unsigned char *bytes = NULL;
	struct tg_objects objects;
	int size;

	(void)state;
	sk_X509_push(more, site.ca);
	bag = PKCS12_create("secret", "name", site.key, site.certificate, more, 0, 0, 100, 100, 0);
	assert_non_null(bag);
	size = i2d_PKCS12(bag, &bytes);
	write_bytes(&maker, "bag.p12", bytes, (size_t)size);
	OPENSSL_free(bytes);
	PKCS12_free(bag);
	sk_X509_free(more);

	assert_int_equal(read_file("bag.p12", everything, "secret", &objects), TG_READ_OK);
	assert_true(objects.pkcs12);
	assert_int_equal(sk_X509_num(objects.certificates), 2);
	assert_int_equal(X509_cmp(sk_X509_value(objects.certificates, 0), site.certificate), 0);
	assert_int_equal(EVP_PKEY_eq(objects.key, site.key), 1);
	tg_objects_clear(&objects);
	refuse("bag.p12", "wrong", TG_READ_PASSPHRASE, "the PKCS#12 file cannot be decrypted with the passphrase");
	refuse("bag.p12", NULL, TG_READ_PASSPHRASE, "the PKCS#12 file is encrypted: name the file");
}

static void encrypted_without_a_passphrase(void **state)
{
	(void)state;
	write_key(&maker, "e.pem", site.key, "secret", false);
	refuse("e.pem", NULL, TG_READ_PASSPHRASE, "is encrypted: name the file of its passphrase in key_passphrase_file");
	refuse("e.pem", "wrong", TG_READ_PASSPHRASE, "cannot be decrypted with the passphrase given");
}

static void cut_and_broken_pem(void **state)
{
	char text[8192];
	FILE *file;
	size_t size;

	(void)state;
	write_certificate(&maker, "two.pem", site.certificate, false);
	write_certificate(&maker, "two.pem", site.ca, true);
	file = fopen(path_in(&maker, "two.pem"), "re");
	size = fread(text, 1, sizeof(text), file);
	fclose(file);

	write_text(&maker, "x.pem", "");
	refuse("x.pem", NULL, TG_READ_UNFINISHED, "is empty");
	write_text(&maker, "x.pem", "-----BEG");
	refuse("x.pem", NULL, TG_READ_UNFINISHED, "ends in the middle of line 1");
	write_text(&maker, "x.pem", "-----BEGIN CERTIFICATE-----");
	refuse("x.pem", NULL, TG_READ_UNFINISHED, "has no end");
	/* Cut anywhere behind the first line, a file is never taken for a shorter one. */
	for (size_t cut = size - 2; cut > size / 2 + 60; cut -= 7) {
		write_bytes(&maker, "x.pem", text, cut);
		refuse("x.pem", NULL, TG_READ_UNFINISHED, "has no end");
	}
	text[100] = '!';
	write_bytes(&maker, "x.pem", text, size);
	refuse("x.pem", NULL, TG_READ_UNFINISHED, "the CERTIFICATE on line 1 cannot be decoded: line 3 is not base64");
	write_text(&maker, "x.pem", "-----BEGIN CERTIFICATE-----\n-----END PRIVATE KEY-----\n");
	refuse("x.pem", NULL, TG_READ_BAD, "ends as something else");
	write_text(&maker, "x.pem",
		   "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
	refuse("x.pem", NULL, TG_READ_BAD, "the CERTIFICATE on line 1 has no end");
	write_text(&maker, "x.pem", "-----BEGIN GARBAGE-----\n-----END GARBAGE-----\n");
	refuse("x.pem", NULL, TG_READ_BAD, "neither certificate, key nor CRL");
	write_text(&maker, "x.pem", "hello");
	refuse("x.pem", NULL, TG_READ_BAD, "neither PEM nor DER");
}

static void only_regular_files_are_read(void **state)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_snapshot snapshot = {.arena = arena};

	(void)state;
	assert_int_equal(mkfifo(path_in(&maker, "fifo"), 0600), 0);
	assert_string_equal(tg_snapshot_read(&snapshot, path_in(&maker, "fifo"))->fault, "is not a regular file");
	assert_string_equal(tg_snapshot_read(&snapshot, "/dev/zero")->fault, "is not a regular file");
	assert_string_equal(tg_snapshot_read(&snapshot, "/tmp")->fault, "is a folder");
	assert_string_equal(tg_snapshot_read(&snapshot, "/no/such/file")->fault, "No such file or directory");
	write_text(&maker, "large", "");
	assert_int_equal(truncate(path_in(&maker, "large"), TG_FILE_SIZE_MAX + 1), 0);
	assert_string_equal(tg_snapshot_read(&snapshot, path_in(&maker, "large"))->fault, "is larger than 16 MiB");
	assert_true(tg_snapshot_holds(&snapshot));
	tg_arena_free(arena);
}

/* Everything that can happen to a file between two readings shows. */
static void a_snapshot_sees_changes(void **state)
{
	static const char *const names[] = {"written", "replaced", "swapped", "removed", "made"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tg_arena *arena = tg_arena_new();
		struct tg_snapshot snapshot = {.arena = arena};

		write_text(&maker, "written", "one");
		write_text(&maker, "replaced", "one");
		write_text(&maker, "removed", "one");
		write_text(&maker, "first", "one");
		write_text(&maker, "second", "one");
		unlink(path_in(&maker, "swapped"));
		unlink(path_in(&maker, "made"));
		assert_int_equal(symlink("first", path_in(&maker, "swapped")), 0);
		assert_non_null(tg_snapshot_read(&snapshot, path_in(&maker, names[i])));
		assert_true(tg_snapshot_holds(&snapshot));
		switch (i) {
		case 0:
			write_text(&maker, "written", "two");
			break;
		case 1:
			write_text(&maker, "new", "one");
			rename(path_in(&maker, "new"), path_in(&maker, "replaced"));
			break;
		case 2:
			assert_int_equal(symlink("second", path_in(&maker, "new")), 0);
			rename(path_in(&maker, "new"), path_in(&maker, "swapped"));
			break;
		case 3:
			unlink(path_in(&maker, "removed"));
			break;
		default:
			write_text(&maker, "made", "one");
			break;
		}
		if (tg_snapshot_holds(&snapshot))
			fail_msg("%s was not seen", names[i]);
		tg_arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pem_and_key_types),
	    cmocka_unit_test(several_in_one_file),
	    cmocka_unit_test(unwanted_keys_are_not_decrypted),
	    cmocka_unit_test(old_key_formats),
	    cmocka_unit_test(der),
	    cmocka_unit_test(pkcs12),
	    cmocka_unit_test(encrypted_without_a_passphrase),
	    cmocka_unit_test(cut_and_broken_pem),
	    cmocka_unit_test(only_regular_files_are_read),
	    cmocka_unit_test(a_snapshot_sees_changes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
