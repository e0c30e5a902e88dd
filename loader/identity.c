/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/identity.h"

#include "ipc/read.h"
#include "ipc/user.h"
#include "loader/errors.h"
#include "loader/load.h"
#include "loader/private.h"
#include "loader/resolve.h"
#include "loader/settings.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS 5
#define PAUSE_MS 20 /* ATTEMPTS - 1 of them at most: the 100 ms of the public header */

/* Pages of their own, so that keys can be kept out of core dumps and, where the limit allows, out of swap. */
static unsigned char *map_secret(const unsigned char *bytes, size_t size, size_t *ret_mapped)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t mapped = (size + page - 1) / page * page;
	unsigned char *copy = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return NULL;
	madvise(copy, mapped, MADV_DONTDUMP);
	mlock(copy, mapped);
	memcpy(copy, bytes, size);
	*ret_mapped = mapped;
	return copy;
}

static void identity_free(tlsgraft_identity *identity)
{
	if (!identity)
		return;
	tg_document_free(identity->document);
	if (identity->bytes) {
		OPENSSL_cleanse(identity->bytes, identity->size);
		munmap(identity->bytes, identity->mapped);
	}
	tg_arena_free(identity->arena);
	free(identity);
}

/* With settings by default and no files. Returns TLSGRAFT_OK, TLSGRAFT_REFUSED (malformed) or TLSGRAFT_NO_MEMORY. */
static int identity_new(const unsigned char *bytes, size_t size, tlsgraft_identity **ret)
{
	tlsgraft_identity *identity = calloc(1, sizeof(*identity));
	int result = TLSGRAFT_NO_MEMORY;

	if (!identity)
		return TLSGRAFT_NO_MEMORY;
	if (size == 0) {
		result = TLSGRAFT_REFUSED;
		goto out;
	}
	atomic_init(&identity->references, 1);
	identity->arena = tg_arena_new();
	identity->size = size;
	identity->bytes = map_secret(bytes, size, &identity->mapped);
	if (!identity->arena || !identity->bytes || !tg_settings_fill(identity->arena, NULL, &identity->settings))
		goto out;
	switch (tg_document_decode(identity->bytes, identity->size, &identity->document)) {
	case 0:
		*ret = identity;
		return TLSGRAFT_OK;
	case -EBADMSG:
		result = TLSGRAFT_REFUSED;
		break;
	default:
		break;
	}
out:
	identity_free(identity);
	return result;
}

int tg_identity_from_bytes(const unsigned char *bytes, size_t size, tlsgraft_identity **ret)
{
	tlsgraft_identity *identity = NULL;
	int result = identity_new(bytes, size, &identity);
	struct tg_settings kept;

	if (result != TLSGRAFT_OK)
		return result;
	kept = (struct tg_settings){
	    .exes = identity->document->exes,
	    .exe_count = identity->document->exe_count,
	    .reload_signal = identity->document->reload_signal,
	    .children_keep = identity->document->children_keep,
	};
	identity->from_bytes = true;
	if (!tg_settings_keep(identity->arena, &kept, &identity->settings)) {
		identity_free(identity);
		return TLSGRAFT_NO_MEMORY;
	}
	*ret = identity;
	return TLSGRAFT_OK;
}

tlsgraft_identity *tlsgraft_identity_ref(tlsgraft_identity *identity)
{
	atomic_fetch_add_explicit(&identity->references, 1, memory_order_relaxed);
	return identity;
}

void tlsgraft_identity_unref(tlsgraft_identity *identity)
{
	if (identity && atomic_fetch_sub_explicit(&identity->references, 1, memory_order_acq_rel) == 1)
		identity_free(identity);
}

int tlsgraft_identity_equal(const tlsgraft_identity *a, const tlsgraft_identity *b)
{
	return a == b || (a->size == b->size && CRYPTO_memcmp(a->bytes, b->bytes, a->size) == 0);
}

