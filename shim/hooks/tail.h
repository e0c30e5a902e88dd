/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For hooks of functions of the C library that look at their caller's return address, dlopen(3) and dlsym(3): what passes
 * on must be a jump, not a call, at every optimization level. `TG_TAIL_CALLER` before the hook, `TG_TAIL_CALL` before its
 * return statement.
 */
#ifndef TG_SHIM_HOOKS_TAIL_H
#define TG_SHIM_HOOKS_TAIL_H

#ifdef __clang__
#define TG_TAIL_CALLER
#define TG_TAIL_CALL __attribute__((musttail))
#else
#define TG_TAIL_CALLER __attribute__((optimize("O2"), no_sanitize("address", "thread", "undefined")))
#define TG_TAIL_CALL
#endif

#endif
