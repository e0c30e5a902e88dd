/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that forgets its environment and then executes a plaintext server, itself, by one of the C library's functions:
 * `executing PORT WAY`. As `executing PORT serve` it writes "LEAK" to its clients, until one of them asks for the end.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char self[4096], port[8], command[4200], as[] = "serve";
static char *const arguments[] = {self, port, as, NULL};
static char *const nothing[] = {NULL};

/* From glibc 2.39 on; the tests bring one for those before. */
extern int pidfd_spawn(int *, const char *, const void *, const void *, char *const[], char *const[]) __attribute__((weak));
extern int pidfd_spawnp(int *, const char *, const void *, const void *, char *const[], char *const[])
    __attribute__((weak));
extern FILE *_IO_popen(const char *command, const char *mode);

static int serve(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	char said = 0;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 5) != 0)
		return 2;
	while (said != 'q') {
		int client = accept(listener, NULL, NULL);
		if (client < 0)
			return 3;
		if (write(client, "LEAK\n", 5) == 5 && read(client, &said, 1) < 0)
			said = 0;
		close(client);
	}
	return 0;
}

static void waited(pid_t child)
{
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void by_execve(void)
{
	execve(self, arguments, nothing);
}

static void by_execv(void)
{
	execv(self, arguments);
}

static void by_execvp(void)
{
	execvp(self, arguments);
}

static void by_execvpe(void)
{
	execvpe(self, arguments, nothing);
}

static void by_execl(void)
{
	execl(self, self, port, as, NULL);
}

static void by_execlp(void)
{
	execlp(self, self, port, as, NULL);
}

static void by_execle(void)
{
	execle(self, self, port, as, NULL, nothing);
}

static void by_fexecve(void)
{
	fexecve(open(self, O_RDONLY | O_CLOEXEC), arguments, nothing);
}

static void by_execveat(void)
{
	execveat(AT_FDCWD, self, arguments, nothing, 0);
}

static void by_number(void)
{
	syscall(SYS_execve, self, arguments, nothing);
}

static void by_number_at(void)
{
	syscall(SYS_execveat, AT_FDCWD, self, arguments, nothing, 0);
}

static void by_handle(void)
{
	__typeof__(execve) *found = (__typeof__(execve) *)dlsym(dlopen("libc.so.6", RTLD_NOW), "execve");

	found(self, arguments, nothing);
}

static void by_vfork(void)
{
	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what is tested */
	pid_t child = vfork();

	if (child == 0) {
		execve(self, arguments, nothing);
		_exit(127);
	}
	waited(child);
}

static void by_posix_spawn(void)
{
	pid_t child = 0;

	posix_spawn(&child, self, NULL, NULL, arguments, nothing);
	waited(child);
}

static void by_posix_spawnp(void)
{
	pid_t child = 0;

	posix_spawnp(&child, self, NULL, NULL, arguments, nothing);
	waited(child);
}

static void by_pidfd_spawn(void)
{
	int child = -1;

	if (pidfd_spawn(&child, self, NULL, NULL, arguments, nothing) == 0)
		wait(NULL);
}

static void by_pidfd_spawnp(void)
{
	int child = -1;

	if (pidfd_spawnp(&child, self, NULL, NULL, arguments, nothing) == 0)
		wait(NULL);
}

static void by_system(void)
{
	if (system(command) == -1)
		perror("system");
}

static void by_popen(void)
{
	FILE *file = popen(command, "r");

	if (file != NULL)
		pclose(file);
}

static void by_old_popen(void)
{
	FILE *file = _IO_popen(command, "r");

	if (file != NULL)
		pclose(file);
}

static void by_wordexp(void)
{
	char words[sizeof(command) + 3];
	wordexp_t expanded;

	snprintf(words, sizeof(words), "$(%s)", command);
	dprintf(STDOUT_FILENO, "wordexp %d\n", wordexp(words, &expanded, 0));
	pause();
}

static const struct {
	const char *name;
	void (*execute)(void);
} ways[] = {
    {"execve", by_execve},
    {"execv", by_execv},
    {"execvp", by_execvp},
    {"execvpe", by_execvpe},
    {"execl", by_execl},
    {"execlp", by_execlp},
    {"execle", by_execle},
    {"fexecve", by_fexecve},
    {"execveat", by_execveat},
    {"syscall SYS_execve", by_number},
    {"syscall SYS_execveat", by_number_at},
    {"dlsym", by_handle},
    {"vfork", by_vfork},
    {"posix_spawn", by_posix_spawn},
    {"posix_spawnp", by_posix_spawnp},
    {"pidfd_spawn", by_pidfd_spawn},
    {"pidfd_spawnp", by_pidfd_spawnp},
    {"system", by_system},
    {"popen", by_popen},
    {"_IO_popen", by_old_popen},
    {"wordexp", by_wordexp},
};

int main(int argc, char **argv)
{
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (argc != 3 || length < 0 || strlen(argv[1]) >= sizeof(port))
		return 64;
	strcpy(port, argv[1]);
	if (strcmp(argv[2], as) == 0)
		return serve();
	snprintf(command, sizeof(command), "%s %s %s", self, port, as);
	clearenv();
	for (size_t i = 0; i < COUNT(ways); i++)
		if (strcmp(ways[i].name, argv[2]) == 0) {
			ways[i].execute();
			return 1;
		}
	return 64;
}
