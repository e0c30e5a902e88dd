/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a server beside the shim: what a compromised process could try on the memory it shares with the keeper.
 *
 * On SIGRTMIN+7 the process attacks the mappings of tlsgraft that it finds in its own /proc/self/maps and writes one line
 * for each try to the file that ATTACK_LOG names: "TRY: OUTCOME". On SIGRTMIN+8 it fills its report mapping with wild
 * values. The log is opened by the constructor, with the rights that the server starts with.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_fd = -1;

struct mapping {
	char *start;
	size_t size;
	char range[64]; /* its name below /proc/self/map_files */
};

static void say(const char *attempt, int failed)
{
	char line[160];
	int length = failed ? snprintf(line, sizeof(line), "%s: refused, %s\n", attempt, strerrorname_np(errno))
			    : snprintf(line, sizeof(line), "%s: POSSIBLE\n", attempt);

	if (write(log_fd, line, (size_t)length) < 0)
		abort();
}

static int find(const char *name, struct mapping *ret)
{
	static char text[1 << 18];
	size_t length = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while (length < sizeof(text) - 1 && (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		uintptr_t start, end;

		if (!strstr(line, name) || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		memcpy(&ret->start, &start, sizeof(start));
		ret->size = end - start;
		snprintf(ret->range, sizeof(ret->range), "/proc/self/map_files/%lx-%lx", start, end);
		return 0;
	}
	return -1;
}

/* As a descriptor of the memory itself, which only a privileged process can get this way. */
static void attack_file(const struct mapping *at, const char *name)
{
	char attempt[64];
	char byte = 0x55;
	void *fresh;
	int fd = open(at->range, O_RDWR | O_CLOEXEC);

	snprintf(attempt, sizeof(attempt), "%s open", name);
	if (fd < 0) {
		say(attempt, 1);
		return;
	}
	/* Opening is not harm yet: what matters is what can be done with it. */
	snprintf(attempt, sizeof(attempt), "%s ftruncate to 0", name);
	say(attempt, ftruncate(fd, 0) != 0);
	snprintf(attempt, sizeof(attempt), "%s ftruncate longer", name);
	say(attempt, ftruncate(fd, (off_t)at->size * 2) != 0);
	if (strcmp(name, "policy") == 0) {
		say("policy pwrite", pwrite(fd, &byte, 1, 0) != 1);
		fresh = mmap(NULL, at->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		say("policy mmap writable", fresh == MAP_FAILED);
		if (fresh != MAP_FAILED)
			munmap(fresh, at->size);
	}
	close(fd);
}

static void attack(int number)
{
	struct mapping policy, report;
	struct iovec from, to;
	char byte = 0x55;
	int saved = errno;
	int fd;

	(void)number;
	if (find("tlsgraft-policy:", &policy) != 0 || find("tlsgraft-report:", &report) != 0) {
		errno = ENOENT;
		say("find the mappings", 1);
		goto out;
	}
	say("policy mprotect", mprotect(policy.start, policy.size, PROT_READ | PROT_WRITE) != 0);
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	say("policy write through /proc/self/mem", pwrite(fd, &byte, 1, (off_t)(uintptr_t)policy.start) != 1);
	if (fd >= 0)
		close(fd);
	from = (struct iovec){&byte, 1};
	to = (struct iovec){policy.start, 1};
	say("policy process_vm_writev", process_vm_writev(getpid(), &from, 1, &to, 1, 0) != 1);
	attack_file(&policy, "policy");
	attack_file(&report, "report");
	say("end of attack", 0);
out:
	errno = saved;
}

static void scribble(int number)
{
	static uint64_t state = 88172645463325252u;
	struct mapping report;
	int saved = errno;

	(void)number;
	if (find("tlsgraft-report:", &report) != 0)
		goto out;
	for (int round = 0; round < 3; round++)
		for (size_t at = 0; at + sizeof(state) <= report.size; at += sizeof(state)) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			if (round < 2)
				memset(report.start + at, round ? 0xff : 0, sizeof(state));
			else
				memcpy(report.start + at, &state, sizeof(state));
		}
	say("wild values written", 0);
out:
	errno = saved;
}

__attribute__((constructor)) static void arm(void)
{
	const char *path = getenv("ATTACK_LOG");
	struct sigaction attacks = {.sa_handler = attack, .sa_flags = SA_RESTART};
	struct sigaction scribbles = {.sa_handler = scribble, .sa_flags = SA_RESTART};

	if (!path)
		return;
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	sigaction(SIGRTMIN + 7, &attacks, NULL);
	sigaction(SIGRTMIN + 8, &scribbles, NULL);
}
