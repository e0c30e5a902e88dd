/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users whose programs may hold the keys, beside root and the keeper's own.
 */
#ifndef TG_KEEPER_USERS_H
#define TG_KEEPER_USERS_H

#include "loader/identity.h"

#include <stddef.h>
#include <sys/types.h>

#define TG_USERS_MAX 64

/*
 * Looks up the users of `user =` and `extra` (may be NULL) in the system's user database. Returns how many ids are in
 * `ret`, or a negative errno with *ret_bad the name at fault: -ENOENT where the system does not know it, -E2BIG where there
 * are too many.
 */
int tg_users_resolve(const struct tg_settings *settings, const char *extra, uid_t ret[TG_USERS_MAX], const char **ret_bad);

#endif
