/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/access.h"

#include "ipc/user.h"

#include <endian.h>
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The value of system.posix_acl_access: a version, then entries, all little-endian (linux/posix_acl_xattr.h). */
#define ACL_VERSION 2u
#define ACL_HEAD 4u
#define ACL_ENTRY 8u
#define READ 4u
enum acl_tag { TAG_USER = 0x02, TAG_GROUP_OBJ = 0x04, TAG_GROUP = 0x08, TAG_MASK = 0x10 };

#define NAMED_SIZE 1024

void tg_access_read(int fd, const struct stat *status, struct tg_access *ret)
{
	struct statvfs mount;
	ssize_t size;

	*ret = (struct tg_access){.read_only = fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0};
	/* an ACL that lets anybody in shows as bits of the group: they are its mask (acl(5)) */
	if ((status->st_mode & 070) == 0)
		return;
	size = fgetxattr(fd, "system.posix_acl_access", ret->acl, sizeof(ret->acl));
	if (size > 0)
		ret->acl_size = (size_t)size;
	else if (size < 0 && errno != ENODATA && errno != ENOTSUP)
		ret->acl_unknown = true;
}

bool tg_key_users_add(struct tg_arena *arena, struct tg_key_users *key_users, const char *name)
{
	struct passwd entry, *found = NULL;
	char text[NAMED_SIZE * 16];
	struct tg_key_user *grown;

	if (getpwnam_r(name, &entry, text, sizeof(text), &found) != 0 || !found)
		return true;
	grown = tg_arena_alloc(arena, (key_users->count + 1) * sizeof(*grown));
	if (!grown)
		return false;
	if (key_users->count > 0)
		memcpy(grown, key_users->list, key_users->count * sizeof(*grown));
	grown[key_users->count] = (struct tg_key_user){tg_arena_text(arena, name), found->pw_uid, found->pw_gid};
	key_users->list = grown;
	key_users->count++;
	return grown[key_users->count - 1].name != NULL;
}

static const struct tg_key_user *key_user_of(const struct tg_key_users *key_users, uid_t user)
{
	for (size_t i = 0; i < key_users->count; i++)
		if (tg_user_same(key_users->list[i].user, user))
			return &key_users->list[i];
	return NULL;
}

static bool user_may(const struct tg_key_users *key_users, uid_t user)
{
	return tg_user_trusted(user) || key_user_of(key_users, user) != NULL;
}

/* Root needs no group in order to read, so what root's own group may serves others alone. */
static bool group_may(const struct tg_key_users *key_users, gid_t group)
{
	if (tg_group_is_anybody(group))
		return false;
	if (geteuid() != 0 && group == getegid())
		return true;
	for (size_t i = 0; i < key_users->count; i++)
		if (key_users->list[i].group == group)
			return true;
	return false;
}

struct acl_entry {
	unsigned int tag;
	unsigned int permissions;
	uint32_t id;
};

static struct acl_entry acl_entry(const struct tg_access *access, size_t index)
{
	const unsigned char *at = access->acl + ACL_HEAD + index * ACL_ENTRY;
	uint16_t tag, permissions;
	uint32_t id;

	memcpy(&tag, at, sizeof(tag));
	memcpy(&permissions, at + 2, sizeof(permissions));
	memcpy(&id, at + 4, sizeof(id));
	return (struct acl_entry){le16toh(tag), le16toh(permissions), le32toh(id)};
}

static bool acl_known(const struct tg_access *access)
{
	uint32_t version;

	if (access->acl_unknown || access->acl_size < ACL_HEAD || (access->acl_size - ACL_HEAD) % ACL_ENTRY != 0)
		return false;
	memcpy(&version, access->acl, sizeof(version));
	return le32toh(version) == ACL_VERSION;
}

/* Who reads, gathered entry by entry. */
struct readers {
	struct tg_arena *arena;
	const struct tg_key_users *key_users;
	bool read_only;
	const char *fault;
	const char *note;
};

