/* SPDX-License-Identifier: Apache-2.0 */
/* CRLs as a whole: what is said of them before they are published, beside what becomes of a real client. */
#include "authorities.h"

#include "loader/identity.h"
#include "loader/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

static void the_scope_of_a_crl(void **state)
{
	static const struct {
		struct scope scope;
		int result;
		bool served;
		const char *message; /* NULL: none */
	} rows[] = {
	    {{0}, TLSGRAFT_OK, true, NULL},
	    {{.only_user = true}, TLSGRAFT_OK, true, NULL},
	    {{.unknown = 1}, TLSGRAFT_OK, true, NULL},
	    {{.only_ca = true}, TLSGRAFT_REFUSED, false, "it is for the certificates of CAs alone"},
	    {{.only_attribute = true}, TLSGRAFT_REFUSED, false, "it is for attribute certificates alone"},
	    {{.some_reasons = true}, TLSGRAFT_REFUSED, false, "it is for some reasons of revocation alone"},
	    {{.indirect = true}, TLSGRAFT_REFUSED, false, "it is an indirect CRL"},
	    {{.unknown = 2}, TLSGRAFT_REFUSED, false, "nhandled critical CRL extension"},
	    {{.uri = "http://crl.invalid/1"}, TLSGRAFT_OK, false, "has the scope of one distribution point"},
	    {{.uri = "http://crl.invalid/1", .only_user = true},
	     TLSGRAFT_OK,
	     false,
	     "has the scope of one distribution point"},
	};
	struct authorities all;

	(void)state;
	make_authorities(&all);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		X509_CRL *crl = revoke(&all.root, &rows[i].scope, NULL);
		tlsgraft_identity *identity = published(&all.root.certificate, &crl, 1, TG_CRL_LEAF, 8);
		struct spec with_point = {.more = {{NID_crl_distribution_points, "URI:http://crl.invalid/1"}}};

		assert_int_equal(client_let_in(identity, &all.root, (struct spec){0}, NULL), rows[i].served);
		if (rows[i].scope.uri)
			assert_true(client_let_in(identity, &all.root, with_point, NULL));
		assert_int_equal(try_lists("", &all.root.certificate, &crl, 1), rows[i].result);
		if (rows[i].message)
			expect_message(rows[i].result == TLSGRAFT_OK ? TLSGRAFT_WARNING : TLSGRAFT_ERROR, rows[i].message);
		else
			assert_int_equal(message_count(), 0);
		tlsgraft_identity_unref(identity);
		X509_CRL_free(crl);
	}
	free_authorities(&all);
}

static void crls_of_two_scopes_side_by_side(void **state)
{
	const struct scope users = {.only_user = true}, cas_alone = {.only_ca = true};
	struct authorities all;
	X509_CRL *crls[3];

	(void)state;
	make_authorities(&all);
	X509 *const cas[] = {all.root.certificate, all.middle.certificate, NULL};

	crls[0] = revoke(&all.root, &users, NULL);
	crls[1] = revoke(&all.root, &cas_alone, NULL);
	crls[2] = revoke(&all.middle, NULL, NULL);
	assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 3), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	X509_CRL_free(crls[1]);
	crls[1] = NULL;
	assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 3), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "it is not for the certificates of CAs");
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[2]);
	free_authorities(&all);
}

/* With crl_check = chain: which CAs and CRLs are listed, and who gets in. */
static void a_chain_is_looked_up_as_far_as_it_is_listed(void **state)
{
	enum { ROOT = 1, MIDDLE = 2 };
	static const struct {
		unsigned cas, crls;
		int result;
		bool of_root, of_middle;
	} rows[] = {
	    {ROOT | MIDDLE, ROOT | MIDDLE, TLSGRAFT_OK, true, true},
	    {MIDDLE, MIDDLE, TLSGRAFT_OK, false, true},
	    {ROOT, ROOT, TLSGRAFT_OK, true, false}, /* with a warning */
	    {ROOT | MIDDLE, MIDDLE, TLSGRAFT_REFUSED, false, false},
	    {ROOT | MIDDLE, ROOT, TLSGRAFT_REFUSED, true, false},
	};
	struct authorities all;

	(void)state;
	make_authorities(&all);
	X509_CRL *of_root = revoke(&all.root, NULL, NULL), *of_middle = revoke(&all.middle, NULL, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		X509 *const cas[] = {rows[i].cas & ROOT ? all.root.certificate : NULL,
				     rows[i].cas & MIDDLE ? all.middle.certificate : NULL};
		X509_CRL *const crls[] = {rows[i].crls & ROOT ? of_root : NULL, rows[i].crls & MIDDLE ? of_middle : NULL};
		tlsgraft_identity *identity = published(cas, crls, 2, TG_CRL_CHAIN, 8);

		assert_int_equal(client_let_in(identity, &all.root, (struct spec){0}, NULL), rows[i].of_root);
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, all.middle.certificate),
				 rows[i].of_middle);
		/* What is listed need not be sent. */
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, NULL),
				 rows[i].of_middle && rows[i].cas & MIDDLE);
		assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 2), rows[i].result);
		if (rows[i].cas == ROOT)
			expect_message(TLSGRAFT_WARNING,
				       "cas.pem: under crl_check = chain the clients of an intermediate CA");
		else if (rows[i].result == TLSGRAFT_OK)
			assert_int_equal(message_count(), 0);
		tlsgraft_identity_unref(identity);
	}
	X509_CRL_free(of_root);
	X509_CRL_free(of_middle);
	free_authorities(&all);
}

