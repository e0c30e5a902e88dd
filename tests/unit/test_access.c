/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/access.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OWN geteuid()
#define SERVER 4321
#define SERVER_GROUP 4322
#define OTHER_USER 5555

struct entry {
	uint16_t tag;
	uint16_t permissions;
	uint32_t id;
};

enum { OWNER = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

static struct tg_arena *arena;
static struct tg_key_user server = {"server", SERVER, SERVER_GROUP};
static const struct tg_key_users key_users = {&server, 1};
static const char *note;

static int start(void **state)
{
	(void)state;
	arena = tg_arena_new();
	return arena ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	tg_arena_free(arena);
	return 0;
}

static const char *judge(uid_t user, gid_t group, mode_t mode, const struct tg_access *access)
{
	const struct stat status = {.st_uid = user, .st_gid = group, .st_mode = S_IFREG | mode};

	return tg_access_fault(arena, &status, access, &key_users, &note);
}

static struct tg_access with_acl(const struct entry *entries, size_t count)
{
	struct tg_access access = {.acl_size = 4 + 8 * count, .acl = {2}};

	for (size_t i = 0; i < count; i++) {
		const uint16_t words[2] = {htole16(entries[i].tag), htole16(entries[i].permissions)};
		const uint32_t id = htole32(entries[i].id);

		memcpy(access.acl + 4 + 8 * i, words, sizeof(words));
		memcpy(access.acl + 8 + 8 * i, &id, sizeof(id));
	}
	return access;
}

static void owners(void **state)
{
	const struct tg_access none = {0};

	(void)state;
	assert_null(judge(0, 0, 0600, &none));
	assert_null(judge(OWN, 0, 0400, &none));
	assert_null(note);
	assert_null(judge(SERVER, SERVER_GROUP, 0600, &none));
	assert_string_equal(note, "is owned by user server");
	assert_non_null(strstr(judge(OTHER_USER, 0, 0600, &none), "is owned by user 5555, neither root nor"));
	/* what the server's user owns it may open to others at any time; it has not */
	assert_non_null(judge(SERVER, SERVER_GROUP, 0640, &none));
}

static void modes(void **state)
{
	const struct tg_access none = {0};
	const struct tg_access mounted = {.read_only = true};
	static const mode_t open_modes[] = {0644, 0604, 0601, 0602, 0660, 0650, 0620, 0777, 0444};

	(void)state;
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		assert_non_null(strstr(judge(0, SERVER_GROUP, open_modes[i], &none), "chmod 600"));
		assert_non_null(strstr(judge(0, SERVER_GROUP, open_modes[i], &mounted), "have what mounts it set mode"));
	}
}

static void groups(void **state)
{
	const struct tg_access none = {0};
	const struct tg_access mounted = {.read_only = true};

	(void)state;
	assert_null(judge(0, SERVER_GROUP, 0440, &none));
	assert_string_equal(note, "may be read by group 4322");
	assert_non_null(strstr(judge(0, OTHER_USER, 0440, &none), "(mode 0440): chmod 600"));
	assert_null(judge(0, OTHER_USER, 0440, &mounted));
	assert_string_equal(note, "may be read by group 5555, on a read-only mount");
	/* root reads without a group */
	if (OWN == 0)
		assert_non_null(judge(0, getegid(), 0440, &none));
}

static void lists(void **state)
{
	const struct entry named[] = {
	    {OWNER, 4, ~0u}, {USER, 4, SERVER}, {GROUP_OBJ, 0, ~0u}, {MASK, 4, ~0u}, {OTHER, 0, ~0u}};
	const struct entry others[] = {{OWNER, 4, ~0u}, {USER, 4, OTHER_USER}, {GROUP_OBJ, 0, ~0u}, {MASK, 4, ~0u}};
	const struct entry masked[] = {{USER, 6, SERVER}, {USER, 2, OTHER_USER}, {GROUP_OBJ, 4, ~0u}, {MASK, 4, ~0u}};
	const struct entry writing[] = {{USER, 6, SERVER}, {GROUP_OBJ, 0, ~0u}, {MASK, 6, ~0u}};
	const struct entry group[] = {{GROUP_OBJ, 0, ~0u}, {GROUP, 4, OTHER_USER}, {MASK, 4, ~0u}};
	struct tg_access access = with_acl(named, 5);

	(void)state;
	assert_null(judge(0, 0, 0440, &access));
	assert_string_equal(note, "may be read by user 4321 of its ACL");
	access = with_acl(others, 4);
	assert_non_null(
	    strstr(judge(0, 0, 0440, &access), "user 5555 of its ACL may read: take the entry out with setfacl -x"));
	access.read_only = true;
	assert_null(judge(0, 0, 0440, &access));
	/* the mask decides what an entry grants; the group of a file with an ACL has an entry like any other */
	access = with_acl(masked, 4);
	assert_null(judge(0, SERVER_GROUP, 0440, &access));
	assert_non_null(strstr(judge(0, OTHER_USER, 0440, &access), "group 5555 may read"));
	access = with_acl(group, 3);
	assert_non_null(strstr(judge(0, SERVER_GROUP, 0440, &access), "group 5555 of its ACL may read"));
	access = with_acl(writing, 3);
	assert_non_null(judge(0, 0, 0460, &access));
}

static void a_list_that_cannot_be_understood(void **state)
{
	const struct entry one[] = {{USER, 4, SERVER}};
	struct tg_access access = with_acl(one, 1);

	(void)state;
	access.acl[0] = 3;
	assert_non_null(strstr(judge(0, SERVER_GROUP, 0440, &access), "ACL cannot be read"));
	access = with_acl(one, 1);
	access.acl_size--;
	assert_non_null(strstr(judge(0, SERVER_GROUP, 0440, &access), "ACL cannot be read"));
	access = (struct tg_access){.acl_unknown = true};
	assert_non_null(strstr(judge(0, SERVER_GROUP, 0440, &access), "ACL cannot be read"));
}

static void key_users_are_looked_up(void **state)
{
	struct tg_key_users found = {0};

	(void)state;
	assert_true(tg_key_users_add(arena, &found, "root"));
	assert_true(tg_key_users_add(arena, &found, "no-such-user-of-this-machine"));
	assert_int_equal(found.count, 1);
	assert_int_equal(found.list[0].user, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(owners),
	    cmocka_unit_test(modes),
	    cmocka_unit_test(groups),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(a_list_that_cannot_be_understood),
	    cmocka_unit_test(key_users_are_looked_up),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
