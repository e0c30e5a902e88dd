#include "shim/openssl.h"

#include "shim/libc.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define SUPPORTED_SONAME "libssl.so.3"

struct symbol {
	const char *name;
	size_t offset;
};

static const struct symbol symbols[] = {
#define TG_HOOK_ssl(name) {#name, offsetof(struct tg_openssl, name)},
#define TG_HOOK_c(name)
#define TG_HOOK(library, name) TG_HOOK_##library(name)
#include "shim/hooks.def"
#undef TG_HOOK_ssl
#undef TG_HOOK_c
#undef TG_HOOK
#define TG_CALL(name) {#name, offsetof(struct tg_openssl, name)},
#include "shim/openssl.def"
#undef TG_CALL
};

static const char several[] = "more than one libssl in this process";
static struct tg_openssl bound;
static atomic_bool is_bound;
static _Atomic unsigned long long seen_changes; /* of the loaded objects, when the libraries were last counted */
static atomic_bool is_alone;
static pthread_mutex_t bind_lock = PTHREAD_MUTEX_INITIALIZER;

struct libraries {
	unsigned long long changes; /* objects that were loaded and unloaded so far */
	unsigned count;
	char first[256];
};

static bool is_libssl(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;

	/* libssl.so.3, or libssl-1a2b3c.so.3 of a bundle; not libssl3.so (NSS), libssl_iostream_openssl.so (Dovecot) */
	return strncmp(base, "libssl", 6) == 0 && strchr(".-", base[6]) != NULL && strstr(base, ".so") != NULL;
}

bool tg_openssl_is_in_libssl(const void *function)
{
	Dl_info info;

	return dladdr(function, &info) != 0 && info.dli_fname != NULL && is_libssl(info.dli_fname);
}

static int note_library(struct dl_phdr_info *info, size_t size, void *data)
{
	struct libraries *found = data;
	(void)size;

	found->changes = info->dlpi_adds + info->dlpi_subs;
	if (!is_libssl(info->dlpi_name))
		return 0;
	if (found->count++ == 0 && strlen(info->dlpi_name) < sizeof(found->first))
		strcpy(found->first, info->dlpi_name);
	return 0;
}

/* The first of `handles` that knows a name gives it. True where all were found. */
static bool bind_symbols(void *const *handles, size_t count)
{
	bool complete = true;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *address = NULL;
		for (size_t k = 0; address == NULL && k < count; k++)
			address = tg_libc.dlsym(handles[k], symbols[i].name);
		memcpy((char *)&bound + symbols[i].offset, &address, sizeof(address));
		complete = complete && address != NULL;
	}
	return complete;
}

static void bind_once(void)
{
	struct libraries found = {0};
	dl_iterate_phdr(note_library, &found);
	tg_libc_bind_lookups();
	void *const ours = dlopen(SUPPORTED_SONAME, RTLD_NOLOAD | RTLD_LAZY);
	atomic_store(&is_alone, found.count == 1);
	atomic_store(&seen_changes, found.changes);
	if (ours != NULL && found.count == 1) {
		bound.supported = bind_symbols(&ours, 1) && bound.OpenSSL_version_num() >> 28 == 3;
		bound.unsupported_why = "this version of libssl lacks functions that the shim needs";
		return;
	}
	/* Pass-through must work all the same: first what the program would have found without the shim. */
	void *handles[3] = {RTLD_NEXT};
	size_t count = 1;
	if (ours != NULL)
		handles[count++] = ours;
	void *const first = found.count > 0 ? dlopen(found.first, RTLD_NOLOAD | RTLD_LAZY) : NULL;
	if (first != NULL)
		handles[count++] = first;
	bind_symbols(handles, count);
	bound.unsupported_why = found.count > 1 ? several : "this version of libssl has no tested binding";
}

const struct tg_openssl *tg_openssl(void)
{
	if (!atomic_load_explicit(&is_bound, memory_order_acquire)) {
		pthread_mutex_lock(&bind_lock);
		if (!atomic_load_explicit(&is_bound, memory_order_relaxed)) {
			bind_once();
			atomic_store_explicit(&is_bound, true, memory_order_release);
		}
		pthread_mutex_unlock(&bind_lock);
	}
	return &bound;
}

static int note_changes(struct dl_phdr_info *info, size_t size, void *data)
{
	unsigned long long *changes = data;
	(void)size;

	*changes = info->dlpi_adds + info->dlpi_subs;
	return 1;
}

const char *tg_openssl_unusable(void)
{
	const struct tg_openssl *o = tg_openssl();
	unsigned long long changes = 0;

	if (!o->supported)
		return o->unsupported_why;
	dl_iterate_phdr(note_changes, &changes);
	if (changes != atomic_load(&seen_changes)) {
		struct libraries found = {0};
		dl_iterate_phdr(note_library, &found);
		atomic_store(&is_alone, found.count == 1);
		atomic_store(&seen_changes, found.changes);
	}
	return atomic_load(&is_alone) ? NULL : several;
}
