/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/binding/openssl.h"

#include "shim/binding/libc.h"
#include "shim/binding/lock.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define SUPPORTED_SONAME "libssl.so.3"

/* The sanitizers' runtimes end a program that opens a library so: with them, what the program exports is taken. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define APART 0
#else
#define APART RTLD_DEEPBIND
#endif

struct symbol {
	const char *name;
	size_t offset;
};

static const struct symbol symbols[] = {
#define TG_HOOK_ssl(name) {#name, offsetof(struct tg_openssl, name)},
#define TG_HOOK_c(name)
#define TG_HOOK(library, name) TG_HOOK_##library(name)
#include "shim/binding/hooks.def"
#undef TG_HOOK_ssl
#undef TG_HOOK_c
#undef TG_HOOK
#define TG_CALL(name) {#name, offsetof(struct tg_openssl, name)},
#include "shim/binding/openssl.def"
#undef TG_CALL
};

static const char several[] = "more than one libssl in this process";

/* A process without a libssl may get one later: what it has until then is another table, so that none changes in use. */
static struct tg_openssl bound, without;
_Atomic(const struct tg_openssl *) tg_openssl_bound;
static _Atomic(const struct tg_openssl *) current; /* NULL: nobody has asked yet */
static _Atomic unsigned long long seen_changes;    /* of the loaded objects, when the libraries were last counted */
static atomic_bool is_alone;
static struct tg_lock bind_lock = TG_LOCK_INITIALIZER(OPENSSL);

struct libraries {
	unsigned long long changes; /* objects that were loaded and unloaded so far */
	unsigned count;
	bool has_libcrypto;
	char first[256];
};

/* libssl.so.3, or libssl-1a2b3c.so.3 of a bundle; not libssl3.so (NSS), libssl_iostream_openssl.so (Dovecot) */
static bool is_library(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	size_t length = strlen(name);

	return strncmp(base, name, length) == 0 && strchr(".-", base[length]) != NULL && strstr(base, ".so") != NULL;
}

static bool is_libssl(const char *path)
{
	return is_library(path, "libssl");
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
	found->has_libcrypto = found->has_libcrypto || is_library(info->dlpi_name, "libcrypto");
	if (!is_libssl(info->dlpi_name))
		return 0;
	if (found->count++ == 0 && strlen(info->dlpi_name) < sizeof(found->first))
		strcpy(found->first, info->dlpi_name);
	return 0;
}

/* The first of `handles` that knows a name gives it. True where all were found. */
static bool bind_symbols(struct tg_openssl *table, void *const *handles, size_t count)
{
	bool complete = true;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *address = NULL;
		for (size_t k = 0; address == NULL && k < count; k++)
			address = tg_libc.dlsym(handles[k], symbols[i].name);
		memcpy((char *)table + symbols[i].offset, &address, sizeof(address));
		complete = complete && address != NULL;
	}
	return complete;
}

/* What one look at the process found. Another thread may look at the same time: the first one to come back is heard. */
struct binding {
	struct tg_openssl table;
	struct libraries found;
};

static void bind_one(struct tg_openssl *table, void *ours)
{
	table->supported = bind_symbols(table, &ours, 1) && table->OpenSSL_version_num() >> 28 == 3;
	table->unsupported_why = table->supported ? NULL : "this version of libssl lacks functions that the shim needs";
}

/* Pass-through must work all the same: first what the program would have found without the shim. */
static void bind_unsupported(struct tg_openssl *table, void *ours, const struct libraries *found)
{
	void *handles[3] = {RTLD_NEXT};
	size_t count = 1;

	if (ours != NULL)
		handles[count++] = ours;
	void *const first = found->count > 0 ? tg_libc.dlopen(found->first, RTLD_NOLOAD | RTLD_LAZY) : NULL;
	if (first != NULL)
		handles[count++] = first;
	bind_symbols(table, handles, count);
	table->unsupported_why = found->count == 0  ? "no libssl in this process"
				 : found->count > 1 ? several
						    : "this version of libssl has no tested binding";
}

/* In no lock: the dynamic loader has one of its own, in which constructors of libraries run that may come here. */
static void look_for_libssl(bool may_open, struct binding *ret)
{
	tg_libc_bind();
	dl_iterate_phdr(note_library, &ret->found);
	void *ours = tg_libc.dlopen(SUPPORTED_SONAME, RTLD_NOLOAD | RTLD_LAZY);
	if (ret->found.count == 0 && may_open) {
		ret->table.is_private = !ret->found.has_libcrypto;
		ours = tg_libc.dlopen(SUPPORTED_SONAME, RTLD_NOW | RTLD_LOCAL | APART);
		dl_iterate_phdr(note_library, &ret->found);
	}
	if (ours != NULL && ret->found.count == 1)
		bind_one(&ret->table, ours);
	else
		bind_unsupported(&ret->table, ours, &ret->found);
	/* A program that did not ask for it has threads that go on while it exits. */
	if (ret->table.is_private && ret->table.supported)
		ret->table.OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* In bind_lock. */
static void publish(const struct binding *binding)
{
	const struct tg_openssl *before = atomic_load_explicit(&current, memory_order_relaxed);

	if (before == &bound)
		return;
	atomic_store(&is_alone, binding->found.count == 1);
	atomic_store(&seen_changes, binding->found.changes);
	if (binding->found.count == 0) {
		if (before == NULL)
			without = binding->table;
		atomic_store_explicit(&current, &without, memory_order_release);
		return;
	}
	bound = binding->table;
	atomic_store_explicit(&current, &bound, memory_order_release);
	atomic_store_explicit(&tg_openssl_bound, &bound, memory_order_release);
}

static void bind_table(bool may_open)
{
	struct binding binding = {.found = {.changes = 0}};

	look_for_libssl(may_open, &binding);
	tg_lock_take(&bind_lock);
	publish(&binding);
	tg_lock_release(&bind_lock);
}

static int note_changes(struct dl_phdr_info *info, size_t size, void *data)
{
	unsigned long long *changes = data;
	(void)size;

	*changes = info->dlpi_adds + info->dlpi_subs;
	return 1;
}

/* Objects came or went since the libraries were last counted. */
static bool has_changed(void)
{
	unsigned long long changes = 0;

	dl_iterate_phdr(note_changes, &changes);
	return changes != atomic_load(&seen_changes);
}

const struct tg_openssl *tg_openssl_bind(void)
{
	const struct tg_openssl *table = atomic_load_explicit(&current, memory_order_acquire);

	if (table != NULL && !has_changed())
		return table;
	if (table != &bound)
		bind_table(false);
	return atomic_load_explicit(&current, memory_order_acquire);
}

const struct tg_openssl *tg_openssl_open(void)
{
	if (tg_openssl() != &bound)
		bind_table(true);
	return tg_openssl();
}

void tg_openssl_lock(void)
{
	tg_lock_take(&bind_lock);
}

void tg_openssl_unlock(void)
{
	tg_lock_release(&bind_lock);
}

const char *tg_openssl_unusable(void)
{
	const struct tg_openssl *o = tg_openssl();

	if (!o->supported)
		return o->unsupported_why;
	if (has_changed()) {
		struct libraries found = {0};
		dl_iterate_phdr(note_library, &found);
		atomic_store(&is_alone, found.count == 1);
		atomic_store(&seen_changes, found.changes);
	}
	return atomic_load(&is_alone) ? NULL : several;
}
