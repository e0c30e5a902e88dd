/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of tlsgraft(1), their exit statuses, and how they speak.
 */
#ifndef TG_CLI_CLI_H
#define TG_CLI_CLI_H

#include <stdbool.h>
#include <sys/types.h>

#define TG_EXIT_USAGE 64    /* EX_USAGE of sysexits.h */
#define TG_EXIT_OTHER 70    /* EX_SOFTWARE */
#define TG_EXIT_BAD_FILE 78 /* EX_CONFIG */
#define TG_EXIT_CANNOT 126
#define TG_EXIT_NO_COMMAND 127

#define TG_DEFAULT_CONFIG "/etc/tlsgraft/tlsgraft.ini"

/* Each gets its own name as argv[0] and returns the exit status. */
int tg_command_run(int argc, char **argv);
int tg_command_check(int argc, char **argv);
int tg_command_doctor(int argc, char **argv);
int tg_command_status(int argc, char **argv);
int tg_command_reload(int argc, char **argv);

/* One line on stderr, "tlsgraft: ..."; control characters are escaped. */
void tg_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * True where argv asks for --help or --version before its operands: it was answered on stdout. `usage` is the help text.
 */
bool tg_answered(int argc, char **argv, const char *usage);

/* Says what is wrong with the words and where help is; returns TG_EXIT_USAGE. */
int tg_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A process id: digits only, above 0. */
bool tg_parse_pid(const char *text, pid_t *ret);

/* The INI file that is meant where no option names one. */
const char *tg_default_config(void);

/* `path` made absolute, its links left as they are; malloc'ed, NULL where memory ran out or there is no working folder. */
char *tg_absolute(const char *path);

#endif
