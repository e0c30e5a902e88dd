/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices changes of named files by watching folders (inotify(7)): the folder of each file, and every folder on the way to
 * it that holds a symbolic link or could be replaced. So a swapped "..data" link (Kubernetes), a renamed folder, a file
 * written anew and a file truncated in place are all seen.
 *
 * Watches follow what the paths meant when they were armed. Arm again before each reading of the files: nothing that
 * happens between the two is lost.
 */
#ifndef TG_KEEPER_WATCH_H
#define TG_KEEPER_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct tg_watch_entry;

struct tg_watch {
	int fd; /* for poll(2); -1: not armed */
	bool broad;
	struct tg_watch_entry *entries;
	size_t count;
	char *missed; /* a folder or file that cannot be watched, though it is there; NULL: none */
	int missed_error;
};

void tg_watch_init(struct tg_watch *watch);

/*
 * Watches `files` (texts one after another, see worker_handoff.h; absolute paths) in place of what was watched. `broad`:
 * any file that appears in their folders counts too, for an INI file that names files which did not exist when it was read.
 * Folders that cannot be watched are left out: the first one is `missed`. 0; 1 where what was watched had changed
 * meanwhile; or a negative errno.
 */
int tg_watch_arm(struct tg_watch *watch, const char *files, bool broad);
void tg_watch_disarm(struct tg_watch *watch);

/* Takes all events that wait; true where one of them concerns the files. */
bool tg_watch_read(struct tg_watch *watch);

#endif
