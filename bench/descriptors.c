/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a preloaded shim adds to calls on descriptors that are none of its own, in a process that has a governed listener.
 *
 *     descriptors PORT LIMIT
 *
 * Each call is made by its hook and by the C library's function that the hook stands before, in turn, in batches; the
 * median of the differences between neighbours is what the hook costs. Once before any connection was accepted on PORT,
 * once with one that is open. Status 1 where a call costs more than LIMIT nanoseconds.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 200, BATCHES = 3001 };

/* Of one kind, by two ways. */
struct calls {
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*recv)(int, void *, size_t, int);
	int (*close)(int);
	int (*poll)(struct pollfd *, nfds_t, int);
	int (*select)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
	int (*epoll_wait)(int, struct epoll_event *, int, int);
};

static const struct calls hooked = {read, write, recv, close, poll, select, epoll_wait};
static struct calls plain;

static struct {
	int zero, null, counter, pair[2], epoll;
	int spare[BATCH];
} fds;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The functions behind the hooks: those that the C library itself gives out. */
static void find_plain(void)
{
	void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

#define FIND(name)                                                                                                         \
	*(void **)(&plain.name) = library ? dlsym(library, #name) : NULL;                                                  \
	if (!plain.name)                                                                                                   \
	fail(#name)
	FIND(read);
	FIND(write);
	FIND(recv);
	FIND(close);
	FIND(poll);
	FIND(select);
	FIND(epoll_wait);
#undef FIND
}

static void read_zeros(const struct calls *calls)
{
	char byte;

	for (int i = 0; i < BATCH; i++)
		calls->read(fds.zero, &byte, 1);
}

static void write_nothing(const struct calls *calls)
{
	for (int i = 0; i < BATCH; i++)
		calls->write(fds.null, "x", 1);
}

static void receive_nothing(const struct calls *calls)
{
	char byte;

	for (int i = 0; i < BATCH; i++)
		calls->recv(fds.pair[0], &byte, 1, MSG_DONTWAIT);
}

static void close_spare(const struct calls *calls)
{
	for (int i = 0; i < BATCH; i++)
		calls->close(fds.spare[i]);
}

static void poll_one(const struct calls *calls)
{
	struct pollfd one = {.fd = fds.counter, .events = POLLIN};

	for (int i = 0; i < BATCH; i++)
		calls->poll(&one, 1, 0);
}

static void select_one(const struct calls *calls)
{
	struct timeval none = {0};
	fd_set set;

	for (int i = 0; i < BATCH; i++) {
		FD_ZERO(&set);
		FD_SET(fds.counter, &set);
		calls->select(fds.counter + 1, &set, NULL, NULL, &none);
	}
}

static void wait_events(const struct calls *calls)
{
	struct epoll_event events[4];

	for (int i = 0; i < BATCH; i++)
		calls->epoll_wait(fds.epoll, events, 4, 0);
}

/* What close_spare closes: made past the hooks, as nobody's business. */
static void make_spare(void)
{
	for (int i = 0; i < BATCH; i++)
		fds.spare[i] = (int)syscall(SYS_dup, fds.null);
}

static const struct {
	const char *name;
	void (*batch)(const struct calls *);
	void (*before)(void);
} kinds[] = {
    {"read", read_zeros, NULL},         {"write", write_nothing, NULL}, {"recv", receive_nothing, NULL},
    {"close", close_spare, make_spare}, {"poll", poll_one, NULL},       {"select", select_one, NULL},
    {"epoll_wait", wait_events, NULL},
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, BATCHES, sizeof(*values), ascending);
	return values[BATCHES / 2];
}

/* Nanoseconds of one call in one batch. */
static double time_of(size_t kind, const struct calls *calls)
{
	double start;

	if (kinds[kind].before)
		kinds[kind].before();
	start = now();
	kinds[kind].batch(calls);
	return (now() - start) / BATCH;
}

static int report(const char *when, double limit)
{
	static double without[BATCHES], differences[BATCHES];
	int status = 0;

	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		for (int i = 0; i < BATCHES; i++) {
			double first = time_of(kind, i % 2 ? &hooked : &plain),
			       second = time_of(kind, i % 2 ? &plain : &hooked);

			without[i] = i % 2 ? second : first;
			differences[i] = i % 2 ? first - second : second - first;
		}
		double cost = median(differences);

		printf("%-20s %-12s %8.1f ns %+8.1f ns\n", when, kinds[kind].name, median(without), cost);
		if (cost > limit)
			status = 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const int on = 1;
	struct epoll_event event = {.events = EPOLLIN};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), accepted, status;

	if (argc != 3) {
		fputs("descriptors PORT LIMIT\n", stderr);
		return 64;
	}
	find_plain();
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 8) != 0)
		fail("listen");
	fds.zero = open("/dev/zero", O_RDONLY);
	fds.null = open("/dev/null", O_WRONLY);
	fds.counter = eventfd(0, EFD_NONBLOCK);
	fds.epoll = epoll_create1(0);
	if (fds.zero < 0 || fds.null < 0 || fds.counter < 0 || fds.epoll < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fds.pair) != 0 ||
	    epoll_ctl(fds.epoll, EPOLL_CTL_ADD, fds.counter, &event) != 0)
		fail("descriptors");
	status = report("no connection", atof(argv[2]));
	if (connect(client, (const struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connect");
	accepted = accept(listener, NULL, NULL);
	if (accepted < 0)
		fail("accept");
	status |= report("one connection", atof(argv[2]));
	close(accepted);
	close(client);
	close(listener);
	return status;
}
