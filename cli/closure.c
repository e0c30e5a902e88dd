/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/closure.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void tg_closure_free(struct tg_closure *closure)
{
	for (size_t i = 0; i < closure->count; i++)
		free(closure->paths[i]);
	free(closure->paths);
	*closure = (struct tg_closure){0};
}

static int add_path(struct tg_closure *closure, const char *path)
{
	char **grown = reallocarray(closure->paths, closure->count + 1, sizeof(*grown));
	char *copy;

	if (grown == NULL)
		return -ENOMEM;
	closure->paths = grown;
	copy = strdup(path);
	if (copy == NULL)
		return -ENOMEM;
	closure->paths[closure->count++] = copy;
	return 0;
}

/* "\tNAME => PATH (0xADDRESS)", "\tPATH (0xADDRESS)"; anything that does not begin so is a complaint. */
static int take_line(struct tg_closure *closure, char *line, char *refusal)
{
	static const char arrow[] = " => ";
	static const char complaint[] = "error while loading shared libraries: ";
	char *name = line + strspn(line, " \t");
	char *path = strstr(name, arrow);
	char *address;

	line[strcspn(line, "\n")] = '\0';
	if (line[0] != '\t') {
		const char *words = strstr(line, complaint);

		if (refusal[0] == '\0')
			snprintf(refusal, TG_CLOSURE_REFUSAL_SIZE, "%s",
				 words == NULL ? line : words + sizeof(complaint) - 1);
		return 0;
	}
	path = path == NULL ? name : path + sizeof(arrow) - 1;
	address = strstr(path, " (0x");
	if (address == NULL)
		return 0;
	*address = '\0';
	/* what has no path is no file, as the kernel's own object */
	return path[0] == '/' ? add_path(closure, path) : 0;
}

static int spawn_loader(const char *interp, const char *program, int out, pid_t *ret)
{
	char *const arguments[] = {strdup(interp), strdup("--list"), strdup(program), NULL};
	posix_spawn_file_actions_t actions;
	int result = posix_spawn_file_actions_init(&actions);

	if (result == 0) {
		result = arguments[0] == NULL || arguments[1] == NULL || arguments[2] == NULL ? ENOMEM : 0;
		if (result == 0)
			result = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
		if (result == 0)
			result = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
		if (result == 0)
			result = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
		if (result == 0)
			result = posix_spawn(ret, interp, &actions, NULL, arguments, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	for (int i = 0; i < 3; i++)
		free(arguments[i]);
	return -result;
}

static int read_list(int fd, struct tg_closure *closure, char *refusal)
{
	char *line = NULL;
	size_t size = 0;
	int result = 0;
	FILE *stream = fdopen(fd, "r");

	if (stream == NULL) {
		close(fd);
		return -ENOMEM;
	}
	while (getline(&line, &size, stream) > 0)
		if (result == 0)
			result = take_line(closure, line, refusal);
	free(line);
	fclose(stream);
	return result;
}

int tg_closure_list(const char *interp, const char *program, struct tg_closure *ret,
		    char ret_refusal[TG_CLOSURE_REFUSAL_SIZE])
{
	struct tg_closure closure = {0};
	char refusal[TG_CLOSURE_REFUSAL_SIZE] = "";
	int ends[2];
	int status = 0;
	pid_t child = -1;
	pid_t waited;
	int result;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	result = spawn_loader(interp, program, ends[1], &child);
	close(ends[1]);
	if (result < 0) {
		close(ends[0]);
		return result;
	}
	result = read_list(ends[0], &closure, refusal);
	do
		waited = waitpid(child, &status, 0);
	while (waited < 0 && errno == EINTR);
	/* where SIGCHLD is ignored its status is lost: then a list means yes, and no list no */
	if (result == 0 && (waited < 0 ? closure.count == 0 : status != 0)) {
		strcpy(ret_refusal, refusal);
		result = -ENOEXEC;
	}
	if (result < 0) {
		tg_closure_free(&closure);
		return result;
	}
	*ret = closure;
	return 0;
}