static void an_intermediate_that_its_root_revoked(void **state)
{
	struct authorities all;
	X509_CRL *crls[2];

	(void)state;
	make_authorities(&all);
	X509 *const cas[] = {all.root.certificate, all.middle.certificate};

	crls[0] = revoke(&all.root, NULL, all.middle.certificate);
	crls[1] = revoke(&all.middle, NULL, NULL);
	assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 2), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "crls.pem: revokes CN=middle: no client of CN=middle is let in");
	for (int chain = 0; chain < 2; chain++) {
		tlsgraft_identity *identity = published(cas, crls, 2, chain ? TG_CRL_CHAIN : TG_CRL_LEAF, 8);

		assert_true(client_let_in(identity, &all.root, (struct spec){0}, NULL));
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, NULL), !chain);
		tlsgraft_identity_unref(identity);
	}
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[1]);
	free_authorities(&all);
}

/* What the loader makes of these lists, with whatever it says of them. */
static tlsgraft_identity *loaded(const char *keys, X509 *const *cas, X509_CRL *const *crls, size_t count)
{
	tlsgraft_identity *identity = NULL;
	char text[512];

	write_lists(cas, crls, count);
	snprintf(text, sizeof(text), INI "crl = crls.pem\n%s", keys);
	write_text(&maker, "site.ini", text);
	assert_int_equal(load(&maker, NULL, &identity), TLSGRAFT_OK);
	return identity;
}

/* The CRL is that of both: the one that has expired does not take it along. */
static void a_ca_that_was_renewed_with_its_key(void **state)
{
	struct authorities all;

	(void)state;
	make_authorities(&all);
	X509 *before = issue(NULL, all.root.key, (struct spec){.subject = "root", .ca = true, .until = -60});
	EVP_PKEY *key = make_key("EC");
	X509 *revoked = issue(&all.root, key, (struct spec){.subject = "revoked"});
	X509_CRL *crl = revoke(&all.root, NULL, revoked);

	for (int last = 0; last < 2; last++) {
		X509 *const cas[] = {last ? all.root.certificate : before, last ? before : all.root.certificate};
		X509_CRL *const crls[] = {crl, NULL};
		tlsgraft_identity *identity = loaded("", cas, crls, 2);

		expect_message(TLSGRAFT_WARNING, "CN=root: expired on");
		assert_true(client_let_in(identity, &all.root, (struct spec){0}, NULL));
		assert_false(let_in(identity, revoked, key, NULL, TLS1_3_VERSION));
		tlsgraft_identity_unref(identity);
	}
	X509_CRL_free(crl);
	X509_free(revoked);
	EVP_PKEY_free(key);
	X509_free(before);
	free_authorities(&all);
}

