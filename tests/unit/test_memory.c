/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load in which any one of the loader's own allocations fails ends as one without memory, or as if nothing had happened
 * where it could be tried again; never with another result, and never with less than was asked for.
 *
 * Linked with --wrap for the functions below, which the loader's archive calls through them.
 */
#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

static long left = -1; /* allocations until the one that fails; -1: none does */

static bool fails(void)
{
	return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, count, size);
}

/* Loads with each allocation failing in turn; true where that result came at least once. */
static bool every_failure(const struct maker *maker, const tlsgraft_identity *good, int expected)
{
	bool came = false;

	for (long n = 0;; n++) {
		tlsgraft_identity *identity = NULL;
		bool reached;
		int result;

		left = n;
		result = load(maker, NULL, &identity);
		reached = left < 0;
		left = -1;
		if (result != TLSGRAFT_NO_MEMORY && result != expected)
			fail_msg("allocation %ld: result %d", n, result);
		if (identity)
			assert_true(tlsgraft_identity_equal(identity, good));
		assert_int_equal(identity != NULL, result == TLSGRAFT_OK);
		tlsgraft_identity_unref(identity);
		came = came || result == TLSGRAFT_NO_MEMORY;
		if (!reached)
			return came;
	}
}

static void any_allocation_may_fail(void **state)
{
	static const char ini[] =
	    "[tlsgraft]\nexe = /bin/sh\nuser = root\n"
	    "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\ncrl = ca.crl\n"
	    "allow = CN:a\nallow = DNS:b.example\nallow = CN:c\nallow = IP:192.0.2.0/24\nallow = CN:d\n"
	    "ciphers = ECDHE+AESGCM\ngroups = X25519:P-256\n"
	    "[listener x]\nlisten = *:1\nlisten = *:2\nmode = optional\n"
	    "[sni y]\nnames = a.example, b.example, c.example, d.example, e.example\n";
	struct maker maker;
	struct site site;
	X509_CRL *crl;
	tlsgraft_identity *good = NULL;

	(void)state;
	maker_start(&maker);
	make_site(&maker, &site, ini);
	crl = make_crl(site.ca, site.ca_key, -60, 90 * DAY, NULL);
	write_crl(&maker, "ca.crl", crl, false);
	assert_int_equal(load(&maker, NULL, &good), TLSGRAFT_OK);
	assert_true(every_failure(&maker, good, TLSGRAFT_OK));
	write_text(&maker, "site.ini", "[server]\nmode = both\nfrob = 1\n[server]\n[listener z]\ncert = nowhere.pem\n");
	assert_true(every_failure(&maker, good, TLSGRAFT_REFUSED));
	tlsgraft_identity_unref(good);
	X509_CRL_free(crl);
	free_site(&site);
	maker_stop(&maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
