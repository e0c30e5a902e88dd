/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded behind the shim: of all that is asked of the system after a connection has been accepted one call fails, of the
 * first connection the first one, of the next one the second. FAILING: "memory" or "descriptors".
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static atomic_int connections, left = -1;

/* At most two words: the second is not wanted. */
static bool wanted(char what)
{
	static _Atomic char kind;

	if (kind == 0) {
		const char *value = getenv("FAILING");
		kind = value == NULL ? '-' : value[0];
	}
	return kind == what;
}

static bool fails(char what, int number)
{
	static const char memory[] = "memory failed\n", descriptors[] = "descriptors failed\n";

	if (atomic_load(&left) < 0 || !wanted(what) || atomic_fetch_sub(&left, 1) != 0)
		return false;
	/* past all hooks, the shim's among them */
	const char *said = what == 'm' ? memory : descriptors;
	long written;
	__asm__ volatile("syscall"
			 : "=a"(written)
			 : "a"(SYS_write), "D"(2), "S"(said), "d"(strlen(said))
			 : "rcx", "r11", "memory");
	(void)written;
	errno = number;
	return true;
}

void *malloc(size_t size)
{
	return fails('m', ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails('m', ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return fails('m', ENOMEM) ? NULL : __libc_realloc(memory, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	static void *(*next)(void *, size_t, int, int, int, off_t);

	if (next == NULL)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "mmap");
	return fails('m', ENOMEM) ? MAP_FAILED : next(at, size, protection, flags, fd, offset);
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
	static int (*next)(int, int, int, int *);

	if (next == NULL)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "socketpair");
	return fails('d', EMFILE) ? -1 : next(domain, type, protocol, ends);
}

static bool makes_descriptor(long number)
{
	return number == SYS_socket || number == SYS_socketpair || number == SYS_dup || number == SYS_openat ||
	       number == SYS_memfd_create;
}

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long argument[6];
	va_list arguments;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(arguments, long);
	va_end(arguments);
	if (next == NULL)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "syscall");
	if (makes_descriptor(number) && fails('d', EMFILE))
		return -1;
	return next(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
	static int (*next)(int, __SOCKADDR_ARG, socklen_t *, int);

	if (next == NULL)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "accept4");
	atomic_store(&left, -1);
	int accepted = next(fd, address, size, flags);
	if (accepted >= 0)
		atomic_store(&left, atomic_fetch_add(&connections, 1));
	return accepted;
}
