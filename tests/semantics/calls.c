/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing with odd arguments, and what asks how much there is.
 */
#include "situations.h"

#include <aio.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char buffer[70000];

static void no_bytes(struct test *t)
{
	struct iovec none = {.iov_base = buffer, .iov_len = 0};
	struct msghdr message = {.msg_iov = &none, .msg_iovlen = 1};

	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, read(t->fd, buffer, 0));
	CALL(t, recv(t->fd, buffer, 0, 0));
	CALL(t, recv(t->fd, NULL, 0, MSG_PEEK));
	CALL(t, readv(t->fd, &none, 1));
	CALL(t, readv(t->fd, NULL, 0));
	CALL(t, recvmsg(t->fd, &message, 0));
	CALL(t, write(t->fd, buffer, 0));
	CALL(t, send(t->fd, NULL, 0, 0));
	CALL(t, writev(t->fd, &none, 1));
	CALL(t, writev(t->fd, NULL, 0));
	CALL(t, sendmsg(t->fd, &message, 0));
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 0));
	CALL(t, recv(t->fd, buffer, 0, 0));
	CALL(t, readv(t->fd, &none, 1));
	CALL(t, recvmsg(t->fd, &message, 0));
	CALL(t, recv(t->fd, buffer, 100, 0));
	client_ends(t, STEP_HALF);
	CALL(t, read(t->fd, buffer, 0));
	CALL(t, recv(t->fd, buffer, 0, 0));
	CALL(t, shutdown(t->fd, SHUT_WR));
	CALL(t, write(t->fd, buffer, 0));
	CALL(t, send(t->fd, buffer, 0, 0));
	note(t, "%d SIGPIPE", pipes_seen());
}

static void too_many_parts(struct test *t)
{
	struct iovec *parts = calloc(IOV_MAX + 1, sizeof(*parts));
	volatile int less_than_none = -1;
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = IOV_MAX + 1};

	if (!parts)
		return;
	for (int i = 0; i <= IOV_MAX; i++)
		parts[i] = (struct iovec){.iov_base = buffer + i, .iov_len = 1};
	connect_warm(t, SOCK_NONBLOCK);
	client_sends(t, 100);
	CALL(t, readv(t->fd, parts, IOV_MAX + 1));
	CALL(t, readv(t->fd, parts, less_than_none));
	CALL(t, writev(t->fd, parts, IOV_MAX + 1));
	CALL(t, writev(t->fd, parts, less_than_none));
	CALL(t, recvmsg(t->fd, &message, 0));
	CALL(t, sendmsg(t->fd, &message, 0));
	CALL(t, readv(t->fd, parts, IOV_MAX));
	note_bytes(t, buffer, 100);
	free(parts);
}

static void many_parts(struct test *t)
{
	static struct iovec parts[IOV_MAX];
	const char *bytes = next_bytes(t, sizeof(buffer));

	for (int i = 0; i < IOV_MAX; i++)
		parts[i] = (struct iovec){.iov_base = buffer + i * 64, .iov_len = 64};
	memcpy(buffer, bytes, sizeof(buffer));
	connect_warm(t, 0);
	CALL(t, writev(t->fd, parts, IOV_MAX));
	client_receives(t, IOV_MAX * 64);
	memset(buffer, 0, sizeof(buffer));
	client_sends(t, 60000);
	CALL(t, readv(t->fd, parts, IOV_MAX));
	note_bytes(t, buffer, 60000);
}

/* A size far beyond the buffer, of which the server knows that so much does not come. */
static void enormous_size(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 10);
	volatile size_t size = (size_t)1 << 40;
	char *volatile somewhere = buffer; /* the compiler would know better */
	CALL(t, read(t->fd, somewhere, size));
	client_sends(t, 10);
	CALL(t, recv(t->fd, somewhere, size, 0));
	note_bytes(t, buffer, 10);
}

