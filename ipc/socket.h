/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells what kind of file a file descriptor refers to.
 */
#ifndef TG_IPC_SOCKET_H
#define TG_IPC_SOCKET_H

#include <stdbool.h>

/* True for a socket of family AF_INET or AF_INET6. Keeps errno. */
bool tg_socket_is_internet(int fd);

#endif
