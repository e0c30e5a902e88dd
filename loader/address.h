/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server is reached by: listen addresses and host names. Nothing is looked up; no state.
 */
#ifndef TG_LOADER_ADDRESS_H
#define TG_LOADER_ADDRESS_H

#include "ipc/policy.h"
#include "loader/arena.h"

#include <stdbool.h>

/* "ADDR:PORT", "[v6]:PORT" or "*:PORT"; a v4-mapped IPv6 address becomes IPv4. NULL, or why not. */
const char *tg_address_parse(const char *text, struct tg_address *ret);
bool tg_address_equal(const struct tg_address *a, const struct tg_address *b);

/*
 * One host name as a client may send it in SNI (RFC 6066 3): lower-cased into `arena`, without a trailing dot, a wildcard
 * without its "*.". `length` bytes of `text`. The policy index is left alone. NULL, or why not.
 */
const char *tg_hostname_parse(struct tg_arena *arena, const char *text, size_t length, struct tg_name *ret);

#endif
