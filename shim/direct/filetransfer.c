/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/filetransfer.h"

#include "shim/binding/libc.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/transfer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_PIECE 65536 /* as much as a stream sends at once */

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

/* How much of `count` the file has. A server may ask for more, and MSG_MORE must not announce bytes that never follow. */
static size_t count_there(int file, off64_t at, size_t count)
{
	struct stat status;

	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		return count;
	const size_t left = status.st_size > at ? (size_t)(status.st_size - at) : 0;
	return count < left ? count : left;
}

/* The file position advances only by what was written, so nothing that was read is lost. */
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
		const size_t wanted = count - done < room ? count - done : room;
		ssize_t here = pread64(in, piece, wanted, at + (off64_t)done);
		const bool more = here == (ssize_t)wanted && done + wanted < count; /* else the file ends here */
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
