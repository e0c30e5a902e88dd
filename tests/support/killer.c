/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills processes at one of their system calls, by number, so that a sweep over the numbers meets every moment between two.
 * A call counts twice: when it begins and when it returns.
 *
 *     killer PID NUMBER               that process, counted from now; prints "ready" first
 *     killer NUMBER -- COMMAND...     becomes COMMAND; it and all that it forks, each counted from its own beginning
 *
 * Until SIGTERM, or until no process is left: what still lives goes on untouched.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PIDS = 1 << 16 };

static const long OPTIONS =
    PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
static struct {
	pid_t pid;
	long calls;
} traced[MAX_PIDS];
static volatile sig_atomic_t stopping;

static void stop(int number)
{
	(void)number;
	stopping = 1;
}

static long count(pid_t pid)
{
	for (int i = 0; i < MAX_PIDS; i++) {
		if (traced[i].pid == 0)
			traced[i].pid = pid;
		if (traced[i].pid == pid)
			return ++traced[i].calls;
	}
	abort();
}

/* One event of one process. */
static void answer(pid_t pid, int status, long number)
{
	const int signal_number = WSTOPSIG(status);
	const int event = status >> 16;

	if (signal_number == (SIGTRAP | 0x80)) {
		if (count(pid) == number)
			kill(pid, SIGKILL);
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
	} else if (event == PTRACE_EVENT_STOP && signal_number != SIGTRAP) {
		ptrace(PTRACE_LISTEN, pid, 0, 0);
	} else if (event != 0 || signal_number == SIGTRAP) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
	} else {
		ptrace(PTRACE_SYSCALL, pid, 0, signal_number);
	}
}

static void trace(long number)
{
	struct sigaction action = {.sa_handler = stop};
	int status;

	sigaction(SIGTERM, &action, NULL);
	while (!stopping) {
		const pid_t pid = waitpid(-1, &status, __WALL);

		if (pid > 0 && WIFSTOPPED(status))
			answer(pid, status, number);
		else if (pid < 0 && errno != EINTR)
			break;
	}
	/* the end of the tracer lets go of all (ptrace(2)); what is stopped goes on */
}

static int attach(pid_t pid)
{
	return ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0;
}

static int become(char **command, long number)
{
	const pid_t self = getpid();
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		return 71;
	switch (fork()) {
	case -1:
		return 71;
	case 0:
		setsid();
		if (ptrace(PTRACE_SEIZE, self, 0, OPTIONS) < 0)
			_exit(71);
		ptrace(PTRACE_INTERRUPT, self, 0, 0);
		/* of the command's descriptors none may stay open here: their readers wait for the end */
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
		trace(number);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		return 71;
	close(ready[0]);
	execv(command[0], command);
	return 127;
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[2], "--") == 0)
		return become(argv + 3, atol(argv[1]));
	if (argc != 3)
		return 64;
	if (attach((pid_t)atol(argv[1])) != 0)
		return 71;
	puts("ready");
	fflush(stdout);
	trace(atol(argv[2]));
	return 0;
}
