/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/program.h"

#include "shim/binding/libc.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
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

/* Zero in both: no such file. */
struct file {
	dev_t device;
	ino_t inode;
};

/* What tg_program_start found. */
static struct {
	bool done;
	char path[PATH_MAX]; /* of the executable; "": not known */
	struct file executable, script, argument;
} running;

static struct file look_at_path(const char *path)
{
	struct stat found;

	if (stat(path, &found) != 0)
		return (struct file){0};
	return (struct file){.device = found.st_dev, .inode = found.st_ino};
}

static bool is_file(const struct file *file, const struct stat *other)
{
	return file->inode != 0 && file->inode == other->st_ino && file->device == other->st_dev;
}

static bool is_same(const struct file *one, const struct file *other)
{
	return one->inode != 0 && one->inode == other->inode && one->device == other->device;
}

/* The first argument that is no option, as far as it lies in the first 4 KiB of the command line (proc(5)). */
static struct file look_at_argument(void)
{
	char line[PATH_MAX];
	tg_libc_bind();
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? tg_libc.read(fd, line, sizeof(line) - 1) : 0;
	size_t at;

	if (fd >= 0)
		tg_libc.close(fd);
	if (length <= 0)
		return (struct file){0};
	line[length] = '\0';
	for (at = strlen(line) + 1; at < (size_t)length; at += strlen(line + at) + 1)
		if (line[at] != '-')
			return look_at_path(line + at);
	return (struct file){0};
}

void tg_program_start(void)
{
	static const char self[] = "/proc/self/exe";
	/* What execve(2) was given: of a script its own path, where /proc says the interpreter's (getauxval(3)). */
	const char *executed = (const char *)getauxval(AT_EXECFN);
	int saved_errno = errno;
	ssize_t length = readlink(self, running.path, sizeof(running.path) - 1);

	running.path[length > 0 ? length : 0] = '\0';
	running.executable = look_at_path(self);
	if (executed)
		running.script = look_at_path(executed);
	if (is_same(&running.script, &running.executable))
		running.argument = look_at_argument();
	running.done = true;
	errno = saved_errno;
}

bool tg_program_is_one_of(char *const *paths, size_t count)
{
	if (!running.done)
		tg_program_start();
	for (size_t i = 0; i < count; i++) {
		struct stat named;

		if (running.path[0] == '\0' || running.executable.inode == 0 || strcmp(paths[i], running.path) == 0)
			return true;
		if (stat(paths[i], &named) == 0) {
			if (is_file(&running.executable, &named) || is_file(&running.script, &named) ||
			    is_file(&running.argument, &named))
				return true;
		} else if (errno != ENOENT && errno != ENOTDIR) {
			return true;
		}
	}
	return false;
}
