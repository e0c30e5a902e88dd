/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that blocks SIGHUP and reads it from a descriptor, and says so. `descriptor "added later"`: the descriptor
 * stands for another signal first. `descriptor "opened anew"`: others, of other numbers, were opened for it and closed.
 */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int fd = -1;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	if (argc > 1 && strcmp(argv[1], "added later") == 0)
		fd = signalfd(-1, &set, SFD_CLOEXEC);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 20 && argc > 1 && strcmp(argv[1], "opened anew") == 0; i++) {
		const int before = fd;
		fd = signalfd(-1, &set, SFD_CLOEXEC);
		if (before >= 0 && (close(before) < 0 || dup(STDIN_FILENO) != before))
			return 2;
	}
	fd = signalfd(fd, &set, SFD_CLOEXEC);
	if (!SSL_CTX_new(TLS_server_method()))
		return 1;
	puts("ready");
	fflush(stdout);
	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		printf("read %u\n", info.ssi_signo);
		fflush(stdout);
	}
	return 1;
}
