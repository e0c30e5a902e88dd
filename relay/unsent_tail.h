/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last ciphertext of a connection whose server closed it: received, sent, and the socket closed.
 */
#ifndef TG_RELAY_UNSENT_TAIL_H
#define TG_RELAY_UNSENT_TAIL_H

#include "relay/loop.h"

#include <stdbool.h>

/* Takes over `from`, on which `size` bytes come, and `real`. False: no memory; nothing was taken.
 * Where there are too many the oldest of the client with the most goes. One thread's. */
bool tg_unsent_tail_begin(struct tg_loop *loop, int from, int real, size_t size);

#endif
