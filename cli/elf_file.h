/*
 * What an ELF file says of itself, read without running it (elf(5), System V gABI). Every offset is checked against the
 * file's size. Only the class and machine of this program are read beyond their header.
 */
#ifndef TG_CLI_ELF_FILE_H
#define TG_CLI_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct tg_elf {
	const unsigned char *data; /* read-only mapping of the file */
	size_t size;
	bool executable;         /* ET_EXEC or ET_DYN */
	bool position_dependent; /* ET_EXEC */
	char interp[PATH_MAX];   /* PT_INTERP; "": none */
	bool go;                 /* carries Go's build information */
	size_t symbols;          /* offsets of the dynamic symbols and their names; counts; 0: there are none */
	size_t symbol_count;
	size_t names;
	size_t names_size;
};

/* 0; -ENOEXEC: no ELF file; -EBADMSG: a broken one; -EXDEV: for another class or machine; else a negative errno. */
int tg_elf_open(const char *path, struct tg_elf *ret);
void tg_elf_close(struct tg_elf *elf);

/* Whether the dynamic symbol table wants `name` of another object, or has it. */
bool tg_elf_imports(const struct tg_elf *elf, const char *name);
bool tg_elf_defines(const struct tg_elf *elf, const char *name);

#endif
