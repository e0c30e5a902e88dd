/*
 * Leaving the family of the process that started the keeper, and what it inherited from it.
 */
#ifndef TG_KEEPER_FAMILY_H
#define TG_KEEPER_FAMILY_H

#include <stddef.h>

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
 * Returns 0 in a grandchild of its own session, in "/", with stdin and stdout on /dev/null; the process itself and the one
 * between never return (_exit 0). A negative errno in the calling process where it could not fork.
 */
int tg_family_leave(void);

/* Points descriptor 2 at /dev/null. */
void tg_family_drop_stderr(void);

#endif
