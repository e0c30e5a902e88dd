/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/passphrase.h"

#include "loader/pkcs12.h"

#include <string.h>

#define PASSPHRASE_MAX 1023 /* bytes: what OpenSSL's passphrase callback takes */

const char *tg_passphrase_of(struct tg_arena *arena, const struct tg_file *file, const char **ret_reason)
{
	const unsigned char *text = file->data;
	size_t size = file->size, length = 0;

	*ret_reason = NULL;
	/* what editors put before a text is no part of it */
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		size -= 3;
	}
	while (length < size && text[length] != '\n' && text[length] != '\r')
		length++;
	if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		*ret_reason = "is UTF-16, as some editors write it: save it as UTF-8 or ASCII";
	else if (length == 0)
		*ret_reason = "its first line is empty";
	else if (length > PASSPHRASE_MAX)
		*ret_reason = "its first line is longer than 1023 bytes";
	else if (memchr(text, '\0', length))
		*ret_reason = "its first line holds a NUL byte";
	return *ret_reason ? NULL : tg_arena_copy(arena, text, length);
}

bool tg_passphrase_for_ca(const struct tg_load *load, const struct tg_section *section)
{
	const struct tg_values *values = &section->options[TG_OPT_CA];

	for (size_t i = 0; i < values->count; i++) {
		const struct tg_file *file = tg_snapshot_find(&load->snapshot, values->items[i].path);

		if (file && !file->fault && tg_pkcs12_probable(file->data, file->size))
			return true;
	}
	return false;
}

const char **tg_passphrases(struct tg_load *load, const struct tg_section *section, size_t *ret_count)
{
	const struct tg_values *values = &section->options[TG_OPT_KEY_PASSPHRASE_FILE];
	const char **list = tg_arena_alloc(load->arena, (values->count + 1) * sizeof(*list));
	size_t count = 1;

	for (size_t i = 0; list && i < values->count; i++) {
		struct tg_place place =
		    tg_config_place(&load->config, section, TG_OPT_KEY_PASSPHRASE_FILE, values->items[i].line);
		const struct tg_file *file = tg_snapshot_find(&load->snapshot, values->items[i].path);
		const char *reason, *note;

		if (!file)
			continue;
		reason = file->fault ? file->fault
				     : tg_access_fault(load->arena, &file->status, &file->access, &load->key_users, &note);
		if (!reason)
			list[count] = tg_passphrase_of(load->arena, file, &reason);
		if (reason)
			tg_message(load->messages, TLSGRAFT_ERROR, &place, "%s: %s", values->items[i].text, reason);
		else if (list[count])
			count++;
	}
	*ret_count = count;
	return list;
}
