/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoders of the credential reader share: what is wanted, what was found, and why it went no further. Lives as
 * long as one tg_objects_read.
 */
#ifndef TG_LOADER_READER_H
#define TG_LOADER_READER_H

#include "loader/credential.h"

struct tg_reader {
	struct tg_arena *arena;
	unsigned wanted;
	const char *passphrase; /* NULL: none */
	struct tg_objects objects;
	const char *reason; /* of the newest fault */
};

/* Remembers why, and returns `result`; `reason` NULL: memory ran out. */
static inline enum tg_read_result tg_reader_fault(struct tg_reader *reader, enum tg_read_result result, const char *reason)
{
	reader->reason = reason;
	return reason ? result : TG_READ_NO_MEMORY;
}

/* They take over what they are given (NULL: memory ran out), count it, and keep it where it is wanted. */
enum tg_read_result tg_reader_certificate(struct tg_reader *reader, X509 *certificate);
enum tg_read_result tg_reader_crl(struct tg_reader *reader, X509_CRL *crl);
enum tg_read_result tg_reader_key(struct tg_reader *reader, EVP_PKEY *key);

#endif
