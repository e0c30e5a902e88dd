/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_stream.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_bitmap.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/stream/clock.h"
#include "shim/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FD_COUNT 4096

struct tg_stream {
	pthread_mutex_t lock;
	_Atomic unsigned state;
	int fd, numbers;
	int greeted; /* bytes of the handshake */
	bool failed, halved, at_end;
	char plain[256];
	size_t plain_size, output;
	_Atomic int64_t deadline;
	unsigned references;
	struct tg_watch watch;
};

struct tg_libc tg_libc;
_Atomic bool tg_libc_bound = true;
_Atomic int tg_descriptors_count;
_Atomic bool tg_descriptors_wanted = true;
struct fake_counts fake_counts;
bool fake_is_another_process;

static struct tg_stream *table[FD_COUNT];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

/* The numbers that the hooks see (tg_descriptors_is_one). */
_Atomic(struct tg_descriptors_page *) tg_descriptors_pages[TG_DESCRIPTORS_PAGES];

static void enter(int fd, struct tg_stream *stream)
{
	static struct tg_descriptors_page pages[FD_COUNT / TG_DESCRIPTORS_PAGE];
	const int page = fd / TG_DESCRIPTORS_PAGE;

	assert_in_range(fd, 0, FD_COUNT - 1);
	pthread_mutex_lock(&table_lock);
	atomic_store(&tg_descriptors_pages[page], &pages[page]);
	atomic_store(&pages[page].words[fd % TG_DESCRIPTORS_PAGE], (uintptr_t)stream);
	__atomic_store_n(&table[fd], stream, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&table_lock);
	tg_fd_bitmap_update(fd);
}

void tg_stream_hear_end(struct tg_stream *stream)
{
	(void)stream;
}

void tg_libc_bind_now(void)
{
}

bool tg_process_is_vforked(void)
{
	return false;
}

static int counted_control(int fd, int operation, int of, struct epoll_event *event)
{
	__atomic_fetch_add(&fake_counts.modified, operation == EPOLL_CTL_MOD, __ATOMIC_RELAXED);
	__atomic_fetch_add(&fake_counts.deleted, operation == EPOLL_CTL_DEL, __ATOMIC_RELAXED);
	return epoll_ctl(fd, operation, of, event);
}

static int counted_wait(int fd, struct epoll_event *events, int room, int timeout)
{
	__atomic_fetch_add(&fake_counts.waited, 1, __ATOMIC_RELAXED);
	return epoll_wait(fd, events, room, timeout);
}

void fake_start(void)
{
	tg_libc.epoll_ctl = counted_control;
	tg_libc.epoll_wait = counted_wait;
	tg_libc.epoll_pwait = epoll_pwait;
	tg_libc.epoll_pwait2 = epoll_pwait2;
	tg_libc.poll = poll;
	tg_libc.ppoll = ppoll;
	tg_libc.select = select;
	tg_libc.pselect = pselect;
	tg_libc.recv = recv;
	tg_libc.syscall = syscall;
	tg_libc.fcntl = fcntl;
	tg_libc.sigaction = sigaction;
	assert_true(tg_claims_start());
}

static bool is_open(const struct tg_stream *stream)
{
	return stream->greeted == 4;
}

static void take(struct tg_stream *stream, char byte)
{
	if (stream->halved) {
		stream->halved = false;
		assert_true(stream->plain_size < sizeof(stream->plain));
		stream->plain[stream->plain_size++] = byte;
	} else if (byte == 'h') {
		stream->greeted++;
	} else if (byte == 'd') {
		stream->halved = true;
	} else if (byte == 'x') {
		stream->failed = true;
	}
}

static void flush(struct tg_stream *stream)
{
	static const char zeros[4096];

	while (is_open(stream) && stream->output > 0) {
		size_t size = stream->output < sizeof(zeros) ? stream->output : sizeof(zeros);
		ssize_t sent = send(stream->fd, zeros, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent <= 0)
			break;
		stream->output -= (size_t)sent;
	}
}

