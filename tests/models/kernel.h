/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel of a few descriptors, as far as the shim asks it: sockets with records to read, sockets that are none (dead),
 * and epoll instances. Each call is one step. kernel_bind puts it into tg_libc.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>

#define KERNEL_NUMBERS 16
#define KERNEL_FILES 12

enum kernel_kind { KERNEL_NONE, KERNEL_DEAD, KERNEL_SOCKET, KERNEL_EPOLL };

void kernel_bind(void);

/* Those of set-up, and a client that is accepted: the lowest number. */
int kernel_open(enum kernel_kind kind);
void kernel_close(int fd);

/* What is at a number now, by no step: for checks. */
enum kernel_kind kernel_kind_at(int fd);
int kernel_file_at(int fd); /* -1: none */
unsigned kernel_count(enum kernel_kind kind);

/* The client sends a record on the socket that is at `fd`; a read takes all that came, and says how many. */
void kernel_arrives(int fd);
unsigned kernel_take(int fd);

#endif
