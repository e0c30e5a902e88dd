/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process_facts.h"

#include "cli/mapped.h"
#include "keeper/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAPPINGS_MAX 8

static int read_status(pid_t pid, struct tg_process_facts *facts)
{
	char path[64];
	char line[256];
	struct stat status;
	unsigned int effective = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return errno == ESRCH ? -ENOENT : -errno;
	while (fgets(line, sizeof(line), file) != NULL) {
		int number;

		if (sscanf(line, "State: %c", &facts->state) == 1 || sscanf(line, "PPid: %d", &facts->parent) == 1 ||
		    sscanf(line, "Seccomp: %d", &facts->seccomp) == 1 || sscanf(line, "Uid: %*u %u", &effective) == 1)
			continue;
		if (sscanf(line, "NoNewPrivs: %d", &number) == 1)
			facts->no_new_privileges = number == 1;
	}
	/* the files of a process that may not be dumped are root's (proc(5)) */
	if (effective != 0 && fstat(fileno(file), &status) == 0)
		facts->not_dumpable = status.st_uid == 0;
	fclose(file);
	return 0;
}

/* The last component of the control group that is a service. */
static void read_unit(pid_t pid, struct tg_process_facts *facts)
{
	char path[64];
	char line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && facts->unit[0] == '\0' && fgets(line, sizeof(line), file) != NULL) {
		char *state = NULL;

		line[strcspn(line, "\n")] = '\0';
		for (char *part = strtok_r(line, "/", &state); part != NULL; part = strtok_r(NULL, "/", &state)) {
			const size_t length = strlen(part);

			if (length > 8 && length < sizeof(facts->unit) && strcmp(part + length - 8, ".service") == 0)
				strcpy(facts->unit, part);
		}
	}
	if (file != NULL)
		fclose(file);
}

int tg_process_facts(pid_t pid, struct tg_process_facts *ret)
{
	struct tg_process_facts facts = {0};
	struct tg_mapping mappings[MAPPINGS_MAX];
	struct tg_mapped mapped;
	const struct tg_mapped_file *file;
	int count;
	int result = read_status(pid, &facts);

	if (result < 0)
		return result;
	if (facts.state == 'Z' || facts.state == 'X') {
		*ret = facts;
		return 0;
	}
	result = tg_mapped_read(pid, &mapped);
	if (result < 0)
		return result == -ESRCH ? -ENOENT : result == -EPERM ? -EACCES : result;
	file = tg_mapped_code(&mapped, "libtlsgraft.so");
	facts.shim = file != NULL;
	facts.shim_as_data = file == NULL && tg_mapped_named(&mapped, "libtlsgraft.so") != NULL;
	facts.shim_deleted = file != NULL && file->deleted;
	file = tg_mapped_named(&mapped, "libssl.so");
	if (file != NULL) {
		snprintf(facts.libssl, sizeof(facts.libssl), "%s", file->path);
		facts.libssl_deleted = file->deleted;
	}
	tg_mapped_free(&mapped);
	count = tg_process_mappings(pid, mappings, MAPPINGS_MAX);
	for (int i = 0; i < count; i++)
		facts.holds = facts.holds || (mappings[i].report && mappings[i].writable);
	read_unit(pid, &facts);
	*ret = facts;
	return 0;
}

static bool in_list(const pid_t *list, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == pid)
			return true;
	return false;
}

ssize_t tg_process_descendants(const pid_t *roots, size_t count, pid_t **ret)
{
	struct {
		pid_t pid, parent;
	} *all = NULL;
	const struct dirent *entry;
	pid_t *found = NULL;
	size_t all_count = 0;
	size_t found_count = 0;
	bool more = true;
	DIR *folder = opendir("/proc");

	if (folder == NULL)
		return -errno;
	while ((entry = readdir(folder)) != NULL) {
		void *grown;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		grown = reallocarray(all, all_count + 1, sizeof(*all));
		if (grown == NULL)
			break;
		all = grown;
		all[all_count].pid = (pid_t)atoi(entry->d_name);
		all[all_count].parent = tg_process_parent(all[all_count].pid);
		all_count++;
	}
	closedir(folder);
	found = calloc(all_count + 1, sizeof(*found));
	for (int depth = 0; more && depth < 64 && found != NULL; depth++) {
		more = false;
		for (size_t i = 0; i < all_count; i++) {
			if (in_list(roots, count, all[i].pid) || in_list(found, found_count, all[i].pid) ||
			    (!in_list(roots, count, all[i].parent) && !in_list(found, found_count, all[i].parent)))
				continue;
			found[found_count++] = all[i].pid;
			more = true;
		}
	}
	free(all);
	if (found == NULL)
		return -ENOMEM;
	*ret = found;
	return (ssize_t)found_count;
}
