/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that takes libssl's or the C library's functions from a handle would get past the hooks: where a hooked one is
 * found there, it gets the hook. RTLD_DEFAULT finds the hook by itself; RTLD_NEXT asks for what comes after its caller.
 * Both depend on the caller's return address.
 *
 * Allocators look up functions before anything is set up: whatever is not a hooked name passes through without a lock, an
 * allocation or a look at the shim's state.
 */
#include "shim/binding/libc.h"
#include "shim/binding/lookup.h"
#include "shim/binding/openssl.h"
#include "shim/hooks/tail.h"
#include "shim/process/state.h"

#include <stddef.h>
#include <stdint.h>

struct hook {
	const char *name;
	uintptr_t function;
	const size_t slot; /* offset in struct tg_libc; SIZE_MAX: libssl's */
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset(3) and its family */
static const struct hook hooks[] = {
#define TG_HOOK_ssl(name) {#name, (uintptr_t)(name), SIZE_MAX},
#define TG_HOOK_c(name) {#name, (uintptr_t)(name), offsetof(struct tg_libc, name)},
#define TG_HOOK(library, name) TG_HOOK_##library(name)
#include "shim/binding/hooks.def"
#undef TG_HOOK_ssl
#undef TG_HOOK_c
#undef TG_HOOK
};
#pragma GCC diagnostic pop

static const struct hook *find_hook(const void *handle, const char *name)
{
	if (handle == RTLD_DEFAULT || handle == RTLD_NEXT || name == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (tg_lookup_same(hooks[i].name, name))
			return &hooks[i];
	return NULL;
}

/* NULL: what was found stays what it is. */
static void *instead_of(const void *found, const struct hook *hook)
{
	if (hook->slot != SIZE_MAX) {
		void *const *slot = (void *const *)(const void *)((const char *)&tg_libc + hook->slot);
		return found != NULL && found == *slot ? (void *)hook->function : NULL;
	}
	tg_shim_start();
	if (tg_shim_is(TG_STATE_INERT) || found == NULL || !tg_openssl_is_in_libssl(found))
		return NULL;
	return (void *)hook->function;
}

TG_EXPORT TG_TAIL_CALLER void *dlsym(void *handle, const char *name)
{
	const struct hook *hook = find_hook(handle, name);

	tg_libc_bind();
	if (hook != NULL) {
		void *instead = instead_of(tg_libc.dlsym(handle, name), hook);
		if (instead != NULL)
			return instead;
	}
	TG_TAIL_CALL return tg_libc.dlsym(handle, name);
}

TG_EXPORT TG_TAIL_CALLER void *dlvsym(void *handle, const char *name, const char *version)
{
	const struct hook *hook = find_hook(handle, name);

	tg_libc_bind();
	if (hook != NULL) {
		void *instead = instead_of(tg_libc.dlvsym(handle, name, version), hook);
		if (instead != NULL)
			return instead;
	}
	TG_TAIL_CALL return tg_libc.dlvsym(handle, name, version);
}
