/*
 * A fork copies locks as they are: all of ours are taken around it, and what is new is built before it, so that children
 * that serve one connection each do not build it again.
 */
#ifndef TG_SHIM_FORK_H
#define TG_SHIM_FORK_H

/* Registers the handlers (pthread_atfork(3)) once. */
void tg_fork_start(void);

#endif
