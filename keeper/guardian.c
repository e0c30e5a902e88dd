/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/guardian.h"

#include "ipc/channel.h"
#include "ipc/report.h"
#include "ipc/untrusted_fd.h"
#include "ipc/user.h"
#include "keeper/clock.h"
#include "keeper/family.h"
#include "keeper/link.h"
#include "keeper/relay.h"
#include "keeper/tree.h"
#include "keeper/worker.h"
#include "loader/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_MS 2000  /* within which the started process says hello */
#define REQUEST_MS 2000 /* within which a connection sends its request */
#define YOUNG_MS 1000   /* a worker that dies younger is started again only after a pause */
#define PAUSE_MS 200
#define HAND_OVER_MS 3000 /* within which a worker that was behind or dead takes a request */
#define END_MS 1000       /* for the worker to end */
#define KNOWN_MAX 256     /* connections of users who may ask, and of others: these cannot crowd out those */
#define UNTRUSTED_MAX 16
#define SPARE 24 /* descriptors that members leave for connections, a new worker and what it takes */

struct caller {
	int fd;
	uid_t uid;
	pid_t pid;
	int64_t deadline;
	uint32_t kind; /* what it wants of the worker, which has not been handed over yet; 0: it has not spoken */
};

struct guardian {
	struct tg_keeper *keeper;
	struct tg_tree tree;
	int listener;
	int64_t listen_again; /* no accept before: descriptors ran out */
	int link;             /* -1: no worker */
	pid_t worker_pid;
	int worker_pidfd;
	int64_t worker_since;
	int64_t restart_at; /* -1: a worker runs */
	struct tg_relay relay;
	bool relay_has_failed; /* and that was said */
	char last_words[128];
	int64_t ready_at; /* generation 1 is there; -1 before */
	bool reported;
	bool started_gone;
	struct tg_link_message users;
	struct caller callers[KNOWN_MAX + UNTRUSTED_MAX];
	size_t caller_count;
	struct pollfd *polls;
	size_t poll_room;
	rlim_t descriptor_limit;
};

enum { POLL_LISTENER, POLL_LINK, POLL_WORKER, POLL_STARTED, POLL_RELAY, POLL_REFUSED, POLL_CALLERS };

static void log_line(struct guardian *guardian, enum tg_log_level level, const char *text)
{
	struct tg_link_message message = {.kind = TG_LINK_LOG, .value = (int32_t)level};

	snprintf(message.text, sizeof(message.text), "%s", text);
	if (guardian->link >= 0)
		tg_link_send(guardian->link, &message, NULL, 0);
}

static bool may_hold(const struct guardian *guardian, uid_t uid)
{
	if (tg_user_trusted(uid))
		return true;
	for (uint32_t i = 0; i < guardian->users.users.count; i++)
		if (tg_user_same(guardian->users.users.ids[i], uid))
			return true;
	return false;
}

/* Of the relay, on which connections hang: on stderr, too, as long as that is the started process's (worker.c). */
static void report_aloud(struct guardian *guardian, const char *text)
{
	dprintf(STDERR_FILENO, "tlsgraft: %s\n", text);
	log_line(guardian, TG_LOG_ERROR, text);
}

/* For `status`. */
static void show_relay(const struct guardian *guardian)
{
	struct tg_link_message message = {.kind = TG_LINK_RELAY, .value = tg_relay_serving(&guardian->relay)};

	snprintf(message.text, sizeof(message.text), "%s", guardian->relay.failure);
	if (guardian->link >= 0)
		tg_link_send(guardian->link, &message, NULL, 0);
}

static void relay_died(struct guardian *guardian, int status)
{
	char text[128];

	snprintf(text, sizeof(text), "the relay died (%s %d): its connections have ended%s",
		 WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		 guardian->relay.is_wanted ? ", it is started again" : "");
	report_aloud(guardian, text);
}

static void relay_failed(struct guardian *guardian)
{
	char text[sizeof(guardian->relay.failure) + 128];

	snprintf(text, sizeof(text),
		 "the relay %s; connections that need it are closed until it can be, which is tried again",
		 guardian->relay.failure);
	guardian->relay_has_failed = true;
	report_aloud(guardian, text);
}

