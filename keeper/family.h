/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving the family of the process that started the keeper, and what it inherited from it.
 */
#ifndef TG_KEEPER_FAMILY_H
#define TG_KEEPER_FAMILY_H

#include <stddef.h>
#include <sys/types.h>

/* Opens /dev/null where descriptors 0 to 2 are closed, so that nothing else lands there. 0 or a negative errno. */
int tg_family_standard_descriptors(void);

/* Closes every descriptor above 2 but the `count` in `keep` (any order; negative ones are passed over). */
void tg_family_close_others(const int *keep, size_t count);

/*
 * Ignores every signal that would end or stop the keeper, but for faults of its own; SIGCHLD is the default, nothing is
 * blocked.
 */
void tg_family_ignore_signals(void);

/*
 * Returns 0 in a descendant of its own session, in "/", with stdin and stdout on /dev/null; the process itself and those
 * between never return. A negative errno where it could not fork; the starter may then still be waiting, or not.
 *
 * An orphan falls to process 1 or to a subreaper (PR_SET_CHILD_SUBREAPER in prctl(2)). Where that is the server, `started`
 * or a container's process 1, it may take the orphan for a process of its own: PostgreSQL ends all sessions when one is
 * killed. There one more process stays between, which has no descriptors, and ends with status 0 after all below it.
 */
int tg_family_leave(pid_t started);

/* Points descriptor 2 at /dev/null. */
void tg_family_drop_stderr(void);

#endif
