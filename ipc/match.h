/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matches names of client certificates against allow rules, and host names and addresses against sections. These are pure
 * functions over bytes, shared by the shim and the loader. `data` need not end in NUL; data with a NUL inside or invalid
 * UTF-8 matches nothing.
 */
#ifndef TG_IPC_MATCH_H
#define TG_IPC_MATCH_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>

/* `kind` is the kind of name that `data` is; IP: 4 or 16 bytes in network order; SHA256: 32 bytes. */
bool tg_rule_matches(const struct tg_rule *rule, enum tg_rule_kind kind, const unsigned char *data, size_t size);

/*
 * Host name of a ClientHello against a name of an [sni] section: -1 no match, 0 exact, 1 wildcard. `host` is lower-case
 * without a trailing dot (tg_host_normalise).
 */
int tg_name_matches(const struct tg_name *name, const char *host);

/*
 * Lower-cases `size` bytes into `ret` (capacity bytes, NUL-terminated) and drops one trailing dot. False where it does not
 * fit, is empty, or holds a NUL or anything outside printable ASCII (RFC 6066 section 3 wants A-labels).
 */
bool tg_host_normalise(const unsigned char *data, size_t size, char *ret, size_t capacity);

/* The most specific route for connections to this local address, with v4-mapped IPv6 as IPv4; NULL: none. */
const struct tg_route *tg_route_at(const struct tg_document *document, const struct tg_address *local);

/* A number to compare modes by what they demand of clients: off is 0, mutual is 4. */
int tg_mode_strictness(enum tg_mode mode);

/* True for UTF-8 as RFC 3629, section 3, defines it, without surrogates, overlong forms and NUL. */
bool tg_utf8_valid(const unsigned char *data, size_t size);

#endif
