/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch.h"

#include "cli/cli.h"
#include "ipc/channel.h"
#include "ipc/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The keeper is no attached process: it starts without the shim and without what carries it. */
static void become_keeper(const char *keeper, const char *config, const char *user, int result_fd)
{
	char started[16], result[16];

	snprintf(started, sizeof(started), "%d", (int)getppid());
	snprintf(result, sizeof(result), "%d", result_fd);
	unsetenv("LD_PRELOAD");
	unsetenv("TLSGRAFT_CONFIG");
	unsetenv("TLSGRAFT_KEEPER");
	unsetenv("TLSGRAFT_RUN");
	unsetenv("TLSGRAFT_PLAINTEXT");
	fcntl(result_fd, F_SETFD, 0);
	if (user != NULL)
		execl(keeper, "tlsgraft-keeper", config, started, result, "user", user, "report", NULL);
	else
		execl(keeper, "tlsgraft-keeper", config, started, result, "report", NULL);
}

/* Reads `size` bytes; false where the other end closed before. */
static bool read_all(int fd, void *ret, size_t size)
{
	char *at = ret;

	while (size > 0) {
		const ssize_t got = read(fd, at, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		size -= (size_t)got;
	}
	return true;
}

static int hear(int fd, char ret_tree[TG_TREE_LENGTH + 1])
{
	struct tg_start_result result;
	char text[4096];
	uint32_t left;

	if (!read_all(fd, &result, sizeof(result)) || result.magic != TG_CHANNEL_MAGIC) {
		tg_complain("keeper: ended without an answer");
		return TG_EXIT_OTHER;
	}
	for (left = result.length; left > 0;) {
		const size_t part = left < sizeof(text) ? left : sizeof(text);

		if (!read_all(fd, text, part))
			break;
		fwrite(text, 1, part, stderr);
		left -= (uint32_t)part;
	}
	if (result.exit_status != 0)
		return (int)result.exit_status;
	result.tree[TG_TREE_LENGTH] = '\0';
	if (!tg_tree_valid(result.tree)) {
		tg_complain("keeper: gave no name of a tree");
		return TG_EXIT_OTHER;
	}
	memcpy(ret_tree, result.tree, sizeof(result.tree));
	return 0;
}

int tg_launch_keeper(const char *keeper, const char *config, const char *user, char ret_tree[TG_TREE_LENGTH + 1])
{
	int ends[2];
	int status;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		tg_complain("pipe: %s", strerror(errno));
		return TG_EXIT_OTHER;
	}
	child = fork();
	if (child == 0) {
		become_keeper(keeper, config, user, ends[1]);
		tg_complain("%s: %s", keeper, strerror(errno));
		_exit(TG_EXIT_OTHER);
	}
	close(ends[1]);
	if (child < 0) {
		tg_complain("fork: %s", strerror(errno));
		status = TG_EXIT_OTHER;
	} else {
		status = hear(ends[0], ret_tree);
		/* it leaves the family at once; ECHILD where SIGCHLD is ignored */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	close(ends[0]);
	return status;
}
