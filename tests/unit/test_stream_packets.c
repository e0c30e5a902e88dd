/* SPDX-License-Identifier: Apache-2.0 */
/* In which records and packets a stream's bytes leave, and when: TCP_CORK and MSG_MORE of tcp(7) and send(2). */
#include "streams.h"

#include "shim/binding/libc.h"
#include "shim/direct/stream/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void open_ready(struct both *both, int version, int buffer)
{
	both_open(both, CLIENT_GOOD, version, buffer);
	assert_true(shake_hands(both));
}

/* A header and a file are one record, once the cork is pulled; nothing is lost, doubled or late. */
static void cork(void **state)
{
	struct both both;
	unsigned char wire[40000];
	static char much[20000];
	char data[100];
	size_t got = 0;
	(void)state;

	memset(much, 'm', sizeof(much));
	open_ready(&both, TLS1_3_VERSION, 0);
	SSL_read(both.client, data, sizeof(data));
	assert_true(tg_stream_cork(both.stream, TG_CORK_HERE));
	assert_true(tg_stream_is_corked(both.stream));
	assert_int_equal(stream_write(&both, "head", 4), 4);
	assert_int_equal(stream_write(&both, "body", 4), 4);
	assert_int_equal(tg_stream_state(both.stream), 0);
	assert_int_equal(raw_read(&both, wire, sizeof(wire)), 0);
	assert_true(tg_stream_cork(both.stream, TG_CORK_OFF));
	await_bytes(both.sockets.client);
	assert_int_equal(recv(both.sockets.client, wire, sizeof(wire), MSG_PEEK), 5 + 8 + 1 + 16);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 8);
	assert_memory_equal(data, "headbody", 8);

	/* More than a record is not corked here; the kernel sends it when the process waits. */
	tg_stream_cork(both.stream, TG_CORK_HERE);
	assert_int_equal(stream_write(&both, "head", 4), 4);
	assert_int_equal(stream_write(&both, much, sizeof(much)), sizeof(much));
	tg_stream_before_wait();
	while (got < 4 + sizeof(much)) {
		int n = SSL_read(both.client, wire, sizeof(wire));
		for (int i = 0; i < n; i++)
			assert_int_equal(wire[i], got + (size_t)i < 4 ? "head"[got + (size_t)i] : 'm');
		got += n > 0 ? (size_t)n : 0;
	}

	/* Still corked: whatever else is done lets go. */
	for (int way = 0; way < 4; way++) {
		assert_int_equal(stream_write(&both, "x", 1), 1);
		assert_int_equal(raw_read(&both, wire, sizeof(wire)), 0);
		assert_int_equal(tg_stream_wants(both.stream, 0), POLLOUT);
		if (way == 0)
			assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
		else if (way == 1)
			tg_stream_poll(both.stream);
		else if (way == 2)
			tg_stream_before_wait();
		else
			tg_stream_shutdown(both.stream, SHUT_WR);
		await_bytes(both.sockets.client);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 1);
		assert_int_equal(tg_stream_corked_count, 0);
	}
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 0);
	both_close(&both);

	/* Freed with something behind the cork. */
	open_ready(&both, TLS1_2_VERSION, 0);
	tg_stream_cork(both.stream, TG_CORK_HERE);
	assert_int_equal(stream_write(&both, "x", 1), 1);
	both_close(&both);
	tg_stream_before_wait();
	assert_int_equal(tg_stream_corked_count, 0);
}

/*
 * What a process holds back is not its child's to write. The C library's fork has the stream let go of it (shim/fork.c), so
 * that it is nobody's twice; of a raw clone(2) nobody knows, and the child holds back its own alone.
 */
static void cork_and_fork(void **state)
{
	struct both both, other;
	char data[100];
	int status = -1;
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	open_ready(&other, TLS1_3_VERSION, 0);
	SSL_read(both.client, data, sizeof(data));
	SSL_read(other.client, data, sizeof(data));
	tg_stream_cork(both.stream, TG_CORK_HERE);
	tg_stream_cork(other.stream, TG_CORK_HERE);
	assert_int_equal(stream_write(&both, "x", 1), 1);
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0) {
		tg_stream_before_wait();
		if (stream_write(&other, "y", 1) != 1)
			_exit(1);
		tg_stream_before_wait();
		_exit(tg_stream_corked_count == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	await_bytes(other.sockets.client);
	assert_int_equal(SSL_read(other.client, data, sizeof(data)), 1);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 0);
	tg_lock_fork_begin();
	tg_stream_lock_all();
	assert_int_equal(tg_stream_corked_count, 0);
	tg_stream_unlock_all();
	tg_lock_fork_end();
	await_bytes(both.sockets.client);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 1);
	both_close(&both);
	both_close(&other);
}

