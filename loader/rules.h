/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax of `allow`: who of those that a CA signed is let in. Values come out in the form that matching compares:
 * DNS names and mail domains in lower case. No state.
 */
#ifndef TG_LOADER_RULES_H
#define TG_LOADER_RULES_H

#include "ipc/policy.h"
#include "loader/arena.h"

/* Parses one rule into *ret, its value in `arena`. NULL, or why not. */
const char *tg_rule_parse(struct tg_arena *arena, const char *text, struct tg_rule *ret);

/* The rule as it would be written in the file. malloc'ed; NULL where memory ran out. */
char *tg_rule_text(const struct tg_rule *rule);

#endif
