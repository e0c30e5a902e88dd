#include "keeper/relay.h"

#include "keeper/clock.h"
#include "keeper/family.h"
#include "page/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 4096  /* while it is started again; the kernel's own limit applies too (net.core.somaxconn) */
#define YOUNG_MS 1000 /* one that dies younger is started again only after a pause */
#define PAUSE_MS 200
#define EXIT_OTHER 70

void tg_relay_init(struct tg_relay *relay)
{
	static const char name[] = "tlsgraft-relay";
	char path[PATH_MAX + sizeof(name)];
	const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	char *base;

	*relay = (struct tg_relay){.program = -1, .listener = -1, .link = -1, .restart_at = -1};
	if (length <= 0 || length >= PATH_MAX)
		return;
	path[length] = '\0';
	base = strrchr(path, '/');
	if (base == NULL)
		return;
	strcpy(base + 1, name);
	relay->program = open(path, O_PATH | O_CLOEXEC);
}

static int make_listener(const char *tree)
{
	struct sockaddr_un address;
	socklen_t size;
	int result = tg_relay_address(tree, &address, &size);
	int fd;

	if (result < 0)
		return result;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0) {
		result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

/* In the child. */
static _Noreturn void become(const struct tg_relay *relay, const struct tg_keeper *keeper, int link)
{
	const int given[] = {relay->listener, keeper->policy_fd, keeper->report_fd, link};
	const int keep[] = {relay->listener, keeper->policy_fd, keeper->report_fd, link, relay->program};
	char numbers[4][16];
	char program[] = "tlsgraft-relay";
	char tree[TG_TREE_LENGTH + 1];
	char *words[] = {program, tree, numbers[0], numbers[1], numbers[2], numbers[3], NULL};
	char *none[] = {NULL};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper->guardian_pid)
		_exit(EXIT_OTHER);
	memcpy(tree, keeper->tree, sizeof(tree));
	/* it has nothing to say that the guardian does not know */
	tg_family_drop_stderr();
	tg_family_close_others(keep, sizeof(keep) / sizeof(keep[0]));
	for (size_t i = 0; i < 4; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", given[i]);
		fcntl(given[i], F_SETFD, 0);
	}
	fexecve(relay->program, words, none);
	_exit(EXIT_OTHER);
}

static int start(struct tg_relay *relay, const struct tg_keeper *keeper)
{
	int pair[2];
	pid_t child;

	if (relay->program < 0)
		return -ENOENT;
	if (relay->listener < 0)
		relay->listener = make_listener(keeper->tree);
	if (relay->listener < 0)
		return relay->listener;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		become(relay, keeper, pair[1]);
	close(pair[1]);
	if (child < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	relay->link = pair[0];
	relay->pid = child;
	relay->since = tg_monotonic_ms();
	relay->restart_at = -1;
	return 0;
}

static int bury(struct tg_relay *relay)
{
	int status = 0;

	kill(relay->pid, SIGKILL);
	while (waitpid(relay->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	close(relay->link);
	relay->link = -1;
	relay->pid = 0;
	relay->is_busy = false;
	return status;
}

int tg_relay_want(struct tg_relay *relay, const struct tg_keeper *keeper, bool wanted)
{
	int result = 0;

	relay->is_wanted = wanted;
	if (wanted && relay->link < 0) {
		result = start(relay, keeper);
		if (result < 0)
			relay->restart_at = tg_monotonic_ms() + PAUSE_MS;
	} else if (!wanted) {
		/* what it carries goes on; it is not started again */
		relay->restart_at = -1;
	}
	return result;
}

bool tg_relay_hear(struct tg_relay *relay, int *ret_status)
{
	unsigned char busy;
	ssize_t got;

	while (relay->link >= 0) {
		got = recv(relay->link, &busy, sizeof(busy), 0);
		if (got == sizeof(busy)) {
			relay->is_busy = busy != 0;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			*ret_status = bury(relay);
			if (relay->is_wanted)
				relay->restart_at =
				    tg_monotonic_ms() + (tg_monotonic_ms() - relay->since < YOUNG_MS ? PAUSE_MS : 0);
			return true;
		} else if (errno == EAGAIN) {
			break;
		}
	}
	return false;
}

bool tg_relay_run(struct tg_relay *relay, const struct tg_keeper *keeper)
{
	if (relay->restart_at < 0 || tg_monotonic_ms() < relay->restart_at)
		return false;
	if (start(relay, keeper) == 0)
		return true;
	relay->restart_at = tg_monotonic_ms() + PAUSE_MS;
	return false;
}

void tg_relay_end(struct tg_relay *relay)
{
	relay->is_wanted = false;
	relay->restart_at = -1;
	if (relay->link >= 0)
		bury(relay);
}
