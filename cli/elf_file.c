/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ == 8
#define OUR_CLASS ELFCLASS64
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr elf_segment;
typedef Elf64_Shdr elf_section;
typedef Elf64_Sym elf_symbol;
#else
#define OUR_CLASS ELFCLASS32
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr elf_segment;
typedef Elf32_Shdr elf_section;
typedef Elf32_Sym elf_symbol;
#endif

/* True where `count` items of `size` bytes lie within the file at `offset`. */
static bool within(const struct tg_elf *elf, uint64_t offset, size_t count, size_t size)
{
	return offset <= elf->size && count <= (elf->size - offset) / size;
}

static void copy_at(const struct tg_elf *elf, size_t offset, void *ret, size_t size)
{
	memcpy(ret, elf->data + offset, size);
}

static int our_machine(uint16_t *ret)
{
	elf_header header;
	ssize_t size;
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	size = pread(fd, &header, sizeof(header), 0);
	close(fd);
	if (size != (ssize_t)sizeof(header))
		return -EIO;
	*ret = header.e_machine;
	return 0;
}

static int read_interp(struct tg_elf *elf, const elf_header *header)
{
	if (header->e_phentsize != sizeof(elf_segment) ||
	    !within(elf, header->e_phoff, header->e_phnum, sizeof(elf_segment)))
		return -EBADMSG;
	for (size_t i = 0; i < header->e_phnum; i++) {
		elf_segment segment;

		copy_at(elf, header->e_phoff + i * sizeof(segment), &segment, sizeof(segment));
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_filesz < 2 || segment.p_filesz > sizeof(elf->interp) ||
		    !within(elf, segment.p_offset, segment.p_filesz, 1))
			return -EBADMSG;
		copy_at(elf, segment.p_offset, elf->interp, segment.p_filesz);
		if (elf->interp[segment.p_filesz - 1] != '\0')
			return -EBADMSG;
	}
	return 0;
}

static bool section_named(const struct tg_elf *elf, const elf_section *names, uint32_t at, const char *name)
{
	const size_t length = strlen(name) + 1;

	return at < names->sh_size && names->sh_size - at >= length && within(elf, names->sh_offset, names->sh_size, 1) &&
	       memcmp(elf->data + names->sh_offset + at, name, length) == 0;
}

static void read_symbols(const struct tg_elf *elf, const elf_section *symbols, const elf_section *names,
			 struct tg_elf_symbols *ret)
{
	const size_t count = symbols->sh_size / sizeof(elf_symbol);

	if (!within(elf, symbols->sh_offset, count, sizeof(elf_symbol)) ||
	    !within(elf, names->sh_offset, names->sh_size, 1) || names->sh_size == 0 ||
	    elf->data[names->sh_offset + names->sh_size - 1] != '\0')
		return;
	*ret = (struct tg_elf_symbols){
	    .offset = symbols->sh_offset,
	    .count = count,
	    .names = names->sh_offset,
	    .names_size = names->sh_size,
	};
}

/* A file without sections, or with broken ones, is read as having no dynamic symbols: nothing depends on them to run. */
static void read_sections(struct tg_elf *elf, const elf_header *header)
{
	elf_section names = {0};

	if (header->e_shentsize != sizeof(elf_section) ||
	    !within(elf, header->e_shoff, header->e_shnum, sizeof(elf_section)))
		return;
	if (header->e_shstrndx < header->e_shnum)
		copy_at(elf, header->e_shoff + header->e_shstrndx * sizeof(names), &names, sizeof(names));
	for (size_t i = 0; i < header->e_shnum; i++) {
		elf_section section;

		copy_at(elf, header->e_shoff + i * sizeof(section), &section, sizeof(section));
		if ((section.sh_type == SHT_DYNSYM || section.sh_type == SHT_SYMTAB) && section.sh_link < header->e_shnum) {
			elf_section strings;

			copy_at(elf, header->e_shoff + section.sh_link * sizeof(strings), &strings, sizeof(strings));
			read_symbols(elf, &section, &strings, section.sh_type == SHT_DYNSYM ? &elf->dynamic : &elf->all);
		}
		elf->go = elf->go || section_named(elf, &names, section.sh_name, ".note.go.buildid") ||
			  section_named(elf, &names, section.sh_name, ".go.buildinfo");
	}
}

