/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/interest.h"
#include "shim/direct/readiness/timer.h"
#include "shim/direct/waiting/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ON_STACK 64
#define WORD_BITS ((int)(8 * sizeof(unsigned long)))

enum { READ, WRITE, EXCEPTION, SETS };

/* A descriptor of a stream, and what the server waits for there. */
struct watched {
	int fd;
	unsigned events;
	struct tg_stream *stream;
};

/* One call in progress. */
struct work {
	const struct tg_select_call *call;
	struct tg_timer timer;
	unsigned long *interest[SETS]; /* how many words of the server's sets count */
	int words;
	struct watched *watched;
	int watched_count;
	void *memory;
};

/* FD_SET and the others end the program beyond FD_SETSIZE; a set may be larger. */
static bool has(const unsigned long *set, int fd)
{
	return set != NULL && (set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1) != 0;
}

static void put(unsigned long *set, int fd, bool value)
{
	unsigned long bit = 1UL << (fd % WORD_BITS);

	set[fd / WORD_BITS] = value ? set[fd / WORD_BITS] | bit : set[fd / WORD_BITS] & ~bit;
}

static unsigned long *words_of(const struct tg_select_call *call, int set)
{
	return (unsigned long *)(void *)call->sets[set];
}

static int in_kernel(const struct work *work, int64_t left)
{
	const struct tg_select_call *call = work->call;
	fd_set *read = (fd_set *)(void *)work->interest[READ], *write = (fd_set *)(void *)work->interest[WRITE],
	       *exception = (fd_set *)(void *)work->interest[EXCEPTION];
	struct timespec timeout;

	if (call->is_pselect)
		return tg_libc.pselect(call->count, read, write, exception, tg_timer_timespec(left, &timeout), call->mask);
	struct timeval limit = {.tv_sec = left / 1000000000, .tv_usec = (left % 1000000000 + 999) / 1000};
	if (limit.tv_usec == 1000000) {
		limit.tv_sec++;
		limit.tv_usec = 0;
	}
	return tg_libc.select(call->count, read, write, exception, left == INT64_MAX ? NULL : &limit);
}

static int pass(const struct tg_select_call *call)
{
	if (call->is_pselect)
		return tg_libc.pselect(call->count, call->sets[READ], call->sets[WRITE], call->sets[EXCEPTION],
				       call->timeout, call->mask);
	return tg_libc.select(call->count, call->sets[READ], call->sets[WRITE], call->sets[EXCEPTION], call->limit);
}

/* Finds the streams in the sets for reading and writing; returns how many there are. */
static int find_streams(int count, const unsigned long *read, const unsigned long *write, struct watched *ret, int room)
{
	int found = 0;

	for (int base = 0; base < count; base += WORD_BITS) {
		unsigned long bits =
		    (read == NULL ? 0 : read[base / WORD_BITS]) | (write == NULL ? 0 : write[base / WORD_BITS]);
		for (; bits != 0; bits &= bits - 1) {
			int fd = base + __builtin_ctzl(bits);
			if (fd >= count)
				break;
			if (tg_epoll_find(fd) != NULL)
				tg_epoll_expose(fd);
			if (!tg_descriptors_is_one(fd))
				continue;
			if (found < room)
				ret[found] = (struct watched){
				    .fd = fd, .events = (has(read, fd) ? POLLIN : 0U) | (has(write, fd) ? POLLOUT : 0U)};
			found++;
		}
	}
	return found;
}

static int find_watched(const struct tg_select_call *call, struct watched *ret, int room)
{
	return find_streams(call->count, words_of(call, READ), words_of(call, WRITE), ret, room);
}

/* The kernel reads the bit of `fd`: it is open, or select fails with EBADF for it. */
static bool is_within(int fd)
{
	if (tg_libc.fcntl(fd, F_GETFD) >= 0)
		return true;
	unsigned long *set = calloc((size_t)(fd / WORD_BITS) + 1, sizeof(*set));
	struct timeval now = {0};

	if (set == NULL)
		return false;
	put(set, fd, true);
	const bool found = tg_libc.select(fd + 1, (fd_set *)(void *)set, NULL, NULL, &now) < 0 && errno == EBADF;
	free(set);
	return found;
}

/*
 * The kernel reads no more of a set than its table of descriptors has room for; the table doubles as it grows. Programs
 * rely on that: they pass getdtablesize() with an fd_set that is shorter, and has other data behind it.
 */
static int reach(int count)
{
	int saved = errno, end = FD_SETSIZE;

	while (end < count && is_within(end))
		end = end > INT_MAX / 2 ? INT_MAX : 2 * end;
	errno = saved;
	return count < end ? count : end;
}

bool tg_select_concerns(int count, const fd_set *read, const fd_set *write)
{
	if (atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0)
		return false;
	tg_stream_before_wait();
	return find_streams(reach(count), (const unsigned long *)(const void *)read,
			    (const unsigned long *)(const void *)write, NULL, 0) > 0;
}

static bool holds_input(const struct watched *watched)
{
	return (watched->events & POLLIN) != 0 && (tg_stream_state(watched->stream) & TG_STREAM_INPUT) != 0;
}

/* Fills in what to ask the kernel. Returns how long it may wait. */
static int64_t prepare(struct work *work)
{
	int64_t deadline = TG_CLOCK_NEVER;
	bool wait = true;

	for (int set = 0; set < SETS; set++)
		if (words_of(work->call, set) != NULL)
			memcpy(work->interest[set], words_of(work->call, set), (size_t)work->words * sizeof(unsigned long));
		else
			memset(work->interest[set], 0, (size_t)work->words * sizeof(unsigned long));
	for (int i = 0; i < work->watched_count; i++) {
		const struct watched *watched = &work->watched[i];
		if (watched->stream == NULL)
			continue;
		unsigned wants = tg_interest_on_socket(watched->stream, watched->events);
		put(work->interest[READ], watched->fd, (wants & POLLIN) != 0);
		put(work->interest[WRITE], watched->fd, (wants & POLLOUT) != 0);
		int64_t own = tg_stream_deadline(watched->stream);
		if (own < deadline)
			deadline = own;
		if (holds_input(watched))
			wait = false;
	}
	return wait ? tg_timer_left(&work->timer, deadline) : 0;
}

