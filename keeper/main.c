/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsgraft-keeper CONFIG STARTED_PID RESULT_FD [user NAME] [report]
 *
 * Started by `tlsgraft run` and by the shim's constructor, not by people. See docs/design/keeper.md.
 */
#include "ipc/untrusted_fd.h"
#include "keeper/family.h"
#include "keeper/guardian.h"
#include "keeper/keeper.h"
#include "keeper/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static const char usage[] = "usage: tlsgraft-keeper CONFIG STARTED_PID RESULT_FD [user NAME] [report]\n"
			    "Started by `tlsgraft run` and by libtlsgraft.so; see tlsgraft(1).\n";

static int parse_number(const char *text, int *ret)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0 || number > INT_MAX)
		return -EINVAL;
	*ret = (int)number;
	return 0;
}

static int parse(int argc, char **argv, struct tg_keeper *keeper)
{
	if (argc < 4 || argv[1][0] == '\0' || parse_number(argv[2], &keeper->started_pid) < 0 || keeper->started_pid == 0 ||
	    parse_number(argv[3], &keeper->result_fd) < 0)
		return -EINVAL;
	keeper->config = argv[1];
	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "report") == 0)
			keeper->report = true;
		else if (strcmp(argv[i], "user") == 0 && i + 1 < argc)
			keeper->extra_user = argv[++i];
		else
			return -EINVAL;
	}
	return fcntl(keeper->result_fd, F_GETFD) < 0 ? -EINVAL : 0;
}

/* What the server's environment says is for the server. */
static void clean_environment(void)
{
	for (char **entry = environ; *entry != NULL;) {
		char name[256];
		const size_t length = strcspn(*entry, "=");
		const bool ours = strncmp(*entry, "TLSGRAFT_", 9) == 0 || strncmp(*entry, "LD_", 3) == 0;

		if (!ours || length >= sizeof(name)) {
			entry++;
			continue;
		}
		memcpy(name, *entry, length);
		name[length] = '\0';
		/* removes the entry in place, so the next one is where this one was */
		if (unsetenv(name) < 0)
			entry++;
	}
}

static int absolute_config(struct tg_keeper *keeper)
{
	char folder[PATH_MAX];
	char *path;

	if (keeper->config[0] == '/')
		return 0;
	if (getcwd(folder, sizeof(folder)) == NULL)
		return -errno;
	if (asprintf(&path, "%s/%s", folder, keeper->config) < 0)
		return -ENOMEM;
	keeper->config = path;
	return 0;
}

/* Where a server was started with closed descriptors, its pipe may have become one of 0 to 2. */
static int lift_result(struct tg_keeper *keeper)
{
	if (keeper->result_fd <= STDERR_FILENO) {
		const int lifted = fcntl(keeper->result_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (lifted < 0)
			return -errno;
		close(keeper->result_fd);
		keeper->result_fd = lifted;
	}
	if (fcntl(keeper->result_fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	tg_family_close_others(&keeper->result_fd, 1);
	return tg_family_standard_descriptors();
}

static int name_tree(struct tg_keeper *keeper)
{
	unsigned char bytes[TG_TREE_LENGTH / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(keeper->tree + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* One pidfd for each process of the tree that asks. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int prepare(struct tg_keeper *keeper)
{
	int result = lift_result(keeper);

	if (result == 0)
		result = absolute_config(keeper);
	if (result == 0)
		result = name_tree(keeper);
	if (result < 0)
		return result;
	keeper->started_pidfd = pidfd_open(keeper->started_pid, 0);
	if (keeper->started_pidfd < 0)
		return -errno;
	keeper->handoff = tg_handoff_new();
	if (keeper->handoff == NULL)
		return -ENOMEM;
	return tg_family_leave(keeper->started_pid);
}

int main(int argc, char **argv)
{
	struct tg_keeper keeper = {.started_pidfd = -1, .result_fd = -1, .policy_fd = -1, .report_fd = -1};
	char text[256];
	int result;

	umask(077);
	clean_environment();
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("tlsgraft-keeper " TLSGRAFT_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (parse(argc, argv, &keeper) < 0) {
		fputs(usage, stderr);
		return TG_EXIT_USAGE;
	}
	tg_family_ignore_signals();
	if (!tg_proc_is_there()) {
		snprintf(text, sizeof(text), "tlsgraft: keeper: %s\n", tg_proc_missing);
		tg_keeper_result(&keeper, TG_EXIT_OTHER, text);
		return TG_EXIT_OTHER;
	}
	result = prepare(&keeper);
	/* in the process that goes on: it was forked */
	if (result == 0)
		result = tg_untrusted_fd_start();
	if (result < 0) {
		snprintf(text, sizeof(text), "tlsgraft: keeper: cannot start: %s\n", strerror(-result));
		tg_keeper_result(&keeper, TG_EXIT_OTHER, text);
		return TG_EXIT_OTHER;
	}
	keeper.guardian_pid = getpid();
	/* no core dump, no ptrace by the user's other processes: keys are in here */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	raise_descriptor_limit();
	return tg_guardian_run(&keeper);
}
