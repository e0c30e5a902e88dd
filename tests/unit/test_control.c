/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/channel.h"
#include "keeper/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct tg_control control;

/* A conversation whose other end is returned. */
static int converse(const char *answer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	tg_control_add(&control, pair[0], answer == NULL ? NULL : strdup(answer));
	return pair[1];
}

static void assert_heard(int fd, const char *wanted)
{
	char text[64];
	const ssize_t size = tg_channel_receive(fd, text, sizeof(text) - 1, NULL, 0);

	assert_true(size >= 0);
	text[size] = '\0';
	assert_string_equal(text, wanted);
}

static void test_answered_at_once(void **state)
{
	const int fd = converse("yes");

	(void)state;
	tg_control_run(&control);
	assert_int_equal(control.count, 0);
	assert_heard(fd, "yes");
	assert_heard(fd, "");
	close(fd);
}

static void test_waits_for_the_verdict(void **state)
{
	const int first = converse(NULL);
	const int second = converse(NULL);
	struct pollfd polls[TG_CONTROL_MAX];

	(void)state;
	tg_control_run(&control);
	assert_int_equal(control.count, 2);
	tg_control_fill(&control, polls);
	assert_int_equal(polls[0].events, 0);
	tg_control_answer_waiting(&control, "done");
	tg_control_run(&control);
	assert_int_equal(control.count, 0);
	assert_heard(first, "done");
	assert_heard(second, "done");
	close(first);
	close(second);
}

static void test_who_hangs_up_is_forgotten(void **state)
{
	const int fd = converse(NULL);

	(void)state;
	close(fd);
	tg_control_run(&control);
	assert_int_equal(control.count, 0);
}

static void test_slow_reader(void **state)
{
	const size_t size = 4u * 1024 * 1024;
	char *text = malloc(size + 1);
	char *packet = malloc(TG_CHANNEL_PACKET);
	size_t heard = 0;
	ssize_t got;
	int fd;

	(void)state;
	assert_non_null(text);
	assert_non_null(packet);
	memset(text, 'x', size);
	text[size] = '\0';
	fd = converse(text);
	tg_control_run(&control);
	/* more than the socket holds: the rest waits, and so does nobody else */
	assert_int_equal(control.count, 1);
	while (heard < size) {
		got = tg_channel_receive(fd, packet, TG_CHANNEL_PACKET, NULL, 0);
		assert_true(got > 0);
		heard += (size_t)got;
		tg_control_run(&control);
	}
	assert_int_equal(heard, size);
	assert_int_equal(control.count, 0);
	close(fd);
	free(packet);
	free(text);
}

static void test_more_than_there_is_room_for(void **state)
{
	int fds[TG_CONTROL_MAX + 1];

	(void)state;
	for (int i = 0; i <= TG_CONTROL_MAX; i++)
		fds[i] = converse(NULL);
	assert_int_equal(control.count, TG_CONTROL_MAX);
	/* the oldest gave way */
	assert_heard(fds[0], "");
	tg_control_answer_waiting(&control, "done");
	tg_control_run(&control);
	for (int i = 0; i <= TG_CONTROL_MAX; i++) {
		if (i > 0)
			assert_heard(fds[i], "done");
		close(fds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answered_at_once),
	    cmocka_unit_test(test_waits_for_the_verdict),
	    cmocka_unit_test(test_who_hangs_up_is_forgotten),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
