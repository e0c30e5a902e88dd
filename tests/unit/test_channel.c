/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/channel.h"
#include "ipc/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 5000
#define NOBODY 65534

/* A name of its own for each run: abstract sockets are shared by the whole network namespace. */
static char tree[TG_TREE_LENGTH + 1];

static int make_tree(void **state)
{
	(void)state;
	(void)snprintf(tree, sizeof tree, "%016lx", (unsigned long)getpid());
	return 0;
}

enum answer {
	ANSWER_OK,
	ANSWER_REFUSE,
	ANSWER_LAYOUT,
	ANSWER_OLDER,
	ANSWER_NO_DESCRIPTORS,
	ANSWER_WRONG_MAGIC,
	ANSWER_SHORT,
	ANSWER_END
};

/* The keeper's side of one conversation, in a child; its exit status is 0 where the attached process spoke as it should. */
static int keep(int listener, uint32_t layout, enum answer answer)
{
	struct tg_hello_reply reply = {.magic = TG_CHANNEL_MAGIC, .status = TG_HELLO_OK};
	struct tg_request request;
	int fds[2] = {memfd_create("first", MFD_CLOEXEC), memfd_create("second", MFD_CLOEXEC)};
	int fd_count = 2, connection;
	size_t size = sizeof reply;
	uid_t uid;
	pid_t pid;

	connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0 || tg_channel_peer(connection, &uid, &pid) || uid != geteuid() || pid != getppid())
		return 1;
	if (tg_channel_receive(connection, &request, sizeof request, NULL, 0) != (ssize_t)sizeof request)
		return 2;
	if (request.magic != TG_CHANNEL_MAGIC || request.layout != layout || request.kind != TG_REQUEST_HELLO)
		return 3;
	switch (answer) {
	case ANSWER_OK:
	case ANSWER_OLDER:
		break;
	case ANSWER_REFUSE:
		reply.status = TG_HELLO_NOT_ALLOWED;
		break;
	case ANSWER_LAYOUT:
		reply.status = TG_HELLO_LAYOUT;
		break;
	case ANSWER_NO_DESCRIPTORS:
		fd_count = 0;
		break;
	case ANSWER_WRONG_MAGIC:
		reply.magic++;
		break;
	case ANSWER_SHORT:
		size--;
		break;
	case ANSWER_END:
		close(connection);
		return 0;
	}
	return tg_channel_send(connection, &reply, size, fds, fd_count) == (ssize_t)size ? 0 : 4;
}

/* One that speaks a layout of its own: told of another, it says so and is asked again. */
static int keep_older(int listener, enum answer answer)
{
	const int first = keep(listener, TG_LAYOUT, ANSWER_LAYOUT);

	return first == 0 ? keep(listener, TG_LAYOUT - 1, answer) : first + 10;
}

static pid_t start_keeper(int *ret_listener, enum answer answer)
{
	pid_t child;

	*ret_listener = tg_channel_listen(tree);
	assert_true(*ret_listener >= 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(answer == ANSWER_OLDER    ? keep_older(*ret_listener, ANSWER_OK)
		      : answer == ANSWER_LAYOUT ? keep_older(*ret_listener, ANSWER_LAYOUT)
						: keep(*ret_listener, TG_LAYOUT, answer));
	return child;
}

static void end_keeper(pid_t child, int listener)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(listener);
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void assert_memfd(int fd, const char *name)
{
	char link[64], target[64] = "";

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	assert_true(readlink(link, target, sizeof target - 1) > 0);
	assert_non_null(strstr(target, name));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void hello_gets_both_descriptors(void **state)
{
	int listener, policy = -1, report = -1, before;
	pid_t child;

	(void)state;
	child = start_keeper(&listener, ANSWER_OK);
	assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	before = open_descriptors();
	errno = 4711;
	assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), 0);
	assert_int_equal(errno, 4711);
	assert_memfd(policy, "first");
	assert_memfd(report, "second");
	assert_int_equal(open_descriptors(), before + 2);
	close(policy);
	close(report);
	end_keeper(child, listener);
}

static void a_keeper_of_the_layout_before_is_asked_in_it(void **state)
{
	int listener, policy = -1, report = -1, before;
	pid_t child;

	(void)state;
	child = start_keeper(&listener, ANSWER_OLDER);
	before = open_descriptors();
	errno = 4711;
	assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), 0);
	assert_int_equal(errno, 4711);
	assert_int_equal(open_descriptors(), before + 2);
	close(policy);
	close(report);
	end_keeper(child, listener);
}

