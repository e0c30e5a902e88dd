/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [tlsgraft]: what concerns the tree.
 */
#ifndef TG_LOADER_SETTINGS_H
#define TG_LOADER_SETTINGS_H

#include "loader/arena.h"
#include "loader/config.h"
#include "loader/identity.h"

/* As given and by default, all of it in `arena`; NULL: defaults alone. False where memory ran out. */
bool tg_settings_fill(struct tg_arena *arena, const struct tg_config *config, struct tg_settings *ret);

/* Replaces what takes effect at the next start only by what is in force, copied into `arena`. False: memory ran out. */
bool tg_settings_keep(struct tg_arena *arena, const struct tg_settings *serving, struct tg_settings *settings);

/* Appends a fault where `exe` names only programs that are not there, and a warning for each that is not. */
void tg_settings_check(const struct tg_config *config, bool serving, tlsgraft_messages *messages);

#endif
