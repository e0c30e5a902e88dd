/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether /proc is there: programs, processes and open files are found by it, and without it nearly every call fails with
 * "No such file or directory", of which nobody could tell what is missing.
 */
#ifndef TG_KEEPER_PROC_H
#define TG_KEEPER_PROC_H

#include <stdbool.h>

/* True where this process finds itself and its descriptors. */
bool tg_proc_is_there(void);

/* For people: what is missing, and what to do. */
extern const char tg_proc_missing[];

#endif
