/* SPDX-License-Identifier: Apache-2.0 */
/* CAs as a whole: what is said of them before they are published, beside what becomes of a real client of each. */
#include "authorities.h"

#include "loader/identity.h"
#include "loader/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

static EVP_PKEY *explicit_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509 *read_anew(X509 *certificate)
{
	struct tg_span der = der_of(certificate, NULL);
	const unsigned char *at = der.data;
	X509 *again = d2i_X509(NULL, &at, (long)der.size);

	OPENSSL_free((void *)(uintptr_t)der.data);
	X509_free(certificate);
	return again;
}

/* One CA at a time: what makes it useless, and what does not. */
static void a_ca_of_which_nobody_gets_in(void **state)
{
	enum key { PLAIN, EXPLICIT };
	static const struct {
		struct spec spec;
		enum key key;
		const char *type;
		const char *message; /* NULL: it is good */
	} rows[] = {
	    {{.digest = NULL}, PLAIN, "EC", NULL},
	    {{.digest = NULL}, PLAIN, "RSA", NULL},
	    {{.digest = NULL}, PLAIN, "RSA-PSS", NULL},
	    {{.digest = NULL}, PLAIN, "ED25519", NULL},
	    {{.digest = NULL}, PLAIN, "ED448", NULL},
	    {{.constraints = "critical,CA:TRUE,pathlen:0"}, PLAIN, "EC", NULL},
	    {{.usage = "clientAuth"}, PLAIN, "EC", NULL},
	    {{.more = {{NID_netscape_cert_type, "sslCA"}}}, PLAIN, "EC", NULL},
	    {{.more = {{NID_name_constraints, "critical,permitted;DNS:.corp.example"}}}, PLAIN, "EC", NULL},
	    {{.digest = NULL}, EXPLICIT, "EC", "explicit ECC parameters"},
	    {{.usage = "serverAuth"}, PLAIN, "EC", "may not issue clients"},
	    {{.more = {{NID_netscape_cert_type, "emailCA"}}}, PLAIN, "EC", NULL},
	    {{.more = {{NID_inhibit_any_policy, "critical,0"}}}, PLAIN, "EC", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spec spec = rows[i].spec;
		struct authority authority = {.key = rows[i].key == EXPLICIT ? explicit_key() : make_key(rows[i].type)};
		tlsgraft_identity *identity;
		int result;

		spec.subject = "the CA";
		spec.ca = true;
		authority.certificate = read_anew(issue(NULL, authority.key, spec));
		identity = published(&authority.certificate, NULL, 1, TG_CRL_NONE, 8);
		if (client_let_in(identity, &authority, (struct spec){0}, NULL) != !rows[i].message)
			fail_msg("row %zu: the client", i);
		result = try_lists("", &authority.certificate, NULL, 1);
		if (result != (rows[i].message ? TLSGRAFT_REFUSED : TLSGRAFT_OK)) {
			print_messages();
			fail_msg("row %zu", i);
		}
		if (rows[i].message)
			expect_message(TLSGRAFT_ERROR, rows[i].message);
		else
			assert_int_equal(message_count(), 0);
		tlsgraft_identity_unref(identity);
		free_authority(&authority);
	}
}

static void a_path_that_is_too_long(void **state)
{
	struct authorities all;
	X509_CRL *crls[2];

	(void)state;
	make_authorities(&all);
	X509 *const cas[] = {all.root.certificate, all.middle.certificate};

	crls[0] = revoke(&all.root, NULL, NULL);
	crls[1] = revoke(&all.middle, NULL, NULL);
	assert_int_equal(try_lists("verify_depth = 0\n", cas, crls, 2), TLSGRAFT_OK);
	assert_int_equal(try_lists("crl_check = chain\nverify_depth = 1\n", cas, crls, 2), TLSGRAFT_OK);
	assert_int_equal(try_lists("crl_check = chain\nverify_depth = 0\n", cas, crls, 2), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "[server] ca: cas.pem: CN=middle: no client of this CA can be let in");
	expect_message(TLSGRAFT_ERROR, "verify_depth");
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[1]);
	free_authorities(&all);
}

/* Several CAs of one name, without key identifiers: each order, with CRLs and without. */
static void cas_of_one_name(void **state)
{
	enum { COUNT = 3 };
	struct authority all[COUNT];
	X509 *cas[COUNT];
	X509_CRL *crls[COUNT];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		all[i].key = make_key(i == 1 ? "RSA" : "EC");
		all[i].certificate = issue(NULL, all[i].key, (struct spec){.subject = "One Name", .ca = true});
	}
	for (int first = 0; first < COUNT; first++) {
		for (int i = 0; i < COUNT; i++) {
			cas[i] = all[(first + i) % COUNT].certificate;
			crls[i] = make_crl(cas[i], all[(first + i) % COUNT].key, -60 - 10 * i, 9 * DAY, NULL);
		}
		for (int check = TG_CRL_NONE; check <= TG_CRL_CHAIN; check++) {
			X509_CRL **used = check == TG_CRL_NONE ? NULL : crls;
			tlsgraft_identity *identity = published(cas, used, COUNT, (enum tg_crl_check)check, 8);

			for (int i = 0; i < COUNT; i++)
				assert_true(client_let_in(identity, &all[i], (struct spec){0}, NULL));
			tlsgraft_identity_unref(identity);
			assert_int_equal(try_lists(check == TG_CRL_CHAIN ? "crl_check = chain\n" : "", cas, used, COUNT),
					 TLSGRAFT_OK);
		}
		for (int i = 0; i < COUNT; i++)
			X509_CRL_free(crls[i]);
	}
	for (int i = 0; i < COUNT; i++)
		free_authority(&all[i]);
}

