/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between main.c and test.c alone.
 */
#ifndef TG_TESTS_SEMANTICS_RECORD_H
#define TG_TESTS_SEMANTICS_RECORD_H

#include <stdatomic.h>
#include <stddef.h>

/* In memory that forked processes share. */
struct log {
	_Atomic size_t used;
	char text[65536];
};

void catch_pipe(void);

#endif
