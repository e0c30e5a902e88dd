/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `key_passphrase_file`: its first line decrypts the key of the nearest cert above it, and PKCS#12 files that `ca` of the
 * same section names.
 */
#ifndef TG_LOADER_PASSPHRASE_H
#define TG_LOADER_PASSPHRASE_H

#include "loader/load.h"

/* The passphrase in a file, in the arena; NULL: *ret_reason says why there is none. */
const char *tg_passphrase_of(struct tg_arena *arena, const struct tg_file *file, const char **ret_reason);

/* True where `ca` of this section names a PKCS#12 file, which a passphrase of the section may be for. */
bool tg_passphrase_for_ca(const struct tg_load *load, const struct tg_section *section);

/*
 * The passphrases that the files of `ca` or `crl` in this section may need, first NULL for those that need none. *ret_count
 * of them, in the arena; faults are messages. NULL where memory ran out.
 */
const char **tg_passphrases(struct tg_load *load, const struct tg_section *section, size_t *ret_count);

#endif
