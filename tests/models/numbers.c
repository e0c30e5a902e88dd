/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor numbers, and epolls that they are registered with: threads that use, copy, register and close one number, and
 * the next client, which gets it again.
 */
#include "explore.h"
#include "kernel.h"
#include "streams.h"

#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"
#include "shim/direct/duplicate.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/waiting/epoll.h"

#include <errno.h>

#define FIRST 3 /* the first number that the kernel gives out */
#define ONTO 8
#define ABOVE 10

static int epoll;

void prepare(void)
{
	kernel_bind();
	if (!tg_claims_start())
		model_fail("no memory");
}

/* As tg_descriptors_accepted. */
static int accept_one(void)
{
	const int fd = kernel_open(KERNEL_SOCKET);

	tg_descriptors_closed(fd);
	model_check(tg_descriptors_add(stream_new(fd), fd, 0, TG_ENGINE_DIRECT, NULL), "no room in the table");
	return fd;
}

/* Before the server has threads, so that nothing is suspected of the numbers that it has not used. */
static void one(void)
{
	__libc_single_threaded = 1;
	model_check(accept_one() == FIRST, "the first number is another one");
	__libc_single_threaded = 0;
	server_write(FIRST);
}

static void one_with_epoll(void)
{
	one();
	epoll = kernel_open(KERNEL_EPOLL);
	tg_epoll_get(epoll);
}

static int control(int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};

	return tg_epoll_control(epoll, operation, FIRST, &event);
}

static void one_with_epoll_and_records(void)
{
	one_with_epoll();
	kernel_arrives(FIRST);
	kernel_arrives(FIRST);
}

static void registered(void)
{
	one_with_epoll();
	control(EPOLL_CTL_ADD);
}

static void waited_for(void)
{
	registered();
	kernel_arrives(FIRST);
}

static void two_numbers(void)
{
	one();
	tg_descriptors_copy(FIRST, ONTO, 0, false);
}

/* Threads. */

static void close_first(void)
{
	server_close(FIRST);
}

static void close_onto(void)
{
	server_close(ONTO);
}

static void close_epoll(void)
{
	server_close(epoll);
}

static void write_first(void)
{
	server_write(FIRST);
}

static void read_first(void)
{
	server_read(FIRST);
}

static void copy_above(void)
{
	const int fd = tg_duplicate_above(FIRST, ABOVE, false);

	if (fd < 0)
		return;
	server_write(fd);
	server_close(fd);
}

static void copy_onto(void)
{
	const int fd = tg_duplicate_onto(FIRST, ONTO, true);

	if (fd >= 0)
		server_close(fd);
}

static void next_client(void)
{
	const int fd = accept_one();

	server_write(fd);
	server_close(fd);
}

static void close_and_next_client(void)
{
	close_first();
	next_client();
}

static void add(void)
{
	control(EPOLL_CTL_ADD);
}

static void delete_it(void)
{
	control(EPOLL_CTL_DEL);
}

static void modify(void)
{
	control(EPOLL_CTL_MOD);
}

static int wait_with(int milliseconds)
{
	struct epoll_event event;
	const struct tg_epoll_call call = {.fd = epoll, .events = &event, .room = 1, .milliseconds = milliseconds};
	const int r = tg_epoll_wait(&call);

	model_check(r != 1 || event.data.u64 == 7, "an event that is nobody's");
	return r;
}

static void look(void)
{
	wait_with(0);
}

static void pass_on(void)
{
	model_check(!tg_descriptors_may_relay(FIRST), "an engine that is another one");
}

/* As who is told by poll(2) that a record has come. */
static void arrive_and_look(void)
{
	kernel_arrives(FIRST);
	struct tg_stream *stream = tg_descriptors_get(FIRST);

	if (stream == NULL)
		return;
	tg_stream_poll(stream);
	tg_readiness_changed(stream);
	tg_descriptors_put(stream);
}

static void arrive_twice(void)
{
	kernel_arrives(FIRST);
	kernel_arrives(FIRST);
}

/* What a read takes from the socket and leaves in TLS the kernel tells nobody of. */
static void arrive_and_read(void)
{
	arrive_twice();
	server_read(FIRST);
}

