/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections become routes and policies: inheritance, what must be there, what may not be there twice; equal credentials,
 * trusts and policies are kept once.
 */
#ifndef TG_LOADER_RESOLVE_H
#define TG_LOADER_RESOLVE_H

#include "loader/load.h"

/*
 * Builds the document of a configuration whose files have been read, all in the load's arena. Every fault is appended to
 * the load's messages; the document is of use only where no error was added.
 */
void tg_resolve(struct tg_load *load, struct tg_document *ret);

#endif
