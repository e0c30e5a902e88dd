/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include "ipc/user.h"
#include "keeper/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECT_MS 3000
#define BUSY_MS 20000 /* for our own keeper or root's: it may be reading, or have much to tell */
#define TEXT_MAX (16u * 1024u * 1024u)

/* A descriptor of the other network namespace of `pid`; -1 where it is this one or cannot be told. */
static int other_network(pid_t pid)
{
	char path[64];
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (pid == 0 || stat(path, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0 ||
	    (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Effective and real user of `pid`, as the kernel tells. False where it cannot be told. */
static bool users_of(pid_t pid, uid_t ret[2])
{
	char path[64], line[256];
	bool found = false;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	while (status != NULL && !found && fgets(line, sizeof(line), status) != NULL)
		found = sscanf(line, "Uid: %u %u", &ret[0], &ret[1]) == 2;
	if (status != NULL)
		fclose(status);
	return found;
}

/*
 * Anybody can bind a name, also that of a keeper which is gone. What answers must be root's or ours, or, for root to see,
 * of the user whose process the tree is known by. -ECONNREFUSED: the keeper of such a process would be another's, so it is
 * gone. -EPERM: not for us to know.
 */
static int judge_keeper(uid_t keeper, pid_t member)
{
	uid_t users[2];

	if (tg_user_trusted(keeper))
		return 0;
	if (member == 0 || !users_of(member, users))
		return -EPERM;
	if (geteuid() == 0)
		return tg_user_same(keeper, users[0]) || tg_user_same(keeper, users[1]) ? 0 : -ECONNREFUSED;
	return tg_user_same(users[0], geteuid()) || tg_user_same(users[1], geteuid()) ? -ECONNREFUSED : -EPERM;
}

static int connect_here(const char *tree, pid_t member, pid_t *ret_pid)
{
	uid_t keeper = (uid_t)-1;
	int fd = tg_channel_connect(tree, CONNECT_MS);
	int result;

	/* a full queue of another user's: if that is whose keeper it would be, it is busy */
	if (fd == -EPERM && tg_channel_owner(tree, &keeper) == 0) {
		result = judge_keeper(keeper, member);
		return result < 0 ? result : -ETIMEDOUT;
	}
	if (fd < 0)
		return fd;
	result = tg_channel_peer(fd, &keeper, ret_pid);
	if (result == 0)
		result = judge_keeper(keeper, member);
	if (result < 0)
		close(fd);
	return result < 0 ? result : fd;
}

/*
 * A descriptor of the connection to the tree's keeper, or a negative errno. First where we are: a process elsewhere may
 * only pretend to be of this tree. A socket stays where it was made, so this process is back home before a word is said.
 */
static int connect_in(const char *tree, pid_t member, pid_t *ret_pid)
{
	int fd = connect_here(tree, member, ret_pid);
	const int there = fd < 0 ? other_network(member) : -1;
	int home;

	if (there < 0)
		return fd;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home >= 0 && setns(there, CLONE_NEWNET) == 0) {
		fd = connect_here(tree, member, ret_pid);
		if (setns(home, CLONE_NEWNET) < 0)
			abort();
	}
	close(there);
	if (home >= 0)
		close(home);
	return fd;
}

static int receive_all(int fd, int timeout_ms, char **ret_text)
{
	const int64_t deadline = tg_monotonic_ms() + timeout_ms;
	char *text = NULL;
	size_t size = 0;
	int result = 0;

	/* one bound for all of it: who sends a byte now and then is no keeper */
	for (;;) {
		const int64_t left = deadline - tg_monotonic_ms();
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		char *grown = realloc(text, size + TG_CHANNEL_PACKET + 1);
		ssize_t got;

		if (grown == NULL) {
			result = -ENOMEM;
			break;
		}
		text = grown;
		do
			result = poll(&ready, 1, left > 0 ? (int)left : 0);
		while (result < 0 && errno == EINTR);
		if (result == 0) {
			result = -ETIMEDOUT;
			break;
		}
		got = tg_channel_receive(fd, text + size, TG_CHANNEL_PACKET, NULL, 0);
		if (got <= 0) {
			result = (int)got;
			break;
		}
		size += (size_t)got;
		if (size > TEXT_MAX) {
			result = -EFBIG;
			break;
		}
	}
	if (result == 0 && size == 0)
		result = -ECONNRESET;
	if (result < 0) {
		free(text);
		return result;
	}
	text[size] = '\0';
	*ret_text = text;
	return 0;
}

int tg_ask(const char *tree, pid_t member, enum tg_request_kind kind, int timeout_ms, char **ret_text)
{
	const struct tg_request request = {.magic = TG_CHANNEL_MAGIC, .layout = TG_LAYOUT, .kind = kind};
	const int fd = connect_in(tree, member, NULL);
	uid_t uid = (uid_t)-1;
	ssize_t result;

	if (fd < 0)
		return fd;
	tg_channel_peer(fd, &uid, NULL);
	if (tg_user_trusted(uid) && timeout_ms < BUSY_MS)
		timeout_ms = BUSY_MS;
	result = tg_channel_send(fd, &request, sizeof(request), NULL, 0);
	if (result > 0)
		result = receive_all(fd, timeout_ms, ret_text);
	close(fd);
	if (result != -EPIPE && result != -ECONNRESET)
		return (int)result;
	/* hung up on: because it does not answer this user, or because its worker died */
	return geteuid() == 0 || geteuid() == uid ? -ECONNRESET : -EACCES;
}

int tg_ask_keeper(const char *tree, pid_t member, pid_t *ret_pid)
{
	const int fd = connect_in(tree, member, ret_pid);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}
