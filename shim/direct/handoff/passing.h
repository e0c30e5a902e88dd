/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are sent to another process (unix(7), SCM_RIGHTS). It is not known whether that process is of this tree.
 * So it never gets the socket of a stream. An untouched connection goes to the relay, and the server's end is passed.
 * Instead of a used one it gets a dead end.
 */
#ifndef TG_SHIM_DIRECT_HANDOFF_PASSING_H
#define TG_SHIM_DIRECT_HANDOFF_PASSING_H

#include <stdbool.h>
#include <sys/socket.h>

/* True: the message sends a number that is a stream. */
bool tg_passing_is_one(const struct msghdr *message);

/* As sendmsg(2), for such a message. */
ssize_t tg_passing_send(int fd, const struct msghdr *message, int flags);

#endif
