/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/watch.h"

#include "keeper/worker_handoff.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's own bound on symbolic links in one path */

/* On the way to a file only names change hands: a busy /tmp among the ancestors does not wake anybody by being written to.
 */
#define MASK_WAY (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
#define MASK_FILE (MASK_WAY | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB)
#define MASK_BROAD (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE)

struct tg_watch_entry {
	int descriptor;
	bool is_file; /* else a folder or a link on the way */
	char *name;   /* within the watched folder */
};

void tg_watch_init(struct tg_watch *watch)
{
	*watch = (struct tg_watch){.fd = -1};
}

void tg_watch_disarm(struct tg_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	for (size_t i = 0; i < watch->count; i++)
		free(watch->entries[i].name);
	free(watch->entries);
	free(watch->missed);
	tg_watch_init(watch);
}

/* What cannot be watched is named, once. */
static void miss(struct tg_watch *watch, const char *path, int error)
{
	if (watch->missed != NULL)
		return;
	watch->missed = strdup(path);
	watch->missed_error = error;
}

static int add_entry(struct tg_watch *watch, const char *folder, const char *name, bool is_file)
{
	struct tg_watch_entry *grown;
	char *copy;
	const int descriptor =
	    inotify_add_watch(watch->fd, folder, (is_file ? MASK_FILE : MASK_WAY) | IN_ONLYDIR | IN_MASK_ADD);

	if (descriptor < 0) {
		const int error = errno;

		if (error == ENOMEM)
			return -ENOMEM;
		/* what is not there, or is no folder, is watched as far as it goes */
		if (error != ENOENT && error != ENOTDIR)
			miss(watch, folder, error);
		return 0;
	}
	for (size_t i = 0; i < watch->count; i++) {
		struct tg_watch_entry *entry = &watch->entries[i];

		if (entry->descriptor == descriptor && strcmp(entry->name, name) == 0) {
			entry->is_file = entry->is_file || is_file;
			return 0;
		}
	}
	copy = strdup(name);
	grown = reallocarray(watch->entries, watch->count + 1, sizeof(*grown));
	if (grown != NULL)
		watch->entries = grown;
	if (copy == NULL || grown == NULL) {
		free(copy);
		return -ENOMEM;
	}
	watch->entries[watch->count++] = (struct tg_watch_entry){descriptor, is_file, copy};
	return 0;
}

/* Cuts the last component off an absolute path without a trailing slash; "/" and "" stay "". */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
}

/*
 * Follows one absolute path as the kernel would, and watches each folder that is looked into. `done` is the folder reached,
 * "" for the root; `rest` is what remains. A path that ends nowhere is watched as far as it goes.
 */
static int follow(struct tg_watch *watch, const char *path)
{
	char done[PATH_MAX] = "";
	char rest[PATH_MAX];
	char next[PATH_MAX];
	int links = 0;
	int result = 0;

	if (snprintf(rest, sizeof(rest), "%s", path) >= (int)sizeof(rest))
		return 0;
	while (result == 0) {
		char name[NAME_MAX + 1];
		char target[PATH_MAX];
		const char *begin = rest + strspn(rest, "/");
		const size_t length = strcspn(begin, "/");
		const char *after = begin + length;
		const size_t before = strlen(done);
		struct stat status;
		ssize_t size;

		if (length == 0 || length > NAME_MAX)
			break;
		memcpy(name, begin, length);
		name[length] = '\0';
		snprintf(next, sizeof(next), "%s", after);
		memcpy(rest, next, sizeof(rest));
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			cut_last(done);
			continue;
		}
		if (before + 1 + length >= sizeof(done)) {
			miss(watch, path, ENAMETOOLONG);
			break;
		}
		result = add_entry(watch, before == 0 ? "/" : done, name, rest[strspn(rest, "/")] == '\0');
		done[before] = '/';
		memcpy(done + before + 1, name, length + 1);
		if (result < 0 || lstat(done, &status) < 0)
			break;
		if (!S_ISLNK(status.st_mode))
			continue;
		size = readlink(done, target, sizeof(target) - 1);
		if (size < 0 || ++links > LINKS_MAX)
			break;
		target[size] = '\0';
		done[target[0] == '/' ? 0 : before] = '\0';
		if (snprintf(next, sizeof(next), "%s/%s", target, rest) >= (int)sizeof(next)) {
			miss(watch, path, ENAMETOOLONG);
			break;
		}
		memcpy(rest, next, sizeof(rest));
	}
	return result;
}

int tg_watch_arm(struct tg_watch *watch, const char *files, bool broad)
{
	struct tg_watch armed;
	int result = 0;

	tg_watch_init(&armed);
	armed.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (armed.fd < 0)
		return -errno;
	armed.broad = broad;
	for (const char *file = tg_handoff_first(files); file != NULL && result == 0; file = tg_handoff_next(file))
		result = follow(&armed, file);
	if (result < 0) {
		tg_watch_disarm(&armed);
		return result;
	}
	result = tg_watch_read(watch) ? 1 : 0;
	tg_watch_disarm(watch);
	*watch = armed;
	return result;
}

static bool concerns(const struct tg_watch *watch, const struct inotify_event *event)
{
	if ((event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0)
		return true;
	for (size_t i = 0; i < watch->count; i++) {
		const struct tg_watch_entry *entry = &watch->entries[i];

		if (entry->descriptor != event->wd)
			continue;
		if (watch->broad && entry->is_file && (event->mask & MASK_BROAD) != 0)
			return true;
		if (event->len > 0 && strcmp(entry->name, event->name) == 0 &&
		    (entry->is_file || (event->mask & MASK_WAY) != 0))
			return true;
	}
	return false;
}

bool tg_watch_read(struct tg_watch *watch)
{
	_Alignas(struct inotify_event) char buffer[16384];
	bool changed = false;
	ssize_t size;

	while (watch->fd >= 0 && (size = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + size;) {
			const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

			changed = changed || concerns(watch, event);
			at += sizeof(*event) + event->len;
		}
	}
	return changed;
}
