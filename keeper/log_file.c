/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log_file.h"

#include "ipc/user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as path_resolution(7) has it */
#define TRIES 10     /* to open what others make and remove meanwhile */

struct walk {
	int folder;
	bool trusted; /* up to here nobody but root and our user can put something else in the way */
	bool shared;  /* others may make names in `folder` itself */
	int links;
	char rest[PATH_MAX]; /* what is still to be walked */
	const char *reason;
};

static int fail(struct walk *walk, int error, const char *reason)
{
	walk->reason = reason;
	return -error;
}

static int fail_by(struct walk *walk, int error)
{
	return fail(walk, error, strerrordesc_np(error));
}

/* Goes on in `folder`, which the walk owns from here on. */
static int enter(struct walk *walk, int folder)
{
	struct stat status;

	if (walk->folder >= 0)
		close(walk->folder);
	walk->folder = folder;
	if (fstat(folder, &status) < 0)
		return fail_by(walk, errno);
	if (!S_ISDIR(status.st_mode))
		return fail_by(walk, ENOTDIR);
	/* in a sticky folder others make names, but cannot take away or replace what is not theirs */
	walk->shared = (status.st_mode & 022) != 0;
	if (!tg_user_trusted(status.st_uid) || (walk->shared && (status.st_mode & S_ISVTX) == 0))
		walk->trusted = false;
	return 0;
}

static int enter_root(struct walk *walk)
{
	const int folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return fail_by(walk, errno);
	walk->trusted = true;
	return enter(walk, folder);
}

/* Takes the next name off `rest`; *ret_last where none follows. False: there is none. */
static bool next_name(struct walk *walk, char ret[NAME_MAX + 1], bool *ret_last)
{
	const char *begin = walk->rest + strspn(walk->rest, "/");
	const size_t length = strcspn(begin, "/");
	const char *behind = begin + length + strspn(begin + length, "/");

	if (length == 0 || length > NAME_MAX)
		return false;
	memcpy(ret, begin, length);
	ret[length] = '\0';
	*ret_last = *behind == '\0';
	memmove(walk->rest, behind, strlen(behind) + 1);
	return true;
}

/* `link` is an O_PATH descriptor of a symbolic link in the walk's folder. */
static int follow(struct walk *walk, int link)
{
	char target[PATH_MAX], rest[PATH_MAX];
	struct stat status;
	ssize_t length;
	int written;

	if (fstat(link, &status) < 0)
		return fail_by(walk, errno);
	if (!walk->trusted || !tg_user_trusted(status.st_uid))
		return fail(walk, EPERM, "leads over a symbolic link that another user made or can replace");
	if (++walk->links > LINKS_MAX)
		return fail_by(walk, ELOOP);
	length = readlinkat(link, "", target, sizeof(target) - 1);
	if (length < 0)
		return fail_by(walk, errno);
	target[length] = '\0';
	written = snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest);
	if (written < 0 || (size_t)written >= sizeof(rest))
		return fail_by(walk, ENAMETOOLONG);
	/* a slash at the end would demand a folder */
	if (walk->rest[0] == '\0')
		rest[written - 1] = '\0';
	memcpy(walk->rest, rest, sizeof(rest));
	return target[0] == '/' ? enter_root(walk) : 0;
}

/* A folder, or a link, on the way. */
static int step(struct walk *walk, const char *name)
{
	const int fd = openat(walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	int result;

	if (fd < 0)
		return fail_by(walk, errno);
	if (fstat(fd, &status) == 0 && S_ISLNK(status.st_mode)) {
		result = follow(walk, fd);
		close(fd);
		return result;
	}
	return enter(walk, fd);
}

static int make(const struct walk *walk, const char *name, int flags)
{
	const int fd = openat(walk->folder, name, flags | O_CREAT | O_EXCL, 0600);

	/* the keeper's umask is made for keys, not for logs */
	if (fd >= 0 && fchmod(fd, 0640) < 0) {
		const int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Whether what was opened may be the log. */
static int look_at(struct walk *walk, int fd)
{
	const bool anybody = !walk->trusted || walk->shared;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fail_by(walk, errno);
	if (anybody && !tg_user_trusted(status.st_uid))
		return fail(walk, EPERM, "belongs to another user, in a folder that others can write to");
	if (S_ISREG(status.st_mode)) {
		if (anybody && status.st_nlink != 1)
			return fail(walk, EPERM, "has more than one name, in a folder that others can write to");
		return 0;
	}
	if (anybody || !tg_user_trusted(status.st_uid) || (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)))
		return fail(walk, EPERM, "is not a regular file");
	return 0;
}

/* The log itself. 0 where it turned out to be a link that is to be followed; a descriptor otherwise. */
static int open_last(struct walk *walk, const char *name)
{
	/* O_NONBLOCK: a FIFO without a reader is an error, not a keeper that hangs */
	const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
	int fd, result;

	for (int i = 0; i < TRIES; i++) {
		fd = openat(walk->folder, name, flags);
		if (fd < 0 && errno == ENOENT) {
			fd = make(walk, name, flags);
			if (fd < 0 && errno == EEXIST)
				continue;
		}
		if (fd < 0 && errno == ELOOP)
			return step(walk, name);
		if (fd < 0)
			return fail_by(walk, errno);
		result = look_at(walk, fd);
		if (result < 0)
			close(fd);
		return result < 0 ? result : fd;
	}
	return fail_by(walk, EEXIST);
}

int tg_log_file_open(const char *path, const char **ret_reason)
{
	struct walk walk = {.folder = -1, .reason = "has no name"};
	char name[NAME_MAX + 1];
	bool last = false;
	int result;

	if (strlen(path) >= sizeof(walk.rest)) {
		*ret_reason = strerrordesc_np(ENAMETOOLONG);
		return -ENAMETOOLONG;
	}
	strcpy(walk.rest, path);
	result = enter_root(&walk);
	while (result == 0) {
		if (!next_name(&walk, name, &last))
			result = -ENOENT;
		else
			result = last ? open_last(&walk, name) : step(&walk, name);
	}
	if (walk.folder >= 0)
		close(walk.folder);
	if (result < 0)
		*ret_reason = walk.reason;
	return result;
}