static struct tcp_info info_of(const struct both *both)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	assert_int_equal(getsockopt(both->sockets.server, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info;
}

static unsigned packets_sent(const struct both *both)
{
	return info_of(both).tcpi_data_segs_out;
}

static ssize_t write_and_more(struct both *both, const char *data, size_t size)
{
	return tg_stream_write(both->stream, &(struct iovec){(void *)(uintptr_t)data, size}, 1, true);
}

/* A part of a packet waits for what was said to follow, and leaves with it, or when the process waits. */
static void more(void **state)
{
	const int on = 1;
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	assert_int_equal(setsockopt(both.sockets.server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	SSL_read(both.client, data, sizeof(data));
	unsigned before = packets_sent(&both);
	assert_int_equal(write_and_more(&both, "ab", 2), 2);
	assert_int_equal(write_and_more(&both, "c", 1), 1);
	assert_int_equal(packets_sent(&both), before);
	assert_int_equal(stream_write(&both, "d", 1), 1);
	assert_int_equal(packets_sent(&both), before + 1);
	assert_int_equal(tg_stream_corked_count, 0);
	for (int i = 0; i < 4; i++) {
		await_bytes(both.sockets.client);
		assert_int_equal(SSL_read(both.client, data + i, 1), 1);
	}
	assert_memory_equal(data, "abcd", 4);

	assert_int_equal(write_and_more(&both, "e", 1), 1);
	assert_int_equal(packets_sent(&both), before + 1);
	tg_stream_before_wait();
	assert_int_equal(packets_sent(&both), before + 2);
	assert_int_equal(tg_stream_corked_count, 0);
	both_close(&both);
}

/* Behind a cork the end of what is more than a record waits, too, and the cork's end sends it. */
static void cork_and_much(void **state)
{
	static char much[20000];
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_2_VERSION, 0);
	SSL_read(both.client, data, sizeof(data));
	unsigned before = packets_sent(&both);
	tg_stream_cork(both.stream, TG_CORK_HERE);
	assert_int_equal(stream_write(&both, much, sizeof(much)), sizeof(much));
	assert_int_equal(packets_sent(&both), before); /* loopback's are longer */
	tg_stream_cork(both.stream, TG_CORK_OFF);
	assert_int_equal(packets_sent(&both), before + 1);
	both_close(&both);
}

/* Who blocks may wait for anything: then the kernel has what waits behind the cork, and lets go of it by itself. */
static void cork_of_who_blocks(void **state)
{
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	SSL_read(both.client, data, sizeof(data));
	unsigned before = packets_sent(&both);
	assert_true(tg_stream_cork(both.stream, TG_CORK_BELOW));
	assert_true(tg_stream_is_corked(both.stream));
	assert_int_equal(stream_write(&both, "head", 4), 4);
	assert_int_equal(packets_sent(&both), before);
	await_bytes(both.sockets.client); /* after 200 ms, without another call */
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 4);
	both_close(&both);
}

/* What note_sends saw, and what it says of the socket. */
static struct {
	unsigned sends, with_more, with_nagle;
	bool last_had_more, is_nagle_off;
	int packet; /* the answer for TCP_MAXSEG; 0: the kernel's */
} seen;

/* In the place of syscall(2): what is sent how. */
static long note_sends(long number, ...)
{
	va_list list;
	long arguments[6] = {0};

	va_start(list, number);
	const size_t count = number == SYS_sendto || number == SYS_recvfrom ? 6 : 5;
	for (size_t i = 0; i < count; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_sendto) {
		seen.last_had_more = (arguments[3] & MSG_MORE) != 0;
		seen.sends++;
		seen.with_more += seen.last_had_more;
		seen.with_nagle += !seen.is_nagle_off;
	} else if (number == SYS_setsockopt && arguments[2] == TCP_NODELAY) {
		seen.is_nagle_off = *(const int *)arguments[3] != 0;
	} else if (number == SYS_getsockopt && arguments[2] == TCP_MAXSEG && seen.packet != 0) {
		*(int *)arguments[3] = seen.packet;
		return 0;
	}
	return syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

/* One write, all of which the socket takes; what is sent for it is in `seen`. */
static void write_noted(struct both *both, const char *data, size_t size, bool more)
{
	__typeof__(syscall) *const real = tg_libc.syscall;

	seen.sends = seen.with_more = seen.with_nagle = 0;
	tg_libc.syscall = note_sends;
	ssize_t n = more ? write_and_more(both, data, size) : stream_write(both, data, size);
	tg_libc.syscall = real;
	assert_int_equal(n, size);
}

static void set_no_delay(const struct both *both, int value)
{
	assert_int_equal(setsockopt(both->sockets.server, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)), 0);
	seen.is_nagle_off = value;
}

static int no_delay(const struct both *both)
{
	int value = -1;

	assert_int_equal(getsockopt(both->sockets.server, IPPROTO_TCP, TCP_NODELAY, &value, &(socklen_t){sizeof(value)}),
			 0);
	return value;
}

/*
 * Of one write only the last packet may be a short one: of two the second would wait until the client acknowledges the
 * first, which it delays by 40 ms and more.
 */
static void one_short_packet(void **state)
{
	static char much[150000];
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 400000);
	SSL_read(both.client, data, sizeof(data));
	write_noted(&both, much, sizeof(much), false);
	assert_true(seen.sends > 1);
	assert_int_equal(seen.with_more, seen.sends - 1);
	assert_false(seen.last_had_more);
	both_close(&both);
}

