/*
 * A program that takes libssl's functions from a handle would get past the hooks: where a hooked one is found in a libssl,
 * it gets the hook. RTLD_DEFAULT finds the hook by itself; RTLD_NEXT asks for what comes after its caller. Both depend on
 * the caller's return address.
 *
 * Allocators look up functions before anything is set up: whatever is not a hooked name passes through without a lock, an
 * allocation or a look at the shim's state.
 */
#include "shim/libc.h"
#include "shim/lookup.h"
#include "shim/openssl.h"
#include "shim/state.h"
#include "shim/tail.h"

struct hook {
	const char *name;
	const void *function;
};

static const struct hook hooks[] = {
#define TG_HOOK_ssl(name) {#name, (const void *)(name)},
#define TG_HOOK_c(name)
#define TG_HOOK(library, name) TG_HOOK_##library(name)
#include "shim/hooks.def"
#undef TG_HOOK_ssl
#undef TG_HOOK_c
#undef TG_HOOK
};

static const struct hook *find(const void *handle, const char *name)
{
	if (handle == RTLD_DEFAULT || handle == RTLD_NEXT || name == NULL ||
	    (!tg_lookup_begins(name, "SSL_") && !tg_lookup_begins(name, "BIO_")))
		return NULL;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (tg_lookup_same(hooks[i].name, name))
			return &hooks[i];
	return NULL;
}

/* NULL: what was found stays what it is. */
static void *instead_of(const void *found, const struct hook *hook)
{
	tg_shim_start();
	if (tg_shim_is(TG_STATE_INERT) || found == NULL || !tg_openssl_is_in_libssl(found))
		return NULL;
	return (void *)(uintptr_t)hook->function;
}

TG_EXPORT TG_TAIL_CALLER void *dlsym(void *handle, const char *name)
{
	const struct hook *hook = find(handle, name);

	tg_libc_bind_lookups();
	if (hook != NULL) {
		void *instead = instead_of(tg_libc.dlsym(handle, name), hook);
		if (instead != NULL)
			return instead;
	}
	TG_TAIL_CALL return tg_libc.dlsym(handle, name);
}

TG_EXPORT TG_TAIL_CALLER void *dlvsym(void *handle, const char *name, const char *version)
{
	const struct hook *hook = find(handle, name);

	tg_libc_bind_lookups();
	if (hook != NULL) {
		void *instead = instead_of(tg_libc.dlvsym(handle, name, version), hook);
		if (instead != NULL)
			return instead;
	}
	TG_TAIL_CALL return tg_libc.dlvsym(handle, name, version);
}
