/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server whose threads agree on nothing: chaos PORT THREADS SEED [fork]
 *
 * All its connections have numbers from FIRST to LAST - 1, and each thread does at random what can be done to a number,
 * also while another one closes it, copies it, or puts another connection there. All that it writes is OURS again and
 * again; whatever it reads must be CLIENTS, which verified clients alone send. SIGTERM ends it, with one line about what it
 * did; a thread that does nothing for STUCK seconds ends it, too, with status 3, and bytes of anybody else's with status 4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST = 60, LAST = 110, EPOLLS = 3, THREADS_MAX = 32, STUCK = 30, CLIENTS = 'v' };

static const char ours[] = "chaos-says-this-in-plain-text\n";
static char text[65536];
static int listener, epolls[EPOLLS], file;
static bool forks;
static _Atomic long accepted, foreign;

struct worker {
	unsigned seed;
	_Atomic long calls;
	_Atomic int step;
	char buffer[20000];
};

static struct worker workers[THREADS_MAX];

static int any(struct worker *w, int below)
{
	return rand_r(&w->seed) % below;
}

static int number(struct worker *w)
{
	return FIRST + any(w, LAST - FIRST);
}

static int some_epoll(struct worker *w)
{
	return epolls[any(w, EPOLLS)];
}

static void look_at(const char *data, ssize_t size)
{
	for (ssize_t i = 0; i < size; i++)
		if (data[i] != CLIENTS) {
			atomic_fetch_add(&foreign, 1);
			return;
		}
}

static void accept_one(struct worker *w)
{
	const struct timeval limit = {.tv_usec = 2000};
	int fd = accept4(listener, NULL, NULL, (any(w, 2) ? SOCK_NONBLOCK : 0) | (any(w, 2) ? SOCK_CLOEXEC : 0));

	if (fd < 0)
		return;
	atomic_fetch_add(&accepted, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	dup2(fd, number(w));
	close(fd);
}

static void read_some(struct worker *w)
{
	look_at(w->buffer, read(number(w), w->buffer, (size_t)any(w, sizeof(w->buffer))));
}

static void receive(struct worker *w)
{
	static const int flags[] = {0, MSG_PEEK, MSG_PEEK, MSG_TRUNC, MSG_WAITALL};
	const int chosen = flags[any(w, 5)];
	ssize_t got = recv(number(w), w->buffer, sizeof(w->buffer), MSG_DONTWAIT | chosen);

	if (chosen != MSG_TRUNC)
		look_at(w->buffer, got);
}

static void read_pieces(struct worker *w)
{
	const struct iovec pieces[] = {{w->buffer, 10}, {w->buffer + 10, 1000}, {w->buffer + 1010, 9000}};

	look_at(w->buffer, readv(number(w), pieces, 3));
}

static void write_some(struct worker *w)
{
	if (write(number(w), text, (size_t)any(w, any(w, 4) ? 2000 : 60000)) < 0)
		return;
}

static void send_some(struct worker *w)
{
	send(number(w), text, 3000, MSG_DONTWAIT | MSG_NOSIGNAL | (any(w, 2) ? MSG_MORE : 0));
}

static void write_pieces(struct worker *w)
{
	const struct iovec pieces[] = {{text, 10}, {text, 1000}, {text, 9000}};

	if (writev(number(w), pieces, 3) < 0)
		return;
}

static void send_file(struct worker *w)
{
	off_t from = 0;

	sendfile(number(w), file, &from, (size_t)any(w, 70000));
}

static void move_by_pipe(struct worker *w)
{
	int ends[2], fd = number(w);

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return;
	if (write(ends[1], text, 5000) == 5000)
		splice(ends[0], NULL, fd, NULL, 5000, SPLICE_F_NONBLOCK);
	splice(fd, NULL, ends[1], NULL, 5000, SPLICE_F_NONBLOCK);
	close(ends[0]);
	close(ends[1]);
}

static void print(struct worker *w)
{
	if (any(w, 4) == 0)
		dprintf(number(w), "%s", ours);
}

static void print_to_file(struct worker *w)
{
	int copy = any(w, 8) == 0 ? dup(number(w)) : -1;
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "w");

	if (stream != NULL) {
		fputs(ours, stream);
		fclose(stream);
	} else if (copy >= 0) {
		close(copy);
	}
}

