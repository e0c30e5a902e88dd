/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several files read as they were at one moment: all are read, then all are opened and read again and must be the same,
 * else the caller begins anew. Files that are renamed into place, swapped by a symlink or truncated and written all show.
 *
 * Only regular files are read; nothing here can hang on a FIFO or a device. Owner and mode are those of the descriptor
 * that was read, so that no swap of a name gets between the check and the read. A file that somebody is writing is no such
 * moment either (writers.h).
 */
#ifndef TG_LOADER_SNAPSHOT_H
#define TG_LOADER_SNAPSHOT_H

#include "loader/access.h"
#include "loader/arena.h"
#include "loader/writers.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define TG_FILE_SIZE_MAX (16 * 1024 * 1024) /* bytes */

struct tg_file {
	const char *path;
	const char *fault; /* why it could not be read; NULL: it was */
	int error;         /* errno where opening failed, else 0 */
	const char *half;  /* why it may be half of a write (tg_writers_fault); NULL: it is not */
	struct stat status;
	struct tg_access access; /* who may read it (access.h) */
	unsigned char *data;     /* followed by a NUL */
	size_t size;
};

struct tg_snapshot {
	struct tg_arena *arena;
	struct tg_file *files;
	size_t count;
	size_t capacity;
	bool wait; /* the caller tries again where a file may be half of a write */
};

/*
 * Reads `path`, or returns what was read under that path before; valid as long as the arena. NULL where memory ran out.
 */
const struct tg_file *tg_snapshot_read(struct tg_snapshot *snapshot, const char *path);

/* What was read under that path; NULL: it was not. */
const struct tg_file *tg_snapshot_find(const struct tg_snapshot *snapshot, const char *path);

/* True where every file still is what was read. */
bool tg_snapshot_holds(const struct tg_snapshot *snapshot);

/* The first file that may be half of a write; NULL: none. */
const struct tg_file *tg_snapshot_half_written(const struct tg_snapshot *snapshot);

/*
 * Why owner or mode do not do, in `arena`; NULL: they do. A trusted file is owned by root or the effective user and
 * writable by nobody else. A secret one is judged by tg_access_fault.
 */
const char *tg_file_untrusted(struct tg_arena *arena, const struct tg_file *file);

#endif
