/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of program this process runs. Whether it can serve is read from the objects that the dynamic loader mapped at
 * the start, no file is opened: tens of microseconds; takes the loader's lock (dl_iterate_phdr(3)), so for the constructor
 * only.
 */
#ifndef TG_SHIM_PROCESS_PROGRAM_H
#define TG_SHIM_PROCESS_PROGRAM_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * True where one of the mapped objects is libssl or wants `listen` of another. libcrypto does not count (it wants `listen`
 * for a BIO that few programs use, and systemctl maps it), nor does this shim.
 */
bool tg_program_can_serve(void);

/* True where the object's dynamic symbol table has `symbol` undefined (System V gABI, "Symbol Table"). */
bool tg_program_object_imports(const struct dl_phdr_info *object, const char *symbol);

/*
 * Remembers which files this process runs, while what they are named by still holds (working folder, root, arguments that
 * the program may overwrite): its executable; the `#!` script that it was started as; the script that an interpreter was
 * given as its first argument. Some microseconds; to be called before main, else tg_program_is_one_of does it.
 */
void tg_program_start(void);

/* True where `paths` names one of these files, and where that cannot be told. Not for two threads at once. */
bool tg_program_is_one_of(char *const *paths, size_t count);

#endif
