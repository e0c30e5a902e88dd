/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reload signal. The program sees the disposition that it set itself and its handler goes on being called; the report
 * memory counts a reload request beside it. Nothing here takes a lock; all of it is async-signal-safe and may be used in
 * any thread.
 *
 *   the program's disposition   before tg_signals_serve     after
 *   a handler                   ours, which calls it        the same
 *   ignored                     ignored                     ours, which only requests
 *   default                     default                     ours, which only requests; a terminal's hang-up still ends it
 */
#ifndef TG_SHIM_PROCESS_SIGNALS_H
#define TG_SHIM_PROCESS_SIGNALS_H

#include "ipc/layout.h"

#include <signal.h>
#include <stdbool.h>

/* From here on `number` is looked after and requests go to `report`; called once, 0 does nothing. */
void tg_signals_start(int number, struct tg_report_page *report);

/* This process has a server context or a governed listener. One atomic load after the first call. */
void tg_signals_serve(void);

/* True where `number` is the signal that tg_signals_start was given. */
bool tg_signals_covers(int number);

/* sigaction(2) as the program sees it, for the covered signal. */
int tg_signals_set(int number, const struct sigaction *act, struct sigaction *ret_old);

/* The program waited for the covered signal instead of handling it. */
void tg_signals_waited(int number);

/*
 * A signal that the program ignores must stay ignored in what it executes, while ours is a handler, which exec resets to
 * the default. Returns true where the disposition was changed: tg_signals_exec_failed puts ours back.
 */
bool tg_signals_before_exec(void);
void tg_signals_exec_failed(void);

#endif
