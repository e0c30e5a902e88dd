/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this program was started with, and CMD will be.
 */
#ifndef TG_CLI_GIVEN_H
#define TG_CLI_GIVEN_H

#include <stdbool.h>

/* A socket of the internet at any number, listening or connected: from systemd or an inetd. */
bool tg_given_socket(void);

#endif
