/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/mapped.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* "START-END PERMS OFFSET DEV INODE   PATH"; false for what is no file. */
static bool parse_line(char *line, struct tg_mapped_file *ret)
{
	static const char gone[] = " (deleted)";
	char access[5];
	unsigned int major_number, minor_number;
	unsigned long inode;
	struct tg_mapped_file file = {0};
	size_t length;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*x-%*x %4s %*x %x:%x %lu %n", access, &major_number, &minor_number, &inode, &at) != 4 ||
	    at == 0 || line[at] != '/')
		return false;
	file.path = line + at;
	length = strlen(file.path);
	if (length > sizeof(gone) - 1 && strcmp(file.path + length - (sizeof(gone) - 1), gone) == 0) {
		file.path[length - (sizeof(gone) - 1)] = '\0';
		file.deleted = true;
	}
	file.device = makedev(major_number, minor_number);
	file.inode = inode;
	file.code = access[2] == 'x';
	*ret = file;
	return true;
}

static int add_file(struct tg_mapped *mapped, const struct tg_mapped_file *file)
{
	struct tg_mapped_file *grown;
	char *path;

	for (size_t i = 0; i < mapped->count; i++) {
		if (mapped->files[i].inode == file->inode && strcmp(mapped->files[i].path, file->path) == 0) {
			mapped->files[i].code = mapped->files[i].code || file->code;
			return 0;
		}
	}
	grown = reallocarray(mapped->files, mapped->count + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	mapped->files = grown;
	path = strdup(file->path);
	if (path == NULL)
		return -ENOMEM;
	grown[mapped->count] = *file;
	grown[mapped->count++].path = path;
	return 0;
}

int tg_mapped_read(pid_t pid, struct tg_mapped *ret)
{
	struct tg_mapped mapped = {0};
	char path[64];
	char *line = NULL;
	size_t size = 0;
	int result = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return -errno;
	errno = 0;
	while (result == 0 && getline(&line, &size, maps) > 0) {
		struct tg_mapped_file file;

		if (parse_line(line, &file))
			result = add_file(&mapped, &file);
	}
	if (result == 0 && ferror(maps))
		result = errno != 0 ? -errno : -EIO;
	free(line);
	fclose(maps);
	if (result < 0) {
		tg_mapped_free(&mapped);
		return result;
	}
	*ret = mapped;
	return 0;
}

void tg_mapped_free(struct tg_mapped *mapped)
{
	for (size_t i = 0; i < mapped->count; i++)
		free(mapped->files[i].path);
	free(mapped->files);
	*mapped = (struct tg_mapped){0};
}

static const struct tg_mapped_file *find_file(const struct tg_mapped *mapped, const char *name, bool code)
{
	for (size_t i = 0; i < mapped->count; i++) {
		const char *slash = strrchr(mapped->files[i].path, '/');

		if (slash != NULL && strncmp(slash + 1, name, strlen(name)) == 0 && (!code || mapped->files[i].code))
			return &mapped->files[i];
	}
	return NULL;
}

const struct tg_mapped_file *tg_mapped_named(const struct tg_mapped *mapped, const char *name)
{
	return find_file(mapped, name, false);
}

const struct tg_mapped_file *tg_mapped_code(const struct tg_mapped *mapped, const char *name)
{
	return find_file(mapped, name, true);
}
