/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS implementations inside one ELF file: by its symbols, and where it was stripped by texts that every build of them
 * carries.
 */
#ifndef TG_CLI_COPIES_H
#define TG_CLI_COPIES_H

#include "cli/elf_file.h"

#include <stdbool.h>
#include <stddef.h>

#define TG_COPIES_MAX 8
#define TG_COPY_TEXT_SIZE 96

struct tg_copy {
	const char *name;                /* "OpenSSL", "BoringSSL", "rustls" ... */
	char version[TG_COPY_TEXT_SIZE]; /* as it stands in the file; "": not told */
	bool is_libssl;                  /* has the functions that the shim hooks, out of its reach */
};

/* What `elf` holds, at most TG_COPIES_MAX. Reads the whole file. */
size_t tg_copies_find(const struct tg_elf *elf, struct tg_copy ret[TG_COPIES_MAX]);

/* "OpenSSL 3.0.17 1 Jul 2025" from the bytes of libssl's own or libcrypto's file; false where it is not there. */
bool tg_copies_version(const struct tg_elf *elf, const char *before, char ret[TG_COPY_TEXT_SIZE]);

#endif
