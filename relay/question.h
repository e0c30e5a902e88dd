/*
 * A server's request for an option of a real socket (page/relay.h).
 */
#ifndef TG_RELAY_QUESTION_H
#define TG_RELAY_QUESTION_H

#include "page/relay.h"
#include "relay/loop.h"

/*
 * Answers on `fd` what was asked of the connection whose guest's end `guest` is. Takes over both descriptors. `later`: in a
 * few milliseconds, since what was asked before may not have been heard yet.
 */
void tg_question_ask(struct tg_loop *loop, int fd, int guest, const struct tg_relay_request *request, bool later);

#endif
