/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall(2): what is called by number goes the same way as by name where it concerns a stream or executes a program.
 * io_uring would read and write by itself: where TLS is terminated for the server there is none.
 */
#undef _FORTIFY_SOURCE /* its inline functions would stand in the way of ours */

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/handoff/divided.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGUMENTS 6

/* As the kernel takes them: what is a pointer is one there as well. */
struct call {
	long number;
	long argument[ARGUMENTS];
};

static int number_at(const struct call *call, int i)
{
	return (int)call->argument[i];
}

static void *pointer_at(const struct call *call, int i)
{
	return (void *)call->argument[i];
}

static size_t size_at(const struct call *call, int i)
{
	return (size_t)call->argument[i];
}

static long pass(const struct call *call)
{
	return tg_libc.syscall(call->number, call->argument[0], call->argument[1], call->argument[2], call->argument[3],
			       call->argument[4], call->argument[5]);
}

/* Native aio(7), for files as a rule: with a connection among them that cannot be the relay's none of the blocks is begun.
 */
static bool may_submit(const struct call *call)
{
	struct iocb *const *blocks = pointer_at(call, 2);

	for (long i = 0; blocks != NULL && i < call->argument[1]; i++)
		if (blocks[i] != NULL && !tg_descriptors_leave((int)blocks[i]->aio_fildes, "io_submit", EINVAL))
			return false;
	return true;
}

/* By which the kernel moves data from something else, or to a place in it. */
static bool move(const struct call *call, long *ret)
{
	const int fd = number_at(call, 0);

	switch (call->number) {
	case SYS_preadv2:
		*ret = preadv64v2(fd, pointer_at(call, 1), number_at(call, 2), call->argument[3], number_at(call, 5));
		return true;
	case SYS_pwritev2:
		*ret = pwritev64v2(fd, pointer_at(call, 1), number_at(call, 2), call->argument[3], number_at(call, 5));
		return true;
	case SYS_sendfile:
		*ret = sendfile64(fd, number_at(call, 1), pointer_at(call, 2), size_at(call, 3));
		return true;
	case SYS_splice:
		*ret = splice(fd, pointer_at(call, 1), number_at(call, 2), pointer_at(call, 3), size_at(call, 4),
			      (unsigned)call->argument[5]);
		return true;
	case SYS_io_submit:
		*ret = may_submit(call) ? pass(call) : -1;
		return true;
	default:
		return false;
	}
}

/* True where a hook stands for the call; *ret is what it returned. */
static bool read_or_write(const struct call *call, long *ret)
{
	const int fd = number_at(call, 0);

	switch (call->number) {
	case SYS_read:
		*ret = read(fd, pointer_at(call, 1), size_at(call, 2));
		return true;
	case SYS_readv:
		*ret = readv(fd, pointer_at(call, 1), number_at(call, 2));
		return true;
	case SYS_recvfrom:
		*ret = recvfrom(fd, pointer_at(call, 1), size_at(call, 2), number_at(call, 3), pointer_at(call, 4),
				pointer_at(call, 5));
		return true;
	case SYS_write:
		*ret = write(fd, pointer_at(call, 1), size_at(call, 2));
		return true;
	case SYS_writev:
		*ret = writev(fd, pointer_at(call, 1), number_at(call, 2));
		return true;
	case SYS_sendto:
		*ret = sendto(fd, pointer_at(call, 1), size_at(call, 2), number_at(call, 3), pointer_at(call, 4),
			      (socklen_t)call->argument[5]);
		return true;
	case SYS_sendmsg:
		*ret = sendmsg(fd, pointer_at(call, 1), number_at(call, 2));
		return true;
	case SYS_sendmmsg:
		*ret = sendmmsg(fd, pointer_at(call, 1), (unsigned)number_at(call, 2), number_at(call, 3));
		return true;
	default:
		return false;
	}
}

/* Calls on the number itself. */
static bool change_numbers(const struct call *call, long *ret)
{
	const int fd = number_at(call, 0);

	switch (call->number) {
	case SYS_close:
		*ret = close(fd);
		return true;
	case SYS_unshare:
		*ret = unshare(fd);
		return true;
	case SYS_close_range:
		*ret = close_range((unsigned)fd, (unsigned)number_at(call, 1), number_at(call, 2));
		return true;
	case SYS_dup:
		*ret = dup(fd);
		return true;
#ifdef SYS_dup2
	case SYS_dup2:
		*ret = dup2(fd, number_at(call, 1));
		return true;
#endif
	case SYS_dup3:
		*ret = dup3(fd, number_at(call, 1), number_at(call, 2));
		return true;
	case SYS_fcntl:
		*ret = fcntl(fd, number_at(call, 1), pointer_at(call, 2));
		return true;
	case SYS_ioctl:
		*ret = ioctl(fd, (unsigned long)call->argument[1], pointer_at(call, 2));
		return true;
	case SYS_shutdown:
		*ret = shutdown(fd, number_at(call, 1));
		return true;
	case SYS_setsockopt:
		*ret = setsockopt(fd, number_at(call, 1), number_at(call, 2), pointer_at(call, 3),
				  (socklen_t)call->argument[4]);
		return true;
	case SYS_getsockopt:
		*ret = getsockopt(fd, number_at(call, 1), number_at(call, 2), pointer_at(call, 3), pointer_at(call, 4));
		return true;
	default:
		return false;
	}
}