/* What a handshake cannot carry is not sent, and that is said. */
static void too_many_names(void **state)
{
	struct authority all = {.key = make_key("EC")};
	char subject[80];
	FILE *file;
	tlsgraft_identity *identity = NULL;

	(void)state;
	file = fopen(path_in(&maker, "cas.pem"), "we");
	assert_non_null(file);
	for (int i = 0; i < 1300; i++) {
		X509 *one;

		snprintf(subject, sizeof(subject), "authority %04d of a federation with a name as long as it can", i);
		one = issue(NULL, all.key, (struct spec){.subject = subject, .ca = true});
		assert_int_equal(PEM_write_X509(file, one), 1);
		if (i == 0)
			all.certificate = one;
		else
			X509_free(one);
	}
	assert_int_equal(fclose(file), 0);
	write_text(&maker, "site.ini", INI);
	assert_int_equal(load(&maker, NULL, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "site.ini:5: [server] ca: the names of its CAs take ");
	assert_true(client_let_in(identity, &all, (struct spec){0}, NULL));
	tlsgraft_identity_unref(identity);
	free_authority(&all);
}

/* At a reload, what serves has the same fault: then an urgent change still gets in. */
static void what_serves_already_is_a_warning(void **state)
{
	const struct scope scope = {.only_ca = true};
	struct authorities all;
	tlsgraft_identity *serving, *identity = NULL;

	(void)state;
	make_authorities(&all);
	X509_CRL *crl = revoke(&all.root, &scope, NULL);
	serving = published(&all.root.certificate, &crl, 1, TG_CRL_LEAF, 8);
	assert_int_equal(try_lists("", &all.root.certificate, &crl, 1), TLSGRAFT_REFUSED);
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "it is for the certificates of CAs alone");
	tlsgraft_identity_unref(identity);
	tlsgraft_identity_unref(serving);
	/* The same CA with a list that was good: an error. */
	X509_CRL *good = revoke(&all.root, NULL, NULL);
	identity = NULL;
	serving = published(&all.root.certificate, &good, 1, TG_CRL_LEAF, 8);
	assert_int_equal(try_lists("", &all.root.certificate, &crl, 1), TLSGRAFT_REFUSED);
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_REFUSED);
	tlsgraft_identity_unref(serving);
	X509_CRL_free(crl);
	X509_CRL_free(good);
	free_authorities(&all);
}

static void the_error_queue_is_left_as_found(void **state)
{
	struct authorities all;
	const char *file;
	int line;

	(void)state;
	make_authorities(&all);
	X509_CRL *crl = revoke(&all.root, &(struct scope){.only_ca = true}, NULL);
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 7);
	try_lists("", &all.root.certificate, &crl, 1);
	assert_int_equal(ERR_GET_REASON(ERR_get_error_all(&file, &line, NULL, NULL, NULL)), 7);
	assert_int_equal(ERR_get_error(), 0);
	try_lists("", &all.root.certificate, NULL, 1);
	assert_int_equal(ERR_get_error(), 0);
	X509_CRL_free(crl);
	free_authorities(&all);
}

/* The trust and the section; what had something to be said of is tried again. */
static void what_serves_and_is_unchanged_is_not_tried_again(void **state)
{
	struct authorities all;
	tlsgraft_identity *first = NULL, *second = NULL, *third = NULL;

	(void)state;
	make_authorities(&all);
	write_lists(&all.root.certificate, NULL, 1);
	write_text(&maker, "site.ini", INI);
	assert_int_equal(load(&maker, NULL, &first), TLSGRAFT_OK);
	assert_int_equal(first->tried.count, 2);
	assert_int_equal(load(&maker, first, &second), TLSGRAFT_OK);
	assert_int_equal(second->tried.count, 2);
	assert_memory_equal(first->tried.digests, second->tried.digests, sizeof(first->tried.digests[0]));
	write_text(&maker, "site.ini", INI "verify_depth = 3\nmin_protocol = TLSv1.3\n");
	assert_int_equal(load(&maker, first, &third), TLSGRAFT_OK);
	assert_int_equal(third->tried.count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_false(tg_tried_has(&first->tried, third->tried.digests[i]));
	tlsgraft_identity_unref(first);
	tlsgraft_identity_unref(second);
	tlsgraft_identity_unref(third);
	free_authorities(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_ca_of_which_nobody_gets_in, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(a_path_that_is_too_long, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(cas_of_one_name, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(too_many_names, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(what_serves_already_is_a_warning, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(the_error_queue_is_left_as_found, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(what_serves_and_is_unchanged_is_not_tried_again, authorities_start,
					    authorities_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
