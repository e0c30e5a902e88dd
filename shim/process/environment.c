/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/environment.h"

#include "ipc/layout.h"
#include "ipc/ports.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More pointers than any exec takes in practice (execve(2): a quarter of the stack limit for pointers and text). */
#define ENTRIES_LIMIT (128 * 1024)

#define PRELOAD "LD_PRELOAD="
#define CONFIG "TLSGRAFT_CONFIG="
#define KEEPER "TLSGRAFT_KEEPER="
#define RUN "TLSGRAFT_RUN="
#define PLAINTEXT "TLSGRAFT_PLAINTEXT="

#define PRELOAD_LENGTH (sizeof(PRELOAD) - 1)

struct tg_environment tg_environment;

static char *const empty[] = {NULL};

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

static char *join(const char *first, const char *second, const char *third)
{
	size_t a = strlen(first), b = strlen(second), c = strlen(third);
	char *joined = malloc(a + b + c + 1);

	if (joined) {
		memcpy(joined, first, a);
		memcpy(joined + a, second, b);
		memcpy(joined + a + b, third, c + 1);
	}
	return joined;
}

/* "PREFIX" and `path`, which is taken from the current directory where it is relative. malloc'ed. */
static char *join_absolute(const char *prefix, const char *path)
{
	char *directory, *with_prefix, *joined;

	if (path[0] == '/')
		return join(prefix, path, "");
	directory = getcwd(NULL, 0);
	with_prefix = directory ? join(prefix, directory, "/") : NULL;
	joined = with_prefix ? join(with_prefix, path, "") : NULL;
	free(with_prefix);
	free(directory);
	return joined;
}

