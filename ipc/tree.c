/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/tree.h"

#include "ipc/calls.h"

#include "ipc/layout.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u /* younger than the C library's headers */
#endif

bool tg_tree_valid(const char *tree)
{
	return tree && strlen(tree) == TG_TREE_LENGTH && strspn(tree, "0123456789abcdef") == TG_TREE_LENGTH;
}

int tg_tree_name(const char *prefix, const char *tree, char ret[static TG_TREE_NAME_SIZE])
{
	const size_t length = strlen(prefix);

	if (!tg_tree_valid(tree) || length + TG_TREE_LENGTH >= TG_TREE_NAME_SIZE)
		return -EINVAL;
	memcpy(ret, prefix, length);
	memcpy(ret + length, tree, TG_TREE_LENGTH);
	ret[length + TG_TREE_LENGTH] = '\0';
	return (int)(length + TG_TREE_LENGTH);
}

int tg_tree_memfd(const char *prefix, const char *tree, size_t size)
{
	char name[TG_TREE_NAME_SIZE];
	int fd, error;

	error = tg_tree_name(prefix, tree, name);
	if (error < 0)
		return error;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size)) {
		error = -errno;
		tg_call_close(fd);
		return error;
	}
	return fd;
}
