/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "keeper/escape.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void complain(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

static void complain(const char *format, va_list arguments)
{
	char *text = NULL;
	char *safe = NULL;

	if (vasprintf(&text, format, arguments) >= 0)
		safe = tg_escape_new(text);
	else
		text = NULL;
	fprintf(stderr, "tlsgraft: %s\n", safe == NULL ? "out of memory" : safe);
	free(safe);
	free(text);
}

void tg_complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
}

int tg_usage_error(const char *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	fprintf(stderr, "tlsgraft: try `tlsgraft %s%s--help`\n", command, command[0] == '\0' ? "" : " ");
	return TG_EXIT_USAGE;
}

bool tg_answered(int argc, char **argv, const char *usage)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return true;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("tlsgraft " TLSGRAFT_VERSION);
			return true;
		}
	}
	return false;
}

bool tg_parse_pid(const char *text, pid_t *ret)
{
	long number;

	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
		return false;
	errno = 0;
	number = strtol(text, NULL, 10);
	if (errno != 0 || number < 1 || number > INT_MAX)
		return false;
	*ret = (pid_t)number;
	return true;
}

const char *tg_default_config(void)
{
	const char *named = getenv("TLSGRAFT_CONFIG");

	return named == NULL || named[0] == '\0' ? TG_DEFAULT_CONFIG : named;
}

char *tg_absolute(const char *path)
{
	char *folder;
	char *whole = NULL;

	if (path[0] == '/')
		return strdup(path);
	folder = getcwd(NULL, 0);
	if (folder == NULL || asprintf(&whole, "%s/%s", folder, path) < 0)
		whole = NULL;
	free(folder);
	return whole;
}