static void bad_pointer_read(struct test *t)
{
	char *volatile nowhere = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	connect_warm(t, SOCK_NONBLOCK);
	client_sends(t, 10);
	CALL(t, read(t->fd, nowhere, 10));
	CALL(t, recv(t->fd, nowhere, 10, 0));
	CALL(t, read(t->fd, buffer, 10));
}

static void bad_pointer_write(struct test *t)
{
	char *volatile nowhere = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, write(t->fd, nowhere, 10));
	CALL(t, send(t->fd, nowhere, 10, 0));
	CALL(t, write(t->fd, "fine", 4));
	client_receives(t, 4);
}

static void bad_descriptor(struct test *t)
{
	struct iovec part = {.iov_base = buffer, .iov_len = 10};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct pollfd waiting = {.events = POLLIN};

	connect_warm(t, 0);
	const int fd = t->fd;
	CALL(t, close(fd));
	CALL(t, close(fd));
	CALL(t, read(fd, buffer, 10));
	CALL(t, recv(fd, buffer, 10, 0));
	CALL(t, recvmsg(fd, &message, 0));
	CALL(t, readv(fd, &part, 1));
	CALL(t, write(fd, buffer, 10));
	CALL(t, send(fd, buffer, 10, 0));
	CALL(t, sendmsg(fd, &message, 0));
	CALL(t, writev(fd, &part, 1));
	CALL(t, dup(fd));
	CALL(t, fcntl(fd, F_GETFL));
	CALL(t, shutdown(fd, SHUT_RDWR));
	waiting.fd = fd;
	CALL(t, poll(&waiting, 1, 0));
	note(t, "revents %x", waiting.revents);
	client_reads_to_end(t);
}

static void how_much(struct test *t)
{
	int size = -1;

	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, ioctl(t->fd, FIONREAD, &size));
	note(t, "%d", size);
	client_sends(t, 300);
	/* readiness first, as programs ask */
	note_poll(t, POLLIN, 1000);
	CALL(t, ioctl(t->fd, FIONREAD, &size));
	note(t, "%d", size);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, ioctl(t->fd, FIONREAD, &size));
	note(t, "%d", size);
	CALL(t, read(t->fd, buffer, 200));
	CALL(t, ioctl(t->fd, FIONREAD, &size));
	note(t, "%d", size);
	client_sends_pieces(t, 100, 3);
	CALL(t, ioctl(t->fd, FIONREAD, &size));
	note(t, "%d", size);
}

static void fionbio(struct test *t)
{
	int on = 1;

	connect_warm(t, 0);
	CALL(t, ioctl(t->fd, FIONBIO, &on));
	CALL(t, fcntl(t->fd, F_GETFL));
	CALL(t, read(t->fd, buffer, 10));
	on = 0;
	CALL(t, ioctl(t->fd, FIONBIO, &on));
	CALL(t, fcntl(t->fd, F_GETFL));
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_SEND, 10, 1);
	CALL(t, read(t->fd, buffer, 10));
	finish(t);
}

static void setfl(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CALL(t, fcntl(t->fd, F_GETFL));
	CALL(t, fcntl(t->fd, F_GETFD));
	CALL(t, read(t->fd, buffer, 10));
	CALL(t, fcntl(t->fd, F_SETFL, O_RDWR));
	CALL(t, fcntl(t->fd, F_GETFL));
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_SEND, 10, 1);
	CALL(t, read(t->fd, buffer, 10));
	finish(t);
	CALL(t, fcntl(t->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	CALL(t, read(t->fd, buffer, 10));
	CALL(t, fcntl(t->fd, F_SETFD, 0));
	CALL(t, fcntl(t->fd, F_GETFD));
}

static void peek_more(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, recv(t->fd, buffer, 10, MSG_PEEK));
	client_sends(t, 40);
	CALL(t, recv(t->fd, buffer, 10, MSG_PEEK));
	note_bytes(t, buffer, 10);
	client_sends(t, 60);
	CALL(t, recv(t->fd, buffer, 1000, MSG_PEEK));
	note_bytes(t, buffer, 100);
	CALL(t, recv(t->fd, buffer, 50, MSG_PEEK | MSG_TRUNC));
	CALL(t, recv(t->fd, buffer, 1000, 0));
	note_bytes(t, buffer, 100);
	CALL(t, recv(t->fd, buffer, 10, MSG_PEEK));
	client_ends(t, STEP_HALF);
	CALL(t, recv(t->fd, buffer, 10, MSG_PEEK));
	CALL(t, recv(t->fd, buffer, 10, 0));
}

