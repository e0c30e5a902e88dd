/* SPDX-License-Identifier: Apache-2.0 */
#include "ways.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t by_write(int fd, const char *buffer, size_t size)
{
	return write(fd, buffer, size);
}

static ssize_t by_send(int fd, const char *buffer, size_t size)
{
	return send(fd, buffer, size, 0);
}

static ssize_t by_send_nosignal(int fd, const char *buffer, size_t size)
{
	return send(fd, buffer, size, MSG_NOSIGNAL);
}

static ssize_t by_send_dontwait(int fd, const char *buffer, size_t size)
{
	return send(fd, buffer, size, MSG_DONTWAIT);
}

static ssize_t by_send_more(int fd, const char *buffer, size_t size)
{
	return send(fd, buffer, size, MSG_MORE);
}

static ssize_t by_sendto(int fd, const char *buffer, size_t size)
{
	return sendto(fd, buffer, size, 0, NULL, 0);
}

enum { PARTS = 3 };

static void cut(struct iovec parts[PARTS], const char *buffer, size_t size)
{
	char *begin = (char *)(uintptr_t)buffer; /* only read, whatever struct iovec says */

	parts[0] = (struct iovec){.iov_base = begin, .iov_len = size / 3};
	parts[1] = (struct iovec){.iov_base = NULL, .iov_len = 0};
	parts[2] = (struct iovec){.iov_base = begin + size / 3, .iov_len = size - size / 3};
}

static ssize_t by_writev(int fd, const char *buffer, size_t size)
{
	struct iovec parts[PARTS];

	cut(parts, buffer, size);
	return writev(fd, parts, PARTS);
}

static ssize_t by_pwritev2(int fd, const char *buffer, size_t size)
{
	struct iovec parts[PARTS];

	cut(parts, buffer, size);
	return pwritev2(fd, parts, PARTS, -1, 0);
}

static ssize_t by_sendmsg(int fd, const char *buffer, size_t size)
{
	struct iovec parts[PARTS];
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS};

	cut(parts, buffer, size);
	return sendmsg(fd, &message, 0);
}

static ssize_t by_sendmmsg(int fd, const char *buffer, size_t size)
{
	struct iovec parts[PARTS];
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = parts, .msg_iovlen = 1}},
				      {.msg_hdr = {.msg_iov = &parts[2], .msg_iovlen = 1}}};
	const int count = (cut(parts, buffer, size), sendmmsg(fd, messages, 2, 0));

	if (count <= 0)
		return count;
	return (ssize_t)messages[0].msg_len + (count == 2 ? (ssize_t)messages[1].msg_len : 0);
}

/* A file with `buffer` in it, after some bytes that are not to be sent. */
static int make_file(const char *buffer, size_t size)
{
	const int file = memfd_create("semantics", MFD_CLOEXEC);

	if (file >= 0 && (write(file, "before", 6) != 6 || write(file, buffer, size) != (ssize_t)size)) {
		close(file);
		return -1;
	}
	return file;
}

static ssize_t send_file(int fd, const char *buffer, size_t size, ssize_t (*call)(int, int, off_t *, size_t),
			 int own_offset)
{
	const int file = make_file(buffer, size);
	off_t offset = 6;
	ssize_t done;
	int error;

	if (file < 0)
		return -5;
	if (!own_offset)
		lseek(file, 6, SEEK_SET);
	done = call(fd, file, own_offset ? &offset : NULL, size);
	error = errno;
	/* the one that counts has moved, by what was sent */
	if (done >= 0 && (own_offset ? offset : lseek(file, 0, SEEK_CUR)) != 6 + done)
		done = -6;
	close(file);
	errno = error;
	return done;
}

static ssize_t by_sendfile(int fd, const char *buffer, size_t size)
{
	return send_file(fd, buffer, size, sendfile, 0);
}

static ssize_t by_sendfile64(int fd, const char *buffer, size_t size)
{
	return send_file(fd, buffer, size, sendfile64, 1);
}

static ssize_t by_splice(int fd, const char *buffer, size_t size)
{
	/* what a pipe takes */
	const size_t piece = size < 32768 ? size : 32768;
	int ends[2];
	ssize_t done;
	int error;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -5;
	done = write(ends[1], buffer, piece) == (ssize_t)piece ? splice(ends[0], NULL, fd, NULL, piece, SPLICE_F_MOVE) : -6;
	error = errno;
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return done;
}

static ssize_t by_dprintf(int fd, const char *buffer, size_t size)
{
	return dprintf(fd, "%.*s", (int)size, buffer);
}

static ssize_t write_stream(int fd, const char *buffer, size_t size, int formatted, int mode)
{
	const int copy = dup(fd);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "r+");
	ssize_t done;
	int error;

	if (!stream)
		return -5;
	setvbuf(stream, NULL, mode, 4096);
	done = formatted ? fprintf(stream, "%.*s", (int)size, buffer) : (ssize_t)fwrite(buffer, 1, size, stream);
	if (mode != _IONBF && fflush(stream) != 0)
		done = -1;
	error = errno;
	if (done == 0 && ferror(stream))
		done = -1;
	fclose(stream);
	errno = error;
	return done;
}

static ssize_t by_fwrite(int fd, const char *buffer, size_t size)
{
	return write_stream(fd, buffer, size, 0, _IONBF);
}

static ssize_t by_fprintf(int fd, const char *buffer, size_t size)
{
	return write_stream(fd, buffer, size, 1, _IOFBF);
}

static ssize_t by_dup(int fd, const char *buffer, size_t size)
{
	const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	const ssize_t done = write(copy, buffer, size);
	const int error = errno;

	close(copy);
	errno = error;
	return done;
}

const struct write_way write_ways[] = {
    {"write", by_write, 0},
    {"writev", by_writev, 0},
    {"pwritev2", by_pwritev2, 0},
    {"send", by_send, 0},
    {"send_nosignal", by_send_nosignal, 0},
    {"send_dontwait", by_send_dontwait, WAY_NEVER_WAITS},
    {"send_more", by_send_more, 0},
    {"sendto", by_sendto, 0},
    {"sendmsg", by_sendmsg, 0},
    {"sendmmsg", by_sendmmsg, WAY_TWICE},
    {"sendfile", by_sendfile, 0},
    {"sendfile64", by_sendfile64, 0},
    {"splice", by_splice, 0},
    {"dup", by_dup, 0},
    {"fwrite", by_fwrite, WAY_BUFFERS},
    {"fprintf", by_fprintf, WAY_BUFFERS},
    {"dprintf", by_dprintf, WAY_BUFFERS},
    {"dprintf_chk", checked_dprintf, WAY_BUFFERS},
    {"fprintf_chk", checked_fprintf, WAY_BUFFERS},
    {0},
};
