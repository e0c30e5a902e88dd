/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plaintext server that speaks first: `first PORT WAY [PROTOCOL]`, that of socket(2). Each way is another shape of
 * server; none of them would wait for a client that says nothing. GREETING to whoever comes, and in some of them what came
 * behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define GREETING "welcome to this server\n"
#define TIMEOUT_MS 10
#define HANDSHAKE_MS 250 /* of a client that does it at once */
#define LONG 150000      /* bytes: no less than the kernel takes for a client that reads nothing */

static int listener;

static void greet(int fd)
{
	if (write(fd, GREETING, sizeof(GREETING) - 1) != (ssize_t)sizeof(GREETING) - 1)
		perror("write");
}

static void echo(int fd)
{
	char data[256];
	const ssize_t size = read(fd, data, sizeof(data));

	if (size > 0 && write(fd, data, (size_t)size) != size)
		perror("write");
}

static void closes(int fd)
{
	greet(fd);
	close(fd);
}

static void shuts_down(int fd)
{
	greet(fd);
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void writes_pieces(int fd)
{
	const struct iovec pieces[] = {{(void *)(uintptr_t)GREETING, 8}, {(void *)(uintptr_t)&GREETING[8], 3}};

	if (writev(fd, pieces, 2) != 11 || send(fd, &GREETING[11], sizeof(GREETING) - 12, MSG_MORE) < 0)
		perror("writev");
	close(fd);
}

static void lingers(int fd)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 30};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	closes(fd);
}

static void sends_file(int fd)
{
	const int file = memfd_create("first", MFD_CLOEXEC);

	greet(file);
	if (sendfile(fd, file, &(off_t){0}, sizeof(GREETING) - 1) < 0)
		perror("sendfile");
	close(file);
	close(fd);
}

static void prints(int fd)
{
	FILE *stream = fdopen(fd, "r+");

	fputs(GREETING, stream);
	fclose(stream);
}

static void writes_much(int fd)
{
	static char much[LONG];

	memset(much, 'x', sizeof(much));
	greet(fd);
	for (size_t done = 0; done < sizeof(much);) {
		const ssize_t size = write(fd, much + done, sizeof(much) - done);
		if (size <= 0)
			break;
		done += (size_t)size;
	}
	close(fd);
}

/* By another thread than the one that accepts, of which there are few. */
static void *serve_queue(void *pipe)
{
	int fd;

	while (read(*(int *)pipe, &fd, sizeof(fd)) == sizeof(fd))
		closes(fd);
	return NULL;
}

static void pools(int fd)
{
	static int ends[2];
	pthread_t thread;

	if (ends[1] == 0) {
		if (pipe(ends) != 0)
			exit(1);
		for (int i = 0; i < 2; i++)
			pthread_create(&thread, NULL, serve_queue, &ends[0]);
	}
	if (write(ends[1], &fd, sizeof(fd)) < 0)
		perror("pipe");
}

/* Pushes what it has to say, and waits for something else than the client. */
static void *push(void *number)
{
	greet((int)(intptr_t)number);
	for (;;)
		pause();
	return NULL;
}

static void pushes(int fd)
{
	pthread_t thread;

	pthread_create(&thread, NULL, push, (void *)(intptr_t)fd);
}

static void polls_then_answers(int fd)
{
	struct pollfd interest = {.fd = fd, .events = POLLIN};

	greet(fd);
	if (poll(&interest, 1, TIMEOUT_MS) == 1)
		echo(fd);
	close(fd);
}

/* The client first, but not for long. */
static void times_out(int fd)
{
	const struct timeval timeout = {.tv_usec = HANDSHAKE_MS * 1000};
	char data[256];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (read(fd, data, sizeof(data)) < 0 && errno != EAGAIN)
		perror("read");
	closes(fd);
}

static void forks(int fd)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	if (fork() == 0) {
		greet(fd);
		_exit(0);
	}
	close(fd);
}

static void is_killed(int fd)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	if (fork() == 0) {
		greet(fd);
		kill(getpid(), SIGKILL);
	}
	close(fd);
}

/* In this process, then in another program. */
static void executes(int fd)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	if (fork() == 0) {
		if (write(fd, GREETING, 8) != 8)
			_exit(1);
		dup2(fd, STDOUT_FILENO);
		close(fd);
		execl("/bin/echo", "echo", "to this server", NULL);
		_exit(1);
	}
	close(fd);
}

static void serve(void (*way)(int fd))
{
	for (;;) {
		const int fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			way(fd);
	}
}

/* An event loop that gets rid of its clients at once. */
static void loop_closes(void)
{
	struct pollfd interest = {.fd = listener, .events = POLLIN};

	while (poll(&interest, 1, -1) == 1) {
		const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd >= 0)
			closes(fd);
	}
}

static void loop_epoll(int flags)
{
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	while (epoll_wait(epoll, &event, 1, -1) == 1) {
		int fd = event.data.fd;
		if (fd != listener) {
			echo(fd);
			close(fd);
			continue;
		}
		fd = accept4(listener, NULL, NULL, flags);
		if (fd < 0)
			continue;
		/* a server that blocks may have it in its loop all the same, and registers it before it writes */
		event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
		greet(fd);
	}
}

static void loop_select(void)
{
	fd_set all;
	int end = listener + 1;

	FD_ZERO(&all);
	FD_SET(listener, &all);
	for (;;) {
		fd_set ready = all;
		if (select(end, &ready, NULL, NULL, NULL) <= 0)
			continue;
		for (int fd = listener + 1; fd < end; fd++) {
			if (!FD_ISSET(fd, &ready))
				continue;
			echo(fd);
			FD_CLR(fd, &all);
			close(fd);
		}
		if (!FD_ISSET(listener, &ready))
			continue;
		const int fd = accept(listener, NULL, NULL);
		greet(fd);
		FD_SET(fd, &all);
		end = fd >= end ? fd + 1 : end;
	}
}

static const struct {
	const char *name;
	void (*way)(int fd);
} ways[] = {{"closes", closes},
	    {"greets", closes},
	    {"shuts_down", shuts_down},
	    {"writes_pieces", writes_pieces},
	    {"lingers", lingers},
	    {"sends_file", sends_file},
	    {"prints", prints},
	    {"writes_much", writes_much},
	    {"pools", pools},
	    {"pushes", pushes},
	    {"polls_then_answers", polls_then_answers},
	    {"times_out", times_out},
	    {"forks", forks},
	    {"is_killed", is_killed},
	    {"executes", executes}};

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1;

	if (argc != 3 && argc != 4)
		return 64;
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, argc == 4 ? atoi(argv[3]) : 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 512) != 0)
		return 1;
	/* who only greets never writes to a connection that has ended, unless the relay had it before */
	if (strcmp(argv[2], "greets") != 0)
		signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[2]) == 0)
			serve(ways[i].way);
	if (strcmp(argv[2], "loop_closes") == 0)
		loop_closes();
	else if (strcmp(argv[2], "loop_epoll") == 0)
		loop_epoll(SOCK_NONBLOCK);
	else if (strcmp(argv[2], "loop_epoll_blocking") == 0)
		loop_epoll(0);
	else if (strcmp(argv[2], "loop_select") == 0)
		loop_select();
	return 64;
}