#define BATCH 65536

static void open_with_nagle(struct both *both)
{
	char data[100];

	open_ready(both, TLS1_3_VERSION, 800000);
	SSL_read(both->client, data, sizeof(data));
	set_no_delay(both, 0);
}

/* In the middle of much data nothing waits for a packet's rest, nor does the end of it; and Nagle's algorithm is on again.
 */
static void much_in_a_row(void **state)
{
	static char batch[BATCH + 300];
	struct both both;
	(void)state;

	open_with_nagle(&both);
	for (int i = 0; i < 2; i++) {
		write_noted(&both, batch, BATCH, true);
		assert_true(seen.sends == 1 && seen.last_had_more);
	}
	for (int i = 0; i < 2; i++) {
		write_noted(&both, batch, BATCH, true);
		assert_int_equal(seen.sends, 2);
		assert_int_equal(seen.with_more + seen.with_nagle, 0);
		assert_int_equal(no_delay(&both), 0);
	}
	write_noted(&both, batch, 100, false);
	assert_int_equal(seen.sends, 1);
	assert_int_equal(seen.with_more + seen.with_nagle, 0);
	assert_int_equal(no_delay(&both), 0);
	/* another row */
	write_noted(&both, batch, BATCH, true);
	assert_true(seen.sends == 1 && seen.last_had_more);
	both_close(&both);
}

/* Where packets are small, no piece waits for the next one, and what is hardly one is none. */
static void small_packets(void **state)
{
	static char batch[BATCH + 300];
	const int on = 1;
	struct both both;
	(void)state;

	open_with_nagle(&both);
	seen.packet = 1448;
	write_noted(&both, batch, 5000, false);
	assert_int_equal(seen.with_nagle, 1); /* one packet's end waits for nothing */
	for (int i = 0; i < 3; i++) {
		write_noted(&both, batch, sizeof(batch), true);
		assert_int_equal(seen.sends, i < 2 ? 2 : 4);
		assert_int_equal(seen.with_more + seen.with_nagle, 0);
		assert_int_equal(no_delay(&both), 0);
	}

	/* What is left behind the cork leaves with its end, whatever the client has acknowledged. */
	assert_true(tg_stream_cork(both.stream, TG_CORK_HERE));
	write_noted(&both, batch, BATCH, false);
	write_noted(&both, batch, 100, false);
	unsigned before = packets_sent(&both);
	assert_true(tg_stream_cork(both.stream, TG_CORK_OFF));
	assert_int_equal(packets_sent(&both), before + 1);

	/* The server's own wish stays. */
	assert_int_equal(tg_stream_set_no_delay(both.stream, both.sockets.server, &on, sizeof(on)), 0);
	seen.is_nagle_off = true;
	write_noted(&both, batch, BATCH, true);
	assert_int_equal(seen.with_more + seen.with_nagle, 0);
	assert_int_equal(no_delay(&both), 1);
	seen.packet = 0;
	both_close(&both);
}

static int set_up(void **state)
{
	(void)state;
	return tg_claims_start() ? streams_set_up(LISTENER) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cork),          cmocka_unit_test(cork_and_fork),    cmocka_unit_test(more),
	    cmocka_unit_test(cork_and_much), cmocka_unit_test(one_short_packet), cmocka_unit_test(cork_of_who_blocks),
	    cmocka_unit_test(much_in_a_row), cmocka_unit_test(small_packets),
	};
	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}
