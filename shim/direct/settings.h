/*
 * Options of real sockets that servers set in a row on each connection (for keep-alive Redis sets four): numbers that the
 * kernel takes as they are, so that nobody waits for its word on them. They are collected, and go to the relay in one
 * request, before the next call of this process that a hook sees does anything: whoever asks is answered later, by the
 * order in which the relay hears (relay/requests.h). A process that calls nothing more leaves them unset.
 *
 * Plain system calls, no allocation, no cancellation point; async-signal-safe; errno is kept.
 */
#ifndef TG_SHIM_DIRECT_SETTINGS_H
#define TG_SHIM_DIRECT_SETTINGS_H

#include <stdbool.h>
#include <sys/socket.h>

/* True: taken, and done as far as the server can tell. False: not such an option or value, or `fd` is no guest's end. */
bool tg_settings_collect(int fd, int level, int option, const void *value, socklen_t size);

/* In the child of a fork: what was collected is the parent's to send. */
void tg_settings_forget(void);

#endif
