/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/find.h"

#include "cli/ask.h"
#include "ipc/tree.h"
#include "keeper/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPINGS_MAX 8

/* The tree whose report `pid` maps as an attached process does, else any whose memory it maps. */
static bool tree_mapped(const struct tg_mapping *mappings, int count, struct tg_found *ret)
{
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < count; i++) {
			if (pass == 0 && !(mappings[i].report && mappings[i].writable))
				continue;
			memcpy(ret->tree, mappings[i].tree, sizeof(ret->tree));
			return true;
		}
	}
	return false;
}

/* TLSGRAFT_KEEPER of the environment that `pid` was executed with. */
static bool tree_named(pid_t pid, struct tg_found *ret)
{
	static const char name[] = "TLSGRAFT_KEEPER=";
	char path[64];
	char *entry = NULL;
	size_t size = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (!found && getdelim(&entry, &size, '\0', file) > 0) {
		const char *value = entry + sizeof(name) - 1;

		if (strncmp(entry, name, sizeof(name) - 1) == 0 && tg_tree_valid(value)) {
			strcpy(ret->tree, value);
			found = true;
		}
	}
	free(entry);
	fclose(file);
	return found;
}

static int add_found(struct tg_found **list, size_t *count, const struct tg_found *found)
{
	struct tg_found *grown;

	for (size_t i = 0; i < *count; i++) {
		if (strcmp((*list)[i].tree, found->tree) == 0) {
			if ((*list)[i].member == 0)
				(*list)[i].member = found->member;
			return 0;
		}
	}
	grown = reallocarray(*list, *count + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	*list = grown;
	grown[(*count)++] = *found;
	return 0;
}

/* Adds the trees whose sockets the network namespace of `pid` (0: this one) has; abstract names are shown with an "@". */
static int sockets_of(pid_t pid, struct tg_found **list, size_t *count)
{
	static const char prefix[] = "@" TG_SOCKET_PREFIX;
	char path[64] = "/proc/self/net/unix";
	char line[512];
	int result = 0;
	FILE *table;

	if (pid != 0)
		snprintf(path, sizeof(path), "/proc/%d/net/unix", (int)pid);
	table = fopen(path, "re");
	if (table == NULL)
		return 0;
	while (result == 0 && fgets(line, sizeof(line), table) != NULL) {
		struct tg_found found = {.member = pid};
		const char *name = strstr(line, prefix);

		if (name == NULL)
			continue;
		line[strcspn(line, "\n")] = '\0';
		name += sizeof(prefix) - 1;
		if (!tg_tree_valid(name))
			continue;
		strcpy(found.tree, name);
		result = add_found(list, count, &found);
	}
	fclose(table);
	return result;
}

/* The tree that `pid` or its parent keeps: a keeper cannot be looked into by its own user, so its socket is asked. */
static bool tree_kept(pid_t pid, struct tg_found *ret)
{
	const pid_t parent = tg_process_parent(pid);
	struct tg_found *list = NULL;
	size_t count = 0;
	bool found = false;

	sockets_of(pid, &list, &count);
	for (size_t i = 0; i < count && !found; i++) {
		pid_t keeper;

		if (tg_ask_keeper(list[i].tree, pid, &keeper) == 0 && (keeper == pid || keeper == parent)) {
			*ret = list[i];
			found = true;
		}
	}
	free(list);
	return found;
}

int tg_find_tree(pid_t pid, struct tg_found *ret)
{
	struct tg_mapping mappings[MAPPINGS_MAX];
	struct tg_found found = {.member = pid};
	const int count = tg_process_mappings(pid, mappings, MAPPINGS_MAX);

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return -ESRCH;
	if (!tree_mapped(mappings, count, &found) && !tree_kept(pid, &found) && !tree_named(pid, &found))
		/* it lives, so without its folder in /proc it is hidden (hidepid in proc(5)) */
		return count < 0 ? -EACCES : -ENOENT;
	*ret = found;
	return 0;
}

ssize_t tg_find_all(struct tg_found **ret)
{
	struct tg_found *list = NULL;
	const struct dirent *entry;
	size_t count = 0;
	int result = 0;
	DIR *folder = opendir("/proc");

	if (folder == NULL)
		return -errno;
	while (result == 0 && (entry = readdir(folder)) != NULL) {
		struct tg_mapping mappings[MAPPINGS_MAX];
		const pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
		const int maps = pid > 0 ? tg_process_mappings(pid, mappings, MAPPINGS_MAX) : 0;

		for (int i = 0; i < maps && result == 0; i++) {
			struct tg_found found = {.member = pid};

			memcpy(found.tree, mappings[i].tree, sizeof(found.tree));
			if (mappings[i].report && mappings[i].writable)
				result = add_found(&list, &count, &found);
		}
	}
	closedir(folder);
	/* trees of processes that may not be looked into */
	if (result == 0)
		result = sockets_of(0, &list, &count);
	if (result < 0) {
		free(list);
		return result;
	}
	*ret = list;
	return (ssize_t)count;
}
