/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks on ending at once: what TLS is terminated for ends with a close_notify. exit(3) has a handler of admit.c's. */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/process/state.h"

#include <stdlib.h>

TG_EXPORT void _exit(int status)
{
	tg_libc_bind();
	tg_descriptors_exit();
	tg_libc._exit(status);
	__builtin_unreachable();
}

TG_EXPORT void _Exit(int status)
{
	tg_libc_bind();
	tg_descriptors_exit();
	tg_libc._Exit(status);
	__builtin_unreachable();
}