/* What is seen must be met again by whatever reads next. */
static void peek_then_poll(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 40);
	CALL(t, recv(t->fd, buffer, 100, MSG_PEEK));
	note_poll(t, POLLIN, 0);
	note_select(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 15));
	note_epoll(t, epoll, 1000);
	CALL(t, recv(t->fd, buffer, 100, MSG_DONTWAIT));
	note_epoll(t, epoll, 0);
	close(epoll);
}

/* Less than a record holds: no more is kept for who only looks, so that back pressure reaches the client. */
static void peek_large(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 40000);
	CALL(t, recv(t->fd, buffer, 16000, MSG_PEEK));
	note_bytes(t, buffer, 16000);
	CALL(t, recv(t->fd, buffer, 40000, MSG_WAITALL));
	note_bytes(t, buffer, 40000);
}

static void waitall_across(struct test *t)
{
	connect_warm(t, 0);
	begin(t, STEP_SEND, 50, 1);
	begin(t, STEP_PAUSE, 10, 0);
	begin(t, STEP_SEND, 50, 1);
	CALL(t, recv(t->fd, buffer, 100, MSG_WAITALL));
	note_bytes(t, buffer, 100);
	finish(t);
	begin(t, STEP_SEND, 50, 1);
	begin(t, STEP_PAUSE, 10, 0);
	begin(t, STEP_HALF, 0, 0);
	CALL(t, recv(t->fd, buffer, 100, MSG_WAITALL));
	finish(t);
	CALL(t, recv(t->fd, buffer, 100, MSG_WAITALL));
}

static void waitall_parts(struct test *t)
{
	struct iovec parts[2] = {{.iov_base = buffer, .iov_len = 30}, {.iov_base = buffer + 30, .iov_len = 70}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	connect_warm(t, 0);
	begin(t, STEP_SEND, 50, 1);
	begin(t, STEP_PAUSE, 10, 0);
	begin(t, STEP_SEND, 50, 1);
	CALL(t, recvmsg(t->fd, &message, MSG_WAITALL));
	note_bytes(t, buffer, 100);
	finish(t);
}

static void trunc_buffered(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	client_sends(t, 100);
	CALL(t, recv(t->fd, buffer, 10, 0));
	CALL(t, recv(t->fd, NULL, 50, MSG_TRUNC));
	CALL(t, recv(t->fd, buffer, 100, 0));
	note_bytes(t, buffer, 40);
	CALL(t, recv(t->fd, NULL, 50, MSG_TRUNC));
}

static void recvmmsg_timeout(struct test *t)
{
	struct iovec parts[2] = {{.iov_base = buffer, .iov_len = 10}, {.iov_base = buffer + 10, .iov_len = 10}};
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
				      {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
	struct timespec limit = {.tv_sec = 1};

	connect_warm(t, 0);
	client_sends(t, 20);
	CALL(t, recvmmsg(t->fd, messages, 2, 0, &limit));
	note(t, "%u %u", messages[0].msg_len, messages[1].msg_len);
	note_bytes(t, buffer, 20);
	client_sends(t, 5);
	CALL(t, recvmmsg(t->fd, messages, 2, MSG_DONTWAIT, NULL));
	note(t, "%u", messages[0].msg_len);
	CALL(t, recvmmsg(t->fd, messages, 2, MSG_DONTWAIT, NULL));
	CALL(t, recvmmsg(t->fd, messages, 0, MSG_DONTWAIT, NULL));
	CALL(t, sendmmsg(t->fd, messages, 0, 0));
}

static void strange_flags(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, recv(t->fd, buffer, 10, MSG_OOB));
	CALL(t, recv(t->fd, buffer, 10, MSG_ERRQUEUE));
	CALL(t, send(t->fd, "abc", 3, MSG_EOR));
	CALL(t, send(t->fd, "def", 3, MSG_CONFIRM));
	client_receives(t, 6);
}

static void send_to_somebody(struct test *t)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	connect_warm(t, 0);
	CALL(t, getpeername(t->fd, (struct sockaddr *)&address, &size));
	/* the kernel ignores it on a connected stream */
	CALL(t, sendto(t->fd, "abc", 3, 0, (struct sockaddr *)&address, size));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

static void no_seeking(struct test *t)
{
	struct stat facts;
	off_t offset = 0;

	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, lseek(t->fd, 0, SEEK_SET));
	CALL(t, pread(t->fd, buffer, 10, 0));
	CALL(t, pwrite(t->fd, buffer, 10, 0));
	CALL(t, ftruncate(t->fd, 0));
	CALL(t, fsync(t->fd));
	CALL(t, fstat(t->fd, &facts));
	note(t, "a socket: %d", S_ISSOCK(facts.st_mode));
	CALL(t, isatty(t->fd));
	CALL(t, sendfile(t->fd, t->fd, NULL, 10));
	CALL(t, sendfile(t->fd, t->fd, &offset, 10));
}