static void wait_for_ever(void)
{
	model_check(wait_with(-1) == 1, "a wait that ends for nothing");
}

/* Checks. */

static void nothing_is_left(void)
{
	for (int fd = 0; fd < KERNEL_NUMBERS; fd++)
		if (tg_descriptors_is_one(fd))
			server_close(fd);
	model_check(atomic_load(&tg_epolls_registrations) == 0, "a registration outlived its stream");
	if (kernel_kind_at(epoll) == KERNEL_EPOLL)
		server_close(epoll);
	model_check(kernel_count(KERNEL_SOCKET) == 0, "a connection is open that the table does not know of");
	model_check(kernel_count(KERNEL_DEAD) == 0, "a number is open that nobody was given");
	model_check(streams_left() == 0, "a stream was not freed");
	model_check(atomic_load(&tg_descriptors_count) == 0, "the table's count is wrong");
}

/* Whatever became of DEL and ADD: what the kernel has of it, the table has, too. */
static void registration_is_whole(void)
{
	const bool is_here = atomic_load(&tg_epolls_registrations) != 0;
	struct epoll_event event;

	kernel_arrives(FIRST);
	const bool is_there = tg_libc.epoll_wait(epoll, &event, 1, 0) == 1;
	model_check(is_here == is_there, "a registration is lost: the kernel's and the table's differ");
	nothing_is_left();
}

/* As epoll_create1(2): whatever was registered while the last one was closed is not the next one's. */
static void epoll_is_forgotten(void)
{
	tg_readiness_closed(kernel_open(KERNEL_EPOLL));
	model_check(atomic_load(&tg_epolls_registrations) == 0, "a stream is registered with an epoll that was closed");
	nothing_is_left();
}

/* Who reads leaves the second record to whoever registers it meanwhile. */
static void one_gets_a_report(void)
{
	model_check(wait_with(0) == 1, "nobody is told of what a thread has left in TLS");
	nothing_is_left();
}

/* clang-format off */
const struct scenario scenarios[] = {
	{"copied while closed", one, {copy_above, close_first}, nothing_is_left, 3, false},
	{"copied onto while closed", one, {copy_onto, close_first}, nothing_is_left, 3, false},
	{"copied while closed, and the next client", one, {copy_above, close_first, next_client}, nothing_is_left, 1, false},
	{"closed twice and given to the next client", one, {close_first, close_and_next_client}, nothing_is_left, 2, false},
	{"both numbers closed", two_numbers, {close_first, close_onto}, nothing_is_left, 3, false},
	{"copied onto what is closed", two_numbers, {copy_onto, close_onto}, nothing_is_left, 3, false},
	{"written while closed, and the next client", one, {write_first, close_first, next_client}, nothing_is_left, 2, false},
	{"copied while closed and given to the next client", one, {copy_above, close_and_next_client}, nothing_is_left, 2, false},
	{"written while closed and given to the next client", one, {write_first, close_and_next_client}, nothing_is_left, 2, false},
	{"registered while closed", one_with_epoll, {add, close_first}, nothing_is_left, 3, false},
	{"registered while closed, and the next client", one_with_epoll, {add, close_first, next_client}, nothing_is_left, 2, false},
	{"modified while closed", registered, {modify, close_first}, nothing_is_left, 2, false},
	{"registered while the epoll is closed", one_with_epoll, {add, close_epoll}, epoll_is_forgotten, 3, false},
	{"registered while deleted", registered, {delete_it, add}, registration_is_whole, 2, false},
	{"waited for while closed", waited_for, {look, close_first}, nothing_is_left, 2, false},
	{"passed on while closed, and the next client", one, {pass_on, close_first, next_client}, nothing_is_left, 2, false},
	{"registered while read", one_with_epoll_and_records, {add, read_first}, one_gets_a_report, 2, true},
	{"waited for while read", registered, {wait_for_ever, arrive_and_read}, nothing_is_left, 3, false},
	{"read by two", one, {read_first, read_first, arrive_twice}, nothing_is_left, 2, false},
	{"read by one, looked at by another", one, {read_first, arrive_and_look}, nothing_is_left, 3, false},
	{NULL, NULL, {NULL}, NULL, 0, false},
};
/* clang-format on */
