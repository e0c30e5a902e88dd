/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include "explore.h"
#include "ipc/report.h"
#include "kernel.h"
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"
#include "shim/direct/handoff/handover.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/transfer.h"
#include "shim/process/log.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

struct tg_stream {
	pthread_mutex_t lock;
	_Atomic int fd;
	_Atomic unsigned state;
	int file; /* its socket, whatever its numbers */
	unsigned plain;
	bool touched, finished;
	_Atomic int moved; /* 1 + the number where it went to the relay */
	struct tg_watch watch;
	struct tg_fd_entry *fd_entry;
};

struct tg_libc tg_libc;
_Atomic bool tg_libc_bound;
struct tg_shim tg_shim;
_Atomic bool tg_descriptors_wanted = true;
_Atomic unsigned tg_stream_corked_count;
static _Atomic unsigned left;

struct tg_stream *stream_new(int fd)
{
	struct tg_stream *stream = calloc(1, sizeof(*stream));

	stream->fd = fd;
	stream->file = kernel_file_at(fd);
	left++;
	return stream;
}

unsigned streams_left(void)
{
	return left;
}

void tg_stream_free(struct tg_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	pthread_mutex_unlock(&stream->lock);
	left--;
	free(stream);
}

void tg_stream_set_fd(struct tg_stream *stream, int fd)
{
	pthread_mutex_lock(&stream->lock);
	stream->fd = fd;
	pthread_mutex_unlock(&stream->lock);
}

int tg_stream_fd(const struct tg_stream *stream)
{
	return atomic_load_explicit(&stream->fd, memory_order_relaxed);
}

struct tg_watch *tg_stream_watch(struct tg_stream *stream)
{
	return &stream->watch;
}

struct tg_fd_entry **tg_stream_fd_entry(struct tg_stream *stream)
{
	return &stream->fd_entry;
}

unsigned tg_stream_state(const struct tg_stream *stream)
{
	return atomic_load_explicit(&stream->state, memory_order_acquire);
}

/* In the lock: what came is taken, unless a thread sleeps for it. */
static void go_on(struct tg_stream *stream)
{
	model_step(stream);
	if (stream->moved)
		return;
	stream->touched = true;
	const int file = kernel_file_at(stream->fd);
	model_check(file < 0 || file == stream->file || kernel_kind_at(stream->fd) != KERNEL_SOCKET,
		    "one connection's bytes are read from another one");
	if (file == stream->file && !tg_readiness_is_awaited(&stream->watch))
		stream->plain += kernel_take(stream->fd);
	atomic_store_explicit(&stream->state, stream->plain > 0 ? TG_STREAM_INPUT : 0U, memory_order_release);
}

unsigned tg_stream_poll(struct tg_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	go_on(stream);
	const unsigned ready = (stream->plain > 0 ? POLLIN : 0U) | POLLOUT;
	pthread_mutex_unlock(&stream->lock);
	return ready;
}

unsigned tg_stream_wants(struct tg_stream *stream, unsigned events)
{
	pthread_mutex_lock(&stream->lock);
	pthread_mutex_unlock(&stream->lock);
	return events & (POLLIN | POLLOUT);
}

ssize_t tg_stream_read(struct tg_stream *stream, const struct iovec *vector, int count, bool peek)
{
	(void)vector, (void)count, (void)peek;
	pthread_mutex_lock(&stream->lock);
	const bool is_closed = stream->fd < 0;
	if (stream->plain == 0)
		go_on(stream);
	const bool got = stream->plain > 0;
	stream->plain -= got;
	atomic_store_explicit(&stream->state, stream->plain > 0 ? TG_STREAM_INPUT : 0U, memory_order_release);
	pthread_mutex_unlock(&stream->lock);
	errno = is_closed ? ECONNRESET : EAGAIN;
	return got ? 1 : -1;
}

/* Ciphertext: a number that is another socket by now must not get it. */
ssize_t tg_stream_write(struct tg_stream *stream, const struct iovec *vector, int count, bool more)
{
	(void)vector, (void)count, (void)more;
	pthread_mutex_lock(&stream->lock);
	model_step(stream);
	const int fd = stream->moved ? -1 : stream->fd;
	stream->touched = true;
	model_check(fd < 0 || kernel_kind_at(fd) != KERNEL_SOCKET || kernel_file_at(fd) == stream->file,
		    "one connection's bytes are written to another one");
	pthread_mutex_unlock(&stream->lock);
	errno = EPIPE;
	return fd < 0 ? -1 : 1;
}

bool tg_stream_is_untouched(struct tg_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	const bool untouched = !stream->touched;
	pthread_mutex_unlock(&stream->lock);
	return untouched;
}

