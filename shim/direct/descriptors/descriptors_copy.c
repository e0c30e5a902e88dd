/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that are copied (descriptors.h). The kernel's table and ours change under one lock. Otherwise the original could
 * be closed in between. The copy would then be a connection that is not in our table, or that of another number.
 */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Under the lock. Enters the number in our table before it exists in the kernel. False: no memory, or it is one of
 * descriptors 0 to 2 (tg_descriptors_copy).
 */
static bool enter(int fd, struct tg_fd_entry *entry, bool kept, struct tg_left *ret_before)
{
	_Atomic uintptr_t *place = fd <= STDERR_FILENO ? NULL : tg_fd_word_make(fd);

	if (place == NULL) {
		errno = EMFILE;
		return false;
	}
	*ret_before = tg_fd_word_set(place, fd, entry, kept ? TG_KEPT : 0);
	return true;
}

bool tg_descriptors_duplicated(int from, int fd, bool kept)
{
	struct tg_left before = {.entry = NULL};

	if (from == fd)
		return true;
	tg_descriptors_lock();
	struct tg_fd_entry *entry = tg_fd_word_open_entry(tg_fd_word_at(from));
	bool done = entry != NULL && enter(fd, entry, kept, &before);
	tg_descriptors_unlock();
	tg_left_finish(&before);
	if (entry == NULL)
		tg_descriptors_closed(fd);
	return done;
}

/* Under the lock; copies what is no stream. A number that another thread closes, or has just closed, counts as closed. */
static int copy_other(int from, int fd, int least, bool kept, struct tg_left *ret_before)
{
	int r = -1;

	if (tg_fd_word_at(from) != 0)
		errno = EBADF;
	else if (fd < 0)
		r = tg_libc.fcntl(from, kept ? F_DUPFD : F_DUPFD_CLOEXEC, least);
	else
		r = tg_libc.dup3(from, fd, kept ? 0 : O_CLOEXEC);
	if (r >= 0 && tg_fd_word_entry(tg_fd_word_at(r)) != NULL)
		*ret_before = tg_fd_word_set(tg_descriptors_slot(r), r, NULL, 0);
	return r;
}

/* Under the lock. Undone if the kernel refuses. */
static int copy_onto(struct tg_fd_entry *entry, int from, int fd, bool kept, struct tg_left *ret_before)
{
	if (!enter(fd, entry, kept, ret_before))
		return -1;
	int r = tg_libc.dup3(from, fd, O_CLOEXEC), saved = errno;
	if (r >= 0)
		return r;
	if (ret_before->entry != NULL)
		tg_libc.close(fd); /* Entered meanwhile, so that no call reaches the socket there. */
	/* It is never the last number, because `from` exists. */
	const struct tg_left undone = tg_fd_word_set(tg_descriptors_slot(fd), fd, NULL, tg_fd_word_former());
	tg_fd_entry_unref(undone.entry);
	errno = saved;
	return -1;
}

/*
 * Until a new number is entered, a call of another thread that happens to use it would reach the socket itself. So the
 * number begins as a placeholder.
 */
static int new_number(int least)
{
	int dead = (int)tg_libc.syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (dead < 0 || dead >= least)
		return dead;
	int fd = tg_libc.fcntl(dead, F_DUPFD_CLOEXEC, least), saved = errno;
	tg_libc.close(dead);
	errno = saved;
	return fd;
}

static int copy_above(struct tg_fd_entry *entry, int from, int least, bool kept, struct tg_left *ret_before)
{
	if (__libc_single_threaded) {
		int fd = tg_libc.fcntl(from, F_DUPFD_CLOEXEC, least);
		if (fd <= STDERR_FILENO || enter(fd, entry, kept, ret_before))
			return fd;
		tg_libc.close(fd);
		errno = EMFILE;
		return -1;
	}
	int fd = new_number(least);
	if (fd <= STDERR_FILENO || copy_onto(entry, from, fd, kept, ret_before) >= 0)
		return fd;
	int saved = errno;
	tg_libc.close(fd);
	errno = saved;
	return -1;
}

int tg_descriptors_copy(int from, int fd, int least, bool kept)
{
	struct tg_left before = {.entry = NULL};
	int r, saved;

	/* What the number is now is not asked under the lock. */
	if (tg_fd_word_at(from) == TG_FORMER && !tg_descriptors_is_plain(from) && !tg_descriptors_is_one(from)) {
		errno = EBADF;
		return -1;
	}
	const bool was_stream = fd >= 0 && tg_fd_word_leave(fd);
	tg_descriptors_lock();
	struct tg_fd_entry *entry = tg_fd_word_open_entry(tg_fd_word_at(from));
	if (fd >= 0 && !was_stream && (tg_fd_word_at(fd) & TG_CLOSING) != 0) {
		/* Another thread is about to close it (dup(2)). */
		errno = EBUSY;
		r = -1;
	} else if (entry == NULL)
		r = copy_other(from, fd, least, kept, &before);
	else if (fd >= 0)
		r = copy_onto(entry, from, fd, kept, &before);
	else
		r = copy_above(entry, from, least, kept, &before);
	saved = errno;
	/* Nothing replaced the stream, so its number is closed. */
	if (r < 0 && was_stream && before.entry == NULL && (tg_fd_word_at(fd) & TG_CLOSING) != 0) {
		tg_libc.syscall(SYS_close, fd);
		before = tg_fd_word_set(tg_descriptors_slot(fd), fd, NULL, tg_fd_word_former());
	}
	tg_descriptors_unlock();
	tg_left_finish(&before);
	errno = saved;
	return r;
}
