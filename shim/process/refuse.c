/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/refuse.h"

#include "shim/binding/libc.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* This object's own header, placed by the linker: what a program must be made for to load it. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static char **named;
static _Atomic size_t named_count; /* set after `named`: other threads may be starting programs */

int tg_refuse_start(char *const *paths, size_t count)
{
	char **copies;

	if (count == 0)
		return 0;
	copies = calloc(count, sizeof(*copies));
	if (!copies)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		copies[i] = strdup(paths[i]);
		if (!copies[i]) {
			while (i-- > 0)
				free(copies[i]);
			free(copies);
			return -ENOMEM;
		}
	}
	named = copies;
	named_count = count;
	return 0;
}

static bool is_named(const struct stat *file)
{
	struct stat other;

	for (size_t i = 0; i < named_count; i++)
		if (stat(named[i], &other) == 0 && other.st_dev == file->st_dev && other.st_ino == file->st_ino)
			return true;
	return false;
}

static bool has_interpreter(int fd, const ElfW(Ehdr) * header)
{
	for (unsigned i = 0; i < header->e_phnum; i++) {
		ElfW(Phdr) segment;

		if (pread(fd, &segment, sizeof(segment), (off_t)(header->e_phoff + i * sizeof(segment))) != sizeof(segment))
			return false;
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static const char *look_at_program(int fd)
{
	ElfW(Ehdr) header;

	/* Scripts are their interpreter's affair. */
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return NULL;
	if (header.e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] || header.e_machine != __ehdr_start.e_machine)
		return "it is a program for another architecture";
	return has_interpreter(fd, &header) ? NULL : "it is linked statically";
}

static const char *look_at_file(int fd)
{
	struct stat file;

	if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || !is_named(&file))
		return NULL;
	if (file.st_mode & S_ISUID)
		return "it is set-user-ID";
	if ((file.st_mode & S_ISGID) && (file.st_mode & S_IXGRP))
		return "it is set-group-ID";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "it has file capabilities";
	return look_at_program(fd);
}

const char *tg_refuse_reason(int directory, const char *path)
{
	int saved_errno = errno;
	const char *reason = NULL;

	if (named_count > 0 && path) {
		int fd = path[0] ? openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : directory;

		if (fd >= 0)
			reason = look_at_file(fd);
		tg_libc_bind();
		if (fd >= 0 && path[0])
			tg_libc.close(fd);
	}
	errno = saved_errno;
	return reason;
}

/* execvp goes on where a file may not be executed; so does this. */
const char *tg_refuse_search(const char *file)
{
	const char *list = getenv("PATH");
	const char *reason = NULL;
	int saved_errno = errno;

	if (named_count == 0 || !file || strchr(file, '/'))
		return tg_refuse_reason(AT_FDCWD, file);
	if (!list)
		list = "/bin:/usr/bin";
	for (;;) {
		char path[PATH_MAX];
		size_t length = strcspn(list, ":");

		if (snprintf(path, sizeof(path), "%.*s%s%s", (int)length, list, length > 0 ? "/" : "", file) < PATH_MAX &&
		    access(path, X_OK) == 0) {
			reason = tg_refuse_reason(AT_FDCWD, path);
			break;
		}
		if (!list[length])
			break;
		list += length + 1;
	}
	errno = saved_errno;
	return reason;
}
