/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interest: which events of the socket the kernel is asked for, given the events of the plaintext that a server waits for;
 * and what the kernel's answer means for the server.
 *
 * Level-triggered: only the events that can bring the server nearer to what it waits for. Any other event would be reported
 * again and again. Edge-triggered: all events, once and for all, which saves a system call for each change. With
 * EPOLLONESHOT: as level-triggered.
 *
 * A stream is writable from the beginning, as a socket is. What is written before the verdict is kept, and from the first
 * such byte until the verdict the stream is not writable.
 */
#ifndef TG_SHIM_DIRECT_READINESS_INTEREST_H
#define TG_SHIM_DIRECT_READINESS_INTEREST_H

#include "shim/direct/readiness/epolls.h"

#include <poll.h>

/* POLLIN and POLLOUT of the socket, for a server that waits for `events`, which are poll(2)'s or epoll's (the same bits).
 */
unsigned tg_interest_on_socket(struct tg_stream *stream, unsigned events);

/* The kernel reported `events` of the socket (0: none). Continues the stream and returns what is ready of the plaintext. */
unsigned tg_interest_look(struct tg_stream *stream, unsigned events);

/* The part of `ready` that is reported to a server that waits for `events`. */
unsigned tg_interest_reported(unsigned ready, unsigned events);

/*
 * It can be reported, as far as the hint says: level-triggered input. What lies in the socket while another thread blocks
 * in a read of it is that thread's, and afterwards it says what is left (tg_readiness_changed).
 */
bool tg_interest_has_news(const struct tg_registration *registration, struct tg_stream *stream);

/* For epoll_ctl(2), with what the registration's server wants. In the epoll's lock. */
uint32_t tg_interest_events(const struct tg_registration *registration, struct tg_stream *stream);

/* The number that it was registered by is about to be closed, and it lives on. In the epoll's lock. */
void tg_interest_for_good(struct tg_epoll *epoll, struct tg_registration *registration);

/*
 * Something may have happened to the stream that the kernel does not know of, or must be asked about now: lists it where
 * that can be reported. `wakes`: and who waits already is to hear of it. In the epoll's lock.
 */
void tg_interest_refresh(struct tg_epoll *epoll, struct tg_registration *registration, struct tg_stream *stream,
			 bool wakes);

#endif