const struct tg_settings *tg_identity_settings(const tlsgraft_identity *identity)
{
	return &identity->settings;
}

const struct tg_document *tg_identity_document(const tlsgraft_identity *identity)
{
	return identity->document;
}

const unsigned char *tg_identity_bytes(const tlsgraft_identity *identity, size_t *ret_size)
{
	*ret_size = identity->size;
	return identity->bytes;
}

size_t tg_identity_file_count(const tlsgraft_identity *identity)
{
	return identity->file_count;
}

const char *tg_identity_file(const tlsgraft_identity *identity, size_t index)
{
	return index < identity->file_count ? identity->files[index] : NULL;
}

size_t tg_identity_note_count(const tlsgraft_identity *identity)
{
	return identity->note_count;
}

const char *tg_identity_note(const tlsgraft_identity *identity, size_t index)
{
	return index < identity->note_count ? identity->notes[index] : NULL;
}

const char *tlsgraft_loader_version(void)
{
	return TLSGRAFT_VERSION;
}

/* The INI file's own path, absolute. Links are not resolved: they may be what changes. */
static char *absolute(struct tg_arena *arena, const char *path)
{
	char *folder, *result;

	if (*path == '/')
		return tg_arena_text(arena, path);
	folder = getcwd(NULL, 0);
	if (!folder)
		return NULL;
	result = tg_arena_format(arena, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", path);
	free(folder);
	return result;
}

/* Reads the INI file and every file that it names, and nothing else yet. */
static void read_everything(struct tg_load *load, const char *ini_path)
{
	struct tg_place place = {ini_path, 0, NULL, NULL};
	char *path = absolute(load->arena, ini_path);
	const struct tg_file *file = path ? tg_snapshot_read(&load->snapshot, path) : NULL;
	const char *reason;
	struct tg_ini ini;
	char *folder;

	/* of half a file there is nothing else to say */
	if (!file || file->half)
		return;
	reason = file->fault ? file->fault : tg_file_untrusted(load->arena, file);
	if (reason) {
		tg_message(load->messages, TLSGRAFT_ERROR, &place, "%s", reason);
		return;
	}
	folder = tg_arena_copy(load->arena, path, strrchr(path, '/') == path ? 1 : (size_t)(strrchr(path, '/') - path));
	if (!folder)
		return;
	tg_ini_read(load->arena, ini_path, file->data, file->size, &ini, load->messages);
	tg_config_read(load->arena, ini_path, folder, &ini, &load->config, load->messages);
	for (size_t i = 0; i < load->config.section_count; i++) {
		for (size_t j = 0; j < TG_OPT_COUNT; j++) {
			const struct tg_values *values = &load->config.sections[i].options[j];

			for (size_t k = 0; tg_options_get(j)->type == TG_TYPE_FILE && k < values->count; k++)
				if (!tg_snapshot_read(&load->snapshot, values->items[k].path))
					return;
		}
	}
}

/* Settings, with what a reload cannot change left as it is; and the document's share of them. */
static bool resolve_settings(struct tg_load *load, const tlsgraft_identity *serving, struct tg_arena *arena,
			     struct tg_document *document, struct tg_settings *settings)
{
	if (!tg_settings_fill(arena, &load->config, settings))
		return false;
	if (serving) {
		struct tg_settings in_force = serving->settings;

		if (serving->from_bytes) {
			/* These are not in the document: nobody knows what they were. */
			in_force.users = settings->users;
			in_force.user_count = settings->user_count;
		}
		tg_settings_compare(&in_force, settings, load->messages);
		if (!tg_settings_keep(arena, &in_force, settings))
			return false;
	}
	document->reload_signal = settings->reload_signal;
	document->children_keep = settings->children_keep;
	document->exes = settings->exes;
	document->exe_count = settings->exe_count;
	return true;
}

static char **copy_texts(struct tg_arena *arena, const char *const *texts, size_t count)
{
	char **copies = tg_arena_alloc(arena, (count + 1) * sizeof(*copies));

	for (size_t i = 0; copies && i < count; i++) {
		copies[i] = tg_arena_text(arena, texts[i]);
		if (!copies[i])
			return NULL;
	}
	return copies;
}

/* Makes the identity of a load without errors. */
static int build(struct tg_load *load, const tlsgraft_identity *serving, struct tg_document *document,
		 tlsgraft_identity **ret)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_settings settings;
	tlsgraft_identity *identity = NULL;
	unsigned char *bytes = NULL;
	size_t size = 0;
	int result = TLSGRAFT_NO_MEMORY;
	struct tg_tried tried = {0};
	char **files, **notes;

	if (!arena || !resolve_settings(load, serving, arena, document, &settings))
		goto out;
	files = tg_arena_alloc(arena, (load->snapshot.count + 1) * sizeof(char *));
	notes = copy_texts(arena, load->notes, load->note_count);
	if (!files || !notes)
		goto out;
	for (size_t i = 0; i < load->snapshot.count; i++) {
		files[i] = tg_arena_text(arena, load->snapshot.files[i].path);
		if (!files[i])
			goto out;
	}
	for (size_t i = 0; i < load->tried.count; i++)
		tg_tried_add(&tried, arena, load->tried.digests[i]);
	switch (tg_document_encode(document, &bytes, &size)) {
	case 0:
		break;
	case -E2BIG:
		tg_message(load->messages, TLSGRAFT_ERROR, &(struct tg_place){load->config.name, 0, NULL, NULL},
			   "with all that it names, it is too large to be published");
		result = TLSGRAFT_REFUSED;
		goto out;
	default:
		goto out;
	}
	result = identity_new(bytes, size, &identity);
	if (result != TLSGRAFT_OK) {
		if (result == TLSGRAFT_REFUSED)
			tg_message(load->messages, TLSGRAFT_ERROR, &(struct tg_place){load->config.name, 0, NULL, NULL},
				   "cannot be published: its encoding does not decode");
		goto out;
	}
	tg_arena_free(identity->arena);
	identity->arena = arena;
	identity->settings = settings;
	identity->files = files;
	identity->file_count = load->snapshot.count;
	identity->tried = tried;
	identity->notes = notes;
	identity->note_count = load->note_count;
	arena = NULL;
	*ret = identity;
out:
	tg_cleanse_free(bytes, size);
	tg_arena_free(arena);
	return result;
}

