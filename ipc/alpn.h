/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of ALPN protocol names in wire format (RFC 7301, section 3.1): each name follows a length of one byte. The length
 * of the whole list, two bytes on the wire, is left out. These are pure functions; results point into the caller's lists.
 */
#ifndef TG_IPC_ALPN_H
#define TG_IPC_ALPN_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>

#define TG_ALPN_NAME_MAX 255
#define TG_ALPN_LIST_MAX 65535 /* the length of a list has two bytes */

/* True if the list is well-formed: at least one name, no empty name, no bytes left over. */
bool tg_alpn_is_list(struct tg_span list);

/* Reads the name at offset *at of a well-formed list and advances *at, which begins with 0. False at the end. */
bool tg_alpn_next(struct tg_span list, size_t *at, struct tg_span *ret_name);

/* Finds the first name of `ours` that is also in `theirs`. False if there is none or `theirs` is malformed. */
bool tg_alpn_select(struct tg_span ours, struct tg_span theirs, struct tg_span *ret_name);

/* True if `name` is in `list`. */
bool tg_alpn_holds(struct tg_span list, struct tg_span name);

#endif
