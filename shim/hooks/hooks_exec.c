/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of starting programs: the environment that a program is executed with carries the shim on, whatever the server made
 * of it. They run in signal handlers and between vfork and exec: nothing is allocated and nothing shared is written; what
 * is added lies on the stack.
 * Which functions can execute a program is read from the C library's own code by a test (tests/docs/run.py).
 */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/process/environment.h"
#include "shim/process/log.h"
#include "shim/process/refuse.h"
#include "shim/process/signals.h"
#include "shim/process/state.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>

enum kind { KIND_EXECVE, KIND_EXECVPE, KIND_FEXECVE, KIND_EXECVEAT };

struct call {
	enum kind kind;
	const char *path;
	int fd;
	int flags;
	char *const *argv;
};

static int call_libc(const struct call *call, char *const envp[])
{
	switch (call->kind) {
	case KIND_EXECVE:
		return tg_libc.execve(call->path, call->argv, envp);
	case KIND_EXECVPE:
		return tg_libc.execvpe(call->path, call->argv, envp);
	case KIND_FEXECVE:
		return tg_libc.fexecve(call->fd, call->argv, envp);
	case KIND_EXECVEAT:
		return tg_libc.execveat(call->fd, call->path, call->argv, envp, call->flags);
	}
	return -1;
}

static bool is_refused(const char *path, const char *reason)
{
	if (reason)
		tg_shim_log("%s is not started: it cannot be grafted, %s", path[0] ? path : "the program", reason);
	return reason != NULL;
}

static bool is_call_refused(const struct call *call)
{
	switch (call->kind) {
	case KIND_EXECVE:
		return is_refused(call->path, tg_refuse_reason(AT_FDCWD, call->path));
	case KIND_EXECVPE:
		return is_refused(call->path, tg_refuse_search(call->path));
	case KIND_FEXECVE:
		return is_refused("", tg_refuse_reason(call->fd, ""));
	case KIND_EXECVEAT:
		return is_refused(call->path, tg_refuse_reason(call->fd, call->path));
	}
	return false;
}

static int execute(const struct call *call, char *const envp[])
{
	bool ignoring;
	size_t room;
	int r;

	tg_libc_bind();
	if (is_call_refused(call)) {
		errno = EACCES;
		return -1;
	}
	room = tg_environment_room(&tg_environment, envp);
	if (room == SIZE_MAX) {
		errno = E2BIG;
		return -1;
	}
	if (room > 0)
		envp = tg_environment_fill(&tg_environment, envp, alloca(room));
	tg_descriptors_before_exec();
	ignoring = tg_signals_before_exec();
	r = call_libc(call, envp);
	if (ignoring)
		tg_signals_exec_failed();
	return r;
}

TG_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return execute(&(struct call){.kind = KIND_EXECVE, .path = path, .argv = argv}, envp);
}

TG_EXPORT int execv(const char *path, char *const argv[])
{
	return execute(&(struct call){.kind = KIND_EXECVE, .path = path, .argv = argv}, environ);
}

TG_EXPORT int execvp(const char *file, char *const argv[])
{
	return execute(&(struct call){.kind = KIND_EXECVPE, .path = file, .argv = argv}, environ);
}

TG_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return execute(&(struct call){.kind = KIND_EXECVPE, .path = file, .argv = argv}, envp);
}

TG_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	return execute(&(struct call){.kind = KIND_FEXECVE, .fd = fd, .argv = argv}, envp);
}

TG_EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return execute(&(struct call){.kind = KIND_EXECVEAT, .path = path, .fd = fd, .flags = flags, .argv = argv}, envp);
}

/* Arguments up to the NULL that ends them, which is counted. */
static size_t count_arguments(va_list arguments)
{
	size_t count = 1;

	while (va_arg(arguments, char *))
		count++;
	return count;
}

static void collect_arguments(char **argv, char *first, va_list arguments)
{
	*argv = first;
	while (*argv)
		*++argv = va_arg(arguments, char *);
}

