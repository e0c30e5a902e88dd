/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that never calls listen(2): given WAY [ARGUMENT...]
 *
 * It is given a connection, a listening socket, or a socket by which another process passes connections, and greets each
 * client before it has heard of it. "clone", "unshare" and "memory" serve connections with processes that share either
 * their memory or their descriptors, not both.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIVEN 3 /* sd_listen_fds(3) */
#define STACK (1 << 20)

static const char greeting[] = "greeting\n";
static int ends[2]; /* of a pipe, by which another process hears of connections */

/* Greets, and sends back what comes, until the end or "quit". */
static int serve(int in, int out)
{
	char data[4096] = "";
	ssize_t size = write(out, greeting, sizeof(greeting) - 1);

	while (size > 0 && memmem(data, (size_t)size, "quit", 4) == NULL) {
		size = read(in, data, sizeof(data));
		if (size > 0)
			size = write(out, data, (size_t)size);
	}
	return size < 0;
}

static int accept_all(int (*accept_one)(void))
{
	for (;;) {
		int connection = accept_one();

		if (connection >= 0) {
			serve(connection, connection);
			close(connection);
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return 1;
		}
	}
}

static int by_name(void)
{
	return accept(GIVEN, NULL, NULL);
}

static int by_number(void)
{
	return (int)syscall(SYS_accept4, GIVEN, NULL, NULL, SOCK_CLOEXEC);
}

/* What another process passes; the end of the socket ends this one. */
static int receive(int by)
{
	union {
		struct cmsghdr header;
		char data[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec piece = {&byte, 1};
	struct mmsghdr message = {
	    .msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)}};
	ssize_t size;
	int connection;

	if (by == SYS_recvmsg)
		size = syscall(SYS_recvmsg, GIVEN, &message.msg_hdr, 0);
	else if (by == SYS_recvmmsg)
		size = recvmmsg(GIVEN, &message, 1, 0, NULL) == 1 ? (ssize_t)message.msg_len : -1;
	else
		size = recvmsg(GIVEN, &message.msg_hdr, 0);
	if (size <= 0 || message.msg_hdr.msg_controllen < CMSG_LEN(sizeof(int)))
		exit(0);
	memcpy(&connection, CMSG_DATA(&control.header), sizeof(connection));
	return connection;
}

static int passed(void)
{
	return receive(0);
}

static int passed_number(void)
{
	return receive(SYS_recvmsg);
}

static int passed_many(void)
{
	return receive(SYS_recvmmsg);
}

/* The listening socket is passed too. */
static int passed_listener(void)
{
	static int listener = -1;

	if (listener < 0)
		listener = receive(0);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* From the process whose id and number of the connection lie in the socket. */
static int fetched(void)
{
	int from[2], process, connection;

	if (read(GIVEN, from, sizeof(from)) != sizeof(from))
		exit(0);
	process = pidfd_open(from[0], 0);
	connection = pidfd_getfd(process, from[1], 0);
	close(process);
	return connection;
}

/* The numbers are sent by another process or thread, which has its own memory or its own descriptors. */
static int serve_announced(void *unused)
{
	int connection;

	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(ends[0], &connection, sizeof(connection)) == sizeof(connection)) {
		serve(connection, connection);
		close(connection);
	}
	return 0;
}

/* A thread whose descriptors are its own from now on closes what the others go on with. */
static void *unshare_and_close(void *connection)
{
	if (unshare(CLONE_FILES) != 0)
		perror("unshare");
	close((int)(intptr_t)connection);
	return NULL;
}

static void *close_range_and_close(void *connection)
{
	if (close_range(900, 1000, CLOSE_RANGE_UNSHARE) != 0)
		perror("close_range");
	close((int)(intptr_t)connection);
	return NULL;
}

