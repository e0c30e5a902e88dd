/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the socket says of itself: names, options, and what setting them does.
 */
#include "situations.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void note_address(struct test *t, const char *what, const struct sockaddr_storage *address, socklen_t size,
			 long port)
{
	struct sockaddr_in in = {0};

	memcpy(&in, address, sizeof(in));

	note(t, "%s: family %d, size %u, %s, port %s", what, address->ss_family, size,
	     in.sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? "loopback" : "elsewhere",
	     ntohs(in.sin_port) == port ? "right" : "wrong");
}

static long listening_port(const struct test *t)
{
	struct sockaddr_in own = {0};
	socklen_t size = sizeof(own);

	getsockname(t->listener, (struct sockaddr *)&own, &size);
	return ntohs(own.sin_port);
}

static void names(struct test *t)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);

	connect_warm(t, 0);
	CALL(t, getpeername(t->fd, (struct sockaddr *)&address, &size));
	note_address(t, "peer", &address, size, t->port);
	size = sizeof(address);
	CALL(t, getsockname(t->fd, (struct sockaddr *)&address, &size));
	note_address(t, "own", &address, size, listening_port(t));
	size = 2;
	CALL(t, getpeername(t->fd, (struct sockaddr *)&address, &size));
	note(t, "size %u", size);
	size = (socklen_t)-1;
	CALL(t, getpeername(t->fd, (struct sockaddr *)&address, &size));
	client_ends(t, STEP_ABORT);
	size = sizeof(address);
	CALL(t, getpeername(t->fd, (struct sockaddr *)&address, &size));
	size = sizeof(address);
	CALL(t, getsockname(t->fd, (struct sockaddr *)&address, &size));
	note_address(t, "own", &address, size, listening_port(t));
}

static void accepted_name(struct test *t)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);

	begin(t, STEP_CONNECT, 0, 0);
	t->fd = accept(t->listener, (struct sockaddr *)&address, &size);
	if (t->fd < 0)
		return;
	struct pollfd waiting = {.fd = t->fd, .events = POLLIN};
	while (!is_finished(t))
		poll(&waiting, 1, 2);
	note_address(t, "accepted", &address, size, (long)finish(t).result);
	client_sends(t, 1);
	note_poll(t, POLLIN, 1000);
}

static void note_option(struct test *t, const char *what, int level, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);
	long result;

	errno = ERRNO_UNTOUCHED;
	result = getsockopt(t->fd, level, option, &value, &size);
	note_result(t, what, result);
	if (result == 0)
		note(t, "  %d (%u)", value, size);
}
#define OPTION(t, level, option) note_option(t, #option, level, option)

static void set_option(struct test *t, const char *what, int level, int option, int value)
{
	errno = ERRNO_UNTOUCHED;
	note_result(t, what, setsockopt(t->fd, level, option, &value, sizeof(value)));
	note_option(t, what, level, option);
}
#define SET_OPTION(t, level, option, value) set_option(t, #option " = " #value, level, option, value)

static void socket_options(struct test *t)
{
	connect_warm(t, 0);
	OPTION(t, SOL_SOCKET, SO_TYPE);
	OPTION(t, SOL_SOCKET, SO_DOMAIN);
	OPTION(t, SOL_SOCKET, SO_PROTOCOL);
	OPTION(t, SOL_SOCKET, SO_ERROR);
	OPTION(t, SOL_SOCKET, SO_ACCEPTCONN);
	OPTION(t, SOL_SOCKET, SO_OOBINLINE);
	OPTION(t, SOL_SOCKET, SO_REUSEADDR);
	OPTION(t, SOL_SOCKET, SO_KEEPALIVE);
	SET_OPTION(t, SOL_SOCKET, SO_KEEPALIVE, 1);
	SET_OPTION(t, SOL_SOCKET, SO_OOBINLINE, 1);
	SET_OPTION(t, SOL_SOCKET, SO_PRIORITY, 4);
	SET_OPTION(t, SOL_SOCKET, SO_REUSEADDR, 1);
	SET_OPTION(t, SOL_SOCKET, SO_RCVLOWAT, 1);
	SET_OPTION(t, SOL_SOCKET, SO_MARK, 0);
	OPTION(t, SOL_SOCKET, 4711);
}

static void tcp_options(struct test *t)
{
	connect_warm(t, 0);
	SET_OPTION(t, IPPROTO_TCP, TCP_NODELAY, 1);
	SET_OPTION(t, IPPROTO_TCP, TCP_NODELAY, 0);
	SET_OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	SET_OPTION(t, IPPROTO_TCP, TCP_KEEPINTVL, 11);
	SET_OPTION(t, IPPROTO_TCP, TCP_KEEPCNT, 5);
	SET_OPTION(t, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
	SET_OPTION(t, IPPROTO_TCP, TCP_QUICKACK, 1);
	SET_OPTION(t, IPPROTO_TCP, TCP_LINGER2, 10);
	SET_OPTION(t, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
	SET_OPTION(t, IPPROTO_TCP, 4711, 1);
	SET_OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE, -1);
}

static void keep_alive(int fd, int seconds)
{
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(const int){1}, sizeof(int));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
}

