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
 * Before main, in a program that is not known to serve. True: it has an internet socket, listening or connected, on a port
 * where TLS may have to be terminated (plaintext_ports.h).
 */
bool tg_inherited_any(void);

/*
 * At the start, once the policy is known or cannot be had. For a listening socket streams are prepared. A connection is
 * treated as an accepted one, under all its numbers, or closed.
 */
void tg_inherited_take(void);

#endif