/* A signal mask is the kernel's, which is shorter than the C library's; what is behind it nobody looks at. */
static bool wait_for_events(const struct call *call, long *ret)
{
	const int fd = number_at(call, 0);

	switch (call->number) {
#ifdef SYS_epoll_create
	case SYS_epoll_create:
		*ret = epoll_create(fd);
		return true;
#endif
	case SYS_epoll_create1:
		*ret = epoll_create1(fd);
		return true;
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
		*ret = epoll_wait(fd, pointer_at(call, 1), number_at(call, 2), number_at(call, 3));
		return true;
#endif
	case SYS_epoll_pwait:
		*ret = epoll_pwait(fd, pointer_at(call, 1), number_at(call, 2), number_at(call, 3), pointer_at(call, 4));
		return true;
	case SYS_epoll_pwait2:
		*ret = epoll_pwait2(fd, pointer_at(call, 1), number_at(call, 2), pointer_at(call, 3), pointer_at(call, 4));
		return true;
	case SYS_epoll_ctl:
		*ret = epoll_ctl(fd, number_at(call, 1), number_at(call, 2), pointer_at(call, 3));
		return true;
#ifdef SYS_poll
	case SYS_poll:
		*ret = poll(pointer_at(call, 0), (nfds_t)call->argument[1], number_at(call, 2));
		return true;
#endif
	case SYS_ppoll:
		*ret = ppoll(pointer_at(call, 0), (nfds_t)call->argument[1], pointer_at(call, 2), pointer_at(call, 3));
		return true;
#ifdef SYS_select
	case SYS_select:
		*ret = select(fd, pointer_at(call, 1), pointer_at(call, 2), pointer_at(call, 3), pointer_at(call, 4));
		return true;
#endif
	case SYS_pselect6: {
		const struct {
			const sigset_t *set;
			size_t size;
		} *mask = pointer_at(call, 5);
		*ret = pselect(fd, pointer_at(call, 1), pointer_at(call, 2), pointer_at(call, 3), pointer_at(call, 4),
			       mask == NULL ? NULL : mask->set);
		return true;
	}
	default:
		return false;
	}
}

static bool is_ring(long number)
{
	return number == SYS_io_uring_setup || number == SYS_io_uring_enter || number == SYS_io_uring_register;
}

/* By which sockets come into the process. A latent one is decided by them. */
static bool bring_in(const struct call *call, long *ret)
{
	const int fd = number_at(call, 0);

	switch (call->number) {
#ifdef SYS_accept
	case SYS_accept:
		*ret = accept(fd, pointer_at(call, 1), pointer_at(call, 2));
		return true;
#endif
	case SYS_accept4:
		*ret = accept4(fd, pointer_at(call, 1), pointer_at(call, 2), number_at(call, 3));
		return true;
	case SYS_listen:
		*ret = listen(fd, number_at(call, 1));
		return true;
	case SYS_pidfd_getfd:
		*ret = pidfd_getfd(fd, number_at(call, 1), (unsigned)call->argument[2]);
		return true;
	case SYS_recvmsg:
		*ret = recvmsg(fd, pointer_at(call, 1), number_at(call, 2));
		return true;
	case SYS_recvmmsg:
		*ret = recvmmsg(fd, pointer_at(call, 1), (unsigned)number_at(call, 2), number_at(call, 3),
				pointer_at(call, 4));
		return true;
	default:
		return false;
	}
}

/* What makes a process: its flags are the first argument, or lie where that points (clone(2)). False: it must not. */
static bool may_clone(const struct call *call)
{
	const uint64_t *flags = pointer_at(call, 0);

	if (call->number == SYS_clone)
		return tg_divided_before_clone((uint64_t)call->argument[0]);
	return call->number != SYS_clone3 || flags == NULL || tg_divided_before_clone(*flags);
}

/* A policy has a server speak plaintext. */
static long call_wanted(const struct call *call)
{
	const bool any = atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) != 0;
	long r;

	if (!may_clone(call))
		return -1;
	if (is_ring(call->number)) {
		errno = ENOSYS;
		return -1;
	}
	if (change_numbers(call, &r) || wait_for_events(call, &r) || (any && (read_or_write(call, &r) || move(call, &r))))
		return r;
	return pass(call);
}

TG_EXPORT long syscall(long number, ...)
{
	struct call call = {.number = number};
	va_list arguments;

	va_start(arguments, number);
	for (int i = 0; i < ARGUMENTS; i++)
		call.argument[i] = va_arg(arguments, long);
	va_end(arguments);
	tg_libc_bind();
	if (number == SYS_execve)
		return execve(pointer_at(&call, 0), pointer_at(&call, 1), pointer_at(&call, 2));
	if (number == SYS_execveat)
		return execveat(number_at(&call, 0), pointer_at(&call, 1), pointer_at(&call, 2), pointer_at(&call, 3),
				number_at(&call, 4));
	const bool wanted = tg_descriptors_are_wanted();
	long r;
	if ((wanted || tg_shim_is(TG_STATE_LATENT)) && bring_in(&call, &r))
		return r;
	return wanted ? call_wanted(&call) : pass(&call);
}
