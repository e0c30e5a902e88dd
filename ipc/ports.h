/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of plaintext sections as text, for an environment variable: ascending numbers and ranges with commas between,
 * "80,7000-7999". A text that would not fit into an environment is "*", which stands for every port: who goes by it closes
 * more than he must, and never less. Nothing allocates but tg_ports_text; async-signal-safe: tg_ports_contain.
 */
#ifndef TG_IPC_PORTS_H
#define TG_IPC_PORTS_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* Longer is "*". The kernel takes at most 128 KiB for one entry (execve(2)), and a quarter of the stack limit for all. */
#define TG_PORTS_TEXT_MAX 32768

/* Those of `document` whose mode is not off. The caller frees it; NULL: no memory. */
char *tg_ports_text(const struct tg_document *document);

/* A text that is not one of tg_ports_text's contains every port. */
bool tg_ports_contain(const char *text, uint16_t port);

#endif