/* Nothing comes between what a server sets and who asks for it: another number, a child, a child that nobody saw come. */
static void options_in_a_row(struct test *t)
{
	int status = 0;

	connect_warm(t, 0);
	for (int seconds = 60; seconds < 70; seconds++)
		keep_alive(t->fd, seconds);
	OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
	keep_alive(t->fd, 71);
	const int first = t->fd;
	t->fd = dup(first);
	OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
	keep_alive(first, 72);
	keep_alive(t->fd, 73);
	close(first);
	OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
	for (int way = 0; way < 2; way++) {
		keep_alive(t->fd, 74 + way);
		const pid_t pid = way == 0 ? fork() : _Fork();
		if (pid == 0) {
			OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
			OPTION(t, SOL_SOCKET, SO_KEEPALIVE);
			_exit(0);
		}
		waitpid(pid, &status, 0);
	}
}

static struct test *handled;

static void in_handler(int number)
{
	struct test *t = handled;
	const int saved = errno;

	(void)number;
	OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
	keep_alive(t->fd, 82);
	OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
	keep_alive(t->fd, 83);
	errno = saved;
}

static void options_in_a_handler(struct test *t)
{
	connect_warm(t, 0);
	handled = t;
	signal(SIGUSR1, in_handler);
	keep_alive(t->fd, 81);
	raise(SIGUSR1);
	OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
	signal(SIGUSR1, SIG_DFL);
}

static void tcp_info(struct test *t)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	char congestion[16] = "";

	connect_warm(t, 0);
	CALL(t, getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	note(t, "state %u, %s", info.tcpi_state, size > 100 ? "much" : "little");
	size = sizeof(congestion);
	CALL(t, getsockopt(t->fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &size));
	note(t, "%s", congestion);
}

static void ip_options(struct test *t)
{
	char options[64];
	socklen_t size = sizeof(options);

	connect_warm(t, 0);
	SET_OPTION(t, IPPROTO_IP, IP_TOS, 0x10);
	SET_OPTION(t, IPPROTO_IP, IP_TTL, 60);
	CALL(t, getsockopt(t->fd, IPPROTO_IP, IP_OPTIONS, options, &size));
	note(t, "%u", size);
	SET_OPTION(t, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

static void buffers(struct test *t)
{
	connect_warm(t, 0);
	SET_OPTION(t, SOL_SOCKET, SO_RCVBUF, 30000);
	SET_OPTION(t, SOL_SOCKET, SO_SNDBUF, 40000);
	client_sends(t, 10);
	note_poll(t, POLLIN, 1000);
}

static void linger(struct test *t)
{
	struct linger value = {.l_onoff = 1, .l_linger = 5};
	socklen_t size = sizeof(value);

	connect_warm(t, 0);
	CALL(t, setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value)));
	memset(&value, 0, sizeof(value));
	CALL(t, getsockopt(t->fd, SOL_SOCKET, SO_LINGER, &value, &size));
	note(t, "%d %d", value.l_onoff, value.l_linger);
	CALL(t, write(t->fd, "last words", 10));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

/* As servers that want to be rid of a client. */
static void linger_reset(struct test *t)
{
	struct linger value = {.l_onoff = 1};

	connect_warm(t, 0);
	CALL(t, setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value)));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

static void timeouts(struct test *t)
{
	struct timeval value = {0};
	socklen_t size = sizeof(value);

	connect_warm(t, 0);
	set_timeout(t->fd, SO_RCVTIMEO, 1500);
	CALL(t, getsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &value, &size));
	note(t, "%ld.%06ld", value.tv_sec, value.tv_usec);
	set_timeout(t->fd, SO_SNDTIMEO, 2500);
	CALL(t, getsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &value, &size));
	note(t, "%ld.%06ld", value.tv_sec, value.tv_usec);
}

/* The socket has taken a part of it when the server waits: the rest follows as the client reads. Whether it has is chance.
 */
static void cork_and_small_buffer(struct test *t)
{
	static char much[12000];
	struct epoll_event event;
	int done = 0;

	connect_warm(t, 0);
	SET_OPTION(t, IPPROTO_TCP, TCP_CORK, 1);
	setsockopt(t->fd, SOL_SOCKET, SO_SNDBUF, &(const int){2048}, sizeof(int));
	const int epoll = new_epoll(t, EPOLLIN);
	for (bool is_there = true; is_there && done < 4; done += is_there) {
		const long end = now_ms() + 3000;
		ssize_t size = sizeof(much);
		begin(t, STEP_RECEIVE, 25 * sizeof(much), 0);
		for (int i = 0; i < 25 && size == sizeof(much); i++)
			size = write(t->fd, much, sizeof(much));
		while (!is_finished(t) && now_ms() < end)
			epoll_wait(epoll, &event, 1, 10);
		is_there = is_finished(t);
		if (is_there)
			finish(t);
	}
	note(t, "the client had it %d times", done);
	close(epoll);
}