static int read_file(struct tg_elf *elf)
{
	elf_header header;
	uint16_t machine = EM_NONE;
	int result;

	if (elf->size < SELFMAG || memcmp(elf->data, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (elf->size < sizeof(header))
		return -EBADMSG;
	copy_at(elf, 0, &header, sizeof(header));
	result = our_machine(&machine);
	if (result < 0)
		return result;
	if (header.e_ident[EI_CLASS] != OUR_CLASS || header.e_machine != machine)
		return -EXDEV;
	elf->executable = header.e_type == ET_EXEC || header.e_type == ET_DYN;
	elf->position_dependent = header.e_type == ET_EXEC;
	result = read_interp(elf, &header);
	if (result == 0)
		read_sections(elf, &header);
	return result;
}

int tg_elf_open(const char *path, struct tg_elf *ret)
{
	struct tg_elf elf = {0};
	struct stat status;
	void *data = MAP_FAILED;
	int result = 0;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		result = -errno;
	else if (!S_ISREG(status.st_mode) || status.st_size == 0)
		result = -ENOEXEC;
	if (result == 0) {
		data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED)
			result = -errno;
	}
	close(fd);
	if (data == MAP_FAILED)
		return result;
	elf.data = data;
	elf.size = (size_t)status.st_size;
	result = read_file(&elf);
	if (result < 0) {
		tg_elf_close(&elf);
		return result;
	}
	*ret = elf;
	return 0;
}

void tg_elf_close(struct tg_elf *elf)
{
	if (elf->data != NULL)
		munmap((void *)(uintptr_t)elf->data, elf->size);
	*elf = (struct tg_elf){0};
}

/* The name of symbol `index`, NULL where it has none or `defined` is not what it is. */
static const char *symbol_name(const struct tg_elf *elf, const struct tg_elf_symbols *table, size_t index, bool defined)
{
	elf_symbol symbol;

	copy_at(elf, table->offset + index * sizeof(symbol), &symbol, sizeof(symbol));
	if (symbol.st_name >= table->names_size || (symbol.st_shndx != SHN_UNDEF) != defined)
		return NULL;
	return (const char *)elf->data + table->names + symbol.st_name;
}

static bool has_symbol(const struct tg_elf *elf, const struct tg_elf_symbols *table, const char *name, bool defined)
{
	for (size_t i = 0; i < table->count; i++) {
		const char *found = symbol_name(elf, table, i, defined);

		if (found != NULL && strcmp(found, name) == 0)
			return true;
	}
	return false;
}

bool tg_elf_imports(const struct tg_elf *elf, const char *name)
{
	return has_symbol(elf, &elf->dynamic, name, false);
}

bool tg_elf_imports_any(const struct tg_elf *elf, const char *prefix)
{
	for (size_t i = 0; i < elf->dynamic.count; i++) {
		const char *found = symbol_name(elf, &elf->dynamic, i, false);

		if (found != NULL && strncmp(found, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

bool tg_elf_defines(const struct tg_elf *elf, const char *name)
{
	return has_symbol(elf, &elf->dynamic, name, true) || has_symbol(elf, &elf->all, name, true);
}

const char *tg_elf_text(const struct tg_elf *elf, const char *text, size_t *from)
{
	const size_t length = strlen(text);
	const unsigned char *found;

	if (*from >= elf->size)
		return NULL;
	found = memmem(elf->data + *from, elf->size - *from, text, length);
	if (found == NULL)
		return NULL;
	*from = (size_t)(found - elf->data) + length;
	return (const char *)found;
}

int tg_elf_foreign(const char *path, int *ret_bits, uint16_t *ret_machine)
{
	unsigned char header[20]; /* e_ident, e_type, e_machine: alike in both classes */
	ssize_t size;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	size = pread(fd, header, sizeof(header), 0);
	close(fd);
	if (size != (ssize_t)sizeof(header) || memcmp(header, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	*ret_machine = header[EI_DATA] == ELFDATA2MSB ? (uint16_t)(header[18] << 8 | header[19])
						      : (uint16_t)(header[19] << 8 | header[18]);
	*ret_bits = header[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	return 0;
}
