/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up a function without dlsym(3), which the shim hooks.
 */
#ifndef TG_SHIM_BINDING_LOOKUP_H
#define TG_SHIM_BINDING_LOOKUP_H

#include <stdbool.h>

/*
 * strcmp(3) and strncmp(3) for what may run before they can: the runtimes of the sanitizers stand in their place, and look
 * up functions before they are ready.
 */
static inline bool tg_lookup_same(const char *one, const char *other)
{
	while (*one != '\0' && *one == *other) {
		one++;
		other++;
	}
	return *one == *other;
}

static inline bool tg_lookup_begins(const char *text, const char *with)
{
	while (*with != '\0' && *text == *with) {
		text++;
		with++;
	}
	return *with == '\0';
}

/*
 * The default version of `name` in the first object behind the shim, as dlsym(RTLD_NEXT) would find it; NULL: in none.
 * Allocates nothing; may run before any constructor.
 */
void *tg_lookup_next(const char *name);

#endif