static void close_one(struct worker *w)
{
	close(number(w));
}

static void close_some(struct worker *w)
{
	unsigned fd = (unsigned)number(w);

	if (any(w, 16) == 0)
		close_range(fd, fd + 2, 0);
}

static void copy_onto(struct worker *w)
{
	dup2(number(w), number(w));
}

static void copy_above(struct worker *w)
{
	int copy = fcntl(number(w), any(w, 2) ? F_DUPFD_CLOEXEC : F_DUPFD, FIRST);

	if (copy >= 0)
		close(copy);
}

static void shut(struct worker *w)
{
	shutdown(number(w), any(w, 3));
}

static void register_one(struct worker *w)
{
	static const uint32_t kinds[] = {EPOLLIN,
					 EPOLLIN | EPOLLOUT,
					 EPOLLIN | EPOLLET,
					 EPOLLIN | EPOLLOUT | EPOLLET,
					 EPOLLIN | EPOLLONESHOT,
					 EPOLLIN | EPOLLRDHUP | EPOLLET};
	struct epoll_event event = {.events = kinds[any(w, 6)], .data.fd = number(w)};

	epoll_ctl(some_epoll(w), EPOLL_CTL_ADD + any(w, 3), event.data.fd, &event);
}

static void wait_by_epoll(struct worker *w)
{
	struct epoll_event events[16];
	int count = epoll_wait(some_epoll(w), events, 16, any(w, 3));

	for (int i = 0; i < count; i++) {
		if (any(w, 2))
			look_at(w->buffer, read(events[i].data.fd, w->buffer, sizeof(w->buffer)));
		else if (write(events[i].data.fd, text, 100) < 0 && any(w, 8) == 0)
			close(events[i].data.fd);
	}
}

/* Its number is closed, and the next epoll's. */
static void renew_epoll(struct worker *w)
{
	if (any(w, 64) != 0)
		return;
	int fresh = epoll_create1(EPOLL_CLOEXEC);
	if (fresh >= 0) {
		dup2(fresh, some_epoll(w));
		close(fresh);
	}
}

static void wait_by_poll(struct worker *w)
{
	const struct timespec limit = {.tv_nsec = 1000000};
	struct pollfd waited[20];

	for (int i = 0; i < 20; i++)
		waited[i] = (struct pollfd){.fd = number(w), .events = POLLIN | POLLOUT};
	if (any(w, 2))
		poll(waited, 20, 1);
	else
		ppoll(waited, 20, &limit, NULL);
}

static void wait_by_select(struct worker *w)
{
	struct timeval limit = {.tv_usec = 2000};
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(number(w), &in);
	FD_SET(number(w), &out);
	select(LAST, &in, &out, NULL, &limit);
}

static void ask(struct worker *w)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int value = 0;

	ioctl(number(w), FIONREAD, &value);
	getpeername(number(w), (struct sockaddr *)&address, &size);
	size = sizeof(value);
	getsockopt(number(w), SOL_SOCKET, SO_ERROR, &value, &size);
}

static void set(struct worker *w)
{
	const int on = any(w, 2);

	fcntl(number(w), F_SETFL, any(w, 2) ? O_NONBLOCK : 0);
	setsockopt(number(w), IPPROTO_TCP, any(w, 2) ? TCP_CORK : TCP_NODELAY, &on, sizeof(on));
}

