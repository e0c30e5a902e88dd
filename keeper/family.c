#include "keeper/family.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int tg_family_standard_descriptors(void)
{
	int fd;

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

int tg_family_leave(void)
{
	int result;
	int null;

	/* waiting for the one between: a server that is process 1 must not see an orphan die */
	result = fork_away(1);
	if (result < 0)
		return result;
	setsid();
	if (fork_away(0) < 0)
		_exit(0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	return chdir("/") < 0 ? -errno : 0;
}

void tg_family_drop_stderr(void)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDERR_FILENO);
		close(null);
	}
}
