/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom an id from the kernel stands for.
 *
 * A process in a user namespace is shown one id, the overflow user, for every user whom its namespace does not map: in
 * peer credentials and as owner of files alike (user_namespaces(7)). That id is "nobody" on most systems, so a comparison
 * with it would take any unmapped user of the host for the one who was meant. Here it is nobody's, unless the namespace
 * maps all ids as they are.
 *
 * Read from /proc once for each process, at the first call; without /proc the common overflow id counts. Thread-safe; not
 * for signal handlers.
 */
#ifndef TG_IPC_USER_H
#define TG_IPC_USER_H

#include <stdbool.h>
#include <sys/types.h>

/* True where the id may stand for any user, or group, that the namespace does not map. */
bool tg_user_is_anybody(uid_t user);
bool tg_group_is_anybody(gid_t group);

/* True where both are the same user for sure. */
bool tg_user_same(uid_t a, uid_t b);

/* Root, or this process's effective user. */
bool tg_user_trusted(uid_t user);

/* For tests: `map` is what uid_map would hold, `overflow` what overflowuid would. -1: none. */
long tg_user_overflow(const char *map, const char *overflow);

#endif
