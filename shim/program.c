#include "shim/program.h"

#include <elf.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct symbol_tables {
	ElfW(Addr) symbols, strings, gnu_hash, hash;
	size_t strings_size;
};

static bool is_mapped(const struct dl_phdr_info *object, ElfW(Addr) address, size_t size)
{
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		ElfW(Addr) begin = object->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && address >= begin && address - begin < segment->p_memsz &&
		    segment->p_memsz - (address - begin) >= size)
			return true;
	}
	return false;
}

/* Most architectures' loaders replace these values by addresses, some leave them relative to the object. */
static ElfW(Addr) table_address(const struct dl_phdr_info *object, ElfW(Addr) value)
{
	return is_mapped(object, value, 1) ? value : object->dlpi_addr + value;
}

static const ElfW(Dyn) * dynamic_section(const struct dl_phdr_info *object)
{
	for (size_t i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
			return (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
	return NULL;
}

/*
 * How many symbols to look at: in an object with a GNU hash table those that it does not define come first, and the table
 * says where the others begin, but for an object that defines none, where it says 1. The older table says how many there
 * are in all. Without either, what lies between the symbols and their names, as all linkers place them.
 */
static size_t symbols_to_search(const struct dl_phdr_info *object, const struct symbol_tables *tables)
{
	if (tables->gnu_hash && is_mapped(object, tables->gnu_hash, 4 * sizeof(uint32_t))) {
		uint32_t first_defined = ((const uint32_t *)tables->gnu_hash)[1];

		if (first_defined > 1)
			return first_defined;
	}
	if (tables->hash && is_mapped(object, tables->hash, 2 * sizeof(uint32_t)))
		return ((const uint32_t *)tables->hash)[1];
	if (tables->strings > tables->symbols)
		return (tables->strings - tables->symbols) / sizeof(ElfW(Sym));
	return 0;
}

static bool find_tables(const struct dl_phdr_info *object, struct symbol_tables *ret)
{
	const ElfW(Dyn) *dynamic = dynamic_section(object);

	if (!dynamic)
		return false;
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			ret->symbols = table_address(object, dynamic->d_un.d_ptr);
			break;
		case DT_STRTAB:
			ret->strings = table_address(object, dynamic->d_un.d_ptr);
			break;
		case DT_STRSZ:
			ret->strings_size = dynamic->d_un.d_val;
			break;
		case DT_GNU_HASH:
			ret->gnu_hash = table_address(object, dynamic->d_un.d_ptr);
			break;
		case DT_HASH:
			ret->hash = table_address(object, dynamic->d_un.d_ptr);
			break;
		}
	}
	return ret->symbols && ret->strings && is_mapped(object, ret->strings, ret->strings_size);
}

bool tg_program_object_imports(const struct dl_phdr_info *object, const char *symbol)
{
	struct symbol_tables tables = {0};
	size_t length = strlen(symbol) + 1, count;
	const ElfW(Sym) * symbols;
	const char *strings;

	if (!find_tables(object, &tables))
		return false;
	count = symbols_to_search(object, &tables);
	if (!is_mapped(object, tables.symbols, count * sizeof(ElfW(Sym))))
		return false;
	symbols = (const ElfW(Sym) *)tables.symbols;
	strings = (const char *)tables.strings;
	for (size_t i = 1; i < count; i++) {
		size_t name = symbols[i].st_name;

		if (symbols[i].st_shndx == SHN_UNDEF && name < tables.strings_size &&
		    tables.strings_size - name >= length && strings[name] == symbol[0] &&
		    memcmp(strings + name, symbol, length) == 0)
			return true;
	}
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

static int look_at_object(struct dl_phdr_info *object, size_t size, void *result)
{
	const char *name = base_name(object->dlpi_name ? object->dlpi_name : "");
	bool *can_serve = result;

	(void)size;
	if (begins_with(name, "libssl."))
		*can_serve = true;
	else if (!begins_with(name, "libcrypto.") && !begins_with(name, "linux-vdso.") &&
		 !is_mapped(object, (ElfW(Addr))look_at_object, 1))
		*can_serve = tg_program_object_imports(object, "listen");
	return *can_serve;
}

bool tg_program_can_serve(void)
{
	bool can_serve = false;

	dl_iterate_phdr(look_at_object, &can_serve);
	return can_serve;
}

bool tg_program_is_one_of(char *const *paths, size_t count)
{
	static const char self[] = "/proc/self/exe";
	char target[PATH_MAX];
	struct stat running, named;
	ssize_t length = readlink(self, target, sizeof(target) - 1);

	if (length > 0) {
		target[length] = '\0';
		for (size_t i = 0; i < count; i++)
			if (strcmp(paths[i], target) == 0)
				return true;
	}
	if (stat(self, &running) != 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (stat(paths[i], &named) == 0 && named.st_dev == running.st_dev && named.st_ino == running.st_ino)
			return true;
	return false;
}
