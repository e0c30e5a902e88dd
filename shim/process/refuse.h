/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that `exe` names and that the loader would start without the shim, without a word: the exec hooks refuse them.
 * Async-signal-safe after tg_refuse_start and usable between vfork and exec; leaves errno and all descriptors alone.
 */
#ifndef TG_SHIM_PROCESS_REFUSE_H
#define TG_SHIM_PROCESS_REFUSE_H

#include <stddef.h>

/* Copies the names. Returns 0 or -ENOMEM. */
int tg_refuse_start(char *const *paths, size_t count);

/*
 * Why the file at `path` (openat(2); an empty path is `directory` itself) must not be executed: NULL where it is none of
 * the named ones, can be grafted, or cannot be read, which is the kernel's to judge.
 */
const char *tg_refuse_reason(int directory, const char *path);

/* The same for a name that execvp(3) would look up in PATH. */
const char *tg_refuse_search(const char *file);

#endif
