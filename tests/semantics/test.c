/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "record.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* What should have arrived long ago: a case that waits longer is recorded as one that did not get it. */
enum { TIMEOUT_MS = 3000 };

static volatile sig_atomic_t pipes, alarms;

/*
 * The kernel itself: what the socket has, not what the plaintext has. Every function of libc's by which one could ask, and
 * what dlsym(3) finds in libc, goes through the shim.
 */
static long raw(long number, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
	register long fourth __asm__("r10") = d;
	register long fifth __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long call __asm__("x8") = number;
	register long first __asm__("x0") = a;
	register long second __asm__("x1") = b;
	register long third __asm__("x2") = c;
	register long fourth __asm__("x3") = d;
	register long fifth __asm__("x4") = e;

	__asm__ volatile("svc #0" : "+r"(first) : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth) : "memory");
	return first;
#else
#error "how is the kernel called here?"
#endif
}

void note(struct test *t, const char *format, ...)
{
	char line[512];
	size_t size;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	size = strlen(line);
	line[size++] = '\n';
	size_t at = atomic_fetch_add(&t->log->used, size);
	if (at + size < sizeof(t->log->text))
		memcpy(t->log->text + at, line, size);
}

long note_result(struct test *t, const char *what, long result)
{
	const int error = errno;

	if (result >= 0)
		note(t, "%s = %ld%s", what, result, error == ERRNO_UNTOUCHED ? "" : ", errno changed");
	else
		note(t, "%s = %ld %s", what, result, strerrorname_np(error));
	errno = error;
	return result;
}

void note_bytes(struct test *t, const char *buffer, ssize_t size)
{
	if (size > 0)
		note(t, "  %zd bytes, sum %016lx", size, sum_of(SUM_BEGIN, buffer, (size_t)size));
}

long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void note_waited(struct test *t, long since, long at_least)
{
	note(t, now_ms() - since >= at_least ? "waited" : "did not wait");
}

/* steps */

void begin(struct test *t, enum step_kind kind, unsigned size, unsigned count)
{
	const struct step wanted = {.kind = kind, .size = size, .count = count};

	if (send(t->control, &wanted, sizeof(wanted), MSG_NOSIGNAL) != (ssize_t)sizeof(wanted))
		note(t, "no client");
	t->asked++;
}

struct answer finish(struct test *t)
{
	struct answer answer = {.result = -1};

	for (; t->asked > 0; t->asked--)
		if (recv(t->control, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer)) {
			note(t, "no answer of the client");
			break;
		}
	return answer;
}

struct answer step(struct test *t, enum step_kind kind, unsigned size)
{
	begin(t, kind, size, 1);
	return finish(t);
}

/* As poll(2), which not every architecture has a number for. */
static long raw_poll(struct pollfd *waiting, int milliseconds)
{
	struct timespec limit = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};

	return raw(SYS_ppoll, (long)waiting, 1, (long)&limit, 0, 0);
}

bool is_finished(const struct test *t)
{
	struct pollfd waiting = {.fd = t->control, .events = POLLIN};

	return raw_poll(&waiting, 0) > 0;
}

/* Bytes in the socket's own queue. */
static int queued(int fd)
{
	int size = 0;

	return raw(SYS_ioctl, fd, FIONREAD, (long)&size, 0, 0) == 0 ? size : 0;
}

static void wait_for_bytes(struct test *t, int size)
{
	const long end = now_ms() + TIMEOUT_MS;
	const struct timespec moment = {.tv_nsec = 500000};

	while (queued(t->fd) < size) {
		if (now_ms() > end) {
			note(t, "the bytes did not arrive");
			return;
		}
		nanosleep(&moment, NULL);
	}
}

void connect_cold(struct test *t, int accept_flags)
{
	begin(t, STEP_CONNECT, 0, 0);
	t->fd = accept4(t->listener, NULL, NULL, accept_flags);
	if (t->fd < 0)
		note(t, "accept: %s", strerrorname_np(errno));
}

void connect_warm(struct test *t, int accept_flags)
{
	const long end = now_ms() + TIMEOUT_MS;
	struct pollfd waiting = {.events = POLLIN};

	connect_cold(t, accept_flags);
	waiting.fd = t->fd;
	while (!is_finished(t) && now_ms() < end)
		poll(&waiting, 1, 2);
	t->port = (long)finish(t).result;
	if (t->port < 0)
		note(t, "the client's handshake failed");
	/* the client's last message may be there still */
	while (queued(t->fd) > 0 && now_ms() < end)
		poll(&waiting, 1, 2);
}

void client_sends_pieces(struct test *t, unsigned size, unsigned count)
{
	const int before = queued(t->fd);
	struct answer answer;

	begin(t, STEP_SEND, size, count);
	answer = finish(t);
	if (answer.result != (int64_t)size * count)
		note(t, "the client sent %ld of %u bytes", (long)answer.result, size * count);
	wait_for_bytes(t, before + (int)(size * count));
}

void client_sends(struct test *t, unsigned size)
{
	client_sends_pieces(t, size, 1);
}

void client_ends(struct test *t, enum step_kind kind)
{
	struct pollfd waiting = {.fd = t->fd, .events = POLLRDHUP};

	step(t, kind, 0);
	if (raw_poll(&waiting, TIMEOUT_MS) <= 0)
		note(t, "the end did not arrive");
}

void note_answer(struct test *t, const char *what, const struct answer *answer)
{
	static const char *const endings[] = {"goes on", "ended", "failed"};

	note(t, "%s %ld, sum %016lx, %s", what, (long)answer->result, (unsigned long)answer->sum, endings[answer->ending]);
}

void client_receives(struct test *t, unsigned size)
{
	const struct answer answer = step(t, STEP_RECEIVE, size);

	note_answer(t, "client received", &answer);
}

void client_reads_to_end(struct test *t)
{
	client_receives(t, UINT32_MAX);
}

/* settings */

void set_nonblocking(int fd, bool on)
{
	const int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void set_timeout(int fd, int option, long ms)
{
	const struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout));
}

static void count_signal(int number)
{
	if (number == SIGPIPE)
		pipes++;
	else
		alarms++;
}

int pipes_seen(void)
{
	return pipes;
}

int alarms_seen(void)
{
	return alarms;
}

void catch_pipe(void)
{
	const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};

	sigaction(SIGPIPE, &action, NULL);
}

void catch_alarm(bool restart)
{
	const struct sigaction action = {.sa_handler = count_signal, .sa_flags = restart ? SA_RESTART : 0};

	sigaction(SIGALRM, &action, NULL);
}

/* Comes again and again, so that one before the call that it is to interrupt does no harm. */
void alarm_in(long ms)
{
	const struct itimerval timer = {{.tv_usec = ms * 1000}, {.tv_usec = ms * 1000}};

	setitimer(ITIMER_REAL, &timer, NULL);
}

const char *next_bytes(struct test *t, size_t size)
{
	static char *buffer;
	static size_t capacity;

	if (size > capacity) {
		free(buffer);
		buffer = malloc(size);
		capacity = size;
		if (!buffer)
			abort();
	}
	uint64_t place = t->sent;
	fill(buffer, size, &place);
	return buffer;
}
