/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PEM blocks of a file, taken apart line by line. Stricter than RFC 7468 asks of a parser: what stands between blocks
 * may explain them, as `openssl x509 -text` does, but a line there that looks like a boundary or like base64 is a fault,
 * because some block was damaged or joined to its neighbour and would otherwise be missing without a word.
 *
 * Lines end with LF, CRLF or CR. A byte order mark before a line is skipped. No state beyond struct tg_pem.
 */
#ifndef TG_LOADER_PEM_H
#define TG_LOADER_PEM_H

#include "loader/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum tg_read_result {
	TG_READ_OK,
	TG_READ_UNFINISHED, /* cut or damaged: it may be being written */
	TG_READ_PASSPHRASE, /* no passphrase, or the wrong one */
	TG_READ_BAD,
	TG_READ_NO_MEMORY,
};

struct tg_pem {
	struct tg_arena *arena;
	const unsigned char *at;
	const unsigned char *end;
	int line;           /* of `at`, from 1 */
	const char *reason; /* of the newest fault, in words */
};

struct tg_pem_block {
	const char *label;   /* "CERTIFICATE" */
	const char *what;    /* "the CERTIFICATE on line 12" */
	const char *headers; /* RFC 1421, one a line; "": none */
	unsigned char *data; /* its base64 decoded, never empty */
	size_t size;
};

void tg_pem_init(struct tg_pem *pem, struct tg_arena *arena, const unsigned char *bytes, size_t size);

/*
 * The next block up to its first line: label and what. TG_READ_OK with *ret_end: there is none, and nothing but text was
 * left. On a fault, here and below, pem->reason says which.
 */
enum tg_read_result tg_pem_begin(struct tg_pem *pem, struct tg_pem_block *ret, bool *ret_end);

/* The rest of it, in memory of the arena. */
enum tg_read_result tg_pem_body(struct tg_pem *pem, struct tg_pem_block *block);

/* True where some line begins a PEM block, or nearly does. */
bool tg_pem_probable(const unsigned char *bytes, size_t size);

#endif
