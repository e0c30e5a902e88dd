/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The INI file: whatever the bytes, they are read or refused, and the strict reader and inih agree on every line that is
 * read. A disagreement would show as one of the messages below.
 */
#include "loader/config.h"
#include "loader/ini.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reason ends a message; before it stands what the input itself says. */
static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), wanted = strlen(end);

	return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static void check_agreement(const tlsgraft_messages *messages)
{
	static const char *const never[] = {
	    ": the parser did not see this key",
	    ": the parser reads this line in another way",
	    ": the parser refuses this line",
	    ": the parser takes no line of this length",
	};

	for (size_t i = 0; i < tlsgraft_messages_count(messages); i++)
		for (size_t j = 0; j < sizeof(never) / sizeof(never[0]); j++)
			if (ends_with(tlsgraft_messages_text(messages, i), never[j]))
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tg_arena *arena = tg_arena_new();
	tlsgraft_messages *messages = tg_messages_new();
	struct tg_config config;
	struct tg_ini ini;

	if (!arena || !messages)
		abort();
	tg_ini_read(arena, "x.ini", data, size, &ini, messages);
	check_agreement(messages);
	tg_config_read(arena, "x.ini", "/nowhere", &ini, &config, messages);
	/* What is left out without a word protects nothing. */
	for (size_t i = 0; tg_messages_errors(messages) == 0 && i < ini.section_count; i++)
		if (config.section_count != ini.section_count)
			abort();
	tlsgraft_messages_free(messages);
	tg_arena_free(arena);
	return 0;
}