/* Nor does a server's wait for something else keep it, by any call. */
static void cork_and_other_wait(struct test *t)
{
	static const char *const by[] = {"poll", "select", "epoll_wait", "accept"};
	int other[2];

	connect_warm(t, 0);
	if (pipe(other) != 0)
		return;
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	epoll_ctl(epoll, EPOLL_CTL_ADD, other[0], &event);
	fcntl(t->listener, F_SETFL, O_NONBLOCK);
	SET_OPTION(t, IPPROTO_TCP, TCP_CORK, 1);
	for (int way = 0; way < 4; way++) {
		const long end = now_ms() + 3000;
		begin(t, STEP_RECEIVE, 4, 0);
		CALL(t, write(t->fd, "head", 4));
		while (!is_finished(t) && now_ms() < end) {
			struct pollfd interest = {.fd = other[0], .events = POLLIN};
			struct timeval limit = {.tv_usec = 10000};
			fd_set set;
			FD_ZERO(&set);
			FD_SET(other[0], &set);
			switch (way) {
			case 0:
				poll(&interest, 1, 10);
				break;
			case 1:
				select(other[0] + 1, &set, NULL, NULL, &limit);
				break;
			case 2:
				epoll_wait(epoll, &event, 1, 10);
				break;
			default:
				accept(t->listener, NULL, NULL);
			}
		}
		note(t, "%s: %s", by[way], is_finished(t) ? "the client has it" : "held back");
		if (is_finished(t))
			finish(t);
	}
	fcntl(t->listener, F_SETFL, 0);
	close(epoll);
	close(other[0]);
	close(other[1]);
}

static void cork(struct test *t)
{
	connect_warm(t, 0);
	SET_OPTION(t, IPPROTO_TCP, TCP_CORK, 1);
	CALL(t, write(t->fd, "head ", 5));
	CALL(t, write(t->fd, "body", 4));
	SET_OPTION(t, IPPROTO_TCP, TCP_CORK, 0);
	client_receives(t, 9);
	SET_OPTION(t, IPPROTO_TCP, TCP_CORK, 1);
	CALL(t, write(t->fd, "tail", 4));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

static void more_then_rest(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, send(t->fd, "head ", 5, MSG_MORE));
	CALL(t, send(t->fd, "body", 4, 0));
	client_receives(t, 9);
}

static void error_option(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	OPTION(t, SOL_SOCKET, SO_ERROR);
	client_ends(t, STEP_ABORT);
	OPTION(t, SOL_SOCKET, SO_ERROR);
	OPTION(t, SOL_SOCKET, SO_ERROR);
	char byte;
	CALL(t, read(t->fd, &byte, 1));
}

static void not_listening(struct test *t)
{
	const struct sockaddr_in somewhere = {
	    .sin_family = AF_INET, .sin_port = 9, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	connect_warm(t, 0);
	CALL(t, accept(t->fd, NULL, NULL));
	CALL(t, listen(t->fd, 5));
	CALL(t, bind(t->fd, (const struct sockaddr *)&somewhere, sizeof(somewhere)));
	CALL(t, connect(t->fd, (const struct sockaddr *)&somewhere, sizeof(somewhere)));
}

static void queues(struct test *t)
{
	int size = -1;

	connect_warm(t, 0);
	CALL(t, ioctl(t->fd, TIOCOUTQ, &size));
	CALL(t, ioctl(t->fd, SIOCATMARK, &size));
	note(t, "%d", size);
	CALL(t, ioctl(t->fd, 0x4711, &size));
	CALL(t, sockatmark(t->fd));
}

const struct single singles_options[] = {
    {"names", names},
    {"accepted_name", accepted_name},
    {"socket_options", socket_options},
    {"tcp_options", tcp_options},
    {"options_in_a_row", options_in_a_row},
    {"options_in_a_handler", options_in_a_handler},
    {"tcp_info", tcp_info},
    {"ip_options", ip_options},
    {"buffers", buffers},
    {"linger", linger},
    {"linger_reset", linger_reset},
    {"timeouts", timeouts},
    {"cork", cork},
    {"cork_and_other_wait", cork_and_other_wait},
    {"cork_and_small_buffer", cork_and_small_buffer},
    {"more_then_rest", more_then_rest},
    {"error_option", error_option},
    {"not_listening", not_listening},
    {"queues", queues},
    {0},
};
