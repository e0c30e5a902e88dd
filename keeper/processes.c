/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/processes.h"

#include "ipc/tree.h"
#include "keeper/escape.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAPPINGS_MAX 8
#define ANCESTORS_MAX 8

/* "START-END rwxs OFFSET DEV INODE   /memfd:NAME (deleted)"; only the first page of a memory names it. */
static bool parse_line(char *line, struct tg_mapping *ret)
{
	static const char prefix[] = "/memfd:";
	unsigned long long start, end, offset;
	char access[5];
	struct tg_mapping mapping = {0};
	char *name = strstr(line, prefix);
	char *tail;

	if (name == NULL || sscanf(line, "%llx-%llx %4s %llx", &start, &end, access, &offset) != 4 || offset != 0)
		return false;
	name += sizeof(prefix) - 1;
	tail = strchr(name, ' ');
	if (tail != NULL)
		*tail = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (strncmp(name, TG_REPORT_NAME, strlen(TG_REPORT_NAME)) == 0) {
		mapping.report = true;
		name += strlen(TG_REPORT_NAME);
	} else if (strncmp(name, TG_POLICY_NAME, strlen(TG_POLICY_NAME)) == 0) {
		name += strlen(TG_POLICY_NAME);
	} else {
		return false;
	}
	if (!tg_tree_valid(name))
		return false;
	memcpy(mapping.tree, name, sizeof(mapping.tree));
	mapping.writable = access[1] == 'w';
	mapping.start = start;
	mapping.end = end;
	*ret = mapping;
	return true;
}

int tg_process_mappings(pid_t pid, struct tg_mapping *ret, int capacity)
{
	char path[64];
	char *line = NULL;
	size_t size = 0;
	int count = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return -errno;
	errno = 0;
	while (count < capacity && getline(&line, &size, maps) > 0)
		if (parse_line(line, &ret[count]))
			count++;
	/* a foreign process may open, and only then refuse to be read */
	if (count == 0 && ferror(maps))
		count = errno != 0 ? -errno : -EIO;
	free(line);
	fclose(maps);
	return count;
}

pid_t tg_process_parent(pid_t pid)
{
	char path[64];
	char text[1024];
	size_t length;
	const char *state;
	int parent = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat = fopen(path, "re");
	if (stat == NULL)
		return 0;
	length = fread(text, 1, sizeof(text) - 1, stat);
	fclose(stat);
	text[length] = '\0';
	/* "PID (COMM) STATE PPID": COMM may hold anything, so from the last parenthesis on */
	state = strrchr(text, ')');
	if (state == NULL || sscanf(state, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

bool tg_process_in_tree(pid_t pid, const char *tree)
{
	for (int generations = 0; generations < ANCESTORS_MAX && pid > 0; generations++) {
		struct tg_mapping mappings[MAPPINGS_MAX] = {0};
		const int count = tg_process_mappings(pid, mappings, MAPPINGS_MAX);

		for (int i = 0; i < count; i++)
			if (mappings[i].report && mappings[i].writable && strcmp(mappings[i].tree, tree) == 0)
				return true;
		if (count != -EACCES && count != -EPERM)
			return false;
		pid = tg_process_parent(pid);
	}
	return false;
}

void tg_process_exe(pid_t pid, char *ret, size_t size)
{
	char link[64];
	char path[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	length = readlink(link, path, sizeof(path) - 1);
	path[length < 0 ? 0 : length] = '\0';
	tg_escape(path, ret, size);
}
