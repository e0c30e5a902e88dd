/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection under several numbers, under others' numbers, and gone.
 */
#include "situations.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[4096];

/* A conversation over one number, as after a move. */
static void talk(struct test *t, int fd)
{
	t->fd = fd;
	client_sends(t, 20);
	CALL(t, read(t->fd, buffer, 100));
	note_bytes(t, buffer, 20);
	CALL(t, write(t->fd, "answer", 6));
	client_receives(t, 6);
}

static void by_dup(struct test *t)
{
	connect_warm(t, 0);
	const int first = t->fd, copy = dup(first);
	talk(t, copy);
	talk(t, first);
	CALL(t, close(first));
	talk(t, copy);
	CALL(t, close(copy));
	client_reads_to_end(t);
}

/* As inetd's children and busybox do: the connection becomes 0 and 1, and its own number goes. */
static void as_standard_streams(struct test *t)
{
	connect_warm(t, 0);
	const int first = t->fd;
	CALL(t, dup2(first, 0));
	CALL(t, dup2(first, 1));
	CALL(t, close(first));
	t->fd = 0;
	client_sends(t, 20);
	CALL(t, read(0, buffer, 100));
	CALL(t, write(1, "answer", 6));
	client_receives(t, 6);
	CALL(t, close(0));
	CALL(t, write(1, "more", 4));
	client_receives(t, 4);
	CALL(t, close(1));
	client_reads_to_end(t);
}

static void by_dup3(struct test *t)
{
	connect_warm(t, 0);
	const int first = t->fd;
	CALL(t, dup3(first, first, 0));
	CALL(t, dup2(first, first) == first);
	CALL(t, dup3(first, 77, O_CLOEXEC));
	CALL(t, fcntl(77, F_GETFD));
	talk(t, 77);
	CALL(t, fcntl(first, F_DUPFD, 300));
	CALL(t, fcntl(first, F_DUPFD_CLOEXEC, 300));
	CALL(t, fcntl(301, F_GETFD));
	CALL(t, close(first));
	CALL(t, close(77));
	talk(t, 300);
	CALL(t, close(301));
	talk(t, 300);
	CALL(t, close(300));
	client_reads_to_end(t);
}

/* Another file takes one of its numbers, then the other one: then it ends. */
static void overwritten(struct test *t)
{
	connect_warm(t, 0);
	const int copy = dup(t->fd), idle = open("/dev/null", O_RDWR);
	CALL(t, dup2(idle, copy) == copy);
	CALL(t, write(copy, "into nothing", 12));
	talk(t, t->fd);
	CALL(t, dup2(idle, t->fd) == t->fd);
	client_reads_to_end(t);
}

/* Half a record read under one number, the rest under the other. */
static void shared_buffer(struct test *t)
{
	connect_warm(t, 0);
	const int copy = dup(t->fd);
	client_sends(t, 100);
	CALL(t, read(t->fd, buffer, 30));
	CALL(t, read(copy, buffer, 30));
	note_bytes(t, buffer, 30);
	CALL(t, close(t->fd));
	t->fd = copy;
	note_poll(t, POLLIN, 0);
	CALL(t, read(copy, buffer, 100));
	note_bytes(t, buffer, 40);
	set_nonblocking(copy, true);
	CALL(t, read(copy, buffer, 100));
}

/* O_NONBLOCK belongs to the open file, and so to both. */
static void shared_flags(struct test *t)
{
	connect_warm(t, 0);
	const int copy = dup(t->fd);
	set_nonblocking(copy, true);
	CALL(t, fcntl(t->fd, F_GETFL));
	CALL(t, read(t->fd, buffer, 10));
	set_nonblocking(t->fd, false);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_SEND, 10, 1);
	CALL(t, read(copy, buffer, 10));
	finish(t);
}

