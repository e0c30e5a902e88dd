/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTLD_DEEPBIND would let a library find libssl's functions before ours. The C library looks at its caller's return address
 * for the caller's own search path (dlopen(3), DT_RUNPATH).
 */
#include "shim/binding/libc.h"
#include "shim/hooks/tail.h"
#include "shim/process/state.h"

TG_EXPORT TG_TAIL_CALLER void *dlopen(const char *file, int mode)
{
	tg_libc_bind();
	if (!tg_shim_is(TG_STATE_INERT))
		mode &= ~RTLD_DEEPBIND;
	TG_TAIL_CALL return tg_libc.dlopen(file, mode);
}
