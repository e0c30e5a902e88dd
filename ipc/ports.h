/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of plaintext sections as text for an environment variable: ascending numbers and ranges, separated by commas,
 * as in "80,7000-7999". A list that is too long for the environment becomes "*", which contains every port: a reader then
 * closes more connections than necessary, but never fewer. tg_ports_contain is async-signal-safe.
 */
#ifndef TG_IPC_PORTS_H
#define TG_IPC_PORTS_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* A longer list becomes "*". The kernel takes at most 128 KiB for one entry (execve(2)), and a quarter of the stack limit
 * for all. */
#define TG_PORTS_TEXT_MAX 32768

/* The ports of plaintext sections of `document` whose mode is not off. The caller frees the text; NULL: no memory. */
char *tg_ports_text(const struct tg_document *document);

/* A malformed text contains every port: the caller fails closed. */
bool tg_ports_contain(const char *text, uint16_t port);

#endif
