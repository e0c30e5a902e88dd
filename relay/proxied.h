/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that is proxied: TLS on the real socket, plaintext on the relay's end of the pair (ipc/relay.h).
 *
 * What one side is slow to take stays in the other side's socket: at most one buffer for each direction is held here, and
 * only as long as it is not empty. Nothing is read from the server before the verdict.
 */
#ifndef TG_RELAY_PROXIED_H
#define TG_RELAY_PROXIED_H

#include "ipc/policy.h"
#include "relay/loop.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Takes over both descriptors, which were checked, and gives the connection to `loop`, which may be another thread's.
 * False: no memory; both are closed.
 */
bool tg_proxied_begin(struct tg_loop *loop, int real, int end, uint64_t cookie, const struct tg_route *route);

#endif