/* Who may hold the keys, and so may read their files. */
static void gather_key_users(struct tg_load *load)
{
	const struct tg_section *section = tg_config_section(&load->config, TG_SECTION_TLSGRAFT);
	const struct tg_values *values = section ? &section->options[TG_OPT_USER] : NULL;

	for (size_t i = 0; values && i < values->count; i++) {
		const size_t before = load->key_users.count;
		const struct tg_value *value = &values->items[i];
		struct tg_place place = tg_config_place(&load->config, section, TG_OPT_USER, value->line);

		if (!tg_key_users_add(load->arena, &load->key_users, value->text))
			return;
		if (load->key_users.count > before && tg_user_is_anybody(load->key_users.list[before].user))
			tg_message(
			    load->messages, TLSGRAFT_WARNING, &place,
			    "\"%s\" is user %u, as whom this user namespace shows everybody whom it does not map: its "
			    "programs get no policy; run them as another user",
			    value->text, load->key_users.list[before].user);
	}
	if (load->user)
		tg_key_users_add(load->arena, &load->key_users, load->user);
}

static int judge_document(struct tg_load *load, const tlsgraft_identity *serving, tlsgraft_identity **ret)
{
	struct tg_document document;
	size_t errors;

	load->now = time(NULL);
	load->warn_days = tg_config_number(tg_config_section(&load->config, TG_SECTION_TLSGRAFT), TG_OPT_WARN_DAYS);
	load->serving = serving ? serving->document : NULL;
	load->tried_before = serving ? &serving->tried : NULL;
	if (load->config.sections) {
		gather_key_users(load);
		tg_settings_check(&load->config, serving != NULL, load->messages);
		tg_resolve(load, &document);
	}
	if (tg_arena_failed(load->arena) || tg_messages_failed(load->messages))
		return TLSGRAFT_NO_MEMORY;
	errors = tg_messages_errors(load->messages);
	if (errors > 0) {
		size_t pending = tg_messages_pending(load->messages);
		bool all_pass = errors == pending + tg_messages_early(load->messages);

		return serving && pending > 0 && all_pass ? TLSGRAFT_PENDING : TLSGRAFT_REFUSED;
	}
	return build(load, serving, &document, ret);
}