bool tg_stream_is_unread(struct tg_stream *stream)
{
	(void)stream;
	return false;
}

bool tg_stream_is_inside(void)
{
	return false;
}

int64_t tg_stream_deadline(const struct tg_stream *stream)
{
	(void)stream;
	return TG_CLOCK_NEVER;
}

int64_t tg_stream_born(const struct tg_stream *stream)
{
	(void)stream;
	return 0;
}

void tg_stream_hear_end(struct tg_stream *stream)
{
	(void)stream;
}

void tg_stream_let_go_all(void)
{
}

int tg_stream_moved(const struct tg_stream *stream)
{
	return atomic_load_explicit(&stream->moved, memory_order_acquire) - 1;
}

/* close_notify: to its own socket, as long as that is there. */
bool tg_stream_finish(struct tg_stream *stream, struct iovec *ret_tail)
{
	(void)ret_tail;
	pthread_mutex_lock(&stream->lock);
	model_step(stream);
	model_check(!stream->finished, "a connection's end is sent twice");
	stream->finished = true;
	const int file = kernel_file_at(stream->fd);
	model_check(stream->moved || file < 0 || file == stream->file, "a connection's end is sent on another one");
	pthread_mutex_unlock(&stream->lock);
	return true;
}

bool tg_stream_has_early(struct tg_stream *stream)
{
	(void)stream;
	return false;
}

int tg_stream_move(struct tg_stream *stream, int fd, int (*give)(int fd, const struct tg_stream_begun *begun))
{
	int r = -EBUSY;

	pthread_mutex_lock(&stream->lock);
	if (!stream->touched)
		r = give(fd, NULL);
	if (r == 0) {
		model_check(kernel_file_at(fd) != stream->file || kernel_kind_at(fd) == KERNEL_DEAD, "it was not moved");
		atomic_store(&stream->moved, fd + 1);
		atomic_store_explicit(&stream->state, TG_STREAM_ENDED | TG_STREAM_INPUT, memory_order_release);
	}
	pthread_mutex_unlock(&stream->lock);
	return r;
}

/* The relay's end comes in the place of the socket. */
int tg_handover(int fd, const struct tg_stream_begun *begun)
{
	(void)begun;
	const int end = kernel_open(KERNEL_DEAD);

	tg_libc.dup3(end, fd, 0);
	kernel_close(end);
	return 0;
}

int tg_handover_last(int fd, const struct tg_stream_begun *begun)
{
	return tg_handover(fd, begun);
}

int tg_handover_unsent_tail(int fd, const void *data, size_t size)
{
	(void)fd, (void)data, (void)size;
	return 0;
}

void tg_report_moves(struct tg_report_page *page, const struct tg_section_slot *slot)
{
	(void)page, (void)slot;
}

/* Of kernel.h's sockets every one was accepted; what is dead may hold the place of one. */
bool tg_descriptors_is_pending(int fd)
{
	model_step(&kernel_file_at);
	return kernel_kind_at(fd) == KERNEL_SOCKET || kernel_kind_at(fd) == KERNEL_DEAD;
}

bool tg_relayed_is(int fd)
{
	(void)fd;
	return false;
}

void tg_shim_log(const char *format, ...)
{
	(void)format;
}

bool tg_process_is_vforked(void)
{
	return false;
}

void tg_report_plaintext(struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_plaintext_event event)
{
	(void)page, (void)slot, (void)event;
}

void tg_libc_bind_now(void)
{
}

void server_close(int fd)
{
	if (tg_transfer_is_one(fd) && tg_descriptors_closing(fd, true))
		return;
	if (tg_epoll_find(fd) != NULL)
		tg_readiness_closed(fd);
	kernel_close(fd);
	if (tg_descriptors_are_wanted())
		tg_descriptors_note_closed(fd);
}

/* No stream was found: the bytes are the kernel's. */
static int write_plain(int fd)
{
	model_step(&kernel_file_at);
	model_check(kernel_kind_at(fd) != KERNEL_SOCKET, "plaintext leaves on a connection that TLS is spoken for");
	return kernel_kind_at(fd) == KERNEL_NONE ? -1 : 1;
}

int server_write(int fd)
{
	struct tg_stream *stream = tg_transfer_begin(fd);

	return stream == NULL ? write_plain(fd) : (int)tg_transfer_write(stream, "", 1, MSG_NOSIGNAL);
}

int server_read(int fd)
{
	char byte;
	struct tg_stream *stream = tg_transfer_begin(fd);

	return stream == NULL ? -1 : (int)tg_transfer_read(stream, &byte, 1, 0);
}
