/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plaintext server that reaches for its connections past the usual calls: `bypassing PORT WAY`. What it writes to one is
 * "LEAK", which nobody may see in clear. A line for each call on its standard output: its result, and errno.
 */
#include <aio.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (sizeof(text) - 1)
#define FIXED 70 /* a number that was chosen before a connection came */

static char text[] = "LEAK\n";

/* Exported by the C library and declared nowhere. */
extern ssize_t __write(int fd, const void *data, size_t size);
/* not in every architecture's C library */
extern ssize_t __send(int fd, const void *data, size_t size, int flags) __attribute__((weak));
extern int __dup2(int from, int fd);
extern FILE *_IO_fdopen(int fd, const char *mode);

static void said(const char *what, long result)
{
	dprintf(STDOUT_FILENO, "%s %ld %d\n", what, result, result < 0 ? errno : 0);
}

static int made_file(void)
{
	int fd = memfd_create("bypassing", MFD_CLOEXEC);

	if (write(fd, text, SIZE) != (ssize_t)SIZE || lseek(fd, 0, SEEK_SET) != 0)
		_exit(1);
	return fd;
}

static void aio(int fd)
{
	struct aiocb block = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = SIZE};
	const struct aiocb *list[] = {&block};
	int r = aio_write(&block);

	while (r == 0 && aio_error(&block) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	said("aio", r == 0 ? aio_return(&block) : r);
}

static void aio_list(int fd)
{
	struct aiocb block = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = SIZE, .aio_lio_opcode = LIO_WRITE};
	struct aiocb *list[] = {&block};

	said("lio", lio_listio(LIO_WAIT, list, 1, NULL));
}

static void number_sendfile(int fd)
{
	off_t at = 0;
	int file = made_file();

	said("sendfile", syscall(SYS_sendfile, fd, file, &at, SIZE));
	close(file);
}

static void number_splice(int fd)
{
	int ends[2];

	if (pipe(ends) != 0 || write(ends[1], text, SIZE) < 0)
		_exit(1);
	said("splice", syscall(SYS_splice, ends[0], NULL, fd, NULL, SIZE, 0));
	close(ends[0]);
	close(ends[1]);
}

static void number_pwritev2(int fd)
{
	struct iovec part = {text, SIZE};

	said("pwritev2", syscall(SYS_pwritev2, fd, &part, 1, -1L, -1L, 0));
}

static void number_io_submit(int fd)
{
	aio_context_t context = 0;
	struct iocb block = {
	    .aio_fildes = (uint32_t)fd, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (uintptr_t)text, .aio_nbytes = SIZE};
	struct iocb *list[] = {&block};

	if (syscall(SYS_io_setup, 8, &context) != 0)
		_exit(1);
	said("io_submit", syscall(SYS_io_submit, context, 1, list));
	syscall(SYS_io_destroy, context);
}

static void other_names(int fd)
{
	said("__write", __write(fd, text, SIZE));
	if (__send != NULL)
		said("__send", __send(fd, text, SIZE, MSG_NOSIGNAL));
}

static void other_name_of_dup2(int fd)
{
	said("__dup2", __dup2(fd, FIXED));
	said("write", write(FIXED, text, SIZE));
	close(FIXED);
}

static void other_name_of_fdopen(int fd)
{
	FILE *file = _IO_fdopen(dup(fd), "w");

	said("fputs", file == NULL ? -1 : fputs(text, file));
	if (file != NULL)
		fclose(file);
}

static void write_copy(int self, int copy)
{
	said("pidfd_getfd", copy);
	if (copy >= 0) {
		said("write", send(copy, text, SIZE, MSG_NOSIGNAL));
		close(copy);
	}
	close(self);
}

static void own_copy(int fd)
{
	int self = pidfd_open(getpid(), 0);

	write_copy(self, pidfd_getfd(self, fd, 0));
}

static void own_copy_by_number(int fd)
{
	int self = pidfd_open(getpid(), 0);

	write_copy(self, (int)syscall(SYS_pidfd_getfd, self, fd, 0));
}

static posix_spawn_file_actions_t actions; /* made before a connection came */

static void spawned(int fd)
{
	char sh[] = "sh", option[] = "-c", command[] = "echo LEAK";
	char *const words[] = {sh, option, command, NULL};
	char *const none[] = {NULL};
	pid_t child;
	int r;

	if (dup2(fd, FIXED) < 0)
		_exit(1);
	r = posix_spawn(&child, "/bin/sh", &actions, NULL, words, none);
	said("spawn", r);
	if (r == 0)
		waitpid(child, NULL, 0);
	close(FIXED);
}

static void backtrace_to(int fd)
{
	void *frames[4];

	backtrace_symbols_fd(frames, backtrace(frames, 4), fd);
	said("backtrace", 0);
}

