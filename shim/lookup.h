/*
 * Looking up a function without dlsym(3), which the shim hooks.
 */
#ifndef TG_SHIM_LOOKUP_H
#define TG_SHIM_LOOKUP_H

/*
 * The default version of `name` in the first object behind the shim, as dlsym(RTLD_NEXT) would find it; NULL: in none.
 * Allocates nothing; may run before any constructor.
 */
void *tg_lookup_next(const char *name);

#endif
