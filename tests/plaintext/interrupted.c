/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that is interrupted: interrupted PORT options|shutdown|close|nothing|leave|late
 *
 *     options    sends MUCH, and a signal handler asks for options of the connection, and sets one, all the time
 *     shutdown   sends until that fails: a signal handler ends the connection, so or by close
 *     close
 *     nothing    sends MUCH; the handler does nothing, and is such that calls are restarted (SA_RESTART)
 *     leave      a signal handler leaves a read for good (siglongjmp); then it waits by poll, and sends back what comes
 *     late       a thread waits on an epoll before the program has ever listened; it sends back what comes
 *
 * It finds listen(2) by dlsym(3), so that nothing says beforehand that it is a server. "done N" is how much was sent.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MUCH = 8 << 20, PIECE = 1 << 18, SIGNALS = 25 };

static enum { OPTIONS, SHUTDOWN, CLOSE, NOTHING, LEAVE, LATE } way;
static const char *const names[] = {"options", "shutdown", "close", "nothing", "leave", "late"};
static volatile sig_atomic_t connection = -1, signals;
static sigjmp_buf outside;

static void wrong(const char *what)
{
	fprintf(stderr, "interrupted: %s: %m\n", what);
	_exit(1);
}

static void ask_options(void)
{
	const int on = 1;
	int value;

	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	getsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &value, &(socklen_t){sizeof(value)});
	getsockopt(connection, IPPROTO_TCP, TCP_CORK, &value, &(socklen_t){sizeof(value)});
}

static void handle(int number)
{
	const int saved = errno;

	(void)number;
	signals++;
	if (way == OPTIONS)
		ask_options();
	if (way == SHUTDOWN && signals == SIGNALS)
		shutdown(connection, SHUT_RDWR);
	if (way == CLOSE && signals == SIGNALS)
		close(connection);
	errno = saved;
	if (way == LEAVE)
		siglongjmp(outside, 1);
}

static void set_timer(long first, long interval)
{
	const struct itimerval timer = {.it_value.tv_usec = first, .it_interval.tv_usec = interval};

	if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
		wrong("setitimer");
}

static void send_much(void)
{
	static char piece[PIECE];
	size_t done = 0;
	ssize_t now = 1;

	/* the client first: else the relay would have the connection */
	if (read(connection, piece, 1) != 1)
		wrong("read");
	signals = 0;
	set_timer(200, 200);
	while ((way == SHUTDOWN || way == CLOSE || done < MUCH) && (now = write(connection, piece, sizeof(piece))) > 0)
		done += (size_t)now;
	const int failure = now < 0 ? errno : 0;
	set_timer(0, 0);
	printf("done %zu%s%s\n", done, failure != 0 ? ": " : "", failure != 0 ? strerror(failure) : "");
	fflush(stdout);
}

static void send_back(void)
{
	char data[100];
	const ssize_t size = read(connection, data, sizeof(data));

	if (size > 0 && write(connection, data, (size_t)size) != size)
		wrong("write");
}

static void leave(void)
{
	struct pollfd interest = {.fd = connection, .events = POLLIN};
	char data[100];

	if (sigsetjmp(outside, 1) == 0) {
		set_timer(50000, 0);
		if (read(connection, data, sizeof(data)) != 0)
			wrong("nothing was sent yet");
	}
	if (poll(&interest, 1, -1) == 1)
		send_back();
}

static void *wait_late(void *argument)
{
	const int epoll = (int)(intptr_t)argument;
	struct epoll_event event;

	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) != 1 || event.data.u64 != 4711)
			wrong("an event that nobody registered");
		send_back();
	}
	return NULL;
}

static void start_late(int epoll)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, wait_late, (void *)(intptr_t)epoll);
	if (errno != 0)
		wrong("pthread_create");
	usleep(100000); /* until it waits; nothing shows that */
}

static void serve(int epoll)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 4711};

	if (way == LATE) {
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event) != 0)
			wrong("epoll_ctl");
		return;
	}
	if (way == LEAVE)
		leave();
	else
		send_much();
	close(connection);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC);
	const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
	int (*listens)(int, int) = NULL;

	for (way = 0; argc == 3 && way < sizeof(names) / sizeof(names[0]) && strcmp(names[way], argv[2]) != 0;)
		way++;
	if (argc != 3 || way == sizeof(names) / sizeof(names[0]))
		return 64;
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGALRM, &action, NULL);
	if (way == LATE)
		start_late(epoll);
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(const int){1}, sizeof(int));
	*(void **)&listens = dlsym(RTLD_DEFAULT, "listen");
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 || listens(listener, 64) != 0)
		wrong("listen");
	for (;;) {
		connection = accept(listener, NULL, NULL);
		if (connection >= 0)
			serve(epoll);
	}
}
