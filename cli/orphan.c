/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/orphan.h"

#include "ipc/read.h"
#include "ipc/report.h"
#include "keeper/clock.h"
#include "keeper/processes.h"
#include "keeper/status.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAPPINGS_MAX 8
#define WARN_DAYS 14 /* the default of `warn_days`: the file is not read here */

static const char reason[] = "the keeper is gone: the last generation is served on, and nothing renews it until the server "
			     "is started anew";

/* A process that maps both memories of `tree`; 0: none. */
static pid_t find_member(const char *tree, struct tg_mapping *ret_policy, struct tg_mapping *ret_report)
{
	const struct dirent *entry;
	pid_t member = 0;
	DIR *folder = opendir("/proc");

	if (folder == NULL)
		return 0;
	while (member == 0 && (entry = readdir(folder)) != NULL) {
		struct tg_mapping mappings[MAPPINGS_MAX];
		const pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
		const int count = pid > 0 ? tg_process_mappings(pid, mappings, MAPPINGS_MAX) : 0;
		bool policy = false;
		bool report = false;

		for (int i = 0; i < count; i++) {
			if (strcmp(mappings[i].tree, tree) != 0)
				continue;
			if (mappings[i].report && mappings[i].writable) {
				*ret_report = mappings[i];
				report = true;
			} else if (!mappings[i].report && !mappings[i].writable) {
				*ret_policy = mappings[i];
				policy = true;
			}
		}
		if (policy && report)
			member = pid;
	}
	closedir(folder);
	return member;
}

static int open_mapping(pid_t pid, const struct tg_mapping *mapping)
{
	char path[128];
	const int length =
	    snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, mapping->start, mapping->end);
	const int fd = length < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int seals;

	if (fd < 0)
		return -errno;
	/* a memory that only has the name could shrink while it is read */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* The INI file that `pid` was started with, as far as its environment tells. */
static char *config_of(pid_t pid)
{
	static const char name[] = "TLSGRAFT_CONFIG=";
	char path[64];
	char *entry = NULL;
	char *value = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && value == NULL && getdelim(&entry, &size, '\0', file) > 0)
		if (strncmp(entry, name, sizeof(name) - 1) == 0)
			value = strdup(entry + sizeof(name) - 1);
	free(entry);
	if (file != NULL)
		fclose(file);
	return value;
}

struct orphan {
	unsigned char *bytes;
	size_t size;
	struct tg_document *document;
	struct tg_report_page *report;
	uint64_t generation;
};

static int read_policy(pid_t member, const struct tg_mapping *mapping, struct orphan *orphan)
{
	const struct tg_policy_header *header;
	size_t map_size;
	const int fd = open_mapping(member, mapping);
	int result;

	if (fd < 0)
		return fd;
	result = tg_policy_map(fd, &header, &map_size);
	close(fd);
	if (result < 0)
		return result;
	result = tg_policy_copy(header, map_size, &orphan->bytes, &orphan->size, &orphan->generation);
	tg_policy_unmap(header, map_size);
	return result < 0 ? result : tg_document_decode(orphan->bytes, orphan->size, &orphan->document);
}

static int read_report(pid_t member, const struct tg_mapping *mapping, struct orphan *orphan)
{
	const int fd = open_mapping(member, mapping);
	int result;

	if (fd < 0)
		return fd;
	result = tg_report_map(fd, false, &orphan->report);
	close(fd);
	return result;
}

cJSON *tg_orphan_json(const char *tree)
{
	static const struct tg_report_page no_report;
	static const struct tg_document no_document;
	struct tg_verdict verdict = {.kind = TG_VERDICT_REFUSED, .at = tg_wall_seconds()};
	struct tg_mapping policy = {0};
	struct tg_mapping report = {0};
	struct orphan orphan = {0};
	struct tg_crls crls = {0};
	struct tg_status status = {.warn_days = WARN_DAYS, .verdict = &verdict, .tree = tree};
	const pid_t member = find_member(tree, &policy, &report);
	char *config;
	cJSON *object;

	if (member == 0)
		return NULL;
	strcpy(verdict.reason, reason);
	/* each on its own: what one of them tells is worth having */
	if (read_policy(member, &policy, &orphan) < 0)
		orphan.document = NULL;
	if (read_report(member, &report, &orphan) < 0)
		orphan.report = NULL;
	config = config_of(member);
	status.config = config;
	status.generation = orphan.generation;
	status.document = orphan.document != NULL ? orphan.document : &no_document;
	if (tg_crls_of(status.document, &crls) == 0)
		status.crls = &crls;
	status.report = orphan.report != NULL ? orphan.report : &no_report;
	object = tg_status_json(&status);
	tg_crls_free(&crls);
	tg_document_free(orphan.document);
	tg_report_unmap(orphan.report);
	tg_cleanse_free(orphan.bytes, orphan.size);
	free(config);
	return object;
}
