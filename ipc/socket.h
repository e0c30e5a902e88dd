/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a descriptor is.
 */
#ifndef TG_IPC_SOCKET_H
#define TG_IPC_SOCKET_H

#include <stdbool.h>

/* A socket of the internet families. errno is kept. */
bool tg_socket_is_internet(int fd);

#endif
