/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/binding/libc.h"

#include "shim/binding/lookup.h"

struct tg_libc tg_libc;
_Atomic bool tg_libc_bound;

/* Two threads that come here together store the same values. */
void tg_libc_bind_now(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset(3) and its family */
#define TG_HOOK(library, name) TG_LIBC_BIND_##library(name)
#define TG_LIBC_BIND_c(name) tg_libc.name = (__typeof__(name) *)tg_lookup_next(#name);
#define TG_LIBC_BIND_ssl(name)
#include "shim/binding/hooks.def"
#undef TG_LIBC_BIND_ssl
#undef TG_LIBC_BIND_c
#undef TG_HOOK
#pragma GCC diagnostic pop
	atomic_store_explicit(&tg_libc_bound, true, memory_order_release);
}
