/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 with 64 bits of result: a short keyed hash for where no libcrypto may be had.
 */
#ifndef TG_IPC_SIPHASH_H
#define TG_IPC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define TG_SIPHASH_KEY_SIZE 16

uint64_t tg_siphash(const unsigned char key[TG_SIPHASH_KEY_SIZE], const unsigned char *data, size_t size);

#endif
