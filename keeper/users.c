/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/users.h"

#include <errno.h>
#include <pwd.h>

static int add_user(const char *name, uid_t ids[TG_USERS_MAX], int count)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(name);
	if (entry == NULL)
		return errno == 0 || errno == ENOENT || errno == ESRCH || errno == EBADF || errno == EPERM ? -ENOENT
													   : -errno;
	if (count == TG_USERS_MAX)
		return -E2BIG;
	ids[count] = entry->pw_uid;
	return count + 1;
}

int tg_users_resolve(const struct tg_settings *settings, const char *extra, uid_t ret[TG_USERS_MAX], const char **ret_bad)
{
	int count = 0;

	for (size_t i = 0; i < settings->user_count; i++) {
		count = add_user(settings->users[i], ret, count);
		if (count < 0) {
			*ret_bad = settings->users[i];
			return count;
		}
	}
	if (extra != NULL) {
		count = add_user(extra, ret, count);
		if (count < 0)
			*ret_bad = extra;
	}
	return count;
}
