/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses listen addresses and host names. Makes no DNS queries, keeps no state; safe in any thread.
 */
#ifndef TG_LOADER_ADDRESS_H
#define TG_LOADER_ADDRESS_H

#include "ipc/policy.h"
#include "loader/arena.h"

#include <stdbool.h>

/* "ADDR:PORT", "[v6]:PORT" or "*:PORT"; a v4-mapped IPv6 address becomes IPv4. Returns NULL on success, else the fault. */
const char *tg_address_parse(const char *text, struct tg_address *ret);
bool tg_address_equal(const struct tg_address *a, const struct tg_address *b);

/*
 * Parses `length` bytes of `text` as one host name as a client may send it in SNI (RFC 6066, section 3). The result is in
 * `arena`: lower-case, without a trailing dot, and for a wildcard without its "*.". Leaves ret->policy unchanged. Returns
 * NULL on success, else the fault.
 */
const char *tg_hostname_parse(struct tg_arena *arena, const char *text, size_t length, struct tg_name *ret);

#endif