/* A number goes to ourselves in a message. */
static void pass(struct worker *w)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct iovec byte = {w->buffer, 1};
	struct msghdr message = {
	    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int ends[2], fd = number(w);

	if (any(w, 4) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return;
	control.header =
	    (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(ends[0], &message, MSG_DONTWAIT) == 1 && recvmsg(ends[1], &message, MSG_DONTWAIT) == 1 &&
	    message.msg_controllen > 0) {
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		if (write(fd, text, 5) == 5)
			look_at(w->buffer, recv(fd, w->buffer, 100, MSG_DONTWAIT));
		close(fd);
	}
	close(ends[0]);
	close(ends[1]);
}

/* The child uses what its parent has, and ends or is another program. */
static void begin_child(struct worker *w)
{
	char program[] = "chaos", *arguments[] = {program, NULL};

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (!forks || any(w, 100) != 0 || fork() != 0)
		return;
	alarm(10);
	if (write(number(w), text, 10) < 0 || read(number(w), w->buffer, 10) < 0)
		close_one(w);
	if (any(w, 2))
		execv("/proc/self/exe", arguments); /* as which it says how it is used, and ends */
	_exit(0);
}

static void (*const steps[])(struct worker *) = {
    accept_one,   accept_one,     accept_one,   accept_one,    accept_one,    read_some,     read_some,
    receive,      receive,        read_pieces,  write_some,    write_some,    send_some,     write_pieces,
    send_file,    move_by_pipe,   print,        print_to_file, close_one,     close_some,    copy_onto,
    copy_above,   shut,           register_one, register_one,  wait_by_epoll, wait_by_epoll, renew_epoll,
    wait_by_poll, wait_by_select, ask,          set,           pass,          begin_child,
};

static void *run(void *argument)
{
	struct worker *w = argument;

	for (;;) {
		const int step = any(w, sizeof(steps) / sizeof(steps[0]));
		atomic_store(&w->step, step);
		steps[step](w);
		atomic_fetch_add(&w->calls, 1);
	}
	return NULL;
}

static void wrong(const char *what)
{
	fprintf(stderr, "chaos: %s: %m\n", what);
	_exit(1);
}

static void listen_at(const char *port)
{
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 500) != 0)
		wrong("listen");
}

static void prepare_file(void)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = ours[i % (sizeof(ours) - 1)];
	file = memfd_create("chaos", MFD_CLOEXEC);
	if (file < 0 || write(file, text, sizeof(text)) != (ssize_t)sizeof(text))
		wrong("memfd_create");
}

static int finish(int threads, int status)
{
	long calls = 0;

	for (int i = 0; i < threads; i++)
		calls += workers[i].calls;
	fprintf(stderr, "chaos: %ld calls, %ld accepted, %ld foreign\n", calls, accepted, foreign);
	return status == 0 && foreign > 0 ? 4 : status;
}

/* Until SIGTERM comes. */
static int watch(int threads, const sigset_t *end)
{
	const struct timespec second = {.tv_sec = 1};
	long seen[THREADS_MAX] = {0};
	int since[THREADS_MAX] = {0};

	while (sigtimedwait(end, NULL, &second) != SIGTERM)
		for (int i = 0; i < threads; i++) {
			since[i] = workers[i].calls == seen[i] ? since[i] + 1 : 0;
			seen[i] = workers[i].calls;
			if (since[i] < STUCK)
				continue;
			fprintf(stderr, "chaos: thread %d is stuck in step %d\n", i, workers[i].step);
			return finish(threads, 3);
		}
	return finish(threads, 0);
}

int main(int count, char **words)
{
	if (count < 4)
		return 64;
	const int threads = atoi(words[2]);
	sigset_t end;

	forks = count > 4;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	prepare_file();
	for (int i = 0; i < EPOLLS; i++)
		epolls[i] = epoll_create1(EPOLL_CLOEXEC);
	listen_at(words[1]);
	if (threads < 1 || threads > THREADS_MAX)
		return 64;
	for (int i = 0; i < threads; i++) {
		pthread_t thread;
		workers[i].seed = (unsigned)(atoi(words[3]) * 1000 + i);
		errno = pthread_create(&thread, NULL, run, &workers[i]);
		if (errno != 0)
			wrong("pthread_create");
	}
	_exit(watch(threads, &end));
}
