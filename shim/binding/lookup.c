/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/binding/lookup.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>

#define VERSION_HIDDEN 0x8000u /* not the default version of its name (System V ABI, .gnu.version) */

struct symbols {
	const ElfW(Sym) * table;
	const char *strings;
	const uint32_t *hash;
	const ElfW(Half) * versions;
};

/* ld.so has added the object's address to what the dynamic section points to, but for objects that the kernel maps. */
static const void *pointer(const struct link_map *map, ElfW(Addr) value)
{
	return (const void *)(value < map->l_addr ? map->l_addr + value : value);
}

static struct symbols symbols_of(const struct link_map *map)
{
	struct symbols found = {NULL, NULL, NULL, NULL};

	for (const ElfW(Dyn) *entry = map->l_ld; entry != NULL && entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			found.table = pointer(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_STRTAB)
			found.strings = pointer(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_GNU_HASH)
			found.hash = pointer(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_VERSYM)
			found.versions = pointer(map, entry->d_un.d_ptr);
	}
	return found;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name != '\0'; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static bool is_it(const struct symbols *in, uint32_t at, const char *name)
{
	const ElfW(Sym) *symbol = &in->table[at];

	return symbol->st_shndx != SHN_UNDEF && (in->versions == NULL || (in->versions[at] & VERSION_HIDDEN) == 0) &&
	       tg_lookup_same(in->strings + symbol->st_name, name);
}

/* DT_GNU_HASH: four numbers, a filter, buckets, and a chain of hashes for each, its last one odd. */
static const ElfW(Sym) * find_symbol(const struct symbols *in, const char *name)
{
	if (in->table == NULL || in->strings == NULL || in->hash == NULL || in->hash[0] == 0)
		return NULL;
	uint32_t bucket_count = in->hash[0], first = in->hash[1], filter_words = in->hash[2];
	const uint32_t *buckets = in->hash + 4 + filter_words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chains = buckets + bucket_count;
	uint32_t hash = hash_of(name);

	for (uint32_t at = buckets[hash % bucket_count]; at >= first && at != 0; at++) {
		uint32_t other = chains[at - first];
		if ((other | 1) == (hash | 1) && is_it(in, at, name))
			return &in->table[at];
		if ((other & 1) != 0)
			break;
	}
	return NULL;
}

void *tg_lookup_next(const char *name)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (dladdr1((const void *)(uintptr_t)tg_lookup_next, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL)
		return NULL;
	for (map = map->l_next; map != NULL; map = map->l_next) {
		const struct symbols in = symbols_of(map);
		const ElfW(Sym) *symbol = find_symbol(&in, name);
		if (symbol != NULL)
			return (void *)(map->l_addr + symbol->st_value);
	}
	return NULL;
}