static void go_on(struct tg_stream *stream)
{
	char bytes[64];

	if (!stream->failed && !stream->at_end) {
		ssize_t got = recv(stream->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		for (ssize_t i = 0; i < got; i++)
			take(stream, bytes[i]);
		stream->at_end = got == 0;
	}
	if (!is_open(stream) && (stream->at_end || stream->deadline <= tg_clock_now()))
		stream->failed = true;
	flush(stream);
}

static void leave(struct tg_stream *stream)
{
	const bool ended = stream->failed || stream->at_end;

	stream->state = (is_open(stream) || stream->failed ? 0U : TG_STREAM_HANDSHAKING) |
			(stream->plain_size > 0 || ended ? TG_STREAM_INPUT : 0U) |
			(stream->output > 0 ? TG_STREAM_OUTPUT : 0U) | (ended ? TG_STREAM_ENDED : 0U);
	pthread_mutex_unlock(&stream->lock);
}

unsigned tg_stream_poll(struct tg_stream *stream)
{
	unsigned ready = 0;

	__atomic_fetch_add(&fake_counts.looked, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&stream->lock);
	if (!tg_readiness_is_awaited(&stream->watch))
		go_on(stream);
	if (stream->failed)
		ready = POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR;
	if (stream->plain_size > 0 || stream->at_end)
		ready |= POLLIN;
	if (stream->output < TG_STREAM_EARLY && (!is_open(stream) || stream->output == 0))
		ready |= POLLOUT;
	if (stream->at_end)
		ready |= POLLRDHUP;
	leave(stream);
	return ready;
}

unsigned tg_stream_wants(struct tg_stream *stream, unsigned events)
{
	pthread_mutex_lock(&stream->lock);
	unsigned wants = is_open(stream) ? (events & (POLLIN | POLLOUT)) | (stream->output > 0 ? POLLOUT : 0) : POLLIN;
	pthread_mutex_unlock(&stream->lock);
	return wants;
}

unsigned tg_stream_state(const struct tg_stream *stream)
{
	return stream->state;
}

int tg_stream_fd(const struct tg_stream *stream)
{
	return stream->fd;
}

int64_t tg_stream_born(const struct tg_stream *stream)
{
	(void)stream;
	return 0;
}

int64_t tg_stream_deadline(const struct tg_stream *stream)
{
	return (stream->state & TG_STREAM_HANDSHAKING) != 0 ? stream->deadline : TG_CLOCK_NEVER;
}

struct tg_watch *tg_stream_watch(struct tg_stream *stream)
{
	return &stream->watch;
}

bool tg_descriptors_claim(struct tg_stream *stream)
{
	(void)stream;
	if (fake_is_another_process)
		errno = EIO;
	return !fake_is_another_process;
}

bool tg_descriptors_is(int fd, struct tg_stream *stream)
{
	return fd >= 0 && fd < FD_COUNT && __atomic_load_n(&table[fd], __ATOMIC_ACQUIRE) == stream;
}

struct tg_stream *tg_descriptors_look_up(int fd)
{
	if (fd < 0 || fd >= FD_COUNT)
		return NULL;
	pthread_mutex_lock(&table_lock);
	struct tg_stream *stream = table[fd];
	if (stream != NULL)
		stream->references++;
	pthread_mutex_unlock(&table_lock);
	return stream;
}

void tg_descriptors_put(struct tg_stream *stream)
{
	pthread_mutex_lock(&table_lock);
	bool last = --stream->references == 0;
	pthread_mutex_unlock(&table_lock);
	if (last) {
		memset(stream, 0x5a, sizeof(*stream));
		free(stream);
	}
}

struct fake fake_new(void)
{
	struct fake made = {.stream = calloc(1, sizeof(struct tg_stream))};
	int pair[2];

	assert_non_null(made.stream);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	made.fd = made.stream->fd = pair[0];
	made.peer = pair[1];
	made.stream->deadline = TG_CLOCK_NEVER;
	made.stream->state = TG_STREAM_HANDSHAKING;
	made.stream->references = 1;
	made.stream->numbers = 1;
	pthread_mutex_init(&made.stream->lock, NULL);
	enter(made.fd, made.stream);
	tg_descriptors_count++;
	return made;
}

struct fake fake_new_open(void)
{
	struct fake made = fake_new();

	fake_send(&made, "hhhh");
	tg_stream_poll(made.stream);
	return made;
}

int fake_duplicate(const struct fake *fake, int fd)
{
	int made = fd < 0 ? fcntl(fake->fd, F_DUPFD_CLOEXEC, 0) : dup2(fake->fd, fd);

	assert_true(made >= 0);
	fake->stream->numbers++;
	enter(made, fake->stream);
	tg_descriptors_count++;
	return made;
}

void fake_close(int fd)
{
	struct tg_stream *stream = table[fd];

	enter(fd, NULL);
	tg_descriptors_count--;
	if (--stream->numbers == 0) {
		tg_readiness_forget(stream, fd);
		tg_descriptors_put(stream);
	} else if (stream->fd == fd) {
		for (int other = 0; other < FD_COUNT; other++)
			if (table[other] == stream)
				stream->fd = other;
	}
	close(fd);
}

void fake_free(struct fake *fake)
{
	if (table[fake->fd] == fake->stream)
		fake_close(fake->fd);
	close(fake->peer);
}

void fake_send(const struct fake *fake, const char *bytes)
{
	assert_int_equal(send(fake->peer, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

int fake_read(const struct fake *fake, char *data, int size)
{
	struct tg_stream *stream = fake->stream;

	pthread_mutex_lock(&stream->lock);
	if (stream->plain_size == 0)
		go_on(stream);
	int got = stream->plain_size < (size_t)size ? (int)stream->plain_size : size;
	memcpy(data, stream->plain, (size_t)got);
	stream->plain_size -= (size_t)got;
	memmove(stream->plain, stream->plain + got, stream->plain_size);
	if (got == 0 && !stream->at_end)
		got = -1;
	leave(stream);
	tg_readiness_changed(stream);
	return got;
}

int fake_write(const struct fake *fake, size_t size)
{
	struct tg_stream *stream = fake->stream;
	int taken = -1;

	pthread_mutex_lock(&stream->lock);
	go_on(stream);
	if (stream->output == 0 || !is_open(stream)) {
		stream->output += size;
		taken = (int)size;
		flush(stream);
	}
	leave(stream);
	tg_readiness_changed(stream);
	return taken;
}

void fake_drain(const struct fake *fake)
{
	char bytes[65536];

	while (recv(fake->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

void fake_set_deadline(const struct fake *fake, int64_t deadline)
{
	fake->stream->deadline = deadline;
}

/* Nothing is corked here. */
_Atomic unsigned tg_stream_corked_count;
void tg_stream_let_go_all(void)
{
}
