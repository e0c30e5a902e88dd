#include "cli/ask.h"

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

/* Connects; a socket stays where it was made, so this process is back home before a word is said. */
static int connect_in(const char *tree, pid_t member)
{
	const int there = other_network(member);
	int home = -1;
	int fd = -ECONNREFUSED;

	if (there >= 0) {
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home >= 0 && setns(there, CLONE_NEWNET) == 0) {
			fd = tg_channel_connect(tree, CONNECT_MS);
			if (setns(home, CLONE_NEWNET) < 0)
				abort();
		}
	}
	/* also where the process left the network namespace that its tree was started in */
	if (fd < 0)
		fd = tg_channel_connect(tree, CONNECT_MS);
	if (there >= 0)
		close(there);
	if (home >= 0)
		close(home);
	return fd;
}

/* Anybody can bind a name: what answers must be root's, ours, or for root to see anyway. */
static int check_keeper(int fd, uid_t *ret_uid, pid_t *ret_pid)
{
	uid_t uid = (uid_t)-1;
	const int result = tg_channel_peer(fd, &uid, ret_pid);

	if (result < 0)
		return result;
	if (ret_uid != NULL)
		*ret_uid = uid;
	return uid == 0 || uid == geteuid() || geteuid() == 0 ? 0 : -EPERM;
}

static int receive_all(int fd, int timeout_ms, char **ret_text)
{
	char *text = NULL;
	size_t size = 0;
	int result = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		char *grown = realloc(text, size + TG_CHANNEL_PACKET + 1);
		ssize_t got;

		if (grown == NULL) {
			result = -ENOMEM;
			break;
		}
		text = grown;
		do
			result = poll(&ready, 1, timeout_ms);
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
	const int fd = connect_in(tree, member);
	uid_t uid = (uid_t)-1;
	ssize_t result;

	if (fd < 0)
		return fd;
	result = check_keeper(fd, &uid, NULL);
	if (result == 0)
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
	const int fd = connect_in(tree, member);
	int result;

	if (fd < 0)
		return fd;
	result = check_keeper(fd, NULL, ret_pid);
	close(fd);
	return result;
}
