/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that performs every call on connections that it accepted, and writes down what each returned.
 *
 *     semantics-server CONTROL_PATH PORT [PATTERN]   runs the cases whose names match (fnmatch(3), FNM_EXTMATCH), each in a
 *                                                    process of its own
 *     semantics-server --list                        their names
 *
 * CONTROL_PATH: the client's (client.c). For each case a line "= NAME" and then its record on standard output.
 */
#include "record.h"
#include "situations.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CASE_MS = 20000, MAX_CASES = 2048 };

struct one_case {
	char name[64];
	const struct reading *reading;
	const struct read_way *read_way;
	const struct writing *writing;
	const struct write_way *write_way;
	const struct single *single;
};

static struct one_case cases[MAX_CASES];
static size_t case_count;

enum { SUBJECTS = 7 };
static const struct single *const singles[SUBJECTS] = {
    singles_calls, singles_options, singles_polling, singles_epoll, singles_descriptors, singles_processes, singles_ends};

static struct one_case *add_case(const char *kind, const char *name, const char *situation)
{
	if (case_count == MAX_CASES)
		abort();
	snprintf(cases[case_count].name, sizeof(cases->name), "%s/%s%s%s", kind, name, *situation ? "/" : "", situation);
	return &cases[case_count++];
}

static void make_cases(void)
{
	for (const struct read_way *way = read_ways; way->name; way++)
		for (const struct reading *reading = readings; reading->name; reading++)
			if (!(way->traits & reading->not_for)) {
				struct one_case *made = add_case("read", way->name, reading->name);

				made->reading = reading;
				made->read_way = way;
			}
	for (const struct write_way *way = write_ways; way->name; way++)
		for (const struct writing *writing = writings; writing->name; writing++)
			if (!(way->traits & writing->not_for)) {
				struct one_case *made = add_case("write", way->name, writing->name);

				made->writing = writing;
				made->write_way = way;
			}
	for (size_t i = 0; i < SUBJECTS; i++)
		for (const struct single *single = singles[i]; single->name; single++)
			add_case("single", single->name, "")->single = single;
}

static int connect_control(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (control >= 0 && connect(control, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return control;
	close(control);
	return -1;
}

static void run_in_child(const struct one_case *what, struct test *t, const char *control_path)
{
	setpgid(0, 0);
	catch_pipe();
	t->control = connect_control(control_path);
	if (t->control < 0) {
		note(t, "no client: %s", strerrorname_np(errno));
		exit(1);
	}
	if (what->reading)
		what->reading->run(t, what->read_way);
	else if (what->writing)
		what->writing->run(t, what->write_way);
	else
		what->single->run(t);
	exit(0);
}

/* A case that ended before it accepted leaves its connection to the next one. */
static void drop_pending(int listener)
{
	struct pollfd waiting = {.fd = listener, .events = POLLIN};

	while (poll(&waiting, 1, 0) > 0) {
		const int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			break;
		close(fd);
	}
}

/* False: something got lost on the way, and it is to be run again. */
static bool run_case(const struct one_case *what, struct test t, const char *control_path, bool last)
{
	int status = 0, pidfd;
	pid_t pid;
	struct pollfd waiting = {.events = POLLIN};

	t.log->used = 0;
	memset(t.log->text, 0, sizeof(t.log->text));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_in_child(what, &t, control_path);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	waiting.fd = pidfd;
	if (poll(&waiting, 1, CASE_MS) <= 0) {
		note(&t, "does not end");
		kill(-pid, SIGKILL);
	}
	close(pidfd);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		note(&t, "killed by %s", sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		note(&t, "status %d", WEXITSTATUS(status));
	drop_pending(t.listener);
	/* A reset is sent once, and a loopback device that is busy drops it. */
	if (!last && strstr(t.log->text, "the end did not arrive"))
		return false;
	printf("= %s\n%s", what->name, t.log->text);
	return true;
}

static void run_until_whole(const struct one_case *what, struct test t, const char *control_path)
{
	for (int attempt = 1; !run_case(what, t, control_path, attempt == 3); attempt++)
		;
}

static bool matches(const char *pattern, const struct one_case *what)
{
	return fnmatch(pattern, what->name, FNM_EXTMATCH) == 0;
}

/* CONTROL PORT [PATTERN PATTERN [FIRST]]: the cases that both patterns match, one of them, or another one, before them. */
int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct test t = {.fd = -1};
	const int on = 1;

	make_cases();
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < case_count; i++)
			puts(cases[i].name);
		return 0;
	}
	if (argc != 3 && argc != 5 && argc != 6)
		return 64;
	t.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(t.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	if (bind(t.listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(t.listener, 64) < 0) {
		perror("semantics: listen");
		return 71;
	}
	t.log = mmap(NULL, sizeof(*t.log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t.log == MAP_FAILED)
		return 71;
	for (size_t i = 0; argc == 6 && i < case_count; i++)
		if (strcmp(cases[i].name, argv[5]) == 0)
			run_until_whole(&cases[i], t, argv[1]);
	for (size_t i = 0; i < case_count; i++)
		if ((argc != 6 || strcmp(cases[i].name, argv[5]) != 0) &&
		    (argc == 3 || (matches(argv[3], &cases[i]) && matches(argv[4], &cases[i]))))
			run_until_whole(&cases[i], t, argv[1]);
	return 0;
}
