#include "shim/direct/readiness.h"

#include "shim/direct/clock.h"
#include "shim/direct/epolls.h"
#include "shim/libc.h"
#include "shim/process.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/*
 * How long one thread sleeps at once while there is no verdict: another one that uses the stream may go on with the
 * handshake and take with it from the socket what the sleeper waits for. Two threads in that moment are rare.
 */
#define OPENING_SLICE 2000

/* Never pulls input from under a thread that blocks for it: the caller's next write goes on with what is left to send. */
static int wait_for_output(struct tg_stream *stream, int64_t deadline, int64_t now)
{
	struct pollfd asked = {.fd = tg_stream_fd(stream), .events = POLLOUT};

	return tg_libc.poll(&asked, 1, tg_clock_left(deadline, now));
}

/*
 * The kernel restarts a recv(2) that a signal handler with SA_RESTART interrupted, and never a poll(2). The first one is
 * for a socket that blocks and has no timeout; for all others, and for a deadline of ours, there is the second one.
 */
static int wait_for_input(struct tg_stream *stream, unsigned wants, int64_t deadline, int64_t now)
{
	struct pollfd asked = {.fd = tg_stream_fd(stream), .events = (short)wants};
	char byte;

	if (wants == POLLIN && deadline == TG_CLOCK_NEVER) {
		ssize_t r = tg_libc.recv(asked.fd, &byte, 1, MSG_PEEK);
		/* An error of the connection is the stream's to find, and to tell. */
		if (r >= 0 || (errno != EAGAIN && errno != EINTR))
			return 0;
		if (errno == EINTR)
			return -1;
	}
	return tg_libc.poll(&asked, 1, tg_clock_left(deadline, now));
}

static int wait_once(struct tg_stream *stream, unsigned events, int64_t deadline, int64_t now)
{
	int64_t own = tg_stream_deadline(stream), until = own < deadline ? own : deadline;

	if ((tg_stream_state(stream) & TG_STREAM_OPENING) != 0) {
		if (until > now + OPENING_SLICE)
			until = now + OPENING_SLICE;
	} else if ((events & POLLIN) == 0) {
		return wait_for_output(stream, until, now);
	}
	return wait_for_input(stream, tg_stream_wants(stream, events), until, now);
}

static bool is_ready(struct tg_stream *stream, unsigned events)
{
	unsigned state = tg_stream_state(stream);

	if ((events & POLLIN) == 0 && (state & TG_STREAM_OPENING) == 0)
		return (state & TG_STREAM_OUTPUT) == 0 || (state & TG_STREAM_ENDED) != 0;
	return (tg_stream_poll(stream) & (events | POLLERR | POLLHUP)) != 0;
}

/*
 * The stream is put the question again after each answer of the kernel: what came may have been a part of the handshake.
 * Its own deadline ends a wait early; tg_stream_poll acts on it, and says then that an error can be read.
 */
static int wait_until(struct tg_stream *stream, unsigned events, int64_t deadline)
{
	while (!is_ready(stream, events)) {
		int64_t now = tg_clock_now();
		if (deadline <= now) {
			errno = EAGAIN;
			return -1;
		}
		if (wait_once(stream, events, deadline, now) < 0)
			return -1;
		/* What is left over of output is the write's that follows. */
		if ((events & POLLIN) == 0 && (tg_stream_state(stream) & TG_STREAM_OPENING) == 0)
			return 0;
	}
	return 0;
}

int tg_readiness_wait(struct tg_stream *stream, unsigned events, int64_t deadline)
{
	int saved = errno, r = wait_until(stream, events, deadline);

	if (r == 0)
		errno = saved;
	return r;
}

void tg_readiness_closed(int fd)
{
	/* Between vfork(2) and exec the memory is the parent's, and the number is not. */
	if (tg_epoll_find(fd) != NULL && !tg_process_is_vforked())
		tg_epoll_forget(fd);
}

void tg_readiness_duplicated(int from, int fd)
{
	if ((tg_epoll_find(from) != NULL || tg_epoll_find(fd) != NULL) && !tg_process_is_vforked())
		tg_epoll_duplicated(from, fd);
}

static pid_t forking;

void tg_readiness_lock(void)
{
	tg_registrations_lock_all();
	tg_epolls_lock_all();
	forking = getpid();
}

void tg_readiness_unlock(void)
{
	const bool child = getpid() != forking;

	tg_epolls_unlock_all(child);
	tg_registrations_unlock_all(child);
}
