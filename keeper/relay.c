/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/relay.h"

#include "ipc/relay.h"
#include "ipc/untrusted_fd.h"
#include "keeper/clock.h"
#include "keeper/family.h"

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
#define YOUNG_MAX 5     /* that die young, one after the other, before it is down */
#define READY_MS 10000  /* within which it serves */
#define RETRY_MS 2000   /* while it is down */
#define STEADY_MS 60000 /* after which one is believed whose predecessors died */
#define REFUSED_MAX 64  /* in one turn */
#define EXIT_OTHER 70

void tg_relay_init(struct tg_relay *relay)
{
	static const char name[] = "tlsgraft-relay";
	ssize_t length;
	char *base;

	*relay = (struct tg_relay){.program = -1, .listener = -1, .link = -1, .restart_at = -1};
	length = readlink("/proc/self/exe", relay->path, sizeof(relay->path) - sizeof(name));
	base = length <= 0 ? NULL : strrchr(relay->path, '/');
	if (base == NULL)
		strcpy(relay->path, name);
	else
		strcpy(base + 1, name);
	relay->program = open(relay->path, O_PATH | O_CLOEXEC);
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

/* Why it cannot be executed or started, and what to do. */
static void describe(int error, char *ret, size_t size)
{
	const char *advice = "";

	switch (error) {
	case ENOENT:
		advice = ": install it beside tlsgraft-keeper";
		break;
	case EACCES:
	case EPERM:
		advice = ": it needs mode 755, a file system without noexec, and no security module or filter against it";
		break;
	case EAGAIN:
	case ENOMEM:
		advice = ": allow more processes or memory (TasksMax=, MemoryMax=, ulimit)";
		break;
	case EADDRINUSE:
		advice = ": another local process has taken the name of its socket; start the server anew";
		break;
	default:
		break;
	}
	snprintf(ret, size, "%s%s", strerror(error), advice);
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
	char text[TG_RELAY_WORDS];

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
	describe(errno, text + 1, sizeof(text) - 1);
	text[0] = TG_RELAY_CANNOT;
	send(link, text, strlen(text), MSG_NOSIGNAL);
	_exit(EXIT_OTHER);
}

static int start(struct tg_relay *relay, const struct tg_keeper *keeper)
{
	int pair[2];
	pid_t child;

	relay->since = tg_monotonic_ms();
	relay->restart_at = -1;
	relay->words[0] = '\0';
	if (relay->program < 0)
		relay->program = open(relay->path, O_PATH | O_CLOEXEC);
	if (relay->program < 0)
		return -errno;
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
		const int error = errno;

		close(pair[0]);
		return -error;
	}
	relay->link = pair[0];
	relay->pid = child;
	return 0;
}