/* Adds what is ready of a stream to the sets that the kernel returned. */
static void look_at_stream(struct work *work, const struct watched *watched)
{
	unsigned events = (has(work->interest[READ], watched->fd) ? POLLIN : 0U) |
			  (has(work->interest[WRITE], watched->fd) ? POLLOUT : 0U);
	unsigned ready = 0;
	int saved = errno;

	if (events != 0 || holds_input(watched) || tg_stream_deadline(watched->stream) <= tg_clock_now())
		ready = tg_descriptors_claim(watched->stream) ? tg_interest_look(watched->stream, events) : events;
	errno = saved;
	put(work->interest[READ], watched->fd,
	    (watched->events & POLLIN) != 0 && (ready & (POLLIN | POLLHUP | POLLERR)) != 0);
	put(work->interest[WRITE], watched->fd, (watched->events & POLLOUT) != 0 && (ready & (POLLOUT | POLLERR)) != 0);
}

static int bits_of(const struct work *work, int fd)
{
	return (int)has(work->interest[READ], fd) + (int)has(work->interest[WRITE], fd);
}

/* `reported`: the kernel's count, without numbers beyond any descriptor of the process. */
static int look_at_all(struct work *work, int reported)
{
	for (int i = 0; i < work->watched_count; i++)
		if (work->watched[i].stream != NULL) {
			reported -= bits_of(work, work->watched[i].fd);
			look_at_stream(work, &work->watched[i]);
			reported += bits_of(work, work->watched[i].fd);
		}
	return reported;
}

static void fill_sets(const struct work *work)
{
	struct timeval *limit = work->call->limit;

	for (int set = 0; set < SETS; set++)
		if (words_of(work->call, set) != NULL)
			memcpy(words_of(work->call, set), work->interest[set], (size_t)work->words * sizeof(unsigned long));
	if (limit == NULL)
		return;
	int64_t left = work->timer.end == 0 ? work->timer.timeout : work->timer.end - tg_timer_now();
	limit->tv_sec = left > 0 ? left / 1000000000 : 0;
	limit->tv_usec = left > 0 ? left % 1000000000 / 1000 : 0;
}

static void release(void *arg)
{
	struct work *work = arg;

	for (int i = 0; i < work->watched_count; i++)
		if (work->watched[i].stream != NULL)
			tg_descriptors_put(work->watched[i].stream);
	free(work->memory);
}

static int go_on(struct work *work)
{
	int r;

	for (int i = 0; i < work->watched_count; i++)
		work->watched[i].stream = tg_descriptors_get(work->watched[i].fd);
	pthread_cleanup_push(release, work);
	do {
		r = in_kernel(work, prepare(work));
		if (r >= 0)
			r = look_at_all(work, r);
	} while (r == 0 && !tg_timer_is_over(&work->timer));
	if (r >= 0)
		fill_sets(work);
	pthread_cleanup_pop(1);
	return r;
}

/* A tv_usec above a second is valid (the C library's select). */
static bool is_valid(const struct timeval *limit)
{
	return limit == NULL || (limit->tv_sec >= 0 && limit->tv_usec >= 0);
}

static struct tg_timer timer_of(const struct tg_select_call *call)
{
	struct timespec timeout;

	if (call->is_pselect)
		return tg_timer_of_timespec(call->timeout);
	if (call->limit == NULL)
		return tg_timer_of_timespec(NULL);
	timeout = (struct timespec){.tv_sec = call->limit->tv_sec + call->limit->tv_usec / 1000000,
				    .tv_nsec = call->limit->tv_usec % 1000000 * 1000};
	return tg_timer_of_timespec(&timeout);
}

int tg_select(const struct tg_select_call *call)
{
	struct watched watched[ON_STACK];
	unsigned long sets[SETS][FD_SETSIZE / (8 * sizeof(unsigned long))];
	struct tg_select_call reached = *call;
	struct work work = {.call = &reached, .watched = watched, .interest = {sets[READ], sets[WRITE], sets[EXCEPTION]}};

	reached.count = reach(call->count);
	if (!is_valid(call->limit) || !tg_timer_is_valid(call->timeout) ||
	    (work.watched_count = find_watched(&reached, watched, ON_STACK)) == 0)
		return pass(call);
	work.timer = timer_of(call);
	if (call->limit != NULL)
		tg_timer_left(&work.timer,
			      TG_CLOCK_NEVER); /* the timeout begins now; the caller gets back what is left of it */
	work.words = (reached.count + WORD_BITS - 1) / WORD_BITS;
	if (reached.count > FD_SETSIZE || work.watched_count > ON_STACK) {
		const size_t words = (size_t)work.words, streams = (size_t)work.watched_count;
		work.memory = calloc(1, streams * sizeof(struct watched) + SETS * words * sizeof(unsigned long));
		if (work.memory == NULL) {
			errno = ENOMEM;
			return -1;
		}
		work.watched = work.memory;
		for (size_t set = 0; set < SETS; set++)
			work.interest[set] = (unsigned long *)(void *)(work.watched + streams) + set * words;
		int found = find_watched(&reached, work.watched, work.watched_count);
		if (found < work.watched_count)
			work.watched_count = found;
	}
	return go_on(&work);
}
