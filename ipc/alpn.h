/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of protocol names as ALPN has them on the wire (RFC 7301, section 3.1): each name behind its length of one byte,
 * without the length of the whole in front. Pure functions over memory of the caller's.
 */
#ifndef TG_IPC_ALPN_H
#define TG_IPC_ALPN_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>

#define TG_ALPN_NAME_MAX 255
#define TG_ALPN_LIST_MAX 65535 /* the length of a list has two bytes */

/* True of one name or more, none of them empty, that fill the list exactly. */
bool tg_alpn_is_list(struct tg_span list);

/* The next name of a list that is one, *at bytes into it; false at its end. *at begins with 0. */
bool tg_alpn_next(struct tg_span list, size_t *at, struct tg_span *ret_name);

/* The first name of `ours` that is among `theirs`; false where there is none, or `theirs` is no list. */
bool tg_alpn_select(struct tg_span ours, struct tg_span theirs, struct tg_span *ret_name);

/* True where `name` is in `list`. */
bool tg_alpn_holds(struct tg_span list, struct tg_span name);

#endif
