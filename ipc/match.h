/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does one name of a client's certificate satisfy one allow rule, and whose are a host name and an address? Pure functions
 * over bytes, shared by the shim and the loader. `data` need not be NUL-terminated; a NUL inside or invalid UTF-8 matches
 * nothing.
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

/* The route of connections to this local address, v4-mapped IPv6 reduced to IPv4: the most specific; NULL: none. */
const struct tg_route *tg_route_at(const struct tg_document *document, const struct tg_address *local);

/* How much a mode demands of clients, to compare: off 0 … mutual 4. */
int tg_mode_strictness(enum tg_mode mode);

/* RFC 3629, with surrogates, overlong forms and NUL refused. */
bool tg_utf8_valid(const unsigned char *data, size_t size);

#endif
