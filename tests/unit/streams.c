/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 10000

void both_open(struct both *both, enum client_kind kind, int version, int buffer)
{
	pair_open(&both->sockets, buffer);
	both->stream = tg_stream_new(both->sockets.server, route_of(both->sockets.server));
	assert_non_null(both->stream);
	both->client = version == 0 ? NULL : client_new(both->sockets.client, kind, version);
}

void both_close(struct both *both)
{
	tg_stream_free(both->stream);
	SSL_free(both->client);
	close(both->sockets.server);
	if (both->sockets.client >= 0)
		close(both->sockets.client);
}

bool shake_hands(struct both *both)
{
	for (int turn = 0; turn < 1000; turn++) {
		ERR_clear_error();
		int result = SSL_do_handshake(both->client);
		if (result != 1 && SSL_get_error(both->client, result) == SSL_ERROR_SSL)
			return false;
		if (tg_stream_poll(both->stream) & POLLERR)
			return false;
		if (result == 1 && (tg_stream_state(both->stream) & TG_STREAM_HANDSHAKING) == 0)
			return true;
	}
	return false;
}

ssize_t stream_read(struct both *both, void *data, size_t size)
{
	return tg_stream_read(both->stream, &(struct iovec){data, size}, 1, false);
}

ssize_t stream_peek(struct both *both, void *data, size_t size)
{
	return tg_stream_read(both->stream, &(struct iovec){data, size}, 1, true);
}

ssize_t stream_write(struct both *both, const void *data, size_t size)
{
	return tg_stream_write(both->stream, &(struct iovec){(void *)(uintptr_t)data, size}, 1, false);
}

void expect_failure(struct both *both, int error)
{
	char data[16];

	for (int i = 0; i < 3; i++) {
		errno = 0;
		assert_int_equal(stream_read(both, data, sizeof(data)), -1);
		assert_int_equal(errno, error);
		assert_int_equal(stream_write(both, "x", 1), -1);
		assert_true(errno == error || errno == EPIPE);
	}
	assert_true(tg_stream_state(both->stream) & TG_STREAM_ENDED);
	assert_int_equal(tg_stream_poll(both->stream) & (POLLIN | POLLERR), POLLIN | POLLERR);
}

void await_bytes(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&one, 1, TIMEOUT_MS), 1);
}

size_t raw_read(struct both *both, void *data, size_t size)
{
	ssize_t got = recv(both->sockets.client, data, size, MSG_DONTWAIT);

	return got > 0 ? (size_t)got : 0;
}

int streams_set_up(const char *ini)
{
	govern(ini);
	return tg_stream_prepare() ? 0 : -1;
}

int streams_tear_down(void **state)
{
	(void)state;
	govern_end();
	return 0;
}