static void leaving_is_said_and_not_answered(void **state)
{
	const int listener = tg_channel_listen(tree);
	struct tg_request request;
	int connection;
	pid_t pid = 0;

	(void)state;
	assert_true(listener >= 0);
	errno = 4711;
	tg_channel_leave(tree, WAIT_MS);
	connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(connection >= 0);
	assert_int_equal(tg_channel_peer(connection, NULL, &pid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(tg_channel_receive(connection, &request, sizeof request, NULL, 0), sizeof request);
	assert_int_equal(request.magic, TG_CHANNEL_MAGIC);
	assert_int_equal(request.kind, TG_REQUEST_LEAVE);
	close(connection);
	close(listener);
	errno = 4711;
	tg_channel_leave(tree, WAIT_MS);
	tg_channel_leave("no tree", WAIT_MS);
	assert_int_equal(errno, 4711);
}

static void other_answers_give_none(void **state)
{
	static const struct {
		enum answer answer;
		int error;
	} cases[] = {
	    {ANSWER_REFUSE, -EACCES},      {ANSWER_LAYOUT, -EPROTONOSUPPORT}, {ANSWER_NO_DESCRIPTORS, -EPROTO},
	    {ANSWER_WRONG_MAGIC, -EPROTO}, {ANSWER_SHORT, -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int listener, policy = -1, report = -1, before;
		const pid_t child = start_keeper(&listener, cases[i].answer);

		before = open_descriptors();
		errno = 4711;
		assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), cases[i].error);
		assert_int_equal(errno, 4711);
		assert_int_equal(policy, -1);
		assert_int_equal(report, -1);
		assert_int_equal(open_descriptors(), before);
		end_keeper(child, listener);
	}
}

/* Where a keeper dies with the attached process in its queue, or drops one of too many. */
static void who_is_hung_up_on_asks_again(void **state)
{
	int listener, policy = -1, report = -1;
	pid_t child;

	(void)state;
	listener = tg_channel_listen(tree);
	assert_true(listener >= 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const int first = keep(listener, TG_LAYOUT, ANSWER_END);

		_exit(first != 0 ? first : keep(listener, TG_LAYOUT, ANSWER_OK));
	}
	assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), 0);
	close(policy);
	close(report);
	end_keeper(child, listener);

	child = start_keeper(&listener, ANSWER_END);
	close(listener);
	policy = report = -1;
	assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), -ECONNREFUSED);
	assert_int_equal(policy, -1);
	end_keeper(child, -1);
}

static void nobody_there_is_said_at_once(void **state)
{
	int policy = -1, report = -1;

	(void)state;
	errno = 4711;
	assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), -ECONNREFUSED);
	assert_int_equal(tg_channel_hello("no tree", WAIT_MS, &policy, &report), -EINVAL);
	assert_int_equal(errno, 4711);
	assert_int_equal(tg_channel_listen("no tree"), -EINVAL);
	assert_int_equal(tg_channel_connect(NULL, WAIT_MS), -EINVAL);
}

static void a_silent_keeper_is_waited_for_with_a_bound(void **state)
{
	int policy, report;
	const int listener = tg_channel_listen(tree);

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(tg_channel_hello(tree, 50, &policy, &report), -ETIMEDOUT);
	assert_int_equal(tg_channel_listen(tree), -EADDRINUSE);
	close(listener);
}

/* A full backlog makes connect wait; the bound holds there too. */
static void a_full_backlog_is_waited_for_with_a_bound(void **state)
{
	int waiting[1024], count = 0, error = 0;
	const int listener = tg_channel_listen(tree);

	(void)state;
	assert_true(listener >= 0);
	while (error == 0 && count < 1024) {
		const int fd = tg_channel_connect(tree, 50);

		if (fd < 0)
			error = fd;
		else
			waiting[count++] = fd;
	}
	assert_int_equal(error, -ETIMEDOUT);
	for (int i = 0; i < count; i++)
		close(waiting[i]);
	close(listener);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
	(void)number;
	alarms++;
}

