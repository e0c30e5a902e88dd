/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel.h"

#include "explore.h"
#include "shim/binding/libc.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>

#define ITEMS 4

/* What an epoll instance has of a file, by the number that it was registered by. */
struct item {
	bool used, armed; /* armed: something has arrived since it was told of (EPOLLET) */
	int fd, file;
	struct epoll_event event;
};

struct file {
	enum kernel_kind kind;
	unsigned references, records;
	struct item items[ITEMS];
};

static int numbers[KERNEL_NUMBERS]; /* 1 + file; 0: closed */
static struct file files[KERNEL_FILES];
static unsigned futex_turns;

static void enter(void)
{
	model_step(numbers);
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static struct file *file_at(int fd)
{
	return fd < 0 || fd >= KERNEL_NUMBERS || numbers[fd] == 0 ? NULL : &files[numbers[fd] - 1];
}

int kernel_file_at(int fd)
{
	return file_at(fd) == NULL ? -1 : numbers[fd] - 1;
}

enum kernel_kind kernel_kind_at(int fd)
{
	return file_at(fd) == NULL ? KERNEL_NONE : file_at(fd)->kind;
}

unsigned kernel_count(enum kernel_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < KERNEL_FILES; i++)
		count += files[i].references > 0 && files[i].kind == kind;
	return count;
}

/* A file is used once: the next client is another one. */
static int new_file(enum kernel_kind kind)
{
	for (int i = 0; i < KERNEL_FILES; i++)
		if (files[i].kind == KERNEL_NONE) {
			files[i].kind = kind;
			return i;
		}
	model_fail("more files than the model has");
}

static int put(int file, int least)
{
	for (int fd = least; fd < KERNEL_NUMBERS; fd++)
		if (numbers[fd] == 0) {
			numbers[fd] = 1 + file;
			files[file].references++;
			return fd;
		}
	return fail(EMFILE);
}

static void forget(int file)
{
	for (unsigned i = 0; i < KERNEL_FILES; i++)
		for (unsigned k = 0; k < ITEMS; k++)
			if (files[i].items[k].file == file)
				files[i].items[k].used = false;
}

static void drop(int fd)
{
	const int file = numbers[fd] - 1;

	numbers[fd] = 0;
	if (--files[file].references == 0)
		forget(file);
}

int kernel_open(enum kernel_kind kind)
{
	enter();
	return put(new_file(kind), 3);
}

static int call_close(int fd)
{
	enter();
	if (file_at(fd) == NULL)
		return fail(EBADF);
	drop(fd);
	return 0;
}

void kernel_close(int fd)
{
	call_close(fd);
}

static int call_dup3(int from, int fd, int flags)
{
	enter();
	(void)flags;
	if (file_at(from) == NULL)
		return fail(EBADF);
	const int file = numbers[from] - 1;
	if (numbers[fd] != 0)
		drop(fd);
	numbers[fd] = 1 + file;
	files[file].references++;
	return fd;
}

static int call_fcntl(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	const int least = va_arg(arguments, int);
	va_end(arguments);
	enter();
	if (file_at(fd) == NULL)
		return fail(EBADF);
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? put(numbers[fd] - 1, least) : 0;
}

static struct item *item_of(struct file *epoll, int fd, int file)
{
	for (unsigned i = 0; i < ITEMS; i++)
		if (epoll->items[i].used && epoll->items[i].fd == fd && epoll->items[i].file == file)
			return &epoll->items[i];
	return NULL;
}

static struct item *new_item(struct file *epoll)
{
	for (unsigned i = 0; i < ITEMS; i++)
		if (!epoll->items[i].used)
			return &epoll->items[i];
	model_fail("more registrations than the model has");
}

static int call_epoll_ctl(int at, int operation, int fd, struct epoll_event *event)
{
	enter();
	struct file *epoll = file_at(at);
	if (epoll == NULL || file_at(fd) == NULL)
		return fail(EBADF);
	if (epoll->kind != KERNEL_EPOLL)
		return fail(EINVAL);
	const int file = numbers[fd] - 1;
	struct item *item = item_of(epoll, fd, file);
	if ((operation == EPOLL_CTL_ADD) == (item != NULL))
		return fail(item != NULL ? EEXIST : ENOENT);
	if (operation == EPOLL_CTL_DEL) {
		item->used = false;
		return 0;
	}
	if (item == NULL)
		item = new_item(epoll);
	*item = (struct item){.used = true, .armed = true, .fd = fd, .file = file, .event = *event};
	return 0;
}

static uint32_t ready(const struct item *item)
{
	uint32_t is = (files[item->file].records > 0 ? EPOLLIN : 0U) | EPOLLOUT;

	is &= item->event.events;
	return (item->event.events & EPOLLET) != 0 && !item->armed ? 0 : is;
}

