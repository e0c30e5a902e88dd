/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/start.h"

#include "ipc/channel.h"
#include "ipc/tree.h"
#include "shim/binding/libc.h"
#include "shim/process/environment.h"
#include "shim/process/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 30000
#define NUMBER_SIZE 16

/* From the folder of the installed library to the keeper; the second is the layout of the build tree. */
#ifndef TLSGRAFT_KEEPER_RELATIVE
#define TLSGRAFT_KEEPER_RELATIVE "../../libexec/tlsgraft/tlsgraft-keeper"
#endif
static const char *const places[] = {TLSGRAFT_KEEPER_RELATIVE, "../libexec/tlsgraft/tlsgraft-keeper"};

static bool find_keeper(char path[PATH_MAX])
{
	size_t length;
	const char *home = tg_environment_home(&length);

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (length + strlen(places[i]) >= PATH_MAX)
			continue;
		strcpy(mempcpy(path, home, length), places[i]);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* `environ` without what would make the keeper an attached process itself. The caller frees the array, not the entries. */
static char **environment_for_keeper(void)
{
	size_t count = 0, kept = 0;
	char **filtered;

	while (environ && environ[count])
		count++;
	filtered = calloc(count + 1, sizeof(*filtered));
	if (!filtered)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0 && strncmp(environ[i], "TLSGRAFT_", 9) != 0)
			filtered[kept++] = environ[i];
	return filtered;
}

/* A pipe whose ends stay clear of 0 to 2, which a program may have been started without. */
static int open_pipe(int ret_ends[2])
{
	int low[2], r = 0;

	if (pipe2(low, O_CLOEXEC) != 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ret_ends[i] = tg_libc.fcntl(low[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (ret_ends[i] < 0)
			r = -EMFILE;
		tg_libc.close(low[i]);
	}
	for (int i = 0; r != 0 && i < 2; i++)
		if (ret_ends[i] >= 0)
			tg_libc.close(ret_ends[i]);
	return r;
}

static int milliseconds_left(const struct timespec *begin)
{
	struct timespec now;
	int64_t passed;

	clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
	return passed < ANSWER_TIMEOUT_MS ? (int)(ANSWER_TIMEOUT_MS - passed) : 0;
}

/* Reads until `size` bytes came, the other end closed or the time is over. Returns what came, or a negative errno. */
static ssize_t read_all(int fd, void *data, size_t size, const struct timespec *begin)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};
	size_t done = 0;

	while (done < size) {
		int ready = tg_libc.poll(&wanted, 1, milliseconds_left(begin));
		ssize_t got;

		if (ready == 0)
			return -ETIMEDOUT;
		got = ready > 0 ? tg_libc.read(fd, (char *)data + done, size - done) : -1;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
	}
	return (ssize_t)done;
}

static int read_answer(int fd, struct tg_start_result *ret)
{
	struct timespec begin;
	char text[1024];
	ssize_t got;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	got = read_all(fd, ret, sizeof(*ret), &begin);
	if (got < 0)
		return (int)got;
	if (got != sizeof(*ret) || ret->magic != TG_CHANNEL_MAGIC)
		return -EPROTO;
	for (uint32_t left = ret->length; left > 0; left -= (uint32_t)got) {
		got = read_all(fd, text, left < sizeof(text) ? left : sizeof(text), &begin);
		if (got <= 0)
			break;
		tg_shim_log_lines(text, (size_t)got);
	}
	return 0;
}

/* Returns the process, or a negative errno. The keeper begins with every signal at its default and none blocked, whatever
 * this program was started with. */
static pid_t spawn_keeper(const char *path, const char *config, int result_fd)
{
	char name[] = "tlsgraft-keeper", started[NUMBER_SIZE], result[NUMBER_SIZE], file[PATH_MAX];
	char *arguments[] = {name, file, started, result, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char **variables = NULL;
	sigset_t none, all;
	pid_t pid = -1;
	int r;

	if (strlen(config) >= sizeof(file))
		return -ENAMETOOLONG;
	strcpy(file, config);
	snprintf(started, sizeof(started), "%d", (int)getpid());
	snprintf(result, sizeof(result), "%d", result_fd);
	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	variables = environment_for_keeper();
	r = variables ? 0 : ENOMEM;
	if (r == 0)
		r = tg_libc.posix_spawn_file_actions_adddup2(&actions, result_fd,
							     result_fd); /* takes off its close-on-exec flag */
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attributes, &all);
	if (r == 0)
		r = tg_libc.posix_spawn(&pid, path, &actions, &attributes, arguments, variables);
	free(variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r == 0 ? pid : -r;
}

/* ECHILD: this program was started with SIGCHLD ignored, so the kernel has reaped the child already. */
static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int run_keeper(const char *config, struct tg_start_result *ret)
{
	char path[PATH_MAX];
	int ends[2] = {-1, -1}, r;
	pid_t pid;

	if (!find_keeper(path)) {
		tg_shim_log("no executable tlsgraft-keeper beside %s", tg_environment_value(tg_environment.preload));
		return -ENOENT;
	}
	r = open_pipe(ends);
	if (r != 0) {
		tg_shim_log("%s: pipe: %s", path, strerror(-r));
		return r;
	}
	pid = spawn_keeper(path, config, ends[1]);
	tg_libc.close(ends[1]);
	r = pid;
	if (pid > 0) {
		r = read_answer(ends[0], ret);
		if (r != 0)
			kill(pid, SIGKILL);
		reap(pid);
	}
	tg_libc.close(ends[0]);
	if (r != 0)
		tg_shim_log("%s: no answer: %s", path, strerror(-r));
	return r;
}

int tg_start_keeper(const char *config, bool at_start, char ret_tree[TG_TREE_LENGTH + 1])
{
	static const struct timespec no_wait;
	struct tg_start_result result = {0};
	sigset_t child_signal, before, pending;
	int r;

	/* Relative to a folder that nobody remembers: it would be another file. */
	if (config[0] != '/')
		return -ENOENT;
	tg_libc_bind();
	sigemptyset(&child_signal);
	sigaddset(&child_signal, SIGCHLD);
	sigemptyset(&pending);
	pthread_sigmask(SIG_BLOCK, &child_signal, &before);
	sigpending(&pending);
	r = run_keeper(config, &result);
	/* Our child's end is none of the program's business, also where it is started with SIGCHLD blocked. */
	if (at_start && !sigismember(&pending, SIGCHLD))
		tg_libc.sigtimedwait(&child_signal, NULL, &no_wait);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return r;
	if (result.exit_status != 0)
		return (int)(result.exit_status & 0x7fffffffu);
	result.tree[TG_TREE_LENGTH] = '\0';
	if (!tg_tree_valid(result.tree)) {
		tg_shim_log("the keeper gave no tree name");
		return -EPROTO;
	}
	memcpy(ret_tree, result.tree, sizeof(result.tree));
	return 0;
}
