/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork copies locks as they are: all of ours are taken around it, and what is new is built before it, so that children
 * that serve one connection each do not build it again.
 *
 * The handlers are registered before main: they run after the program's own before the fork, and before the program's own
 * after it (pthread_atfork(3)), so that none of these runs while our locks are held.
 */
#ifndef TG_SHIM_FORK_H
#define TG_SHIM_FORK_H

/* Registers the handlers. Called once, before main. */
void tg_fork_start(void);

#endif
