/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors that this process has open, found by asking the kernel for each number: no file is read and nothing is
 * opened, so that it works in a sandbox, without /proc and with no descriptor left.
 */
#ifndef TG_SHIM_CONNECTIONS_OPEN_NUMBERS_H
#define TG_SHIM_CONNECTIONS_OPEN_NUMBERS_H

#include <stdbool.h>

#define TG_NUMBERS (1 << 20) /* what is open above is not found: fs.nr_open's default */

/* True: seen enough. */
typedef bool tg_number_visit(int fd, void *data);

/* Visits each open number in turn; true where a visit had seen enough. errno is kept; nothing is allocated. */
bool tg_numbers_each(tg_number_visit *visit, void *data);

#endif
