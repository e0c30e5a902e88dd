/* SPDX-License-Identifier: Apache-2.0 */
/* Byte by byte against the protocol's text, section 2.2. */
#include "shim/direct/stream/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a

static const struct tg_address peer4 = {.family = 4, .port = 0x1234, .bytes = {192, 0, 2, 1}};
static const struct tg_address local4 = {.family = 4, .port = 443, .bytes = {192, 0, 2, 254}};

static struct tg_span span(const char *text)
{
	return (struct tg_span){(const unsigned char *)text, strlen(text)};
}

static void expect(const struct tg_proxy_facts *facts, const unsigned char *bytes, size_t size)
{
	unsigned char header[TG_PROXY_HEADER_SIZE];

	assert_int_equal(tg_proxy_header(facts, header), size);
	assert_memory_equal(header, bytes, size);
}

static void plaintext_client(void **state)
{
	const struct tg_proxy_facts facts = {.has_addresses = true, .peer = peer4, .local = local4};
	static const unsigned char bytes[] = {SIGNATURE, 0x21, 0x11, 0,   12,   192,  0, 2,   1,
					      192,       0,    2,    254, 0x12, 0x34, 1, 0xbb};
	(void)state;

	expect(&facts, bytes, sizeof(bytes));
}

static void six(void **state)
{
	const struct tg_proxy_facts facts = {
	    .has_addresses = true,
	    .peer = {.family = 6, .port = 1, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}},
	    .local = {.family = 6, .port = 2, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 2}},
	};
	static const unsigned char bytes[] = {SIGNATURE, 0x21, 0x21, 0,    36,                                  /**/
					      0x20,      1,    0xd,  0xb8, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /**/
					      0x20,      1,    0xd,  0xb8, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, /**/
					      0,         1,    0,    2};
	(void)state;

	expect(&facts, bytes, sizeof(bytes));
}

static void unknown_addresses(void **state)
{
	const struct tg_proxy_facts facts = {.has_addresses = false};
	static const unsigned char bytes[] = {SIGNATURE, 0x21, 0x00, 0, 0};
	(void)state;

	expect(&facts, bytes, sizeof(bytes));
}

static void verified_client(void **state)
{
	const struct tg_proxy_tls tls = {.has_certificate = true,
					 .in_connection = true,
					 .version = "TLSv1.3",
					 .cipher = "C",
					 .name = span("me"),
					 .authority = "a.b"};
	const struct tg_proxy_facts facts = {.has_addresses = true, .peer = peer4, .local = local4, .tls = &tls};
	static const unsigned char bytes[] = {
	    SIGNATURE, 0x21, 0x11, 0,    12 + 6 + 27, 192, 0,   2,   1,   192, 0, 2, 254, 0x12, 0x34, 1, 0xbb, /**/
	    0x02,      0,    3,    'a',  '.',         'b',                     /* PP2_TYPE_AUTHORITY */
	    0x20,      0,    24,   0x07, 0,           0,   0,   0,             /* PP2_TYPE_SSL */
	    0x21,      0,    7,    'T',  'L',         'S', 'v', '1', '.', '3', /* version */
	    0x23,      0,    1,    'C',                                        /* cipher */
	    0x22,      0,    2,    'm',  'e'};                                 /* common name */
	(void)state;

	expect(&facts, bytes, sizeof(bytes));
}

/* Without a certificate nothing is verified; with a resumed session it was shown earlier. */
static void client_bits(void **state)
{
	struct tg_proxy_tls tls = {.verify = 0x01020304, .version = "V", .cipher = "C"};
	const struct tg_proxy_facts facts = {.tls = &tls};
	unsigned char header[TG_PROXY_HEADER_SIZE];
	(void)state;

	tg_proxy_header(&facts, header);
	assert_memory_equal(header + 16, "\x20\0\x0d\x01\x01\x02\x03\x04", 8);
	tls.has_certificate = true;
	tg_proxy_header(&facts, header);
	assert_int_equal(header[19], 0x05);
}

/* A name that is too long for a server's buffer is left out, not cut. */
static void long_names(void **state)
{
	char host[300], name[300];
	struct tg_proxy_tls tls = {.version = "V", .cipher = "C", .authority = host};
	const struct tg_proxy_facts facts = {.tls = &tls};
	unsigned char header[TG_PROXY_HEADER_SIZE];
	(void)state;

	memset(host, 'h', sizeof(host));
	memset(name, 'n', sizeof(name));
	host[255] = '\0';
	tls.name = (struct tg_span){(const unsigned char *)name, 255};
	assert_int_equal(tg_proxy_header(&facts, header), 16 + 3 + 255 + 8 + 4 + 4 + 3 + 255);
	host[255] = 'h';
	host[256] = '\0';
	tls.name.size = 256;
	assert_int_equal(tg_proxy_header(&facts, header), 16 + 8 + 4 + 4);
}

/* What is not known is left out; the certificate itself belongs behind what was written. */
static void all_of_tls(void **state)
{
	static const unsigned char der[300];
	const struct tg_proxy_tls tls = {.has_certificate = true,
					 .in_connection = true,
					 .version = "V",
					 .cipher = "C",
					 .protocol = span("h2"),
					 .group = "x25519",
					 .scheme = "ed25519",
					 .certificate = {der, sizeof(der)}};
	const struct tg_proxy_facts facts = {.tls = &tls};
	static const unsigned char bytes[] = {SIGNATURE, 0x21, 0x00, 1,    0x57,                     /**/
					      0x01,      0,    2,    'h',  '2',                      /* PP2_TYPE_ALPN */
					      0x20,      1,    0x4f, 0x07, 0,    0,   0,   0,        /* PP2_TYPE_SSL */
					      0x21,      0,    1,    'V',                            /* version */
					      0x23,      0,    1,    'C',                            /* cipher */
					      0x26,      0,    6,    'x',  '2',  '5', '5', '1', '9', /* group */
					      0x27,      0,    7,    'e',  'd',  '2', '5', '5', '1',
					      '9',                    /* signature scheme */
					      0x28,      1,    0x2c}; /* certificate */
	(void)state;

	expect(&facts, bytes, sizeof(bytes));
}

/* The length has two bytes: a certificate that does not fit makes no header at all. */
static void long_certificates(void **state)
{
	static const unsigned char der[65536];
	struct tg_proxy_tls tls = {.version = "V", .cipher = "C", .certificate = {der, 65535 - 12 - 19}};
	const struct tg_proxy_facts facts = {.has_addresses = true, .peer = peer4, .local = local4, .tls = &tls};
	unsigned char header[TG_PROXY_HEADER_SIZE];
	(void)state;

	assert_int_equal(tg_proxy_header(&facts, header), 16 + 12 + 19);
	assert_memory_equal(header + 14, "\xff\xff", 2);
	tls.certificate.size++;
	assert_int_equal(tg_proxy_header(&facts, header), 0);
	tls.certificate.size = 65536;
	assert_int_equal(tg_proxy_header(&facts, header), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plaintext_client),  cmocka_unit_test(six),
	    cmocka_unit_test(unknown_addresses), cmocka_unit_test(verified_client),
	    cmocka_unit_test(client_bits),       cmocka_unit_test(long_names),
	    cmocka_unit_test(all_of_tls),        cmocka_unit_test(long_certificates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
