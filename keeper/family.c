/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/family.h"

#include "ipc/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Inode of the first process id namespace, PROC_PID_INIT_INO of the kernel's proc_ns.h. */
#define FIRST_PID_NAMESPACE 0xeffffffcu

int tg_family_standard_descriptors(void)
{
	int fd;

	/* A server of one connection (inetd): what we say is not for its client, nor may we hold the connection open. */
	if (tg_socket_is_internet(STDERR_FILENO))
		close(STDERR_FILENO);
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

static int compare_descriptors(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void tg_family_close_others(const int *keep, size_t count)
{
	int sorted[16];
	int next = STDERR_FILENO + 1;

	if (count > sizeof(sorted) / sizeof(sorted[0]))
		abort();
	for (size_t i = 0; i < count; i++)
		sorted[i] = keep[i];
	qsort(sorted, count, sizeof(sorted[0]), compare_descriptors);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] < next)
			continue;
		if (sorted[i] > next)
			close_range((unsigned int)next, (unsigned int)sorted[i] - 1, 0);
		next = sorted[i] + 1;
	}
	close_range((unsigned int)next, UINT_MAX, 0);
}

void tg_family_ignore_signals(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGKILL, SIGSTOP};
	sigset_t none;

	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction action = {.sa_handler = SIG_IGN};

		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			if (number == faults[i])
				action.sa_handler = SIG_DFL;
		/* ignored, it would make waitid(2) forget the worker */
		if (number == SIGCHLD)
			action.sa_handler = SIG_DFL;
		sigaction(number, &action, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 in the child; the parent waits where `wait` says so, then _exits. */
static int fork_away(int wait)
{
	const pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0)
		return 0;
	while (wait && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	_exit(0);
}

static void point_at_null(int first, int last)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (int fd = first; fd <= last; fd++)
		dup2(null, fd);
	if (null > last)
		close(null);
}

/* True where process 1 need not be made to live with orphans. Without /proc nobody can tell. */
static bool in_a_container(void)
{
	struct stat namespace;

	return stat("/proc/self/ns/pid", &namespace) < 0 || namespace.st_ino != FIRST_PID_NAMESPACE;
}

/*
 * Stands between the server and the guardian, so that whatever becomes of the guardian and its workers, the server sees an
 * orphan that ends well. Never returns.
 */
static _Noreturn void stand_between(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	point_at_null(STDIN_FILENO, STDERR_FILENO);
	tg_family_close_others(NULL, 0);
	while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
		continue;
	_exit(0);
}

/* Waits until the process of `pidfd` has ended, and its children have another parent. */
static void outlive(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		continue;
}

int tg_family_leave(pid_t started)
{
	int result;
	int between;
	pid_t adopter;

	/* waiting for the one between: a server that is process 1 must not see an orphan die */
	result = fork_away(1);
	if (result < 0)
		return result;
	setsid();
	between = pidfd_open(getpid(), 0);
	if (between < 0 || fork_away(0) < 0)
		_exit(0);
	outlive(between);
	close(between);
	adopter = getppid();
	if (adopter == started || (adopter == 1 && in_a_container())) {
		const pid_t guardian = fork();

		if (guardian < 0)
			return -errno;
		if (guardian > 0)
			stand_between();
	}
	point_at_null(STDIN_FILENO, STDOUT_FILENO);
	return chdir("/") < 0 ? -errno : 0;
}

void tg_family_drop_stderr(void)
{
	point_at_null(STDERR_FILENO, STDERR_FILENO);
}
