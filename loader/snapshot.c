/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/snapshot.h"

#include "ipc/user.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One reading of a file, in memory of its own. */
struct reading {
	const char *fault;
	int error;
	struct stat status;
	struct tg_access access;
	enum tg_writers writers;
	unsigned char *data;
	size_t size;
	size_t capacity;
	bool no_memory;
};

static void reading_clear(struct reading *reading)
{
	if (reading->data)
		OPENSSL_cleanse(reading->data, reading->capacity);
	free(reading->data);
	reading->data = NULL;
}

/* Reads to the end rather than to st_size: the file may be growing. */
static void read_all(int fd, struct reading *reading)
{
	reading->capacity = (size_t)reading->status.st_size + 1;
	reading->data = malloc(reading->capacity);
	if (!reading->data) {
		reading->no_memory = true;
		return;
	}
	while (true) {
		ssize_t got = read(fd, reading->data + reading->size, reading->capacity - reading->size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			reading->error = errno;
			reading->fault = strerrordesc_np(errno);
			return;
		}
		reading->size += (size_t)got;
		if (got == 0)
			return;
		if (reading->size == reading->capacity) {
			/* Larger than it said a moment ago: that is a change, which the second reading finds. */
			reading->fault = "grew while it was read";
			return;
		}
	}
}

/* Fills `status`; why that is no file to be read, or NULL. */
static const char *unreadable(int fd, struct stat *status)
{
	if (fstat(fd, status) != 0)
		return strerrordesc_np(errno);
	if (!S_ISREG(status->st_mode))
		return S_ISDIR(status->st_mode) ? "is a folder" : "is not a regular file";
	return status->st_size > TG_FILE_SIZE_MAX ? "is larger than 16 MiB" : NULL;
}

static void read_path(const char *path, struct reading *reading)
{
	/* O_NONBLOCK: the open of a FIFO returns, and the check below refuses it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*reading = (struct reading){0};
	if (fd < 0) {
		reading->error = errno;
		reading->fault = strerrordesc_np(errno);
		return;
	}
	reading->fault = unreadable(fd, &reading->status);
	if (!reading->fault) {
		reading->writers = tg_writers_hold(fd);
		/* as the last writer left it */
		reading->fault = unreadable(fd, &reading->status);
	}
	if (!reading->fault) {
		tg_access_read(fd, &reading->status, &reading->access);
		read_all(fd, reading);
	}
	close(fd);
}

const struct tg_file *tg_snapshot_find(const struct tg_snapshot *snapshot, const char *path)
{
	for (size_t i = 0; i < snapshot->count; i++)
		if (strcmp(snapshot->files[i].path, path) == 0)
			return &snapshot->files[i];
	return NULL;
}

const struct tg_file *tg_snapshot_read(struct tg_snapshot *snapshot, const char *path)
{
	const struct tg_file *known = tg_snapshot_find(snapshot, path);
	struct tg_file file = {0};
	struct reading reading;

	if (known)
		return known;
	if (!tg_arena_room(snapshot->arena, &snapshot->files, snapshot->count, &snapshot->capacity, sizeof(file)))
		return NULL;
	read_path(path, &reading);
	file.path = tg_arena_text(snapshot->arena, path);
	file.fault = reading.fault;
	file.error = reading.error;
	file.status = reading.status;
	file.access = reading.access;
	file.half = tg_writers_fault(reading.writers, &reading.status, snapshot->wait);
	file.size = reading.size;
	if (reading.data && !reading.fault)
		file.data = tg_arena_copy(snapshot->arena, reading.data, reading.size);
	reading_clear(&reading);
	if (reading.no_memory)
		tg_arena_fail(snapshot->arena);
	if (reading.no_memory || !file.path || (!file.data && !file.fault))
		return NULL;
	snapshot->files[snapshot->count] = file;
	return &snapshot->files[snapshot->count++];
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_status(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mode == b->st_mode &&
	       a->st_uid == b->st_uid && same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/*
 * Contents are compared too: a file's times move in steps of some milliseconds, so that two writes within one step leave
 * the same times behind.
 */
bool tg_snapshot_holds(const struct tg_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct tg_file *file = &snapshot->files[i];
		struct reading again;
		bool same;

		read_path(file->path, &again);
		same = !again.no_memory && again.error == file->error && same_status(&again.status, &file->status) &&
		       !again.fault == !file->fault && again.size == file->size && again.writers != TG_WRITERS_SOME;
		if (same && !file->fault && file->size > 0)
			same = memcmp(again.data, file->data, file->size) == 0;
		reading_clear(&again);
		if (!same)
			return false;
	}
	return true;
}

const struct tg_file *tg_snapshot_half_written(const struct tg_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		if (snapshot->files[i].half)
			return &snapshot->files[i];
	return NULL;
}

const char *tg_file_untrusted(struct tg_arena *arena, const struct tg_file *file)
{
	uid_t owner = file->status.st_uid;
	mode_t mode = file->status.st_mode & 07777;

	if (!tg_user_trusted(owner) && tg_user_is_anybody(owner))
		return tg_arena_format(
		    arena, "is owned by user %u, as whom this user namespace shows everybody whom it does not map", owner);
	if (!tg_user_trusted(owner))
		return tg_arena_format(arena, "is owned by user %u, neither root nor user %u who reads it", owner,
				       geteuid());
	if (mode & 022)
		return tg_arena_format(arena, "is writable by others (mode %04o): chmod go-w", mode);
	return NULL;
}
