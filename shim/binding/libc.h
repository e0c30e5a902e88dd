/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next definition of each libc function that the shim hooks: a typed slot for each `c` line of hooks.def.
 *
 * tg_libc_bind fills them; the constructor does it, and so does every hook on its way in, since constructors of other
 * libraries may run before ours. One atomic load once done. Async-signal-safe from then on. Nothing is allocated: the first
 * caller may be an allocator that is not ready yet, and dlsym(3) allocates before glibc 2.34, and wherever it finds
 * nothing. A function that this C library lacks has NULL; its hook then answers as a kernel without such a call would.
 */
#ifndef TG_SHIM_BINDING_LIBC_H
#define TG_SHIM_BINDING_LIBC_H

#include <aio.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wordexp.h>

/* Exported by libc, declared by no header under _GNU_SOURCE (signal(2), bsd_signal(3)). */
extern __sighandler_t bsd_signal(int number, __sighandler_t handler);
extern __sighandler_t __sysv_signal(int number, __sighandler_t handler);

/* Other names of calls that programs may be linked to all the same. */
extern ssize_t __read(int fd, void *data, size_t size);
extern ssize_t __write(int fd, const void *data, size_t size);
extern ssize_t __send(int fd, const void *data, size_t size, int flags);
extern int __close(int fd);
extern int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...) __THROW;
extern int __dup2(int from, int fd);
extern int __fcntl(int fd, int command, ...);
extern int __poll(struct pollfd *fds, nfds_t count, int timeout);
extern int __select(int count, fd_set *read, fd_set *write, fd_set *exception, struct timeval *limit);
extern FILE *_IO_fdopen(int fd, const char *mode);
extern FILE *_IO_popen(const char *command, const char *mode);
extern FILE *_IO_proc_open(FILE *file, const char *command, const char *mode);
extern void __backtrace_symbols_fd(void *const *frames, int count, int fd);

/* From glibc 2.39 on; before, their slots stay NULL. */
extern int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
extern int pidfd_spawnp(int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

/* What a fortified program calls for read, recv and recvfrom (LSB, "Interfaces for libc"). */
extern ssize_t __read_chk(int fd, void *data, size_t size, size_t room);
extern ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags);
extern ssize_t __recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, __SOCKADDR_ARG from,
			      socklen_t *from_size);

/* The same for dprintf and vdprintf. */
extern int __dprintf_chk(int fd, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
extern int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));

/* The same for poll and ppoll. */
extern int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
extern int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset(3) and its family */
struct tg_libc {
#define TG_HOOK(library, name) TG_LIBC_SLOT_##library(name)
#define TG_LIBC_SLOT_c(name) __typeof__(name) *name;
#define TG_LIBC_SLOT_ssl(name)
#include "shim/binding/hooks.def"
#undef TG_LIBC_SLOT_ssl
#undef TG_LIBC_SLOT_c
#undef TG_HOOK
};
#pragma GCC diagnostic pop

extern struct tg_libc tg_libc;
extern _Atomic bool tg_libc_bound;

void tg_libc_bind_now(void);
static inline bool tg_libc_is_bound(void)
{
	return atomic_load_explicit(&tg_libc_bound, memory_order_acquire);
}

static inline void tg_libc_bind(void)
{
	if (!tg_libc_is_bound())
		tg_libc_bind_now();
}

#endif
