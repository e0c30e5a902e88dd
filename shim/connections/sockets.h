/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets that this process has, asked of the kernel.
 */
#ifndef TG_SHIM_CONNECTIONS_SOCKETS_H
#define TG_SHIM_CONNECTIONS_SOCKETS_H

#include "ipc/policy.h"

#include <stdbool.h>

/*
 * True where a descriptor of this process is a socket, other than a listening one, at an IP address that a [listener] of
 * `document` has, or may have. Stops at the first that is one (open_numbers.h).
 */
bool tg_sockets_any_governed(const struct tg_document *document);

#endif
