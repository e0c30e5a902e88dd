/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares user and group ids from the kernel safely.
 *
 * In a user namespace the kernel shows one id, the overflow id, for every user that the namespace does not map: in peer
 * credentials and as owner of files alike (user_namespaces(7)). That id is "nobody" on most systems. A plain comparison
 * with it would accept any unmapped user of the host. So these functions treat the overflow id as no user at all, unless
 * the namespace maps every id to itself.
 *
 * The first call reads the map from /proc, once for each process. Without /proc, the common overflow id (65534) is assumed.
 * Thread-safe, not async-signal-safe.
 */
#ifndef TG_IPC_USER_H
#define TG_IPC_USER_H

#include <stdbool.h>
#include <sys/types.h>

/* True if the id is the overflow id, so that it may be any user or group that the namespace does not map. */
bool tg_user_is_anybody(uid_t user);
bool tg_group_is_anybody(gid_t group);

/* True if both are certainly the same user. */
bool tg_user_same(uid_t a, uid_t b);

/* True for root and for the effective user of this process. */
bool tg_user_trusted(uid_t user);

/* For tests: `map` is what uid_map would hold, `overflow` what overflowuid would. -1: none. */
long tg_user_overflow(const char *map, const char *overflow);

#endif