/* False, and a message, where this is not what the files hold at rest. */
static bool at_rest(struct tg_load *load, const char *ini_path)
{
	const struct tg_file *half = tg_snapshot_half_written(&load->snapshot);

	if (half) {
		tg_message(load->messages, TLSGRAFT_ERROR, &(struct tg_place){half->path, 0, NULL, NULL}, "%s", half->half);
		return false;
	}
	if (!tg_snapshot_holds(&load->snapshot)) {
		tg_message(load->messages, TLSGRAFT_ERROR, &(struct tg_place){ini_path, 0, NULL, NULL},
			   "it or a file that it names was changing all the time while it was read");
		return false;
	}
	return true;
}

/* One attempt. `changing`: files were being written while they were read. */
static int load_once(const char *user, const char *ini_path, const tlsgraft_identity *serving,
		     tlsgraft_identity **ret_identity, tlsgraft_messages **ret_messages, bool *ret_changing)
{
	struct tg_load load = {.arena = tg_arena_new(), .messages = tg_messages_new(), .user = user};
	tlsgraft_identity *identity = NULL;
	int result = TLSGRAFT_NO_MEMORY;

	*ret_changing = false;
	load.snapshot = (struct tg_snapshot){.arena = load.arena, .wait = serving != NULL};
	if (!load.arena || !load.messages)
		goto out;
	read_everything(&load, ini_path);
	if (tg_arena_failed(load.arena) || tg_messages_failed(load.messages))
		goto out;
	*ret_changing = !at_rest(&load, ini_path);
	if (*ret_changing)
		result = serving ? TLSGRAFT_PENDING : TLSGRAFT_REFUSED;
	else
		result = judge_document(&load, serving, &identity);
out:
	tg_arena_free(load.arena);
	if (result == TLSGRAFT_NO_MEMORY || tg_messages_failed(load.messages)) {
		tlsgraft_identity_unref(identity);
		tlsgraft_messages_free(load.messages);
		return TLSGRAFT_NO_MEMORY;
	}
	*ret_messages = load.messages;
	if (result == TLSGRAFT_OK)
		*ret_identity = identity;
	return result;
}

int tg_load_for(const char *user, const char *ini_path, const tlsgraft_identity *serving, tlsgraft_identity **ret_identity,
		tlsgraft_messages **ret_messages)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};
	tlsgraft_messages *messages = NULL;
	tlsgraft_identity *identity = NULL;
	struct tg_errors errors;
	bool changing = true;
	int result;

	tg_errors_take(&errors);
	for (int attempt = 1;; attempt++) {
		result = load_once(user, ini_path, serving, &identity, &messages, &changing);
		if (!changing || attempt == ATTEMPTS)
			break;
		tlsgraft_messages_free(messages);
		messages = NULL;
		nanosleep(&pause, NULL);
	}
	tg_errors_restore(&errors);
	if (result != TLSGRAFT_NO_MEMORY)
		*ret_messages = messages;
	if (result == TLSGRAFT_OK)
		*ret_identity = identity;
	return result;
}

int tlsgraft_load(const char *ini_path, const tlsgraft_identity *serving, tlsgraft_identity **ret_identity,
		  tlsgraft_messages **ret_messages)
{
	return tg_load_for(NULL, ini_path, serving, ret_identity, ret_messages);
}
