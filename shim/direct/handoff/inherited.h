/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that a program is started with: from systemd, an inetd, or by an exec of its own.
 *
 * The numbers are those of /proc/self/fd. Where that cannot be read each number is asked for that a descriptor may have.
 */
#ifndef TG_SHIM_DIRECT_HANDOFF_INHERITED_H
#define TG_SHIM_DIRECT_HANDOFF_INHERITED_H

#include <stdbool.h>

/*
 * Before main, in a program that is not known to serve: it has a socket of the internet, listening or connected, on a port
 * on which TLS may have to be spoken (plaintext_ports.h).
 */
bool tg_inherited_any(void);

/*
 * At the start, where the policy is known or cannot be had: a listening socket has streams prepared for; a connection is
 * what an accepted one would be, under all its numbers, or closed.
 */
void tg_inherited_take(void);

#endif
