/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP with a deadline for everything: nothing here waits past it. Times are tg_monotonic_ms (keeper/clock.h).
 */
#ifndef TG_CLI_DIAL_H
#define TG_CLI_DIAL_H

#include "ipc/policy.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A connected, non-blocking socket, or a negative errno (-ETIMEDOUT, -ECONNREFUSED ...). */
int tg_dial(const struct tg_address *to, int64_t deadline);

/* 0 where all was sent, or a negative errno. */
int tg_dial_send(int fd, const void *data, size_t size, int64_t deadline);

/* What came first: bytes, 0 at the end of the stream, or a negative errno (-ETIMEDOUT, -ECONNRESET ...). */
ssize_t tg_dial_receive(int fd, void *ret, size_t size, int64_t deadline);

#endif
