/*
 * tlsgraft(1): starts servers under the shim, and asks their keepers.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: tlsgraft run [-c FILE] [--user NAME] [--] CMD ARG...\n"
			    "       tlsgraft check [FILE] [--json]\n"
			    "       tlsgraft doctor [-c FILE] [--root FOLDER] [--json] EXE|PID\n"
			    "       tlsgraft status [PID...] [--json]\n"
			    "       tlsgraft reload PID...\n"
			    "       tlsgraft --help | --version\n"
			    "\n"
			    "Grafts mutual TLS onto a server that is not changed for it, and renews it without a restart.\n"
			    "Each command has a --help of its own; see also tlsgraft(1).\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"run", tg_command_run},       {"check", tg_command_check},   {"doctor", tg_command_doctor},
    {"status", tg_command_status}, {"reload", tg_command_reload},
};

int main(int argc, char **argv)
{
	if (tg_answered(argc, argv, usage))
		return 0;
	if (argc < 2)
		return tg_usage_error("", "which command?");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			const int status = commands[i].run(argc - 1, argv + 1);

			/* a full disk or closed pipe must not look like a good answer */
			if (fflush(stdout) != 0 && status == 0)
				return TG_EXIT_OTHER;
			return status;
		}
	}
	return tg_usage_error("", "%s: no such command", argv[1]);
}
