/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stream/first_bytes.h"

#define RECORD_HANDSHAKE 22
#define RECORD_MAX 16384 /* a plaintext record's (RFC 8446 section 5.1) */
#define CLIENT_HELLO 1

enum tg_looks tg_first_bytes_look(const unsigned char *data, size_t size)
{
	if ((size > 0 && data[0] != RECORD_HANDSHAKE) || (size > 1 && data[1] != 3) || (size > 2 && data[2] > 4))
		return TG_LOOKS_PLAIN;
	if (size < TG_FIRST_BYTES)
		return TG_LOOKS_MORE;
	unsigned length = (unsigned)data[3] << 8 | data[4];
	return length >= 4 && length <= RECORD_MAX && data[5] == CLIENT_HELLO ? TG_LOOKS_TLS : TG_LOOKS_PLAIN;
}
