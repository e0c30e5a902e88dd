/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking call's wait (readiness.h). */
#include "shim/binding/libc.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/readiness/registrations.h"
#include "shim/direct/stream/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

/* Never pulls input from under a thread that blocks for it: the caller's next write goes on with what is left to send. */
static int wait_for_output(struct tg_stream *stream, int64_t deadline, int64_t now)
{
	struct pollfd interest = {.fd = tg_stream_fd(stream), .events = POLLOUT};

	return tg_libc.poll(&interest, 1, tg_clock_left(deadline, now));
}

/*
 * The kernel restarts a recv(2) that a signal handler with SA_RESTART interrupted, and never a poll(2). The first one is
 * for a socket that blocks and has no timeout; for all others, and for a deadline of ours, there is the second one.
 */
static int wait_for_input(struct tg_stream *stream, unsigned wants, int64_t deadline, int64_t now)
{
	struct pollfd interest = {.fd = tg_stream_fd(stream), .events = (short)wants};
	char byte;

	if (wants == POLLIN && deadline == TG_CLOCK_NEVER) {
		ssize_t r = tg_libc.recv(interest.fd, &byte, 1, MSG_PEEK);
		/* An error of the connection is the stream's to find, and to tell. */
		if (r >= 0 || (errno != EAGAIN && errno != EINTR))
			return 0;
		if (errno == EINTR)
			return -1;
	}
	return tg_libc.poll(&interest, 1, tg_clock_left(deadline, now));
}

static unsigned this_process(void)
{
	return tg_registrations_epoch() + 1;
}

/* The stream that this thread has the turn for. */
static _Thread_local struct tg_stream *turn_of __attribute__((tls_model("initial-exec")));

/* Not by ourselves: a signal handler has left the wait, maybe for good (siglongjmp(3)). */
bool tg_readiness_is_awaited(const struct tg_watch *watch)
{
	return atomic_load(&watch->sleeper) == this_process() && (turn_of == NULL || tg_stream_watch(turn_of) != watch);
}

/*
 * Who was in the stream before this lock of it may have left something there; who comes after it sees that we sleep. A
 * thread that is cancelled here gives its turn away, and this with it.
 */
static int sleep_for_input(struct tg_stream *stream, unsigned events, int64_t until, int64_t now)
{
	struct tg_watch *watch = tg_stream_watch(stream);
	int r = 0;

	atomic_store(&watch->sleeper, this_process());
	const unsigned wants = tg_stream_wants(stream, events);
	if ((tg_stream_state(stream) & (TG_STREAM_INPUT | TG_STREAM_ENDED)) == 0)
		r = wait_for_input(stream, wants, until, now);
	atomic_store(&watch->sleeper, 0);
	return r;
}

static int wait_once(struct tg_stream *stream, unsigned events, int64_t deadline, int64_t now)
{
	int64_t own = tg_stream_deadline(stream), until = own < deadline ? own : deadline;

	if ((tg_stream_state(stream) & TG_STREAM_HANDSHAKING) != 0) {
		const int64_t slice_end = tg_readiness_slice_end(stream, now);
		if (until > slice_end)
			until = slice_end;
	} else if ((events & POLLIN) == 0) {
		return wait_for_output(stream, until, now);
	} else {
		return sleep_for_input(stream, events, until, now);
	}
	return wait_for_input(stream, tg_stream_wants(stream, events), until, now);
}

static bool is_ready(struct tg_stream *stream, unsigned events)
{
	unsigned state = tg_stream_state(stream);

	if ((events & POLLIN) == 0 && (state & TG_STREAM_HANDSHAKING) == 0)
		return (state & TG_STREAM_OUTPUT) == 0 || (state & TG_STREAM_ENDED) != 0;
	return (tg_stream_poll(stream) & (events | POLLERR | POLLHUP)) != 0;
}

bool tg_readiness_has_turn(const struct tg_stream *stream)
{
	return turn_of == stream;
}

/* A reader that a fork left behind in another process is none. */
static bool become_reader(struct tg_watch *watch)
{
	unsigned before = atomic_load(&watch->reader);

	return before != this_process() && atomic_compare_exchange_strong(&watch->reader, &before, this_process());
}

bool tg_readiness_take_turn(struct tg_stream *stream)
{
	if (!become_reader(tg_stream_watch(stream)))
		return false;
	turn_of = stream;
	return true;
}

void tg_readiness_give_turn(struct tg_stream *stream)
{
	struct tg_watch *watch = tg_stream_watch(stream);

	turn_of = NULL;
	atomic_store(&watch->sleeper, 0);
	atomic_store(&watch->reader, 0);
	atomic_fetch_add(&watch->reader_turns, 1);
	if (atomic_load(&watch->behind_it) == 0)
		return;
	int saved = errno;
	tg_libc.syscall(SYS_futex, &watch->reader_turns, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

static void leave_from_behind(void *arg)
{
	atomic_fetch_sub(&((struct tg_watch *)arg)->behind_it, 1);
}

/* A cancellation point by hand: the C library has none for a futex. */
static int sleep_behind(struct tg_watch *watch, unsigned turn, int64_t left)
{
	struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
	int type, failure;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type); /* NOLINT(cert-pos47-c): around this call alone */
	long r = tg_libc.syscall(SYS_futex, &watch->reader_turns, FUTEX_WAIT_PRIVATE, turn,
				 left == TG_CLOCK_NEVER ? NULL : &timeout, NULL, 0);
	failure = errno;
	pthread_setcanceltype(type, NULL);
	errno = failure;
	return r < 0 && failure == EINTR ? -1 : 0;
}

static int wait_behind(struct tg_watch *watch, unsigned turn, int64_t left)
{
	volatile int r;

	atomic_fetch_add(&watch->behind_it, 1);
	pthread_cleanup_push(leave_from_behind, watch);
	r = sleep_behind(watch, turn, left);
	pthread_cleanup_pop(1);
	return r;
}

int tg_readiness_wait_behind(struct tg_stream *stream, int64_t deadline)
{
	struct tg_watch *watch = tg_stream_watch(stream);
	unsigned turn = atomic_load(&watch->reader_turns);
	int64_t now = tg_clock_now();

	if (deadline <= now) {
		errno = EAGAIN;
		return -1;
	}
	if (atomic_load(&watch->reader) != this_process())
		return 0;
	return wait_behind(watch, turn, deadline == TG_CLOCK_NEVER ? deadline : deadline - now);
}

/* Of a thread's own fault: whose handler returns, returns to that. */
static bool is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP ||
	       number == SIGSYS || number == SIGABRT;
}

/*
 * Which handler it was nobody says: all of them have to be such that the kernel restarts (SA_RESTART). The C library's own
 * signals, 32 and 33, cannot be asked for.
 */
bool tg_readiness_restarts(int64_t deadline)
{
	bool restarts = deadline == TG_CLOCK_NEVER && errno == EINTR;
	const int saved = errno;
	struct sigaction action;

	for (int number = 1; number < NSIG && restarts; number++)
		if (!is_fault(number) && tg_libc.sigaction(number, NULL, &action) == 0)
			restarts = action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ||
				   (action.sa_flags & SA_RESTART) != 0;
	errno = saved;
	return restarts;
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
		if (wait_once(stream, events, deadline, now) < 0 && !tg_readiness_restarts(deadline))
			return -1;
		/* What is left over of output is the write's that follows. */
		if ((events & POLLIN) == 0 && (tg_stream_state(stream) & TG_STREAM_HANDSHAKING) == 0)
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
