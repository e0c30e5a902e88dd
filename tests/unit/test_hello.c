/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY 200 /* of the ClientHello after its four bytes of header */
#define MESSAGE (4 + BODY)

struct stream {
	unsigned char bytes[160000];
	size_t size;
};

static void put(struct stream *stream, const void *data, size_t size)
{
	assert_true(stream->size + size <= sizeof(stream->bytes));
	memcpy(stream->bytes + stream->size, data, size);
	stream->size += size;
}

static void put_record(struct stream *stream, unsigned char type, const void *data, size_t size)
{
	const unsigned char header[] = {type, 3, 1, (unsigned char)(size >> 8), (unsigned char)size};

	put(stream, header, sizeof(header));
	put(stream, data, size);
}

/* Its random is `first`, first + 1, ... */
static void make_message(unsigned char message[MESSAGE], unsigned char first)
{
	static const unsigned char head[] = {1, 0, 0, BODY, 3, 3};

	memset(message, 0xee, MESSAGE);
	memcpy(message, head, sizeof(head));
	for (unsigned i = 0; i < TG_RANDOM_SIZE; i++)
		message[sizeof(head) + i] = (unsigned char)(first + i);
}

static void put_hello(struct stream *stream, unsigned char first, size_t piece)
{
	unsigned char message[MESSAGE];

	make_message(message, first);
	for (size_t at = 0; at < MESSAGE; at += piece)
		put_record(stream, 22, message + at, MESSAGE - at < piece ? MESSAGE - at : piece);
}

/* Fed `step` bytes at a time. Returns the random's first byte, -1 where there was none; *ret_used: bytes until then. */
static int feed(const struct stream *stream, size_t step, size_t *ret_used)
{
	struct tg_hello hello = {0};

	for (size_t at = 0; at < stream->size; at += step) {
		size_t size = stream->size - at < step ? stream->size - at : step;
		enum tg_hello_result result = tg_hello_feed(&hello, stream->bytes + at, size);
		if (result == TG_HELLO_NONE)
			return -1;
		if (result == TG_HELLO_COMPLETE) {
			const unsigned char *random = tg_hello_random(&hello);
			for (unsigned i = 0; i < TG_RANDOM_SIZE; i++)
				assert_int_equal(random[i], (unsigned char)(random[0] + i));
			*ret_used = at + size;
			return random[0];
		}
	}
	return -1;
}

static void assert_found(const struct stream *stream, int expected)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 38, 64, 1400, 65536};
	size_t used;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(feed(stream, steps[i], &used), expected);
}

static void test_one_record(void **state)
{
	struct stream stream = {.size = 0};
	size_t used = 0;
	(void)state;

	put_hello(&stream, 10, MESSAGE);
	assert_found(&stream, 10);
	/* Not before its last byte. */
	feed(&stream, 1, &used);
	assert_int_equal(used, stream.size);
	stream.size--;
	assert_found(&stream, -1);
}

static void test_any_fragments(void **state)
{
	(void)state;

	for (size_t piece = 1; piece < 60; piece++) {
		struct stream stream = {.size = 0};
		put_hello(&stream, 20, piece);
		assert_found(&stream, 20);
	}
}

static void test_alerts(void **state)
{
	static const unsigned char alert[] = {1, 22}; /* its second byte looks like the start of a record */
	struct stream stream = {.size = 0};
	unsigned char message[MESSAGE];
	(void)state;

	put_record(&stream, 21, alert, sizeof(alert));
	put_record(&stream, 21, alert, sizeof(alert));
	put_hello(&stream, 30, 50);
	assert_found(&stream, 30);
	stream.size = 0;
	make_message(message, 31);
	put_record(&stream, 22, message, 20);
	put_record(&stream, 21, alert, sizeof(alert));
	put_record(&stream, 22, message + 20, MESSAGE - 20);
	assert_found(&stream, -1); /* libssl does not go on, either */
}

static void test_plaintext_before(void **state)
{
	static const char *const before[] = {"a STARTTLS\r\n",
					     "EHLO me\r\nSTARTTLS\r\n",
					     "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
					     "\r\n\r\n\x16\r\nQUIT\n!\x11\x16\x16",
					     "\x16",
					     "\x16\x16",
					     "\x16\x03\x01\xff"};
	(void)state;

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		struct stream stream = {.size = 0};
		put(&stream, before[i], strlen(before[i]));
		put_hello(&stream, 40, MESSAGE);
		assert_found(&stream, 40);
	}
}

static void test_no_hello(void **state)
{
	static const unsigned char sslv2[] = {0x80, 46, 1, 3, 1, 0, 3, 0, 0, 0, 32, 0, 0, 47};
	unsigned char message[MESSAGE];
	struct stream stream = {.size = 0};
	(void)state;

	put(&stream, sslv2, sizeof(sslv2));
	assert_found(&stream, -1);
	/* Another message, one too short to hold a random, one longer than libssl takes, another major version. */
	make_message(message, 50);
	message[0] = 2;
	stream.size = 0;
	put_record(&stream, 22, message, MESSAGE);
	assert_found(&stream, -1);
	make_message(message, 50);
	message[3] = 33;
	stream.size = 0;
	put_record(&stream, 22, message, MESSAGE);
	assert_found(&stream, -1);
	make_message(message, 50);
	message[1] = 2;
	message[2] = message[3] = 0xff;
	stream.size = 0;
	put_record(&stream, 22, message, MESSAGE);
	assert_found(&stream, -1);
	make_message(message, 50);
	stream.size = 0;
	put_record(&stream, 22, message, MESSAGE);
	stream.bytes[1] = 2;
	assert_found(&stream, -1);
}

/* RFC 8446 section 4.1.2 with every list full: libssl takes that. What is not seen could be hidden so. */
static void test_largest(void **state)
{
	static const unsigned char head[] = {1, 2, 1, 0x44, 3, 3}; /* 131396 */
	static unsigned char message[4 + 131396];
	struct stream stream = {.size = 0};
	(void)state;

	make_message(message, 70);
	memcpy(message, head, sizeof(head));
	for (size_t at = 0; at < sizeof(message); at += 16384)
		put_record(&stream, 22, message + at, sizeof(message) - at < 16384 ? sizeof(message) - at : 16384);
	assert_found(&stream, 70);
}

/* A plaintext connection is not looked at for ever. */
static void test_gives_up(void **state)
{
	struct stream stream = {.size = 0};
	struct tg_hello hello = {0};
	(void)state;

	stream.size = 16383;
	memset(stream.bytes, 'a', stream.size);
	put_hello(&stream, 60, MESSAGE);
	assert_found(&stream, 60);
	stream.size = 0;
	memset(stream.bytes, 'a', 20000);
	stream.size = 20000;
	put_hello(&stream, 60, MESSAGE);
	assert_found(&stream, -1);
	assert_int_equal(tg_hello_feed(&hello, stream.bytes, stream.size), TG_HELLO_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_record),       cmocka_unit_test(test_any_fragments), cmocka_unit_test(test_alerts),
	    cmocka_unit_test(test_plaintext_before), cmocka_unit_test(test_no_hello),      cmocka_unit_test(test_gives_up),
	    cmocka_unit_test(test_largest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
