/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which options of a real socket a server may ask for and set through the relay: those of an accepted connection that hold
 * no pointers and do not change what the bytes on it mean. Pure functions.
 */
#ifndef TG_RELAY_OPTIONS_H
#define TG_RELAY_OPTIONS_H

#include <stdbool.h>

bool tg_option_may_get(int level, int option);
bool tg_option_may_set(int level, int option);

#endif
