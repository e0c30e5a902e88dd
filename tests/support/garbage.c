/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes into the report memory of a tree as a hostile attached process may: garbage PID WHAT [OTHER_PID]. PID maps it; as
 * root.
 */
#include "ipc/layout.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tg_report_page *open_report(const char *pid, size_t *ret_size)
{
	char path[128], line[512];
	struct stat status;
	FILE *maps;
	void *page = MAP_FAILED;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	while (maps && page == MAP_FAILED && fgets(line, sizeof(line), maps)) {
		int fd;

		if (!strstr(line, TG_REPORT_NAME))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/map_files/%.*s", pid, (int)strcspn(line, " "), line);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &status) != 0)
			break;
		*ret_size = (size_t)status.st_size;
		page = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (page == MAP_FAILED) {
		perror(path);
		exit(71);
	}
	return page;
}

static void name_processes(struct tg_report_page *page, const char *kind, uint32_t other)
{
	for (uint32_t i = 0; i < TG_PROCESS_SLOTS; i++) {
		page->processes[i].pid = strcmp(kind, "foreign") == 0 ? other : i % 2 ? i : (uint32_t)-i;
		page->processes[i].generation = UINT64_MAX - i;
	}
}

/* Everything that is looked at, with values that a careless reader stumbles over. */
static void crafted(struct tg_report_page *page)
{
	page->magic = page->layout = 0xffffffff;
	for (uint32_t i = 0; i < TG_SECTION_SLOTS; i++) {
		page->sections[i].state = i % 4;
		memset(page->sections[i].name, i % 3 ? 0xff : '"', sizeof(page->sections[i].name));
		if (i % 5 == 0)
			memcpy(page->sections[i].name, "server", sizeof("server"));
		page->sections[i].accepted = page->sections[i].resumed = UINT64_MAX;
		page->sections[i].refused = 1ull << 63;
		for (int k = 0; k < (int)TG_REFUSALS_BEFORE_4; k++)
			page->sections[i].refused_by[k] = UINT64_MAX - (uint64_t)k;
	}
	page->events.next = UINT64_MAX - 5;
	for (uint32_t i = 0; i < TG_UNGOVERNED_SLOTS; i++) {
		page->ungoverned[i].state = 2;
		page->ungoverned[i].family = (uint16_t)(i * 2);
		page->ungoverned[i].port = 0xffff;
		memset(page->ungoverned[i].address, 0xff, sizeof(page->ungoverned[i].address));
		page->ungoverned[i].handshakes = UINT64_MAX;
	}
}

int main(int argc, char **argv)
{
	uint64_t state = 88172645463325252u;
	struct tg_report_page *page;
	size_t size = 0;

	if (argc < 3)
		return 64;
	page = open_report(argv[1], &size);
	if (strcmp(argv[2], "zeros") == 0) {
		memset(page, 0, size);
	} else if (strcmp(argv[2], "ones") == 0) {
		memset(page, 0xff, size);
	} else if (strcmp(argv[2], "random") == 0) {
		for (size_t at = 0; at + sizeof(state) <= size; at += sizeof(state)) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			memcpy((char *)page + at, &state, sizeof(state));
		}
	} else if (strcmp(argv[2], "crafted") == 0) {
		crafted(page);
	} else if (argc > 3 && (strcmp(argv[2], "foreign") == 0 || strcmp(argv[2], "processes") == 0)) {
		name_processes(page, argv[2], (uint32_t)atoi(argv[3]));
	} else {
		return 64;
	}
	return 0;
}