static void sendfile_odd(struct test *t)
{
	char path[] = "/tmp/semantics-XXXXXX";
	const int file = mkstemp(path);
	off_t offset = 900;

	unlink(path);
	if (write(file, next_bytes(t, 1000), 1000) != 1000)
		return;
	connect_warm(t, 0);
	CALL(t, sendfile(t->fd, file, &offset, 1000));
	note(t, "offset %ld", (long)offset);
	CALL(t, sendfile(t->fd, file, &offset, 1000));
	CALL(t, sendfile(t->fd, file, NULL, 10)); /* at the file's end */
	CALL(t, lseek(file, 0, SEEK_SET));
	CALL(t, sendfile(t->fd, file, NULL, 0));
	CALL(t, sendfile(t->fd, -1, NULL, 10));
	offset = -1;
	CALL(t, sendfile(t->fd, file, &offset, 10));
	CALL(t, sendfile(t->fd, file, NULL, 500));
	CALL(t, lseek(file, 0, SEEK_CUR));
	client_receives(t, 600);
	close(file);
}

static void splice_odd(struct test *t)
{
	int ends[2];
	off_t offset = 0;

	if (pipe2(ends, O_NONBLOCK) < 0)
		return;
	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 100, SPLICE_F_NONBLOCK));
	CALL(t, splice(ends[0], NULL, t->fd, NULL, 100, SPLICE_F_NONBLOCK));
	CALL(t, splice(t->fd, NULL, t->fd, NULL, 100, 0));
	CALL(t, splice(t->fd, &offset, ends[1], NULL, 100, 0));
	client_sends(t, 100);
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 0, 0));
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 60, SPLICE_F_MORE));
	CALL(t, splice(ends[0], NULL, t->fd, NULL, 60, 0));
	client_receives(t, 60);
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 100, 0));
	client_ends(t, STEP_HALF);
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 100, 0));
	close(ends[0]);
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 100, 0));
	close(ends[1]);
}

/* As a proxy that splices does: pipes take 64 KiB, and must not be filled with more than fits. */
static void splice_through(struct test *t)
{
	int ends[2];
	size_t through = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	connect_warm(t, 0);
	begin(t, STEP_EXCHANGE, 300000, 300000);
	while (through < 300000) {
		const ssize_t in = splice(t->fd, NULL, ends[1], NULL, 300000, SPLICE_F_MOVE);
		ssize_t left = in;

		if (in <= 0)
			break;
		while (left > 0) {
			const ssize_t out = splice(ends[0], NULL, t->fd, NULL, (size_t)left, SPLICE_F_MOVE);

			if (out <= 0)
				break;
			left -= out;
		}
		through += (size_t)in;
	}
	note(t, "through %zu", through);
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
}