static void range_closed(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, dup2(t->fd, 400));
	CALL(t, dup2(t->fd, 402));
	CALL(t, close(t->fd));
	CALL(t, close_range(401, 500, 0));
	CALL(t, write(402, "x", 1));
	talk(t, 400);
	CALL(t, close_range(390, 410, CLOSE_RANGE_CLOEXEC));
	CALL(t, fcntl(400, F_GETFD));
	talk(t, 400);
	CALL(t, close_range(400, 400, 0));
	client_reads_to_end(t);
}

static void closed_from(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, dup2(t->fd, 400));
	CALL(t, dup2(t->control, 390));
	CALL(t, close(t->control));
	t->control = 390;
	closefrom(391);
	CALL(t, fcntl(400, F_GETFL));
	talk(t, t->fd);
	CALL(t, dup2(t->fd, 400));
	CALL(t, close(t->fd));
	closefrom(400);
	client_reads_to_end(t);
}

/* libuv's way. */
static void closed_raw(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, write(t->fd, "last", 4));
	client_receives(t, 4);
	const int number = t->fd;
	CALL(t, syscall(SYS_close, number));
	CALL(t, read(number, buffer, 10));
	/* somebody else's file now */
	const int again = open("/dev/zero", O_RDWR);
	CALL(t, again == number);
	CALL(t, read(again, buffer, 10));
	note(t, "%d", buffer[0]);
	CALL(t, write(again, "xyz", 3));
	CALL(t, close(again));
}

/* A number that was a connection's is a pipe's, then another connection's. */
static void number_again(struct test *t)
{
	int ends[2];

	connect_warm(t, 0);
	const int number = t->fd;
	client_sends(t, 30);
	CALL(t, read(number, buffer, 10));
	CALL(t, close(number));
	if (pipe2(ends, O_NONBLOCK) < 0)
		return;
	CALL(t, ends[0] == number);
	t->fd = number;
	note_poll(t, POLLIN, 0);
	CALL(t, read(number, buffer, 10));
	CALL(t, write(ends[1], "pipe", 4));
	note_poll(t, POLLIN, 0);
	CALL(t, read(number, buffer, 10));
	note_bytes(t, buffer, 4);
	close(ends[0]);
	close(ends[1]);
}

static int send_descriptor(int socket, int fd)
{
	char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static int receive_descriptor(int socket)
{
	char byte, room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* To a process that existed before the connection did, as Postfix and Dovecot do. */
static void passed_on(struct test *t)
{
	int pair[2], status = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		t->fd = receive_descriptor(pair[1]);
		note(t, "received: %d", t->fd >= 0);
		CALL(t, read(t->fd, buffer, 20));
		note_bytes(t, buffer, 20);
		CALL(t, write(t->fd, "answer", 6));
		CALL(t, close(t->fd));
		_exit(0);
	}
	connect_cold(t, 0);
	begin(t, STEP_SEND, 20, 1);
	begin(t, STEP_RECEIVE, 6, 0);
	send_descriptor(pair[0], t->fd);
	close(t->fd);
	waitpid(pid, &status, 0);
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
	client_reads_to_end(t);
}

/* To itself: the same connection under one more number. */
static void passed_to_itself(struct test *t)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	connect_cold(t, 0);
	CALL(t, send_descriptor(pair[0], t->fd));
	CALL(t, close(t->fd));
	t->fd = receive_descriptor(pair[1]);
	note(t, "received: %d", t->fd >= 0);
	begin(t, STEP_SEND, 20, 1);
	CALL(t, read(t->fd, buffer, 20));
	CALL(t, write(t->fd, "answer", 6));
	finish(t);
	client_receives(t, 6);
}

const struct single singles_descriptors[] = {
    {"dup", by_dup},
    {"as_standard_streams", as_standard_streams},
    {"dup3", by_dup3},
    {"overwritten", overwritten},
    {"shared_buffer", shared_buffer},
    {"shared_flags", shared_flags},
    {"close_range", range_closed},
    {"closefrom", closed_from},
    {"closed_raw", closed_raw},
    {"number_again", number_again},
    {"passed_on", passed_on},
    {"passed_to_itself", passed_to_itself},
    {0},
};