static bool has_event(const void *arg)
{
	const struct file *epoll = arg;

	for (unsigned i = 0; i < ITEMS; i++)
		if (epoll->items[i].used && ready(&epoll->items[i]) != 0)
			return true;
	return false;
}

static int call_epoll_wait(int at, struct epoll_event *events, int room, int timeout)
{
	int count = 0;

	enter();
	struct file *epoll = file_at(at);
	if (epoll == NULL)
		return fail(EBADF);
	if (timeout != 0)
		model_wait(has_event, epoll);
	for (unsigned i = 0; i < ITEMS && count < room; i++) {
		struct item *item = &epoll->items[i];
		if (!item->used || ready(item) == 0)
			continue;
		events[count].events = ready(item);
		events[count++].data = item->event.data;
		item->armed = false;
		if ((item->event.events & EPOLLONESHOT) != 0)
			item->event.events = 0;
	}
	return count;
}

static bool has_records(const void *arg)
{
	return ((const struct file *)arg)->records > 0;
}

static bool closed_or_has_records(const void *arg)
{
	const struct file *file = arg;

	return file->references == 0 || has_records(file);
}

/* For ever, or not at all. */
static int call_poll(struct pollfd *interest, nfds_t count, int timeout)
{
	(void)count;
	enter();
	const struct file *file = file_at(interest->fd);
	if (file == NULL)
		return 0;
	if ((interest->events & POLLOUT) == 0 && timeout != 0)
		model_wait(closed_or_has_records, file);
	interest->revents = (short)(interest->events & (POLLOUT | (has_records(file) ? POLLIN : 0)));
	return interest->revents != 0;
}

/* MSG_PEEK, as a wait. */
static ssize_t call_recv(int fd, void *data, size_t size, int flags)
{
	(void)data;
	(void)flags;
	enter();
	const struct file *file = file_at(fd);
	if (file == NULL)
		return fail(EBADF);
	model_wait(closed_or_has_records, file);
	return (ssize_t)size;
}

static int call_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	(void)fd, (void)level, (void)option, (void)value, (void)size;
	return fail(ENOPROTOOPT);
}

static int call_getsockname(int fd, __SOCKADDR_ARG name, socklen_t *size)
{
	(void)name, (void)size;
	enter();
	const struct file *file = file_at(fd);
	if (file == NULL)
		return fail(EBADF);
	return file->kind == KERNEL_EPOLL ? fail(ENOTSOCK) : 0;
}

static bool has_turned(const void *arg)
{
	return *(const unsigned *)arg != futex_turns;
}

static long call_futex(const unsigned *word, int operation, unsigned expected)
{
	if (operation == FUTEX_WAKE_PRIVATE) {
		futex_turns++;
		return 0;
	}
	if (*word != expected)
		return fail(EAGAIN);
	const unsigned before = futex_turns;
	model_wait(has_turned, &before);
	return 0;
}

static long call_syscall(long number, ...)
{
	va_list arguments;

	va_start(arguments, number);
	const uintptr_t first = va_arg(arguments, uintptr_t);
	const int second = (int)va_arg(arguments, long);
	const unsigned third = (unsigned)va_arg(arguments, long);
	va_end(arguments);
	if (number == SYS_close)
		return call_close((int)first);
	if (number == SYS_socket)
		return kernel_open(KERNEL_DEAD);
	enter();
	return number == SYS_futex ? call_futex((const unsigned *)first, second, third) : fail(ENOSYS);
}

void kernel_arrives(int fd)
{
	enter();
	struct file *file = file_at(fd);
	if (file == NULL)
		return;
	file->records++;
	for (unsigned i = 0; i < KERNEL_FILES; i++)
		for (unsigned k = 0; k < ITEMS; k++)
			if (files[i].items[k].used && &files[files[i].items[k].file] == file)
				files[i].items[k].armed = true;
}

unsigned kernel_take(int fd)
{
	enter();
	struct file *file = file_at(fd);
	if (file == NULL)
		return 0;
	const unsigned records = file->records;
	file->records = 0;
	return records;
}

void kernel_bind(void)
{
	tg_libc.close = call_close;
	tg_libc.dup3 = call_dup3;
	tg_libc.fcntl = call_fcntl;
	tg_libc.syscall = call_syscall;
	tg_libc.epoll_ctl = call_epoll_ctl;
	tg_libc.epoll_wait = call_epoll_wait;
	tg_libc.poll = call_poll;
	tg_libc.recv = call_recv;
	tg_libc.getsockopt = call_getsockopt;
	tg_libc.getsockname = call_getsockname;
	atomic_store(&tg_libc_bound, true);
}
