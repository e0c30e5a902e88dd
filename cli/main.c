/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsgraft(1): starts servers under the shim, and asks their keepers.
 */
#include "cli/cli.h"

#include "keeper/proc.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: tlsgraft run [-c FILE] [--user NAME] [--] CMD ARG...\n"
			    "       tlsgraft check [--user NAME] [FILE] [--json]\n"
			    "       tlsgraft doctor [-c FILE] [--root FOLDER] [--json] EXE|PID\n"
			    "       tlsgraft status [PID...] [--json]\n"
			    "       tlsgraft reload PID...\n"
			    "       tlsgraft --help | --version\n"
			    "\n"
			    "Grafts mutual TLS onto a server that is not changed for it, and renews it without a restart.\n"
			    "Each command has a --help of its own; see also tlsgraft(1).\n";

#define EXIT_CANNOT 126 /* as a program that cannot be grafted */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	int without_proc; /* the status where there is no /proc; 0: it does without */
} commands[] = {
    {"run", tg_command_run, EXIT_CANNOT},         {"check", tg_command_check, 0},
    {"doctor", tg_command_doctor, EXIT_CANNOT},   {"status", tg_command_status, TG_EXIT_OTHER},
    {"reload", tg_command_reload, TG_EXIT_OTHER},
};

/* Help is given anyway. */
static bool lacks_proc(int argc, char **argv)
{
	return !tg_proc_is_there() && !(argc > 2 && strcmp(argv[2], "--help") == 0);
}

int main(int argc, char **argv)
{
	if (tg_answered(argc, argv, usage))
		return 0;
	if (argc < 2)
		return tg_usage_error("", "which command?");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			int status = commands[i].without_proc;

			if (status != 0 && lacks_proc(argc, argv)) {
				tg_complain("%s", tg_proc_missing);
				return status;
			}
			status = commands[i].run(argc - 1, argv + 1);

			/* a full disk or closed pipe must not look like a good answer */
			if (fflush(stdout) != 0 && status == 0)
				return TG_EXIT_OTHER;
			return status;
		}
	}
	return tg_usage_error("", "%s: no such command", argv[1]);
}
