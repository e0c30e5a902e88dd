/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoding of a policy document, as its writer and its reader agree on it. Private to ipc/.
 *
 * Integers in the machine's byte order, unaligned, in the order of the members of policy.h. An array is a 32-bit count and
 * its elements; a span a 32-bit size and its bytes; a text a span that ends in its NUL, or of size 0 for NULL. Of an
 * address only the bytes that its family has are stored, so that equal documents have equal encodings.
 */
#ifndef TG_IPC_POLICY_FORMAT_H
#define TG_IPC_POLICY_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define TG_FORMAT_MAGIC 0x64706774u /* "tgpd" */
#define TG_FORMAT_VERSION 4u
#define TG_FORMAT_OLDEST 3u                 /* without ALPN */
#define TG_FORMAT_LIMIT ((size_t)INT32_MAX) /* bytes of a whole document */

static inline size_t tg_format_address_size(uint8_t family)
{
	switch (family) {
	case 4:
		return 4;
	case 6:
		return 16;
	default:
		return 0;
	}
}

#endif
