/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of one process, beside what it maps (proc(5)).
 */
#ifndef TG_CLI_PROCESS_FACTS_H
#define TG_CLI_PROCESS_FACTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tg_process_facts {
	char state; /* 'Z': ended, not yet collected */
	pid_t parent;
	int seccomp; /* 0: none; 1: strict; 2: a filter */
	bool no_new_privileges;
	bool not_dumpable; /* told for processes of other users than root alone */
	bool shim;         /* is in it, as code */
	bool shim_as_data; /* its file is mapped, and nothing of it can be executed */
	bool shim_deleted; /* as a file that was replaced since */
	bool holds;        /* maps the report of a tree as an attached process does */
	char libssl[PATH_MAX];
	bool libssl_deleted;
	char unit[NAME_MAX + 1]; /* the systemd service of its control group; "" */
};

/* 0, or a negative errno: -ENOENT no such process; -EACCES not ours to look at. */
int tg_process_facts(pid_t pid, struct tg_process_facts *ret);

/* All living processes that descend from one of `roots`, without these. malloc'ed; the count, or a negative errno. */
ssize_t tg_process_descendants(const pid_t *roots, size_t count, pid_t **ret);

#endif
