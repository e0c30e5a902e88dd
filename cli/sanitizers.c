/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sanitizers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The shim of such a build opens libssl as the runtimes want it (shim/binding/openssl.c). */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OPENS_APART false
#else
#define OPENS_APART true
#endif

static bool maps(const struct tg_closure *closure, const char *name)
{
	for (size_t i = 0; i < closure->count; i++) {
		const char *slash = strrchr(closure->paths[i], '/');
		if (strncmp(slash == NULL ? closure->paths[i] : slash + 1, name, strlen(name)) == 0)
			return true;
	}
	return false;
}

/* gcc's option for the order, off: as its users do who preload something. */
static bool order_is_free(void)
{
	const char *options = getenv("ASAN_OPTIONS");

	return options != NULL && strstr(options, "verify_asan_link_order=0") != NULL;
}

const char *tg_sanitizers_against(const struct tg_closure *closure, bool plaintext)
{
	const bool address = maps(closure, "libasan.so") || maps(closure, "libclang_rt.asan");
	const bool thread = maps(closure, "libtsan.so") || maps(closure, "libclang_rt.tsan");

	if (address && !order_is_free())
		return "built with AddressSanitizer, whose runtime ends the program where a preload comes before it: set "
		       "ASAN_OPTIONS=verify_asan_link_order=0, or take a build without it";
	if ((address || thread) && plaintext && OPENS_APART && !maps(closure, "libssl.so.3"))
		return "built with a sanitizer, whose runtime does not let libssl be opened apart from the program's own "
		       "names "
		       "(RTLD_DEEPBIND), as server_speaks = plaintext does: take a build without it";
	return NULL;
}
