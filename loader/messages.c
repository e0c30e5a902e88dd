#include "loader/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
	enum tlsgraft_severity severity;
	char *text;
};

struct tlsgraft_messages {
	struct message *items;
	size_t count;
	size_t capacity;
	size_t errors;
	size_t pending;
	bool failed;
};

tlsgraft_messages *tg_messages_new(void)
{
	return calloc(1, sizeof(tlsgraft_messages));
}

void tlsgraft_messages_free(tlsgraft_messages *messages)
{
	if (!messages)
		return;
	for (size_t i = 0; i < messages->count; i++)
		free(messages->items[i].text);
	free(messages->items);
	free(messages);
}

static bool known(const tlsgraft_messages *messages, const char *text)
{
	for (size_t i = 0; i < messages->count; i++)
		if (strcmp(messages->items[i].text, text) == 0)
			return true;
	return false;
}

static bool append(tlsgraft_messages *messages, enum tlsgraft_severity severity, char *text)
{
	if (messages->count == messages->capacity) {
		size_t capacity = messages->capacity > 0 ? messages->capacity * 2 : 8;
		struct message *items = reallocarray(messages->items, capacity, sizeof(*items));

		if (!items)
			return false;
		messages->items = items;
		messages->capacity = capacity;
	}
	messages->items[messages->count++] = (struct message){severity, text};
	return true;
}

/* Prints place and reason into malloc'ed memory; NULL where memory ran out. */
__attribute__((format(printf, 2, 0))) static char *compose(const struct tg_place *place, const char *format,
							   va_list arguments)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	if (place) {
		fputs(place->file, stream);
		if (place->line > 0)
			fprintf(stream, ":%d", place->line);
		fputs(": ", stream);
		if (place->section)
			fprintf(stream, "[%s]%s", place->section, place->key ? " " : ": ");
		if (place->key)
			fprintf(stream, "%s: ", place->key);
	}
	vfprintf(stream, format, arguments);
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

__attribute__((format(printf, 5, 0))) static void add(tlsgraft_messages *messages, enum tlsgraft_severity severity,
						      bool pending, const struct tg_place *place, const char *format,
						      va_list arguments)
{
	char *text = compose(place, format, arguments);

	if (!text) {
		messages->failed = true;
		return;
	}
	if (known(messages, text)) {
		free(text);
		return;
	}
	if (!append(messages, severity, text)) {
		messages->failed = true;
		free(text);
		return;
	}
	if (severity == TLSGRAFT_ERROR)
		messages->errors++;
	if (pending)
		messages->pending++;
}

void tg_message(tlsgraft_messages *messages, enum tlsgraft_severity severity, const struct tg_place *place,
		const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(messages, severity, false, place, format, arguments);
	va_end(arguments);
}

void tg_message_pending(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(messages, TLSGRAFT_ERROR, true, place, format, arguments);
	va_end(arguments);
}

size_t tg_messages_errors(const tlsgraft_messages *messages)
{
	return messages->errors;
}

size_t tg_messages_pending(const tlsgraft_messages *messages)
{
	return messages->pending;
}

bool tg_messages_failed(const tlsgraft_messages *messages)
{
	return messages->failed;
}

size_t tlsgraft_messages_count(const tlsgraft_messages *messages)
{
	return messages->count;
}

const char *tlsgraft_messages_text(const tlsgraft_messages *messages, size_t index)
{
	return index < messages->count ? messages->items[index].text : NULL;
}

enum tlsgraft_severity tlsgraft_messages_severity(const tlsgraft_messages *messages, size_t index)
{
	return index < messages->count ? messages->items[index].severity : TLSGRAFT_WARNING;
}