static void note_relay(struct guardian *guardian, enum tg_relay_event event, int status)
{
	if (event == TG_RELAY_NOTHING)
		return;
	if (event == TG_RELAY_DIED)
		relay_died(guardian, status);
	else if (event == TG_RELAY_FAILED)
		relay_failed(guardian);
	else if (guardian->relay_has_failed)
		log_line(guardian, TG_LOG_INFO, "the relay runs again");
	if (event == TG_RELAY_SERVES)
		guardian->relay_has_failed = false;
	show_relay(guardian);
}

static void look_at_relay(struct guardian *guardian)
{
	int status = 0;

	note_relay(guardian, tg_relay_hear(&guardian->relay, guardian->keeper, &status), status);
	note_relay(guardian, tg_relay_run(&guardian->relay, guardian->keeper), 0);
	tg_relay_refuse(&guardian->relay);
}

/* Takes the dead worker off. Returns its status as waitpid(2) has it. */
static int reap_worker(struct guardian *guardian)
{
	int status = 0;

	while (waitpid(guardian->worker_pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (guardian->worker_pidfd >= 0)
		close(guardian->worker_pidfd);
	if (guardian->link >= 0)
		close(guardian->link);
	guardian->link = guardian->worker_pidfd = -1;
	return status;
}

static int start_worker(struct guardian *guardian, bool first)
{
	struct tg_keeper *keeper = guardian->keeper;
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		const int error = errno;

		close(pair[0]);
		close(pair[1]);
		return -error;
	}
	if (child == 0) {
		const int keep[] = {pair[1], keeper->started_pidfd, keeper->result_fd, keeper->report_fd};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keeper->guardian_pid)
			_exit(TG_EXIT_OTHER);
		tg_family_close_others(keep, sizeof(keep) / sizeof(keep[0]));
		keeper->policy_fd = -1;
		/* those who come here are root and the same user */
		(void)tg_untrusted_fd_start();
		_exit(tg_worker_run(keeper, pair[1], first, guardian->last_words));
	}
	close(pair[1]);
	/* the guardian never waits for its worker; the worker may wait for the guardian */
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	guardian->link = pair[0];
	guardian->worker_pid = child;
	guardian->worker_pidfd = pidfd_open(child, 0);
	if (guardian->worker_pidfd < 0) {
		/* its death would go unseen */
		const int error = errno;

		kill(child, SIGKILL);
		reap_worker(guardian);
		return -error;
	}
	guardian->worker_since = tg_monotonic_ms();
	guardian->restart_at = -1;
	return 0;
}

