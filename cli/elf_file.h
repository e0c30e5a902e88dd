/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ELF file says of itself, read without running it (elf(5), System V gABI). Every offset is checked against the
 * file's size. Only the class and machine of this program are read beyond their header.
 */
#ifndef TG_CLI_ELF_FILE_H
#define TG_CLI_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One table of symbols: offsets in the file, counts; 0: there is none. */
struct tg_elf_symbols {
	size_t offset;
	size_t count;
	size_t names;
	size_t names_size;
};

struct tg_elf {
	const unsigned char *data; /* read-only mapping of the file */
	size_t size;
	bool executable;         /* ET_EXEC or ET_DYN */
	bool position_dependent; /* ET_EXEC */
	char interp[PATH_MAX];   /* PT_INTERP; "": none */
	bool go;                 /* carries Go's build information */
	struct tg_elf_symbols dynamic;
	struct tg_elf_symbols all; /* .symtab: gone where the file was stripped */
};

/* 0; -ENOEXEC: no ELF file; -EBADMSG: a broken one; -EXDEV: for another class or machine; else a negative errno. */
int tg_elf_open(const char *path, struct tg_elf *ret);
void tg_elf_close(struct tg_elf *elf);

/* Whether it wants `name`, or a name that begins with `prefix`, of another object. */
bool tg_elf_imports(const struct tg_elf *elf, const char *name);
bool tg_elf_imports_any(const struct tg_elf *elf, const char *prefix);

/* Whether it has `name`, exported or not. */
bool tg_elf_defines(const struct tg_elf *elf, const char *name);

/*
 * The next place of `text` anywhere in the file's bytes from offset *from on, which is moved behind it; NULL: none. What
 * follows it need not end with a NUL within the file.
 */
const char *tg_elf_text(const struct tg_elf *elf, const char *text, size_t *from);

/* Of a file that tg_elf_open found to be for another machine: word size and e_machine. 0 or a negative errno. */
int tg_elf_foreign(const char *path, int *ret_bits, uint16_t *ret_machine);

#endif
