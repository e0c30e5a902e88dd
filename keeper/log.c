/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log.h"

#include "keeper/escape.h"
#include "keeper/log_file.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static struct {
	enum tg_log_target target;
	enum tg_log_level level;
	int fd; /* of the file; -1 otherwise */
	bool stderr_gone;
	bool cut;           /* the newest line went out in part */
	unsigned long lost; /* lines since one went out */
	pid_t pid;
	char ident[32]; /* openlog(3) keeps the pointer */
} sink = {.target = TG_LOG_STDERR, .level = TG_LOG_INFO, .fd = -1};

int tg_log_open(enum tg_log_target target, const char *file, enum tg_log_level level, pid_t shown_pid,
		const char **ret_reason)
{
	int result = 0;

	if (sink.fd >= 0)
		close(sink.fd);
	sink.fd = -1;
	if (target == TG_LOG_FILE) {
		const int fd = tg_log_file_open(file, ret_reason);

		if (fd >= 0) {
			sink.fd = fd;
		} else {
			result = fd;
			target = TG_LOG_SYSLOG;
		}
	}
	if (target == TG_LOG_STDERR && sink.stderr_gone)
		target = TG_LOG_SYSLOG;
	snprintf(sink.ident, sizeof(sink.ident), "tlsgraft[%d]", (int)shown_pid);
	sink.pid = shown_pid;
	if (sink.target != target) {
		sink.cut = false;
		sink.lost = 0;
	}
	sink.target = target;
	sink.level = level;
	return result;
}

void tg_log_stderr_gone(void)
{
	sink.stderr_gone = true;
	if (sink.target == TG_LOG_STDERR)
		sink.target = TG_LOG_SYSLOG;
}

bool tg_log_is_stderr(void)
{
	return sink.target == TG_LOG_STDERR;
}

/* False where it did not go out as a whole: a full disk takes a part. */
static bool write_line(int fd, const char *line, size_t size)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	ssize_t written;

	/* poll(2) calls a pipe writable when PIPE_BUF bytes fit: a reader who stalls must not stall the keeper */
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
		return false;
	written = write(fd, line, size);
	if (written > 0)
		sink.cut = written < (ssize_t)size;
	return written == (ssize_t)size;
}

/* A reader of the log shall know that lines are missing. False where not even that can be written. */
static bool report_what_was_lost(int fd)
{
	char line[128];
	int size;

	if (sink.lost == 0)
		return true;
	size =
	    snprintf(line, sizeof(line), "%stlsgraft[%d]: warn: %lu lines of this log were lost: it could not be written\n",
		     sink.cut ? "\n" : "", (int)sink.pid, sink.lost);
	if (!write_line(fd, line, (size_t)size))
		return false;
	sink.lost = 0;
	return true;
}

void tg_log(enum tg_log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	char line[PIPE_BUF];
	char *text = NULL;
	va_list arguments;
	int head;

	if (level > sink.level)
		return;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (text == NULL)
		return;

	if (sink.target == TG_LOG_SYSLOG) {
		tg_escape_cut(text, line, sizeof(line));
		/* opened for each line: a restarted syslog daemon is found again, and no descriptor is held */
		openlog(sink.ident, 0, LOG_DAEMON);
		syslog(priorities[level], "%s: %s", names[level], line);
		closelog();
	} else {
		const int fd = sink.target == TG_LOG_FILE ? sink.fd : STDERR_FILENO;

		head = snprintf(line, sizeof(line), "tlsgraft[%d]: %s: ", (int)sink.pid, names[level]);
		const size_t body = tg_escape_cut(text, line + head, sizeof(line) - (size_t)head - 1);

		line[(size_t)head + body] = '\n';
		if (!report_what_was_lost(fd) || !write_line(fd, line, (size_t)head + body + 1))
			sink.lost++;
	}
	free(text);
}
