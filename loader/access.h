/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges who may read a file that holds a secret, by mode, owner, group, ACL and mount together.
 *
 * The mode alone is not enough, because of how platforms pass secrets to services. systemd's LoadCredential= makes files
 * 0400 with an ACL for the unit's user, whose mask shows as 0440. Kubernetes' fsGroup makes files of root with mode 0440.
 * Both are on mounts where chmod is impossible.
 */
#ifndef TG_LOADER_ACCESS_H
#define TG_LOADER_ACCESS_H

#include "loader/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TG_ACL_SIZE 1028 /* bytes of the ACL that are read: 128 entries */

/* Properties of an open file that stat(2) does not give. */
struct tg_access {
	bool read_only; /* the mount is read-only: the mode cannot be changed */
	bool acl_unknown;
	size_t acl_size; /* 0: none */
	unsigned char acl[TG_ACL_SIZE];
};

/* Users who may hold the keys beside root and the effective user, with their primary groups. */
struct tg_key_users {
	struct tg_key_user {
		const char *name;
		uid_t user;
		gid_t group;
	} * list;
	size_t count;
};

void tg_access_read(int fd, const struct stat *status, struct tg_access *ret);

/* Looks up the user `name` and adds it, in `arena`. Skips an unknown user: the caller reports it. False: no memory. */
bool tg_key_users_add(struct tg_arena *arena, struct tg_key_users *key_users, const char *name);

/*
 * Returns NULL if only root, the effective user and `key_users` can read or write the file. Otherwise returns a text, in
 * `arena`, that names the fault and its remedy. If the file is good, *ret_note names those who may read it beside its
 * owner, or is NULL.
 */
const char *tg_access_fault(struct tg_arena *arena, const struct stat *status, const struct tg_access *access,
			    const struct tg_key_users *key_users, const char **ret_note);

#endif
