/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/hello.h"

#include <stdbool.h>
#include <string.h>

#define RECORD_HANDSHAKE 22
#define RECORD_MAX (16384 + 256)
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEADER 4
#define MESSAGE_MAX (MESSAGE_HEADER + 131396) /* libssl takes no larger ClientHello */
#define PASSED_MAX 16384                      /* a plaintext protocol has asked for TLS by then, or does not */

/* From the start of a record on everything is looked at anew. What it held counts as passed. */
static void start_over(struct tg_hello *hello, size_t passed)
{
	hello->header_size = 0;
	hello->record_left = 0;
	hello->message_size = 0;
	hello->message_end = 0;
	hello->passed += (uint32_t)(passed < PASSED_MAX ? passed : PASSED_MAX);
}

static bool header_fits(const struct tg_hello *hello)
{
	const unsigned char *header = hello->header;

	/* libssl takes no alert between the records of a ClientHello, either. */
	if (header[0] != RECORD_HANDSHAKE)
		return false;
	if (hello->header_size > 1 && header[1] != 3)
		return false;
	return hello->header_size < 5 || (header[3] << 8 | header[4]) <= RECORD_MAX;
}

static void take_header(struct tg_hello *hello, unsigned char byte)
{
	hello->header[hello->header_size++] = byte;
	if (header_fits(hello)) {
		if (hello->header_size == 5)
			hello->record_left = (uint16_t)(hello->header[3] << 8 | hello->header[4]);
		return;
	}
	start_over(hello, hello->header_size);
	if (byte == RECORD_HANDSHAKE)
		hello->header[hello->header_size++] = byte;
}

static bool message_fits(struct tg_hello *hello)
{
	if (hello->message_size > 0 && hello->head[0] != MESSAGE_CLIENT_HELLO)
		return false;
	if (hello->message_size < MESSAGE_HEADER)
		return true;
	hello->message_end =
	    MESSAGE_HEADER + ((uint32_t)hello->head[1] << 16 | (uint32_t)hello->head[2] << 8 | hello->head[3]);
	return hello->message_end >= TG_HELLO_HEAD && hello->message_end <= MESSAGE_MAX;
}

/* Bytes inside a record; returns how many were used. */
static size_t take_body(struct tg_hello *hello, const unsigned char *data, size_t size)
{
	size_t used = size < hello->record_left ? size : hello->record_left;
	size_t left = hello->message_end - hello->message_size;

	/* Its header byte by byte: what does not fit ends where it does, however the stream is cut. */
	if (hello->message_end == 0)
		left = 1;
	used = used < left ? used : left;
	for (size_t i = 0; i < used && hello->message_size + i < TG_HELLO_HEAD; i++)
		hello->head[hello->message_size + i] = data[i];
	hello->message_size += (uint32_t)used;
	hello->record_left = (uint16_t)(hello->record_left - used);
	if (hello->message_end == 0 && !message_fits(hello))
		start_over(hello, sizeof(hello->header) + used);
	return used;
}

enum tg_hello_result tg_hello_feed(struct tg_hello *hello, const unsigned char *data, size_t size)
{
	while (size > 0) {
		size_t used = 1;
		if (hello->header_size == 5 && hello->record_left > 0) {
			used = take_body(hello, data, size);
		} else {
			if (hello->header_size == 5)
				hello->header_size = 0;
			take_header(hello, *data);
		}
		if (hello->message_end != 0 && hello->message_size == hello->message_end)
			return TG_HELLO_COMPLETE;
		if (hello->passed >= PASSED_MAX)
			return TG_HELLO_NONE;
		data += used;
		size -= used;
	}
	return TG_HELLO_MORE;
}