static int accept_beside(void *(*thread)(void *))
{
	for (;;) {
		int connection = accept(GIVEN, NULL, NULL);
		pthread_t other;

		if (connection < 0 && errno != ECONNABORTED)
			return 1;
		if (connection < 0)
			continue;
		if (pthread_create(&other, NULL, thread, (void *)(intptr_t)connection) != 0)
			return 1;
		pthread_join(other, NULL);
		serve(connection, connection);
		close(connection);
	}
}

static int announce_all(void)
{
	for (;;) {
		int connection = accept(GIVEN, NULL, NULL);

		if (connection < 0 && errno != ECONNABORTED)
			return 1;
		if (connection >= 0 && write(ends[1], &connection, sizeof(connection)) < 0)
			return 1;
	}
}

static int divide(const char *way)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long child;

	if (pipe(ends) != 0 || stack == MAP_FAILED)
		return 1;
	if (strcmp(way, "clone") == 0) {
		child = clone(serve_announced, stack + STACK, CLONE_FILES | SIGCHLD, NULL);
	} else if (strcmp(way, "clone-number") == 0) {
		child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
		if (child == 0)
			_exit(serve_announced(NULL));
	} else if (strcmp(way, "clone3") == 0) {
		struct clone_args arguments = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
		child = syscall(SYS_clone3, &arguments, sizeof(arguments));
		if (child == 0)
			_exit(serve_announced(NULL));
	} else {
		return 2;
	}
	if (child < 0) {
		perror(way);
		return 1;
	}
	return announce_all();
}

static atomic_int written_to = -1, written_by; /* the number, and whether the other thread is there */

/* Writes to the connection as long as its number is told, in the middle of its close too. */
static void *write_on(void *unused)
{
	for (;;) {
		int fd = atomic_load(&written_to);

		atomic_store(&written_by, fd);
		if (fd >= 0)
			(void)!write(fd, greeting, sizeof(greeting) - 1);
	}
	return unused;
}

/* No descriptor is left but for one connection at a time. */
static int be_scarce(void)
{
	const struct rlimit limit = {GIVEN + 2, GIVEN + 2};
	pthread_t thread;

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || pthread_create(&thread, NULL, write_on, NULL) != 0)
		return 1;
	for (;;) {
		int connection = accept(GIVEN, NULL, NULL);

		if (connection < 0 && errno != ECONNABORTED)
			return 1;
		if (connection < 0)
			continue;
		atomic_store(&written_to, connection);
		while (atomic_load(&written_by) != connection)
			;
		close(connection);
		atomic_store(&written_to, -1);
		while (atomic_load(&written_by) != -1)
			;
	}
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* With a thread beside, that other threads' business be looked after. */
static int accept_in_company(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, idle, NULL) != 0 || accept_all(by_name);
}

/* Accepts where it shares its memory with another process that does not share its descriptors. */
static int accept_apart(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return accept_all(by_name);
}

static int share_memory(void)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int child = clone(accept_apart, stack + STACK, CLONE_VM | SIGCHLD, NULL);

	if (child < 0)
		perror("clone");
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return child < 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*accept_one)(void);
	} ways[] = {
	    {"accept", by_name},          {"number", by_number},
	    {"passed", passed},           {"passed-number", passed_number},
	    {"passed-many", passed_many}, {"listener", passed_listener},
	    {"fetched", fetched},
	};
	const char *way = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(way, "connection") == 0)
		return serve(atoi(argv[2]), atoi(argv[argc > 3 ? 3 : 2]));
	if (strcmp(way, "memory") == 0)
		return share_memory();
	if (strcmp(way, "scarce") == 0)
		return be_scarce();
	if (strcmp(way, "company") == 0)
		return accept_in_company();
	if (strcmp(way, "unshare") == 0)
		return accept_beside(unshare_and_close);
	if (strcmp(way, "close-range") == 0)
		return accept_beside(close_range_and_close);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(way, ways[i].name) == 0)
			return accept_all(ways[i].accept_one);
	return divide(way);
}
