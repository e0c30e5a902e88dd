/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may read a file that holds a secret: mode, owner, group, ACL and mount, judged together.
 *
 * Platforms hand secrets over in ways that a mode alone does not tell: systemd's LoadCredential= as 0400 with an ACL for
 * the unit's user, whose mask shows as 0440, and Kubernetes' fsGroup as root's with 0440, both on mounts where no chmod
 * is possible.
 */
#ifndef TG_LOADER_ACCESS_H
#define TG_LOADER_ACCESS_H

#include "loader/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TG_ACL_SIZE 1028 /* bytes of the ACL that is looked at: 128 entries */

/* What an open descriptor tells beside its stat(2). */
struct tg_access {
	bool read_only; /* the mount: nobody can change who may read */
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

/* Looks `name` up and adds it, in `arena`; one that is unknown is left out, for others to complain of. False: no memory. */
bool tg_key_users_add(struct tg_arena *arena, struct tg_key_users *key_users, const char *name);

/*
 * Why others than root, the effective user and `key_users` may read or write the file, with what to do about it, in
 * `arena`; NULL: they may not. *ret_note is set, where the file is good, to who may read it beside its owner, or to NULL.
 */
const char *tg_access_fault(struct tg_arena *arena, const struct stat *status, const struct tg_access *access,
			    const struct tg_key_users *key_users, const char **ret_note);

#endif