static void signals_do_not_end_the_wait(void **state)
{
	const struct itimerval often = {.it_interval = {.tv_usec = 5000}, .it_value = {.tv_usec = 5000}}, never = {0};
	struct sigaction action = {.sa_handler = count_alarm}, before;
	int policy, report;
	const int listener = tg_channel_listen(tree);

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(tg_channel_hello(tree, 100, &policy, &report), -ETIMEDOUT);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_true(alarms > 1);
	close(listener);
}

/* A keeper of another user that is not root must not be believed. Only root can try this: it becomes two others. */
static void a_keeper_of_another_user_is_refused(void **state)
{
	int ready[2], leave[2], policy = -1, report = -1, status;
	char byte;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(leave[1]);
		if (setuid(NOBODY) != 0 || tg_channel_listen(tree) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(leave[0], &byte, 1) == 0 ? 0 : 2);
	}
	close(leave[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(tg_channel_hello(tree, WAIT_MS, &policy, &report), -EPERM);
	assert_int_equal(policy, -1);
	/* The same keeper is good for an attached process of its own user: what fails then is only that it never answers.
	 */
	assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(tg_channel_hello(tree, 50, &policy, &report), -ETIMEDOUT);
	assert_int_equal(seteuid(0), 0);
	close(leave[1]);
	close(ready[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void what_does_not_fit_is_refused_and_closed(void **state)
{
	const int sent[2] = {0, 0};
	int pair[2], fds[2], before;
	char small[4];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	before = open_descriptors();
	assert_int_equal(tg_channel_send(pair[0], "12345", 5, sent, 2), 5);
	assert_int_equal(tg_channel_receive(pair[1], small, sizeof small, fds, 2), -EMSGSIZE);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
	assert_int_equal(tg_channel_send(pair[0], "1", 1, sent, 2), 1);
	assert_int_equal(tg_channel_receive(pair[1], small, sizeof small, fds, 1), -EMSGSIZE);
	assert_int_equal(tg_channel_send(pair[0], "1", 1, sent, 2), 1);
	assert_int_equal(tg_channel_receive(pair[1], small, sizeof small, NULL, 0), -EMSGSIZE);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(tg_channel_send(pair[0], "1", 1, sent, 3), -EINVAL);
	assert_int_equal(tg_channel_send(pair[0], "12", 2, sent, 1), 2);
	assert_int_equal(tg_channel_receive(pair[1], small, sizeof small, fds, 2), 2);
	assert_true(fds[0] >= 0);
	assert_int_equal(fds[1], -1);
	close(fds[0]);
	/* An ended peer is an error number, not SIGPIPE. */
	close(pair[1]);
	assert_int_equal(tg_channel_send(pair[0], "1", 1, NULL, 0), -EPIPE);
	assert_int_equal(tg_channel_receive(pair[0], small, sizeof small, NULL, 0), 0);
	close(pair[0]);
}

static void tree_names_are_strict(void **state)
{
	char name[TG_TREE_NAME_SIZE];

	(void)state;
	assert_true(tg_tree_valid("0123456789abcdef"));
	assert_false(tg_tree_valid(NULL));
	assert_false(tg_tree_valid(""));
	assert_false(tg_tree_valid("0123456789abcdeg"));
	assert_false(tg_tree_valid("0123456789abcdef "));
	assert_int_equal(tg_tree_name("a:", "0123456789abcdef", name), 18);
	assert_string_equal(name, "a:0123456789abcdef");
	assert_int_equal(tg_tree_name("a:", "x", name), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hello_gets_both_descriptors),
	    cmocka_unit_test(a_keeper_of_the_layout_before_is_asked_in_it),
	    cmocka_unit_test(leaving_is_said_and_not_answered),
	    cmocka_unit_test(other_answers_give_none),
	    cmocka_unit_test(who_is_hung_up_on_asks_again),
	    cmocka_unit_test(nobody_there_is_said_at_once),
	    cmocka_unit_test(a_silent_keeper_is_waited_for_with_a_bound),
	    cmocka_unit_test(a_full_backlog_is_waited_for_with_a_bound),
	    cmocka_unit_test(signals_do_not_end_the_wait),
	    cmocka_unit_test(a_keeper_of_another_user_is_refused),
	    cmocka_unit_test(what_does_not_fit_is_refused_and_closed),
	    cmocka_unit_test(tree_names_are_strict),
	};

	return cmocka_run_group_tests_name("channel", tests, make_tree, NULL);
}