/* One user or group who may read: fine, or the first fault. A read-only mount was made by whoever may read all of it. */
static void judge_reader(struct readers *readers, const char *who, bool may, const char *cure)
{
	if (readers->fault)
		return;
	if (!may && !readers->read_only)
		readers->fault = tg_arena_format(readers->arena,
						 "holds a secret that %s may read: %s, or name in [tlsgraft] user or by "
						 "--user who is meant to",
						 who, cure);
	else
		readers->note = tg_arena_format(readers->arena, "%s%s%s", readers->note ? readers->note : "",
						readers->note ? ", " : "", who);
}

static void judge_acl(struct readers *readers, const struct stat *status, const struct tg_access *access)
{
	const size_t count = (access->acl_size - ACL_HEAD) / ACL_ENTRY;
	unsigned int mask = 7;

	for (size_t i = 0; i < count; i++)
		if (acl_entry(access, i).tag == TAG_MASK)
			mask = acl_entry(access, i).permissions;
	for (size_t i = 0; i < count; i++) {
		const struct acl_entry entry = acl_entry(access, i);
		const unsigned int granted = entry.permissions & mask;

		if (granted == 0 || (entry.tag != TAG_USER && entry.tag != TAG_GROUP && entry.tag != TAG_GROUP_OBJ))
			continue;
		if (granted & ~READ)
			readers->fault =
			    "holds a secret, and its ACL lets others do more than read it: setfacl -b, chmod 600";
		else if (entry.tag == TAG_USER)
			judge_reader(readers, tg_arena_format(readers->arena, "user %u of its ACL", entry.id),
				     user_may(readers->key_users, entry.id), "take the entry out with setfacl -x");
		else if (entry.tag == TAG_GROUP)
			judge_reader(readers, tg_arena_format(readers->arena, "group %u of its ACL", entry.id),
				     group_may(readers->key_users, entry.id), "take the entry out with setfacl -x");
		else
			judge_reader(readers, tg_arena_format(readers->arena, "group %u", status->st_gid),
				     group_may(readers->key_users, status->st_gid), "setfacl -m g::-");
	}
}

static const char *open_to_all(struct tg_arena *arena, const struct stat *status, bool read_only)
{
	const unsigned int mode = status->st_mode & 07777;

	if (read_only)
		return tg_arena_format(
		    arena,
		    "holds a secret and is accessible to others (mode %04o, on a read-only mount): have what "
		    "mounts it set mode 0400, or 0440 and a group (Kubernetes: defaultMode)",
		    mode);
	return tg_arena_format(arena, "holds a secret and is accessible to others (mode %04o): chmod 600", mode);
}

const char *tg_access_fault(struct tg_arena *arena, const struct stat *status, const struct tg_access *access,
			    const struct tg_key_users *key_users, const char **ret_note)
{
	const unsigned int mode = status->st_mode & 07777;
	struct readers readers = {.arena = arena, .key_users = key_users, .read_only = access->read_only};
	const char *owned = NULL;
	const char *read = NULL;

	*ret_note = NULL;
	if (mode & 037)
		return open_to_all(arena, status, access->read_only);
	if (!user_may(key_users, status->st_uid))
		return tg_arena_format(
		    arena,
		    "is owned by user %u, neither root nor user %u who reads it: chown it, or name that user "
		    "in [tlsgraft] user or by --user",
		    status->st_uid, geteuid());
	if (mode & 040) {
		if (access->acl_unknown || (access->acl_size > 0 && !acl_known(access)))
			return "holds a secret, and its ACL cannot be read: setfacl -b, chmod 600";
		if (access->acl_size > 0)
			judge_acl(&readers, status, access);
		else if (status->st_uid != 0 || !(access->read_only || group_may(key_users, status->st_gid)))
			return open_to_all(arena, status, access->read_only);
		else
			judge_reader(&readers, tg_arena_format(arena, "group %u", status->st_gid), true, "");
		if (readers.fault)
			return readers.fault;
	}
	if (!tg_user_trusted(status->st_uid))
		owned = tg_arena_format(arena, "is owned by user %s", key_user_of(key_users, status->st_uid)->name);
	if (readers.note)
		read = tg_arena_format(arena, "may be read by %s%s", readers.note,
				       access->read_only ? ", on a read-only mount" : "");
	*ret_note = owned && read ? tg_arena_format(arena, "%s and %s", owned, read) : owned ? owned : read;
	return NULL;
}