static int kill_and_reap(struct tg_relay *relay)
{
	int status = 0;

	kill(relay->pid, SIGKILL);
	while (waitpid(relay->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	close(relay->link);
	relay->link = -1;
	relay->pid = 0;
	relay->is_busy = relay->is_serving = false;
	return status;
}

static void set_down(struct tg_relay *relay, const struct tg_keeper *keeper, bool down)
{
	relay->is_down = down;
	atomic_store_explicit(&keeper->policy.header->relay_is_down, down, memory_order_relaxed);
}

static void describe_end(const struct tg_relay *relay, int status, char *ret, size_t size)
{
	if (relay->words[0] != '\0')
		snprintf(ret, size, "%s", relay->words);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(ret, size,
			 "killed by a seccomp filter (SIGSYS): allow the service all of systemd's @system-service, or what "
			 "the kernel's log names");
	else if (WIFSIGNALED(status))
		snprintf(ret, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(ret, size, "it ended with status %d%s", WEXITSTATUS(status),
			 WEXITSTATUS(status) == 127 ? ": a shared library that it needs is missing" : "");
}

/* Down from now on. What was said already is not said again. */
static enum tg_relay_event fail(struct tg_relay *relay, const struct tg_keeper *keeper, const char *cause)
{
	char failure[TG_RELAY_FAILURE];
	bool is_new;

	snprintf(failure, sizeof(failure), "%s: %s", relay->dies ? "dies again and again" : "cannot be started", cause);
	is_new = strcmp(relay->failure, failure) != 0;
	memcpy(relay->failure, failure, sizeof(failure));
	set_down(relay, keeper, true);
	relay->restart_at = tg_monotonic_ms() + RETRY_MS;
	return is_new ? TG_RELAY_FAILED : TG_RELAY_NOTHING;
}

static enum tg_relay_event try_start(struct tg_relay *relay, const struct tg_keeper *keeper)
{
	const int result = start(relay, keeper);
	char cause[TG_RELAY_WORDS];

	if (result == 0)
		return TG_RELAY_NOTHING;
	describe(-result, cause, sizeof(cause));
	return fail(relay, keeper, cause);
}

static enum tg_relay_event forget_failure(struct tg_relay *relay)
{
	relay->failure[0] = '\0';
	relay->dies = false;
	return TG_RELAY_SERVES;
}

enum tg_relay_event tg_relay_want(struct tg_relay *relay, const struct tg_keeper *keeper, bool wanted)
{
	relay->is_wanted = wanted;
	if (wanted)
		return relay->link < 0 && relay->restart_at < 0 ? try_start(relay, keeper) : TG_RELAY_NOTHING;
	/* what it carries goes on; it is not started again */
	relay->restart_at = -1;
	if (relay->is_down)
		set_down(relay, keeper, false);
	forget_failure(relay);
	return TG_RELAY_NOTHING;
}

static enum tg_relay_event serves(struct tg_relay *relay, const struct tg_keeper *keeper)
{
	relay->is_serving = true;
	if (relay->is_down)
		set_down(relay, keeper, false);
	return relay->failure[0] != '\0' && relay->dies ? TG_RELAY_NOTHING : forget_failure(relay);
}

static enum tg_relay_event died(struct tg_relay *relay, const struct tg_keeper *keeper, int status)
{
	const int64_t now = tg_monotonic_ms();
	const bool is_young = now - relay->since < YOUNG_MS;
	char cause[256];

	if (!relay->is_wanted)
		return TG_RELAY_DIED;
	relay->young_deaths = is_young ? relay->young_deaths + 1 : 1;
	if (relay->young_deaths < YOUNG_MAX) {
		relay->restart_at = is_young ? now + PAUSE_MS : now;
		return relay->failure[0] == '\0' ? TG_RELAY_DIED : TG_RELAY_NOTHING;
	}
	relay->young_deaths = 0;
	relay->dies = true;
	describe_end(relay, status, cause, sizeof(cause));
	return fail(relay, keeper, cause);
}

/* `size` bytes of a packet, from a process that may have lost its mind. */
static enum tg_relay_event take_news(struct tg_relay *relay, const struct tg_keeper *keeper, const unsigned char *news,
				     size_t size)
{
	switch (news[0]) {
	case TG_RELAY_IDLE:
	case TG_RELAY_BUSY:
		relay->is_busy = news[0] == TG_RELAY_BUSY;
		break;
	case TG_RELAY_READY:
		return relay->is_serving ? TG_RELAY_NOTHING : serves(relay, keeper);
	case TG_RELAY_CANNOT:
		snprintf(relay->words, sizeof(relay->words), "%.*s", (int)size - 1, (const char *)news + 1);
		break;
	default:
		break;
	}
	return TG_RELAY_NOTHING;
}

enum tg_relay_event tg_relay_hear(struct tg_relay *relay, const struct tg_keeper *keeper, int *ret_status)
{
	while (relay->link >= 0) {
		unsigned char news[TG_RELAY_WORDS];
		const ssize_t got = recv(relay->link, news, sizeof(news), 0);
		enum tg_relay_event event = TG_RELAY_NOTHING;

		if (got > 0) {
			event = take_news(relay, keeper, news, (size_t)got);
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			const bool served = relay->is_serving;
			char cause[256];

			*ret_status = kill_and_reap(relay);
			if (served || !relay->is_wanted)
				return died(relay, keeper, *ret_status);
			describe_end(relay, *ret_status, cause, sizeof(cause));
			return fail(relay, keeper, cause);
		} else if (errno == EAGAIN) {
			break;
		}
		if (event != TG_RELAY_NOTHING)
			return event;
	}
	return TG_RELAY_NOTHING;
}

int64_t tg_relay_due(const struct tg_relay *relay)
{
	if (relay->restart_at >= 0)
		return relay->restart_at;
	if (relay->link >= 0 && !relay->is_serving)
		return relay->since + READY_MS;
	if (relay->link >= 0 && relay->failure[0] != '\0')
		return relay->since + STEADY_MS;
	return INT64_MAX;
}

enum tg_relay_event tg_relay_run(struct tg_relay *relay, const struct tg_keeper *keeper)
{
	char text[64];

	if (tg_monotonic_ms() < tg_relay_due(relay))
		return TG_RELAY_NOTHING;
	if (relay->restart_at >= 0)
		return try_start(relay, keeper);
	if (relay->is_serving)
		return forget_failure(relay);
	kill_and_reap(relay);
	snprintf(text, sizeof(text), "it does not serve within %d s", READY_MS / 1000);
	return relay->is_wanted ? fail(relay, keeper, text) : TG_RELAY_NOTHING;
}

int tg_relay_refused_by(const struct tg_relay *relay)
{
	return relay->is_down ? relay->listener : -1;
}

void tg_relay_refuse(const struct tg_relay *relay)
{
	for (int i = 0; i < REFUSED_MAX && relay->is_down; i++) {
		const int fd = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			break;
		tg_untrusted_fd_close(fd);
	}
}

pid_t tg_relay_serving(const struct tg_relay *relay)
{
	return relay->is_serving ? relay->pid : 0;
}

void tg_relay_end(struct tg_relay *relay)
{
	relay->is_wanted = false;
	relay->restart_at = -1;
	if (relay->link >= 0)
		kill_and_reap(relay);
}