/* With `with_environment` a last argument after the NULL is the environment (execle). */
static int execute_list(enum kind kind, const char *path, char *first, va_list arguments, bool with_environment)
{
	struct call call = {.kind = kind, .path = path};
	char **argv;
	va_list copy;

	va_copy(copy, arguments);
	argv = alloca((1 + (first ? count_arguments(copy) : 0)) * sizeof(*argv));
	va_end(copy);
	collect_arguments(argv, first, arguments);
	call.argv = argv;
	return execute(&call, with_environment ? va_arg(arguments, char **) : environ);
}

/* The C library declares the first argument const and takes it as one of argv, whose strings are not. */
static char *first_argument(const char *first)
{
	return (char *)(uintptr_t)first;
}

TG_EXPORT int execl(const char *path, const char *first, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, first);
	r = execute_list(KIND_EXECVE, path, first_argument(first), arguments, false);
	va_end(arguments);
	return r;
}

TG_EXPORT int execlp(const char *file, const char *first, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, first);
	r = execute_list(KIND_EXECVPE, file, first_argument(first), arguments, false);
	va_end(arguments);
	return r;
}

TG_EXPORT int execle(const char *path, const char *first, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, first);
	r = execute_list(KIND_EXECVE, path, first_argument(first), arguments, true);
	va_end(arguments);
	return r;
}

/* The C library copies the number by inner calls, in a child that has our memory. */
TG_EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int fd)
{
	tg_libc_bind();
	if (tg_descriptors_must_not_cross(from))
		return posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	return tg_libc.posix_spawn_file_actions_adddup2(actions, from, fd);
}

/* As the C library lays them out (glibc's posix/spawn_int.h); the tests see where it does not any more. */
struct spawn_action {
	int kind;
	struct {
		int from, to;
		void *more[2];
	} of;
};
#define SPAWN_DUP2 1

/* What was asked for before the number became a connection. */
static bool would_cross(const posix_spawn_file_actions_t *actions)
{
	const struct spawn_action *list = actions == NULL ? NULL : (const void *)actions->__actions;

	for (int i = 0; list != NULL && i < actions->__used; i++)
		if (list[i].kind == SPAWN_DUP2 && tg_descriptors_must_not_cross(list[i].of.from))
			return true;
	return false;
}

/* pidfd_spawn's too: a process id and a descriptor are both an int. */
typedef __typeof__(posix_spawn) spawn_call;

static int spawn(spawn_call *call, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	size_t room = tg_environment_room(&tg_environment, envp);
	bool ignoring;
	int r;

	if (call == NULL)
		return ENOSYS;
	if (room == SIZE_MAX)
		return E2BIG;
	if (would_cross(actions))
		return EBADF;
	if (room > 0)
		envp = tg_environment_fill(&tg_environment, envp, alloca(room));
	ignoring = tg_signals_before_exec();
	r = call(pid, path, actions, attributes, argv, envp);
	if (ignoring)
		tg_signals_exec_failed();
	return r;
}

TG_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	tg_libc_bind();
	if (is_refused(path, tg_refuse_reason(AT_FDCWD, path)))
		return EACCES;
	return spawn(tg_libc.posix_spawn, pid, path, actions, attributes, argv, envp);
}

TG_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	tg_libc_bind();
	if (is_refused(file, tg_refuse_search(file)))
		return EACCES;
	return spawn(tg_libc.posix_spawnp, pid, file, actions, attributes, argv, envp);
}

TG_EXPORT int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	tg_libc_bind();
	if (is_refused(path, tg_refuse_reason(AT_FDCWD, path)))
		return EACCES;
	return spawn(tg_libc.pidfd_spawn, pidfd, path, actions, attributes, argv, envp);
}

TG_EXPORT int pidfd_spawnp(int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	tg_libc_bind();
	if (is_refused(file, tg_refuse_search(file)))
		return EACCES;
	return spawn(tg_libc.pidfd_spawnp, pidfd, file, actions, attributes, argv, envp);
}
