/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a program as a server may, with an environment of its own making: `starts FUNCTION FILE [ARGUMENT ARGUMENT]`. What
 * it gives to FILE is A=b alone, as envp where the function takes one, else as `environ`. With "listen" among its imports
 * it is a program that can serve.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char entry[] = "A=b";
static char *bare[] = {entry, NULL};

static int spawned(int error, const pid_t *child)
{
	int status;

	if (error != 0) {
		errno = error;
		return -1;
	}
	if (waitpid(*child, &status, 0) != *child)
		return -1;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static int start(const char *function, char **argv)
{
	const char *file = argv[0];
	pid_t child = 0;

	if (strcmp(function, "execve") == 0)
		return execve(file, argv, bare);
	if (strcmp(function, "execve-nothing") == 0)
		return execve(file, argv, NULL);
	if (strcmp(function, "execvpe") == 0)
		return execvpe(file, argv, bare);
	if (strcmp(function, "execle") == 0)
		return argv[1] ? execle(file, argv[0], argv[1], argv[2], NULL, bare) : execle(file, argv[0], NULL, bare);
	if (strcmp(function, "fexecve") == 0)
		return fexecve(open(file, O_RDONLY | O_CLOEXEC), argv, bare);
	if (strcmp(function, "execveat") == 0)
		return execveat(AT_FDCWD, file, argv, bare, 0);
	if (strcmp(function, "posix_spawn") == 0)
		return spawned(posix_spawn(&child, file, NULL, NULL, argv, bare), &child);
	if (strcmp(function, "posix_spawnp") == 0)
		return spawned(posix_spawnp(&child, file, NULL, NULL, argv, bare), &child);
	if (strcmp(function, "vfork") == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what is tested */
		child = vfork();
		if (child == 0) {
			execve(file, argv, bare);
			_exit(127);
		}
		return spawned(child < 0 ? errno : 0, &child);
	}
	environ = bare;
	if (strcmp(function, "execv") == 0)
		return execv(file, argv);
	if (strcmp(function, "execvp") == 0)
		return execvp(file, argv);
	if (strcmp(function, "execl") == 0)
		return execl(file, argv[0], argv[1], argv[1] ? argv[2] : NULL, NULL);
	if (strcmp(function, "execlp") == 0)
		return execlp(file, argv[0], argv[1], argv[1] ? argv[2] : NULL, NULL);
	errno = ENOSYS;
	return -1;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return listen(-1, 0) == 0 ? 0 : 64;
	start(argv[1], argv + 2);
	fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
	return 126;
}
