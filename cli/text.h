/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `status` prints for people, made from the same object as --json.
 */
#ifndef TG_CLI_TEXT_H
#define TG_CLI_TEXT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/*
 * Escapes every text in what a keeper answered: another user's may send anything, and it goes to a terminal. See
 * keeper/escape.h.
 */
void tg_text_clean(cJSON *answer);

/* Prints one tree on stdout. Values of other types than the contract's are printed as nothing. */
void tg_text_tree(const cJSON *tree);

/*
 * True where the tree wants attention: the newest reload was refused, a certificate is within its warning window, or a
 * section matches no listening socket.
 */
bool tg_text_is_bad(const cJSON *tree);

/* Values by name; "" or 0 where they are not there or of another type. */
const char *tg_text_string(const cJSON *object, const char *name);
double tg_text_number(const cJSON *object, const char *name);

#endif