/* Its root would not be looked at any more, nor what that said of it. */
static void an_intermediate_whose_root_expired(void **state)
{
	struct authorities all;
	struct authority lower = {.key = make_key("EC")};

	(void)state;
	make_authorities(&all);
	lower.certificate = issue(&all.middle, lower.key, (struct spec){.subject = "lower", .ca = true});
	X509 *expired = issue(NULL, all.root.key, (struct spec){.subject = "root", .ca = true, .until = -60});
	X509 *const cas[] = {lower.certificate, all.middle.certificate, expired, site.ca};
	X509_CRL *crls[] = {revoke(&lower, NULL, NULL), revoke(&all.middle, NULL, NULL), NULL,
			    make_crl(site.ca, site.ca_key, -60, 9 * DAY, NULL)};

	for (int is_revoked = 0; is_revoked < 2; is_revoked++) {
		crls[2] = revoke(&all.root, NULL, is_revoked ? all.middle.certificate : NULL);
		tlsgraft_identity *identity = loaded("crl_check = chain\n", cas, crls, 4);

		expect_message(TLSGRAFT_WARNING, "CN=root: expired on");
		if (is_revoked) {
			expect_message(TLSGRAFT_WARNING, "CN=middle: is revoked, or its issuer is: left out");
			expect_message(TLSGRAFT_WARNING, "CN=lower: is revoked, or its issuer is: left out");
		}
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, NULL), !is_revoked);
		assert_int_equal(client_let_in(identity, &lower, (struct spec){0}, NULL), !is_revoked);
		tlsgraft_identity_unref(identity);
		X509_CRL_free(crls[2]);
	}
	crls[2] = NULL;
	assert_int_equal(
	    try_lists("crl_check = chain\n", (X509 *const[]){lower.certificate, all.middle.certificate, expired},
		      (X509_CRL *const[]){crls[0], crls[1], crls[2] = revoke(&all.root, NULL, all.middle.certificate)}, 3),
	    TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "no CA is left");
	for (size_t i = 0; i < 4; i++)
		X509_CRL_free(crls[i]);
	X509_free(expired);
	free_authority(&lower);
	free_authorities(&all);
}

/* More CAs of one name than are tried for a client: none of them is passed over when it says who is revoked. */
static void a_revoked_intermediate_among_many_of_one_name(void **state)
{
	enum { OTHERS = TG_SAME_NAME_MAX + 4, ALL = OTHERS + 2 };
	struct authorities all;
	X509 *cas[ALL];
	X509_CRL *crls[ALL];

	(void)state;
	make_authorities(&all);
	for (size_t i = 0; i < OTHERS; i++) {
		EVP_PKEY *key = make_key("EC");
		const struct authority other = {key, issue(NULL, key, (struct spec){.subject = "root", .ca = true})};

		cas[i] = other.certificate;
		crls[i] = revoke(&other, NULL, NULL);
		EVP_PKEY_free(key);
	}
	cas[OTHERS] = all.middle.certificate;
	cas[OTHERS + 1] = all.root.certificate;
	crls[OTHERS] = revoke(&all.middle, NULL, NULL);
	crls[OTHERS + 1] = revoke(&all.root, NULL, all.middle.certificate);
	tlsgraft_identity *identity = published(cas, crls, ALL, TG_CRL_CHAIN, 8);
	assert_false(client_let_in(identity, &all.middle, (struct spec){0}, NULL));
	tlsgraft_identity_unref(identity);
	for (size_t i = 0; i < ALL; i++) {
		X509_CRL_free(crls[i]);
		if (i < OTHERS)
			X509_free(cas[i]);
	}
	free_authorities(&all);
}

/* One of them revoked a client, another CA of its name gave somebody the same serial number. */
static void a_crl_counts_for_its_own_ca_alone(void **state)
{
	struct authority one = {.key = make_key("EC")}, other = {.key = make_key("EC")};
	EVP_PKEY *key = make_key("EC");

	(void)state;
	one.certificate = issue(NULL, one.key, (struct spec){.subject = "One Name", .ca = true});
	other.certificate = issue(NULL, other.key, (struct spec){.subject = "One Name", .ca = true});
	X509 *client = issue(&one, key, (struct spec){.subject = "client"}), *twin = X509_dup(client);
	assert_true(X509_sign(twin, other.key, EVP_sha256()) > 0);
	X509 *const cas[] = {one.certificate, other.certificate};
	X509_CRL *crls[] = {revoke(&one, NULL, client), revoke(&other, NULL, NULL)};
	tlsgraft_identity *identity = published(cas, crls, 2, TG_CRL_LEAF, 8);

	assert_false(let_in(identity, client, key, NULL, TLS1_3_VERSION));
	assert_true(let_in(identity, twin, key, NULL, TLS1_3_VERSION));
	tlsgraft_identity_unref(identity);
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[1]);
	X509_free(client);
	X509_free(twin);
	EVP_PKEY_free(key);
	free_authority(&one);
	free_authority(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_scope_of_a_crl, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(crls_of_two_scopes_side_by_side, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(a_chain_is_looked_up_as_far_as_it_is_listed, authorities_start,
					    authorities_stop),
	    cmocka_unit_test_setup_teardown(an_intermediate_that_its_root_revoked, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(a_ca_that_was_renewed_with_its_key, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(an_intermediate_whose_root_expired, authorities_start, authorities_stop),
	    cmocka_unit_test_setup_teardown(a_revoked_intermediate_among_many_of_one_name, authorities_start,
					    authorities_stop),
	    cmocka_unit_test_setup_teardown(a_crl_counts_for_its_own_ca_alone, authorities_start, authorities_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
