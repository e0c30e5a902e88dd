/*
 * What kind of program this process runs: read from the objects that the dynamic loader mapped at the start, no file is
 * opened. Tens of microseconds; takes the loader's lock (dl_iterate_phdr(3)), so for the constructor only.
 */
#ifndef TG_SHIM_PROGRAM_H
#define TG_SHIM_PROGRAM_H

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

/* True where the running executable is the file that one of `paths` names. */
bool tg_program_is_one_of(char *const *paths, size_t count);

#endif