/* False where the first worker never got ready: there is nothing to guard. */
static bool worker_died(struct guardian *guardian)
{
	const int64_t now = tg_monotonic_ms();
	const int status = reap_worker(guardian);

	snprintf(guardian->last_words, sizeof(guardian->last_words),
		 "reading process %d died (%s %d) and was started again", (int)guardian->worker_pid,
		 WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (guardian->ready_at < 0) {
		/* one that exits by itself has told the starter why */
		if (WIFSIGNALED(status))
			tg_keeper_result(guardian->keeper, TG_EXIT_OTHER, "tlsgraft: keeper: its reading process died\n");
		return false;
	}
	guardian->restart_at = now - guardian->worker_since < YOUNG_MS ? now + PAUSE_MS : now;
	return true;
}

static int take_memory(struct tg_keeper *keeper, const int fds[2])
{
	struct tg_policy_page page;
	int result;

	if (fds[0] < 0 || fds[1] < 0)
		return -EPROTO;
	result = tg_policy_attach(fds[0], &page);
	if (result == 0)
		result = tg_policy_seal(fds[0]);
	if (result < 0)
		return result;
	keeper->policy = page;
	keeper->policy_fd = fds[0];
	keeper->report_fd = fds[1];
	return 0;
}

static void hear_worker(struct guardian *guardian)
{
	struct tg_link_message message;
	int fds[2];

	while (guardian->link >= 0 && tg_link_receive(guardian->link, &message, fds) > 0) {
		if (message.kind == TG_LINK_MEMORY && guardian->keeper->policy_fd < 0) {
			const struct tg_link_message answer = {.kind = TG_LINK_SEALED,
							       .value = take_memory(guardian->keeper, fds)};

			if (answer.value == 0)
				fds[0] = fds[1] = -1;
			tg_link_send(guardian->link, &answer, NULL, 0);
		} else if (message.kind == TG_LINK_RELAY && guardian->keeper->policy_fd >= 0) {
			note_relay(guardian, tg_relay_want(&guardian->relay, guardian->keeper, message.value != 0), 0);
			show_relay(guardian);
		} else if (message.kind == TG_LINK_READY && guardian->ready_at < 0 && message.users.count <= TG_USERS_MAX) {
			guardian->users = message;
			guardian->ready_at = tg_monotonic_ms();
			if (guardian->keeper->result_fd >= 0)
				close(guardian->keeper->result_fd);
			guardian->keeper->result_fd = -1;
		}
		for (int i = 0; i < 2; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
}

static void drop_caller(struct guardian *guardian, size_t index)
{
	tg_untrusted_fd_close(guardian->callers[index].fd);
	guardian->caller_count--;
	memmove(&guardian->callers[index], &guardian->callers[index + 1],
		(guardian->caller_count - index) * sizeof(guardian->callers[0]));
}

/* Of the user who has the most; who has asked for something goes last, and else the oldest first. */
static size_t next_to_go(const struct guardian *guardian, bool known)
{
	size_t best = 0;
	size_t most = 0;

	for (size_t i = 0; i < guardian->caller_count; i++) {
		const struct caller *caller = &guardian->callers[i];
		size_t weight = caller->kind == 0 ? KNOWN_MAX : 0;

		if (may_hold(guardian, caller->uid) != known)
			continue;
		for (size_t k = 0; k < guardian->caller_count; k++)
			weight += guardian->callers[k].uid == caller->uid;
		if (weight > most) {
			most = weight;
			best = i;
		}
	}
	return best;
}

static void take_caller(struct guardian *guardian)
{
	struct caller caller = {.deadline = tg_monotonic_ms() + REQUEST_MS};
	size_t alike = 0;
	bool known;

	caller.fd = accept4(guardian->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (caller.fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			guardian->listen_again = tg_monotonic_ms() + PAUSE_MS;
		return;
	}
	if (tg_channel_peer(caller.fd, &caller.uid, &caller.pid) < 0) {
		tg_untrusted_fd_close(caller.fd);
		return;
	}
	known = may_hold(guardian, caller.uid);
	for (size_t i = 0; i < guardian->caller_count; i++)
		alike += may_hold(guardian, guardian->callers[i].uid) == known;
	if (alike == (known ? KNOWN_MAX : UNTRUSTED_MAX))
		drop_caller(guardian, next_to_go(guardian, known));
	guardian->callers[guardian->caller_count++] = caller;
}

/*
 * One descriptor for each process that asked, as long as enough are left for those who ask: a process that is not
 * remembered holds the tree by its mapping.
 */
static void remember_member(struct guardian *guardian, pid_t pid)
{
	int pidfd;

	if (pid <= 0 || tg_tree_has(&guardian->tree, pid))
		return;
	pidfd = pidfd_open(pid, 0);
	if (pidfd >= 0 && (rlim_t)pidfd + SPARE >= guardian->descriptor_limit)
		close(pidfd);
	else if (pidfd >= 0)
		tg_tree_add(&guardian->tree, pid, pidfd);
}

static void answer_hello(struct guardian *guardian, const struct caller *caller, const struct tg_request *request)
{
	struct tg_hello_reply reply = {.magic = TG_CHANNEL_MAGIC, .status = TG_HELLO_OK};
	int fds[2] = {guardian->keeper->policy_fd, -1};

	if (!may_hold(guardian, caller->uid))
		reply.status = TG_HELLO_NOT_ALLOWED;
	else if (request->layout != TG_LAYOUT)
		reply.status = TG_HELLO_LAYOUT;
	if (reply.status == TG_HELLO_OK) {
		fds[1] = tg_report_share(guardian->keeper->report_fd);
		/* descriptors ran out; it asks again where it is hung up on */
		if (fds[1] < 0)
			return;
		remember_member(guardian, caller->pid);
		if (caller->pid == guardian->keeper->started_pid)
			guardian->reported = true;
	}
	tg_channel_send(caller->fd, &reply, sizeof(reply), fds, reply.status == TG_HELLO_OK ? 2 : 0);
	if (fds[1] >= 0)
		close(fds[1]);
}

/* False where the worker is behind, or has yet to be started again: later then. */
static bool hand_over(const struct guardian *guardian, const struct caller *caller)
{
	const struct tg_link_message message = {.kind = TG_LINK_CONNECTION, .value = (int32_t)caller->kind};
	const int result = guardian->link < 0 ? -EPIPE : tg_link_send(guardian->link, &message, &caller->fd, 1);

	return result != -EAGAIN && result != -EPIPE && result != -ECONNRESET;
}

/* True once the guardian is done with this connection. */
static bool hear_caller(struct guardian *guardian, struct caller *caller)
{
	struct tg_request request;
	int none[1];
	const ssize_t size = tg_channel_receive(caller->fd, &request, sizeof(request), none, 0);

	if (size != (ssize_t)sizeof(request) || request.magic != TG_CHANNEL_MAGIC)
		return true;
	if (request.kind == TG_REQUEST_HELLO) {
		answer_hello(guardian, caller, &request);
		return true;
	}
	if (request.kind == TG_REQUEST_LEAVE) {
		if (caller->pid > 0) /* by the kernel's word its own id: it speaks for no other */
			tg_tree_remove(&guardian->tree, caller->pid);
		return true;
	}
	if ((request.kind != TG_REQUEST_STATUS && request.kind != TG_REQUEST_RELOAD) || !tg_user_trusted(caller->uid))
		return true;
	caller->kind = request.kind;
	caller->deadline = tg_monotonic_ms() + HAND_OVER_MS;
	return hand_over(guardian, caller);
}

static void hear_callers(struct guardian *guardian, const struct pollfd *polls, size_t count)
{
	const int64_t now = tg_monotonic_ms();

	for (size_t i = count; i-- > 0;) {
		struct caller *caller = &guardian->callers[i];
		bool done = false;

		if (caller->kind != 0)
			done = (polls[i].revents & (POLLHUP | POLLERR)) != 0 || hand_over(guardian, caller);
		else if (polls[i].revents != 0)
			done = hear_caller(guardian, caller);
		if (done || now >= caller->deadline)
			drop_caller(guardian, i);
	}
}

/* True where a connection waits for the worker to take more. */
static bool somebody_waits(const struct guardian *guardian)
{
	for (size_t i = 0; i < guardian->caller_count; i++)
		if (guardian->callers[i].kind != 0)
			return true;
	return false;
}

/* The started process has not said hello in time: it runs unprotected, so it is not left running. */
static void refuse_started(struct guardian *guardian)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "process %d: no report from the shim within %d s (libtlsgraft.so removed, unreadable, or dropped by the "
		 "dynamic loader): killed",
		 (int)guardian->keeper->started_pid, REPORT_MS / 1000);
	/* stderr is the started process's own, so this reaches whoever waits for it; the log may go elsewhere */
	dprintf(STDERR_FILENO, "tlsgraft: %s\n", text);
	log_line(guardian, TG_LOG_ERROR, text);
	pidfd_send_signal(guardian->keeper->started_pidfd, SIGKILL, NULL, 0);
	guardian->reported = true;
}

static bool report_is_due(const struct guardian *guardian)
{
	return guardian->keeper->report && guardian->ready_at >= 0 && !guardian->reported && !guardian->started_gone;
}

static int wait_ms(const struct guardian *guardian)
{
	const int64_t now = tg_monotonic_ms();
	int64_t until = now + 60000;

	if (guardian->restart_at >= 0 && guardian->restart_at < until)
		until = guardian->restart_at;
	if (tg_relay_due(&guardian->relay) < until)
		until = tg_relay_due(&guardian->relay);
	if (report_is_due(guardian) && guardian->ready_at + REPORT_MS < until)
		until = guardian->ready_at + REPORT_MS;
	if (guardian->tree.count == 0 && now + TG_TREE_LOOK_MS < until)
		until = now + TG_TREE_LOOK_MS;
	if (guardian->listen_again > now && guardian->listen_again < until)
		until = guardian->listen_again;
	for (size_t i = 0; i < guardian->caller_count; i++)
		if (guardian->callers[i].deadline < until)
			until = guardian->callers[i].deadline;
	return until <= now ? 0 : (int)(until - now);
}

/* One look at everything. False: nothing is left to guard. */
static bool turn(struct guardian *guardian)
{
	const size_t callers = guardian->caller_count;
	const size_t members = guardian->tree.count;
	const size_t total = POLL_CALLERS + callers + members;
	const bool listening = guardian->ready_at >= 0 && tg_monotonic_ms() >= guardian->listen_again;
	struct pollfd *polls = guardian->polls;

	if (total > guardian->poll_room) {
		polls = reallocarray(guardian->polls, total * 2, sizeof(*polls));
		if (polls == NULL)
			return usleep(PAUSE_MS * 1000) == 0;
		guardian->polls = polls;
		guardian->poll_room = total * 2;
	}
	/* nobody is answered before generation 1 is there: until then they wait in the socket's queue */
	polls[POLL_LISTENER] = (struct pollfd){.fd = listening ? guardian->listener : -1, .events = POLLIN};
	polls[POLL_LINK] =
	    (struct pollfd){.fd = guardian->link, .events = (short)(somebody_waits(guardian) ? POLLIN | POLLOUT : POLLIN)};
	polls[POLL_WORKER] = (struct pollfd){.fd = guardian->worker_pidfd, .events = POLLIN};
	polls[POLL_STARTED] =
	    (struct pollfd){.fd = guardian->started_gone ? -1 : guardian->keeper->started_pidfd, .events = POLLIN};
	polls[POLL_RELAY] = (struct pollfd){.fd = guardian->relay.link, .events = POLLIN};
	polls[POLL_REFUSED] = (struct pollfd){.fd = tg_relay_refused_by(&guardian->relay), .events = POLLIN};
	for (size_t i = 0; i < callers; i++)
		polls[POLL_CALLERS + i] =
		    (struct pollfd){.fd = guardian->callers[i].fd, .events = guardian->callers[i].kind == 0 ? POLLIN : 0};
	tg_tree_fill(&guardian->tree, polls + POLL_CALLERS + callers);
	if (poll(polls, total, wait_ms(guardian)) < 0)
		return true;

	if (polls[POLL_STARTED].revents != 0) {
		guardian->started_gone = true;
		tg_family_drop_stderr();
	}
	if (polls[POLL_LINK].revents != 0)
		hear_worker(guardian);
	tg_tree_reap(&guardian->tree, polls + POLL_CALLERS + callers, members);
	hear_callers(guardian, polls + POLL_CALLERS, callers);
	if (polls[POLL_LISTENER].revents != 0)
		take_caller(guardian);
	if (polls[POLL_WORKER].revents != 0 && !worker_died(guardian))
		return false;
	if (guardian->restart_at >= 0 && tg_monotonic_ms() >= guardian->restart_at && start_worker(guardian, false) < 0)
		guardian->restart_at = tg_monotonic_ms() + PAUSE_MS;
	if (report_is_due(guardian) && tg_monotonic_ms() >= guardian->ready_at + REPORT_MS)
		refuse_started(guardian);
	look_at_relay(guardian);
	/* connections that a process gave away before it became a program of another user's */
	return guardian->relay.is_busy || !tg_tree_ended(&guardian->tree, guardian->keeper->report_fd);
}

static void end_worker(struct guardian *guardian)
{
	const struct tg_link_message message = {.kind = TG_LINK_END};
	struct pollfd ended = {.fd = guardian->worker_pidfd, .events = POLLIN};

	if (guardian->link < 0)
		return;
	if (tg_link_send(guardian->link, &message, NULL, 0) < 0 || poll(&ended, 1, END_MS) != 1)
		kill(guardian->worker_pid, SIGKILL);
	reap_worker(guardian);
}

int tg_guardian_run(struct tg_keeper *keeper)
{
	struct guardian guardian = {.keeper = keeper,
				    .tree = {.empty_since = tg_monotonic_ms()},
				    .link = -1,
				    .worker_pidfd = -1,
				    .restart_at = -1,
				    .ready_at = -1,
				    .descriptor_limit = RLIM_INFINITY};
	struct rlimit limit;
	char text[128];
	int member;
	int result;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		guardian.descriptor_limit = limit.rlim_cur;
	tg_relay_init(&guardian.relay);
	guardian.listener = tg_channel_listen(keeper->tree);
	result = guardian.listener;
	if (result >= 0) {
		fcntl(guardian.listener, F_SETFL, O_NONBLOCK);
		result = start_worker(&guardian, true);
	}
	if (result < 0) {
		snprintf(text, sizeof(text), "tlsgraft: keeper: cannot start: %s\n", strerror(-result));
		tg_keeper_result(keeper, TG_EXIT_OTHER, text);
		return TG_EXIT_OTHER;
	}
	member = fcntl(keeper->started_pidfd, F_DUPFD_CLOEXEC, 3);
	if (member >= 0)
		tg_tree_add(&guardian.tree, keeper->started_pid, member);
	while (turn(&guardian))
		continue;
	tg_relay_end(&guardian.relay);
	end_worker(&guardian);
	tg_tree_free(&guardian.tree);
	free(guardian.polls);
	return 0;
}
