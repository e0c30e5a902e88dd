/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client is, by its first bytes.
 *
 * TLS begins with a record of type handshake (22), major version 3, that holds a ClientHello (1), RFC 8446 sections 5.1 and
 * 4. A hello in SSLv2's form, which libssl still reads, is not taken: RFC 6176 forbids it, and its first byte is a length,
 * which may be any byte of a plaintext protocol.
 *
 * Foreign bytes. Pure: an answer other than MORE is the answer for whatever follows, too.
 */
#ifndef TG_SHIM_DIRECT_STREAM_FIRST_BYTES_H
#define TG_SHIM_DIRECT_STREAM_FIRST_BYTES_H

#include <stddef.h>

#define TG_FIRST_BYTES 6 /* record type, version, length, handshake type: so many are never too few */

enum tg_looks { TG_LOOKS_MORE, TG_LOOKS_TLS, TG_LOOKS_PLAIN };

/* `data`: all that the client has sent so far, or the beginning of it. */
enum tg_looks tg_first_bytes_look(const unsigned char *data, size_t size);

#endif
