/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a process maps (/proc/PID/maps, proc(5)).
 */
#ifndef TG_CLI_MAPPED_H
#define TG_CLI_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tg_mapped_file {
	char *path; /* as the process sees it, without " (deleted)" */
	dev_t device;
	ino_t inode;
	bool deleted; /* replaced or removed since */
	bool code;    /* at least one mapping of it can be executed */
};

struct tg_mapped {
	struct tg_mapped_file *files;
	size_t count;
};

/* 0, or a negative errno (-ENOENT, -ESRCH: no such process; -EACCES, -EPERM: not ours to look at). */
int tg_mapped_read(pid_t pid, struct tg_mapped *ret);
void tg_mapped_free(struct tg_mapped *mapped);

/* The first file whose name (behind the last slash) begins with `name`; NULL: none. */
const struct tg_mapped_file *tg_mapped_named(const struct tg_mapped *mapped, const char *name);

/* The same of files that the process can execute: a library that is merely read, as data, does nothing. */
const struct tg_mapped_file *tg_mapped_code(const struct tg_mapped *mapped, const char *name);

#endif
