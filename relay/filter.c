/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* A runtime of a sanitizer has needs of its own; clang tells by another way than gcc. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#if defined(ARCHITECTURE) && !defined(SANITIZED)

#define FIELD(name) ((uint32_t)offsetof(struct seccomp_data, name))
#define LOW_HALF(number) (FIELD(args) + 8 * (number)) /* of an argument; both architectures are little-endian */
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)
#define CALL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), ALLOW

static struct sock_filter program[] = {
    LOAD(FIELD(arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(FIELD(nr)),
/* connections */
#ifdef SYS_epoll_wait
    CALL(epoll_wait),
#endif
    CALL(epoll_pwait),
    CALL(epoll_ctl),
    CALL(recvfrom),
    CALL(sendto),
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(accept4),
    CALL(close),
    CALL(shutdown),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getsockname),
    CALL(getpeername),
#ifdef SYS_poll
    CALL(poll),
#endif
    CALL(ppoll),
    CALL(fcntl),
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    /* memory, threads, time, what libcrypto asks */
    CALL(munmap),
    CALL(mremap),
    CALL(brk),
    CALL(madvise),
    CALL(futex),
    CALL(getrandom),
    CALL(clock_gettime),
    CALL(gettimeofday),
    CALL(timer_settime),
    CALL(clock_nanosleep),
    CALL(sched_yield),
    /* a thread that has just begun: the C library ends the process where it may not */
    CALL(rseq),
    CALL(set_robust_list),
    CALL(getpid),
    CALL(gettid),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
#ifdef SYS_newfstatat
    CALL(newfstatat),
#endif
    CALL(fstat),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(restart_syscall),
    CALL(tgkill),
    CALL(exit),
    CALL(exit_group),
    /* no memory that holds code */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 4),
    LOAD(LOW_HALF(2)),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
    ALLOW,
    REFUSE,
    /* how much there is to read */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
    LOAD(LOW_HALF(1)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONREAD, 0, 1),
    ALLOW,
    REFUSE,
};

int tg_filter_install(void)
{
	const struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
	const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);

	/* above 0: the thread that stands in the way */
	return result < 0 ? -errno : result > 0 ? -EAGAIN : 0;
}

#else

int tg_filter_install(void)
{
	return -ENOSYS;
}

#endif
