/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's log: one line for each event, "tlsgraft[PID]: level: text", on stderr, in a file, or in syslog(3).
 *
 * One log for each process, not thread-safe (the keeper has no threads). A line is written with one write(2) of less than
 * PIPE_BUF bytes and never waits for a reader who has stopped reading. Such a line is lost, and so is one that a full disk
 * does not take; how many were is said as soon as one can be written.
 */
#ifndef TG_KEEPER_LOG_H
#define TG_KEEPER_LOG_H

#include "loader/identity.h"

#include <sys/types.h>

/*
 * Writes to `target` from now on, under the process id `shown_pid` (the guardian's, which `status` takes too). `file` is
 * opened anew at each call, so that a rotated file is let go; 0640, appended. Returns 0, or a negative errno, with
 * *ret_reason why in words, where the file cannot be opened or is none for a log (log_file.h): the log then goes to syslog.
 */
int tg_log_open(enum tg_log_target target, const char *file, enum tg_log_level level, pid_t shown_pid,
		const char **ret_reason);

/* stderr belongs to the started process, which is gone: what went there goes to syslog from now on. */
void tg_log_stderr_gone(void);

/* True where lines go to stderr. */
bool tg_log_is_stderr(void);

/* Control characters and bytes that are not UTF-8 are escaped; so is a newline. */
void tg_log(enum tg_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