/* The number that a child between vfork(2) and exec takes is the child's, and another thing to its parent. */
static void vfork_dup(int fd)
{
	static volatile int copy;
	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what is tested */
	pid_t child = vfork();

	if (child == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): what is tested */
		copy = fcntl(fd, F_DUPFD, FIXED);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	int file = made_file(), ours = fcntl(file, F_DUPFD, copy);
	struct stat status;
	if (ftruncate(file, 0) != 0)
		_exit(1);
	ssize_t size = write(ours, text, SIZE);
	fstat(file, &status);
	dprintf(STDOUT_FILENO, "other %zd %ld %d\n", size, (long)status.st_size, ours != copy);
	close(ours);
	close(file);
}

/* As a sandbox would: what it does not know fails. */
static void forbid(int number)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(1);
}

static void just_write(int fd)
{
	said("write", send(fd, text, SIZE, MSG_NOSIGNAL));
}

enum { WRITERS = 2 };
static atomic_int target = -1;
static atomic_uint idle[WRITERS]; /* looks of each at no target */

static void *writes(void *arg)
{
	atomic_uint *mine = arg;

	for (;;) {
		const int fd = target;
		if (fd < 0)
			(*mine)++;
		else
			send(fd, text, SIZE, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return NULL;
}

/*
 * One thread closes what others write to. They have noticed before the number is a connection again: who writes to a number
 * that is not his any more, and becomes another's in that moment, does the same without TLS.
 */
static void close_race(int fd)
{
	static bool running;
	pthread_t thread;

	for (int i = 0; i < WRITERS && !running; i++)
		pthread_create(&thread, NULL, writes, &idle[i]);
	running = true;
	for (int i = 0; i < 20; i++) {
		if (dup2(fd, FIXED) < 0)
			_exit(1);
		target = FIXED;
		usleep(200);
		close(FIXED);
		target = -1;
		for (int j = 0; j < WRITERS; j++)
			for (const unsigned before = idle[j]; idle[j] == before;)
				sched_yield();
	}
}

static void end_at_once(int number)
{
	(void)number;
	_exit(0);
}

/* A handler ends the process, as those of deadlines do, at any moment. */
static void ends_in_handler(int fd)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		const struct itimerval limit = {.it_value.tv_usec = 20000};
		static char data[65536];
		if (read(fd, data, 1) != 1)
			_exit(1);
		signal(SIGALRM, end_at_once);
		setitimer(ITIMER_REAL, &limit, NULL);
		for (;;)
			send(fd, data, sizeof(data), MSG_NOSIGNAL);
	}
	close(fd);
	for (int i = 0; i < 2000 && waitpid(child, &status, WNOHANG) == 0; i++)
		usleep(1000);
	said("ended", status);
	if (status == -1) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

static void *echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[100];

	for (ssize_t size = read(fd, data, sizeof(data)); size > 0; size = read(fd, data, sizeof(data)))
		if (write(fd, data, (size_t)size) != size)
			break;
	close(fd);
	return NULL;
}

static void echoes(int fd)
{
	pthread_t thread;

	pthread_create(&thread, NULL, echo, (void *)(intptr_t)dup(fd));
	pthread_detach(thread);
}

static const struct way {
	const char *name;
	void (*act)(int fd);
	int forbidden;
} ways[] = {
    {"aio", aio, -1},
    {"aio_list", aio_list, -1},
    {"backtrace_to", backtrace_to, -1},
    {"close_race", close_race, -1},
    {"echoes", echoes, -1},
    {"ends_in_handler", ends_in_handler, -1},
    {"no_getpeername", just_write, SYS_getpeername},
    {"no_getsockname", just_write, SYS_getsockname},
    {"no_mmap", just_write, SYS_mmap},
    {"no_recvfrom", just_write, SYS_recvfrom},
    {"no_sendto", just_write, SYS_sendto},
    {"number_io_submit", number_io_submit, -1},
    {"number_pwritev2", number_pwritev2, -1},
    {"number_sendfile", number_sendfile, -1},
    {"number_splice", number_splice, -1},
    {"other_name_of_dup2", other_name_of_dup2, -1},
    {"other_name_of_fdopen", other_name_of_fdopen, -1},
    {"other_names", other_names, -1},
    {"own_copy", own_copy, -1},
    {"own_copy_by_number", own_copy_by_number, -1},
    {"spawned", spawned, -1},
    {"vfork_dup", vfork_dup, -1},
};

static int listen_at(int port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	const int on = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 64) != 0)
		_exit(70);
	return listener;
}

int main(int argc, char **argv)
{
	const struct way *way = NULL;

	for (size_t i = 0; argc == 3 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[2]) == 0)
			way = &ways[i];
	if (way == NULL)
		return 64;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, FIXED, STDOUT_FILENO);
	int listener = listen_at(atoi(argv[1]));
	if (way->forbidden >= 0)
		forbid(way->forbidden);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0) {
			said("accept", fd);
			continue;
		}
		way->act(fd);
		close(fd);
	}
}
