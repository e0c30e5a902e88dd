/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/shell.h"

#include <errno.h>
#include <paths.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"LD_PRELOAD", "TLSGRAFT_CONFIG", "TLSGRAFT_KEEPER", "TLSGRAFT_PLAINTEXT"};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

struct change {
	bool differs;
	const char *value; /* NULL: taken out */
};

/* The last one counts for the loader; NULL: there is none. */
static const char *value_of(char *const envp[], const char *name)
{
	size_t length = strlen(name);
	const char *value = NULL;

	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
			value = *envp + length + 1;
	return value;
}

static bool find_changes(char *const before[], char *const after[], struct change changes[NAME_COUNT])
{
	bool any = false;

	for (size_t i = 0; i < NAME_COUNT; i++) {
		const char *was = value_of(before, names[i]);
		changes[i].value = value_of(after, names[i]);
		changes[i].differs =
		    (was == NULL) != (changes[i].value == NULL) || (was != NULL && strcmp(was, changes[i].value) != 0);
		any |= changes[i].differs;
	}
	return any;
}

/* Between single quotes everything is itself but the quote (POSIX, Shell Command Language, 2.2.2). */
static char *quote(char *end, const char *text)
{
	*end++ = '\'';
	for (; *text != '\0'; text++)
		end = *text == '\'' ? stpcpy(end, "'\\''") : (*end = *text, end + 1);
	*end++ = '\'';
	return end;
}

static size_t quoted_size(const char *text)
{
	size_t size = strlen(text) + 2;

	for (; *text != '\0'; text++)
		size += *text == '\'' ? 3 : 0;
	return size;
}

static const char unset[] = "unset ", execute[] = "exec " _PATH_BSHELL " -c -- ", as[] = " sh";

static char *compose(const struct change changes[NAME_COUNT], const char *command)
{
	size_t size = sizeof(execute) + quoted_size(command) + sizeof(as);
	char *composed, *end;

	for (size_t i = 0; i < NAME_COUNT; i++)
		size += sizeof(unset) + strlen(names[i]) + 2 + (changes[i].value ? quoted_size(changes[i].value) : 0);
	composed = malloc(size);
	if (!composed)
		return NULL;
	end = composed;
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (changes[i].differs && !changes[i].value)
			end = stpcpy(stpcpy(stpcpy(end, unset), names[i]), "; ");
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (changes[i].differs && changes[i].value)
			end = stpcpy(quote(stpcpy(stpcpy(end, names[i]), "="), changes[i].value), " ");
	strcpy(quote(stpcpy(end, execute), command), as);
	return composed;
}

int tg_shell_command(const struct tg_environment *environment, char *const envp[], const char *command, char **ret_command)
{
	size_t room = tg_environment_room(environment, envp);
	struct change changes[NAME_COUNT];
	char *composed = NULL;
	void *memory;
	int r = 0;

	if (room == SIZE_MAX)
		return -E2BIG;
	if (room > 0) {
		memory = malloc(room);
		if (!memory)
			return -ENOMEM;
		if (find_changes(envp, tg_environment_fill(environment, envp, memory), changes)) {
			composed = compose(changes, command);
			r = composed ? 0 : -ENOMEM;
		}
		free(memory);
	}
	if (r == 0)
		*ret_command = composed;
	return r;
}
