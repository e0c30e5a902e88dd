/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor that a thread read last, by a call that is hooked. Of a server that gives libssl a BIO of its own it
 * tells, within one step of a handshake, which socket that BIO read: only for what is written into a log.
 */
#ifndef TG_SHIM_CONNECTIONS_LAST_READ_H
#define TG_SHIM_CONNECTIONS_LAST_READ_H

/* One more than the descriptor; 0: none since it was set so. In the thread's static block: no allocation. */
extern _Thread_local int tg_last_read __attribute__((tls_model("initial-exec")));

#endif
