/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The installed places relative to the folder of this program, and those of the build tree. */
static const char *const shims[] = {TLSGRAFT_SHIM_RELATIVE, "../lib/libtlsgraft.so"};
static const char *const keepers[] = {TLSGRAFT_KEEPER_RELATIVE, "../libexec/tlsgraft/tlsgraft-keeper"};

static int find_installed(const char *const places[2], char ret[PATH_MAX])
{
	char self[PATH_MAX];
	char *slash;
	const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		return -errno;
	self[length] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return -ENOENT;
	slash[1] = '\0';
	for (int i = 0; i < 2; i++) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s%s", self, places[i]) >= (int)sizeof(path))
			continue;
		if (realpath(path, ret) != NULL)
			return 0;
		strcpy(ret, path);
	}
	return -ENOENT;
}

int tg_path_shim(char ret[PATH_MAX])
{
	return find_installed(shims, ret);
}

int tg_path_keeper(char ret[PATH_MAX])
{
	return find_installed(keepers, ret);
}
