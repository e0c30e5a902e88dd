/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that are closed (descriptors.h). */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* The last number is about to be closed, and it still is this connection. */
static void last_close(const struct tg_fd_entry *entry, int fd)
{
	tg_readiness_forget(entry->stream, fd);
	/* A close in a signal handler cannot wait for the call that it interrupted. */
	if (!tg_stream_is_inside() && tg_claim_look(&entry->claim) == TG_CLAIM_OURS)
		tg_fd_entry_finish(entry, fd);
}

/*
 * After a number has left the table, and before the kernel's close(2), another thread's call on it would reach the socket
 * itself. So a placeholder is put at the number first. False: no descriptor is left for one.
 */
static bool bar(int fd)
{
	int saved = errno, dead = (int)tg_libc.syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (dead >= 0) {
		tg_libc.dup3(dead, fd, O_CLOEXEC);
		tg_libc.close(dead);
	}
	errno = saved;
	return dead >= 0;
}

/* Returns the entry with a reference. NULL: no stream, or (*ret_closing) another thread is closing it. */
static struct tg_fd_entry *begin_close(_Atomic uintptr_t *place, int fd, bool *ret_last, bool *ret_closing)
{
	tg_descriptors_lock();
	const uintptr_t word = atomic_load_explicit(place, memory_order_relaxed);
	struct tg_fd_entry *entry = tg_fd_word_open_entry(word);
	*ret_closing = (word & TG_CLOSING) != 0;
	if (entry != NULL) {
		atomic_fetch_or_explicit(place, TG_CLOSING, memory_order_release);
		*ret_last = tg_fd_entry_close_one(entry, fd);
		tg_fd_entry_ref(entry);
	}
	tg_descriptors_unlock();
	return entry;
}

/*
 * `here`: the kernel's close is made before the number leaves the table. Until then calls find a stream without a socket,
 * and afterwards a closed number. Otherwise they would find an open number that is not ours in between, and write to
 * whatever it becomes next. Does nothing if the number was closed without a hook meanwhile, and is another stream by now.
 */
static void end_close(_Atomic uintptr_t *place, int fd, const struct tg_fd_entry *entry, bool here)
{
	struct tg_left left = {.entry = NULL};

	tg_descriptors_lock();
	uintptr_t word = atomic_load_explicit(place, memory_order_relaxed);
	if (tg_fd_word_entry(word) == entry && (word & TG_CLOSING) != 0) {
		if (here)
			tg_libc.syscall(SYS_close, fd);
		left = tg_fd_word_set(place, fd, NULL, tg_fd_word_former());
	}
	tg_descriptors_unlock();
	tg_left_finish(&left);
}

/*
 * Returns the entry with a reference. NULL: nothing was to be done; with *ret_closing, another thread does it. *ret_open:
 * the number still is the socket.
 */
static struct tg_fd_entry *leave(int fd, bool *ret_open, bool *ret_closing)
{
	bool last = false;

	*ret_closing = false;
	/* Between vfork(2) and exec the memory is the parent's, but the descriptors are the child's. */
	if (!tg_descriptors_is_one(fd) || tg_process_is_vforked())
		return NULL;
	struct tg_fd_entry *entry = begin_close(tg_descriptors_slot(fd), fd, &last, ret_closing);
	if (entry == NULL)
		return NULL;
	if (last)
		last_close(entry, fd);
	else
		tg_readiness_leave(entry->stream, fd);
	*ret_open = !__libc_single_threaded && !bar(fd);
	if (last)
		tg_stream_set_fd(entry->stream, -1);
	return entry;
}

bool tg_fd_word_leave(int fd)
{
	bool is_open = false, closing;
	struct tg_fd_entry *entry = leave(fd, &is_open, &closing);

	if (entry != NULL)
		tg_fd_entry_unref(entry);
	return entry != NULL;
}

bool tg_descriptors_closing(int fd, bool here)
{
	bool is_open = false, closing;
	struct tg_fd_entry *entry = leave(fd, &is_open, &closing);

	if (entry == NULL)
		return closing;
	here = is_open || (here && !__libc_single_threaded);
	end_close(tg_descriptors_slot(fd), fd, entry, here);
	tg_fd_entry_unref(entry);
	return here;
}

void tg_descriptors_closed(int fd)
{
	_Atomic uintptr_t *place = tg_descriptors_slot(fd);

	if (!tg_descriptors_is_known(fd) || tg_process_is_vforked())
		return;
	tg_descriptors_lock();
	const struct tg_left left = tg_fd_word_set(place, fd, NULL, tg_fd_word_former());
	tg_descriptors_unlock();
	tg_left_finish(&left);
}

void tg_descriptors_note_closed(int fd)
{
	_Atomic uintptr_t *place = tg_descriptors_slot(fd);
	uintptr_t unknown = 0;

	if (place != NULL && !__libc_single_threaded)
		atomic_compare_exchange_strong(place, &unknown, TG_FORMER);
}

/*
 * Open, and neither a stream nor about to be one. Other threads may put something else at the number between two questions
 * to the kernel. So a socket is looked at through a descriptor of our own, above all numbers of streams. A file is not: to
 * close that would end its record locks (fcntl(2)).
 */
static bool is_open_and_plain(int fd)
{
	struct sockaddr_storage local;
	socklen_t size = sizeof(local);

	if (tg_libc.getsockname(fd, (struct sockaddr *)&local, &size) != 0 && (errno == ENOTSOCK || errno == EBADF))
		return errno == ENOTSOCK;
	const int own = tg_libc.fcntl(fd, F_DUPFD_CLOEXEC, tg_descriptors_end());
	if (own < 0)
		return errno != EBADF && !tg_descriptors_is_pending(fd);
	const bool is_plain = !tg_descriptors_is_pending(own);
	tg_libc.syscall(SYS_close, own);
	return is_plain;
}

bool tg_descriptors_is_plain(int fd)
{
	_Atomic uintptr_t *place = tg_descriptors_slot(fd);
	uintptr_t former = TG_FORMER;
	int saved = errno;
	const bool is_plain = is_open_and_plain(fd);

	errno = saved;
	if (!is_plain)
		return false;
	return place == NULL || atomic_compare_exchange_strong(place, &former, 0) || former == 0;
}
