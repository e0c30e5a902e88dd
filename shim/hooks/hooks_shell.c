/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of the C library's functions that have a shell execute a command. Their child gets `environ` as it is, by inner
 * calls of the C library: where that lacks what carries the shim on, the command becomes one that takes it on (shell.h).
 */
#include "shim/binding/libc.h"
#include "shim/process/environment.h"
#include "shim/process/log.h"
#include "shim/process/shell.h"
#include "shim/process/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* False, with errno: it cannot be executed. */
static bool carrying(const char *command, char **ret_command)
{
	int r = tg_shell_command(&tg_environment, environ, command, ret_command);

	if (r != 0)
		errno = -r;
	return r == 0;
}

static void free_command(void *command)
{
	free(command);
}

TG_EXPORT int system(const char *command)
{
	char *own = NULL;
	int r;

	tg_libc_bind();
	if (command && !carrying(command, &own))
		return -1;
	/* The real one can be cancelled while it waits (pthreads(7)). */
	pthread_cleanup_push(free_command, own);
	r = tg_libc.system(own ? own : command);
	pthread_cleanup_pop(1);
	return r;
}

static FILE *open_command(__typeof__(popen) *call, const char *command, const char *mode)
{
	char *own = NULL;
	FILE *file;

	if (!carrying(command, &own))
		return NULL;
	file = call(own ? own : command, mode);
	free(own);
	return file;
}

TG_EXPORT FILE *popen(const char *command, const char *mode)
{
	tg_libc_bind();
	return open_command(tg_libc.popen, command, mode);
}

TG_EXPORT FILE *_IO_popen(const char *command, const char *mode)
{
	tg_libc_bind();
	return open_command(tg_libc._IO_popen, command, mode);
}

/* What popen(3) is made of, exported for programs of long ago. */
TG_EXPORT FILE *_IO_proc_open(FILE *file, const char *command, const char *mode)
{
	char *own = NULL;
	FILE *opened;

	tg_libc_bind();
	if (!carrying(command, &own))
		return NULL;
	opened = tg_libc._IO_proc_open(file, own ? own : command, mode);
	free(own);
	return opened;
}

/*
 * Commands stand inside the words, so nothing can be put before them. Where the environment has no shim none is executed;
 * one that lacks the tree's name alone is, since that program joins a tree of its own.
 */
TG_EXPORT int wordexp(const char *words, wordexp_t *expanded, int flags)
{
	int r;

	tg_libc_bind();
	if ((flags & WRDE_NOCMD) != 0 || tg_environment_has_shim(&tg_environment, environ))
		return tg_libc.wordexp(words, expanded, flags);
	r = tg_libc.wordexp(words, expanded, flags | WRDE_NOCMD);
	if (r == WRDE_CMDSUB)
		tg_shim_log(
		    "wordexp executes no command: its environment has no LD_PRELOAD or TLSGRAFT_CONFIG any more, so that "
		    "program would not be grafted");
	return r;
}