static void stdio_conversation(struct test *t)
{
	FILE *stream;
	char line[64];

	connect_warm(t, 0);
	stream = fdopen(t->fd, "r+");
	if (!stream)
		return;
	CALL(t, fprintf(stream, "220 %s %d\r\n", "ready", 7));
	CALL(t, fflush(stream));
	client_receives(t, 13);
	client_sends(t, 53);
	note(t, "%s", fgets(line, 33, stream) ? line : "nothing");
	note(t, "%c", getc(stream));
	CALL(t, fread(line, 1, 20, stream));
	note_bytes(t, line, 20);
	CALL(t, fputs("bye\r\n", stream));
	CALL(t, fclose(stream));
	client_reads_to_end(t);
}

/* Server-first, and then stdio for both directions, by two streams. */
static void stdio_pair(struct test *t)
{
	char line[64] = "";

	connect_cold(t, 0);
	FILE *in = fdopen(t->fd, "r"), *out = fdopen(dup(t->fd), "w");
	if (!in || !out)
		return;
	CALL(t, fputs("hello\n", out));
	CALL(t, fflush(out));
	begin(t, STEP_RECEIVE, 6, 0);
	begin(t, STEP_SEND, 30, 1);
	CALL(t, fread(line, 1, 30, in));
	note(t, "%s", line);
	finish(t);
	CALL(t, fclose(out));
	CALL(t, fclose(in));
	client_reads_to_end(t);
}

/* What few servers do, of which the direct engine does nothing: on a connection in use, where nobody else can do it. */
static void calls_of_few(struct test *t)
{
	char text[] = "0123456789";
	struct aiocb block = {.aio_lio_opcode = LIO_WRITE, .aio_buf = text, .aio_nbytes = 10};
	struct aiocb *const list[] = {&block};
	char got[10];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	connect_warm(t, 0);
	block.aio_fildes = t->fd;
	client_sends(t, 30);
	CALL(t, splice(t->fd, NULL, ends[1], NULL, 10, 0));
	CALL(t, write(ends[1], text, 10));
	CALL(t, splice(ends[0], NULL, t->fd, NULL, 10, 0));
	CALL(t, dprintf(t->fd, "%s", text));
	CALL(t, fdopen(t->fd, "r") ? 0 : -1);
	CALL(t, lio_listio(LIO_WAIT, list, 1, NULL));
	CALL(t, dup2(t->fd, STDIN_FILENO));
	CALL(t, read(STDIN_FILENO, got, 10));
	CALL(t, read(t->fd, got, 10));
	CALL(t, close(t->fd));
	CALL(t, close(STDIN_FILENO));
	client_reads_to_end(t);
}

const struct single singles_calls[] = {
    {"no_bytes", no_bytes},
    {"too_many_parts", too_many_parts},
    {"many_parts", many_parts},
    {"enormous_size", enormous_size},
    {"bad_pointer_read", bad_pointer_read},
    {"bad_pointer_write", bad_pointer_write},
    {"bad_descriptor", bad_descriptor},
    {"how_much", how_much},
    {"fionbio", fionbio},
    {"setfl", setfl},
    {"peek_more", peek_more},
    {"peek_then_poll", peek_then_poll},
    {"peek_large", peek_large},
    {"waitall_across", waitall_across},
    {"waitall_parts", waitall_parts},
    {"trunc_buffered", trunc_buffered},
    {"recvmmsg_timeout", recvmmsg_timeout},
    {"strange_flags", strange_flags},
    {"send_to_somebody", send_to_somebody},
    {"no_seeking", no_seeking},
    {"sendfile_odd", sendfile_odd},
    {"splice_odd", splice_odd},
    {"splice_through", splice_through},
    {"stdio_conversation", stdio_conversation},
    {"stdio_pair", stdio_pair},
    {"calls_of_few", calls_of_few},
    {0},
};
