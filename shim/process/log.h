/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's few words: at the start, and warnings that are given once. One line on stderr each, nothing at all once
 * descriptor 2 is not what it was at the start (closed, or somebody else's file by now).
 */
#ifndef TG_SHIM_PROCESS_LOG_H
#define TG_SHIM_PROCESS_LOG_H

#include <stddef.h>

/* Remembers what descriptor 2 is. Before it, tg_shim_log is silent. */
void tg_shim_log_start(void);

/* "tlsgraft: TEXT\n", cut at 1 KiB. No allocation, no lock, errno is kept, no SIGPIPE. */
void tg_shim_log(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* The same for lines that are complete already. */
void tg_shim_log_lines(const char *text, size_t length);

#endif