static int copy_variable(const char *prefix, const char *name, char **ret)
{
	const char *value = secure_getenv(name);
	char *copy;

	if (!value || !value[0])
		return 0;
	copy = join(prefix, value, "");
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

int tg_environment_read(void)
{
	char *config = NULL, *keeper = NULL, *run = NULL, *plaintext = NULL, *preload = NULL;
	Dl_info object;
	int r = copy_variable(CONFIG, "TLSGRAFT_CONFIG", &config);

	if (r == 0 && !config)
		return -ENOENT;
	if (r == 0)
		r = copy_variable(KEEPER, "TLSGRAFT_KEEPER", &keeper);
	if (r == 0)
		r = copy_variable(RUN, "TLSGRAFT_RUN", &run);
	if (r == 0)
		r = copy_variable(PLAINTEXT, "TLSGRAFT_PLAINTEXT", &plaintext);
	if (r == 0 && dladdr(&tg_environment, &object) != 0 && object.dli_fname)
		preload = join_absolute(PRELOAD, object.dli_fname);
	if (preload) {
		tg_environment.preload = preload;
		tg_environment.keeper = keeper;
		tg_environment.run = run;
		tg_environment.plaintext = plaintext;
		tg_environment.config = config;
		return 0;
	}
	free(config);
	free(keeper);
	free(run);
	free(plaintext);
	return -ENOMEM;
}

const char *tg_environment_value(const char *entry)
{
	const char *equals = entry ? strchr(entry, '=') : NULL;

	return equals ? equals + 1 : NULL;
}

const char *tg_environment_home(size_t *ret_length)
{
	const char *path = tg_environment_value(tg_environment.preload);
	const char *slash = path ? strrchr(path, '/') : NULL;

	*ret_length = slash ? (size_t)(slash - path) + 1 : 0;
	return path ? path : "";
}

int tg_environment_resolve_config(void)
{
	const char *path = tg_environment_value(tg_environment.config);
	char *entry;

	if (path[0] == '/')
		return 0;
	entry = join_absolute(CONFIG, path);
	if (!entry)
		return -errno;
	tg_environment.given_config = tg_environment.config;
	tg_environment.config = entry;
	return 0;
}

/* Another thread may be executing a program with the entry before: it is not freed. */
static int replace(_Atomic(char *) *entry, char **given, const char *prefix, const char *value)
{
	const char *known = tg_environment_value(*entry);
	char *new;

	if (known && strcmp(known, value) == 0)
		return 0;
	new = join(prefix, value, "");
	if (!new)
		return -ENOMEM;
	if (!*given)
		*given = *entry;
	*entry = new;
	return 0;
}

int tg_environment_set_keeper(const char *tree)
{
	return replace(&tg_environment.keeper, &tg_environment.given_keeper, KEEPER, tree);
}

int tg_environment_set_plaintext(const char *ports)
{
	return replace(&tg_environment.plaintext, &tg_environment.given_plaintext, PLAINTEXT, ports);
}

bool tg_environment_is_plaintext(uint16_t port)
{
	const char *ports = tg_environment_value(tg_environment.plaintext);

	return ports && tg_ports_contain(ports, port);
}

/* The loader splits LD_PRELOAD at colons and spaces (ld.so(8)). Returns the next piece's length, 0 at the end. */
static size_t next_piece(const char **list)
{
	*list += strspn(*list, ": ");
	return strcspn(*list, ": ");
}

/* True where `piece` names a file of the shim's name, in whatever folder. */
static bool is_shim(const struct tg_environment *environment, const char *piece, size_t length)
{
	const char *name = strrchr(environment->preload, '/') + 1;
	size_t name_length = strlen(name);

	return length >= name_length && memcmp(piece + length - name_length, name, name_length) == 0 &&
	       (length == name_length || piece[length - name_length - 1] == '/');
}

/* What an environment has of the variables that are carried on. */
struct inventory {
	size_t count;  /* entries */
	char *preload; /* the value that the loader would use, which is the last one */
	size_t preload_count;
	bool shim_absolute; /* `preload` loads a shim wherever the new program is executed */
	bool shim_any;
	bool config, other_config, keeper, run, plaintext, outdated, empty;
};

/* An entry of ours that says no more what we know by now. */
static bool is_outdated(const struct tg_environment *environment, const char *entry)
{
	const char *const given[] = {environment->given_config, environment->given_keeper, environment->given_plaintext};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (given[i] && strcmp(entry, given[i]) == 0)
			return true;
	return false;
}

/* The new program would take it for none (tg_environment_read), and none behind it counts. */
static bool is_empty(const char *entry)
{
	return strcmp(entry, CONFIG) == 0 || strcmp(entry, KEEPER) == 0 || strcmp(entry, PLAINTEXT) == 0;
}

static void look_at_entry(const struct tg_environment *environment, char *entry, struct inventory *inventory)
{
	if (is_outdated(environment, entry)) {
		inventory->outdated = true;
		return;
	}
	if (is_empty(entry)) {
		inventory->empty = true;
		return;
	}
	if (begins_with(entry, PRELOAD)) {
		inventory->preload = entry + PRELOAD_LENGTH;
		inventory->preload_count++;
	} else if (begins_with(entry, CONFIG)) {
		inventory->config = true;
		inventory->other_config = strcmp(entry, environment->config) != 0;
	} else if (begins_with(entry, KEEPER)) {
		inventory->keeper = true;
	} else if (begins_with(entry, PLAINTEXT)) {
		inventory->plaintext = true;
	} else if (begins_with(entry, RUN)) {
		inventory->run |= environment->run && strcmp(entry, environment->run) == 0;
	}
}

static struct inventory take_inventory(const struct tg_environment *environment, char *const envp[])
{
	struct inventory inventory = {0};
	const char *list;
	size_t length;

	for (; envp[inventory.count]; inventory.count++)
		look_at_entry(environment, envp[inventory.count], &inventory);
	list = inventory.preload ? inventory.preload : "";
	for (; (length = next_piece(&list)) > 0; list += length) {
		if (!is_shim(environment, list, length))
			continue;
		inventory.shim_any = true;
		inventory.shim_absolute |= list[0] == '/';
	}
	return inventory;
}

static bool lacks_nothing(const struct tg_environment *environment, const struct inventory *inventory)
{
	if (inventory->empty)
		return false;
	if (environment->drop)
		return !inventory->shim_any && !inventory->config && !inventory->keeper && !inventory->run &&
		       !inventory->plaintext && !inventory->outdated;
	return inventory->shim_absolute && inventory->preload_count == 1 && inventory->config && !inventory->run &&
	       !inventory->outdated && (inventory->keeper || inventory->other_config || !environment->keeper) &&
	       (inventory->plaintext || inventory->other_config || !environment->plaintext);
}

size_t tg_environment_room(const struct tg_environment *environment, char *const envp[])
{
	struct inventory inventory;

	if (!environment->config)
		return 0;
	inventory = take_inventory(environment, envp ? envp : empty);
	if (lacks_nothing(environment, &inventory))
		return 0;
	if (inventory.count >= ENTRIES_LIMIT)
		return SIZE_MAX;
	/*
	 * LD_PRELOAD, TLSGRAFT_CONFIG, TLSGRAFT_KEEPER, TLSGRAFT_PLAINTEXT and the end; the shim, a colon, the rest of
	 * LD_PRELOAD, NUL.
	 */
	return (inventory.count + 5) * sizeof(char *) + strlen(environment->preload) + 1 +
	       strlen(inventory.preload ? inventory.preload : "") + 1;
}

bool tg_environment_has_shim(const struct tg_environment *environment, char *const envp[])
{
	struct inventory inventory;

	if (!environment->config || environment->drop)
		return true;
	inventory = take_inventory(environment, envp ? envp : empty);
	return inventory.shim_absolute && (inventory.config || inventory.outdated) && !inventory.empty;
}

/* LD_PRELOAD with the shim first, or without it; NULL where nothing is left. */
static char *fill_preload(const struct tg_environment *environment, const struct inventory *inventory, char *room)
{
	const char *list = inventory->preload ? inventory->preload : "";
	const char *first = environment->drop ? PRELOAD : environment->preload;
	char *end = stpcpy(room, first);
	size_t length;

	for (; (length = next_piece(&list)) > 0; list += length) {
		if (is_shim(environment, list, length))
			continue;
		if (end[-1] != '=')
			*end++ = ':';
		end = mempcpy(end, list, length);
	}
	*end = '\0';
	return end[-1] == '=' ? NULL : room;
}

static bool is_kept(const struct tg_environment *environment, const char *entry)
{
	if (begins_with(entry, PRELOAD) || is_outdated(environment, entry) || is_empty(entry))
		return false;
	if (begins_with(entry, RUN))
		return !environment->run || strcmp(entry, environment->run) != 0;
	return !environment->drop ||
	       (!begins_with(entry, CONFIG) && !begins_with(entry, KEEPER) && !begins_with(entry, PLAINTEXT));
}

char **tg_environment_fill(const struct tg_environment *environment, char *const envp[], void *room)
{
	char *const *theirs = envp ? envp : empty;
	struct inventory inventory = take_inventory(environment, theirs);
	char **filled = room, **next = filled;
	char *preload;

	if (inventory.shim_absolute && inventory.preload_count == 1 && !environment->drop)
		preload = inventory.preload - PRELOAD_LENGTH;
	else
		preload = fill_preload(environment, &inventory, (char *)(filled + inventory.count + 5));
	if (preload)
		*next++ = preload;
	for (; *theirs; theirs++)
		if (is_kept(environment, *theirs))
			*next++ = *theirs;
	if (!environment->drop && !inventory.config)
		*next++ = environment->config;
	if (!environment->drop && environment->keeper && !inventory.keeper && !inventory.other_config)
		*next++ = environment->keeper;
	if (!environment->drop && environment->plaintext && !inventory.plaintext && !inventory.other_config)
		*next++ = environment->plaintext;
	*next = NULL;
	return filled;
}
