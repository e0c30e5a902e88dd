/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On which ports TLS may have to be spoken, for a process that has no policy or none yet: those that its tree has told it
 * (TLSGRAFT_PLAINTEXT). Every port where nobody has read the file for it: it was started by hand.
 */
#ifndef TG_SHIM_PROCESS_PLAINTEXT_PORTS_H
#define TG_SHIM_PROCESS_PLAINTEXT_PORTS_H

#include <stdbool.h>
#include <stdint.h>

/* There are such ports. */
bool tg_plaintext_ports_any(void);

/* Where there are: this is one. */
bool tg_plaintext_ports_has(uint16_t port);

#endif
