/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's request for an option of a real socket (ipc/relay.h).
 */
#ifndef TG_RELAY_QUESTION_H
#define TG_RELAY_QUESTION_H

#include "ipc/relay.h"

#include <stdbool.h>

/*
 * Answers on `fd` what was asked of the connection whose server's end `end` is. Both stay the caller's. True:
 * it was done, so that `end` is such an end.
 */
bool tg_question_answer(int fd, int end, const struct tg_relay_request *request);

#endif
