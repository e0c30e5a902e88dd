/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program sees of its SIGHUP: each way of setting a disposition, and what every other way then tells of it, one line
 * each. `dispositions early`: before it has a server context; `dispositions serve`: after. The output is the same with the
 * shim and without.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset and its family */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern __sighandler_t bsd_signal(int number, __sighandler_t handler);

static volatile int calls, infos;

static void plain(int number)
{
	(void)number;
	calls++;
}

static void with_info(int number, siginfo_t *info, void *context)
{
	infos += number == SIGHUP && info->si_pid == getpid() && context != NULL;
}

static const char *name_of(__sighandler_t handler)
{
	return handler == SIG_DFL    ? "default"
	       : handler == SIG_IGN  ? "ignore"
	       : handler == SIG_HOLD ? "hold"
	       : handler == SIG_ERR  ? "error"
	       : handler == plain    ? "plain"
				     : "other";
}

static void show(const char *what, __sighandler_t returned)
{
	struct sigaction action;
	sigset_t blocked;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	if (sigaction(SIGHUP, NULL, &action) != 0)
		return;
	/* The C library's own flag for its return trampoline shows through or not. */
	printf("%s: %s, now %s flags %x masks HUP %d USR2 %d blocked %d\n", what, name_of(returned),
	       action.sa_sigaction == with_info ? "info" : name_of(action.sa_handler),
	       (unsigned)action.sa_flags & ~0x04000000u, sigismember(&action.sa_mask, SIGHUP),
	       sigismember(&action.sa_mask, SIGUSR2), sigismember(&blocked, SIGHUP));
}

static void hit(const char *what)
{
	calls = infos = 0;
	raise(SIGHUP);
	printf("%s: calls %d infos %d\n", what, calls, infos);
}

static void wait_for_it(void)
{
	struct timespec second = {.tv_sec = 1};
	siginfo_t info;
	sigset_t only;
	int number = 0;

	sigemptyset(&only);
	sigaddset(&only, SIGHUP);
	sigprocmask(SIG_BLOCK, &only, NULL);
	raise(SIGHUP);
	printf("sigwait %d", sigwait(&only, &number));
	printf(" %d\n", number);
	raise(SIGHUP);
	printf("sigwaitinfo %d", sigwaitinfo(&only, &info));
	printf(" code %d\n", info.si_code);
	raise(SIGHUP);
	printf("sigtimedwait %d\n", sigtimedwait(&only, NULL, &second));
	second.tv_sec = 0;
	printf("sigtimedwait %d\n", sigtimedwait(&only, NULL, &second));
	sigprocmask(SIG_UNBLOCK, &only, NULL);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER}, old;

	if (argc > 1 && strcmp(argv[1], "serve") == 0 && SSL_CTX_new(TLS_server_method()) == NULL)
		return 1;
	show("start", SIG_DFL);
	wait_for_it();
	show("signal", signal(SIGHUP, plain));
	hit("signal");
	hit("signal");
	show("signal ignore", signal(SIGHUP, SIG_IGN));
	hit("ignored");
	show("bsd_signal", bsd_signal(SIGHUP, plain));
	show("sysv_signal", sysv_signal(SIGHUP, plain));
	hit("sysv_signal");
	show("after its one call", SIG_DFL);
	show("ssignal", ssignal(SIGHUP, plain));
	siginterrupt(SIGHUP, 1);
	show("siginterrupt", SIG_DFL);
	show("signal after it", signal(SIGHUP, plain));
	siginterrupt(SIGHUP, 0);
	show("siginterrupt back", signal(SIGHUP, SIG_DFL));
	show("sigset", sigset(SIGHUP, plain));
	show("sigset hold", sigset(SIGHUP, SIG_HOLD));
	show("sigset hold again", sigset(SIGHUP, SIG_HOLD));
	raise(SIGHUP);
	printf("held: %d\n", calls);
	show("sigset from hold", sigset(SIGHUP, plain));
	hit("sigset");
	printf("sigignore %d\n", sigignore(SIGHUP));
	show("sigignore", SIG_DFL);
	sigaddset(&action.sa_mask, SIGUSR2);
	action.sa_sigaction = with_info;
	printf("sigaction %d\n", sigaction(SIGHUP, &action, &old));
	printf("old %s\n", name_of(old.sa_handler));
	show("sigaction", SIG_DFL);
	hit("sigaction");
	show("wrong", signal(SIGHUP, SIG_ERR));
	show("wrong number", signal(12345, plain));
	printf("wrong number %d\n", sigaction(12345, &action, NULL));
	wait_for_it();
	return 0;
}
