/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/filetransfer.h"

#include "shim/binding/libc.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PIECE 16384      /* as much as one record takes */
#define FILE_PIECE 65536 /* as much as a stream sends at once */

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

/* A server may ask for more than the file has: what follows the last piece is said of what is there. */
static size_t count_there(int file, off64_t at, size_t count)
{
	struct stat status;

	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		return count;
	const size_t left = status.st_size > at ? (size_t)(status.st_size - at) : 0;
	return count < left ? count : left;
}

/* The position in the file moves by what was written alone, so nothing that was read is lost. */
ssize_t tg_filetransfer_send(int out, int in, off64_t *offset, size_t count)
{
	off64_t at = offset != NULL ? *offset : lseek64(in, 0, SEEK_CUR);
	char small[4096], *piece = small;
	size_t done = 0;
	ssize_t r = 0;

	if (at < 0 && offset == NULL)
		return fail(errno == EBADF ? EBADF : EINVAL);
	if (tg_transfer_is_one(in) || at < 0)
		return fail(offset != NULL && at >= 0 ? ESPIPE : EINVAL);
	if (count > FILE_PIECE)
		count = count_there(in, at, count);
	const size_t room = count < FILE_PIECE ? count : FILE_PIECE;
	if (room > sizeof(small) && (piece = malloc(room)) == NULL)
		return fail(ENOMEM);
	while (done < count) {
		const size_t asked = count - done < room ? count - done : room;
		ssize_t here = pread64(in, piece, asked, at + (off64_t)done);
		const bool more = here == (ssize_t)asked && done + asked < count; /* else the file ends here */
		struct tg_stream *stream = here > 0 ? tg_transfer_begin(out) : NULL;
		r = here;
		if (stream != NULL) {
			r = tg_transfer_write(stream, piece, (size_t)here, more ? MSG_MORE : 0);
		} else if (here > 0) {
			/* by its first piece it has become the relay's */
			off64_t from = at + (off64_t)done;
			r = tg_relayed_is(out) ? tg_libc.sendfile64(out, in, &from, count - done) : fail(EBADF);
			here = (ssize_t)(count - done);
		}
		if (r <= 0)
			break;
		done += (size_t)r;
		if (r < here)
			break;
	}
	int saved = errno;
	if (piece != small)
		free(piece);
	errno = saved;
	if (r < 0 && done == 0)
		return -1;
	if (offset != NULL)
		*offset = at + (off64_t)done;
	else
		lseek64(in, at + (off64_t)done, SEEK_SET);
	return (ssize_t)done;
}

static bool is_pipe(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

static bool waits(int pipe, unsigned flags)
{
	return (flags & SPLICE_F_NONBLOCK) == 0 && (tg_libc.fcntl(pipe, F_GETFL) & O_NONBLOCK) == 0;
}

/* A pipe that poll(2) calls writable takes PIPE_BUF bytes at once (pipe(7)). */
static size_t fill_pipe(int pipe, const char *data, size_t size, bool wait)
{
	size_t done = 0;

	while (done < size) {
		struct pollfd asked = {.fd = pipe, .events = POLLOUT};
		int ready = tg_libc.poll(&asked, 1, wait && done == 0 ? -1 : 0);
		if (ready == 0)
			errno = EAGAIN;
		if (ready <= 0)
			break;
		size_t here = size - done < PIPE_BUF ? size - done : PIPE_BUF;
		ssize_t r = tg_libc.write(pipe, data + done, here);
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

/* What the pipe does not take is left in the stream: it is looked at first. SPLICE_F_NONBLOCK is about the pipe alone. */
static ssize_t splice_out(int in, int pipe, size_t count, unsigned flags)
{
	struct tg_stream *stream = tg_transfer_begin(in);
	char piece[PIECE];

	if (stream == NULL)
		return fail(EBADF);
	ssize_t r = tg_transfer_read(stream, piece, count < PIECE ? count : PIECE, MSG_PEEK);
	if (r <= 0)
		return r;
	size_t taken = fill_pipe(pipe, piece, (size_t)r, waits(pipe, flags));
	if (taken == 0)
		return -1;
	stream = tg_transfer_begin(in);
	return stream == NULL ? fail(EBADF) : tg_transfer_read(stream, piece, taken, MSG_DONTWAIT);
}

/* What the stream does not take is left in the pipe: a copy of it is looked at (tee(2)). */
static ssize_t splice_in(int pipe, int out, size_t count, unsigned flags)
{
	struct tg_stream *stream;
	char piece[PIECE];
	int copy[2];

	if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	ssize_t r = tee(pipe, copy[1], count < PIECE ? count : PIECE, waits(pipe, flags) ? 0 : SPLICE_F_NONBLOCK);
	if (r > 0)
		r = tg_libc.read(copy[0], piece, (size_t)r);
	int saved = errno;
	tg_libc.close(copy[0]);
	tg_libc.close(copy[1]);
	errno = saved;
	if (r <= 0)
		return r;
	stream = tg_transfer_begin(out);
	if (stream == NULL)
		return fail(EBADF);
	r = tg_transfer_write(stream, piece, (size_t)r, 0);
	return r > 0 ? tg_libc.read(pipe, piece, (size_t)r) : r;
}

ssize_t tg_filetransfer_splice(int in, int out, bool offset, size_t count, unsigned flags)
{
	if (offset)
		return fail(ESPIPE);
	if (count == 0)
		return 0;
	if (tg_transfer_is_one(in))
		return is_pipe(out) ? splice_out(in, out, count, flags) : fail(EINVAL);
	return is_pipe(in) ? splice_in(in, out, count, flags) : fail(EINVAL);
}
