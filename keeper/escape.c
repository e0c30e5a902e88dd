/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at `p`, 0 where there is none; `p` is NUL-terminated. */
static size_t sequence_length(const unsigned char *p)
{
	uint32_t code;
	size_t length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		length = 2;
		code = p[0] & 0x1fu;
	} else if ((p[0] & 0xf0) == 0xe0) {
		length = 3;
		code = p[0] & 0x0fu;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		length = 4;
		code = p[0] & 0x07u;
	} else {
		return 0;
	}
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return code <= 0x9f ? 0 : length;
}

/* *ret_whole: whether all of it fitted. */
static size_t escape(const char *text, char *out, size_t size, bool *ret_whole)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0;

	*ret_whole = *p == '\0';
	if (size == 0)
		return 0;
	while (*p != '\0') {
		const size_t length = *p < 0x20 || *p == 0x7f ? 0 : sequence_length(p);
		const size_t need = length == 0 ? 4 : length;

		if (used + need >= size)
			break;
		if (length == 0) {
			const char escaped[4] = {'\\', 'x', digits[*p >> 4], digits[*p & 0xf]};

			memcpy(out + used, escaped, sizeof(escaped));
			p++;
		} else {
			memcpy(out + used, p, length);
			p += length;
		}
		used += need;
	}
	out[used] = '\0';
	*ret_whole = *p == '\0';
	return used;
}

size_t tg_escape(const char *text, char *out, size_t size)
{
	bool whole;

	return escape(text, out, size, &whole);
}

size_t tg_escape_cut(const char *text, char *out, size_t size)
{
	static const char suffix[] = " [cut]";
	bool whole;
	size_t used = escape(text, out, size, &whole);

	if (whole || size <= sizeof(suffix))
		return used;
	used = escape(text, out, size - sizeof(suffix) + 1, &whole);
	memcpy(out + used, suffix, sizeof(suffix));
	return used + sizeof(suffix) - 1;
}

char *tg_escape_new(const char *text)
{
	const size_t size = strlen(text) * 4 + 1;
	char *out = malloc(size);

	if (out != NULL)
		tg_escape(text, out, size);
	return out;
}
