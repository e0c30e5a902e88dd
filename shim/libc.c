#include "shim/libc.h"

#include "shim/lookup.h"

#include <errno.h>

struct tg_libc tg_libc;
_Atomic bool tg_libc_bound;

/* By hand: dlsym(3) here would be the hook. */
void tg_libc_bind_lookups_now(void)
{
	tg_libc.dlvsym = (__typeof__(dlvsym) *)tg_lookup_next("dlvsym");
	__atomic_store_n(&tg_libc.dlsym, (__typeof__(dlsym) *)tg_lookup_next("dlsym"), __ATOMIC_RELEASE);
}

/* Two threads that come here together store the same values. */
void tg_libc_bind_now(void)
{
	int saved_errno = errno;

	tg_libc_bind_lookups();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset(3) and its family */
#define TG_HOOK(library, name) TG_LIBC_BIND_##library(name)
#define TG_LIBC_BIND_c(name) tg_libc.name = (__typeof__(name) *)tg_libc.dlsym(RTLD_NEXT, #name);
#define TG_LIBC_BIND_ssl(name)
#include "shim/hooks.def"
#undef TG_LIBC_BIND_ssl
#undef TG_LIBC_BIND_c
#undef TG_HOOK
#pragma GCC diagnostic pop
	atomic_store_explicit(&tg_libc_bound, true, memory_order_release);
	errno = saved_errno;
}
