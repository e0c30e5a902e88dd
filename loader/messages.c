/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
	enum tlsgraft_severity severity;
	char *text;
};

struct list {
	struct message *items;
	size_t count;
	size_t capacity;
};

struct tlsgraft_messages {
	struct list list; /* errors and warnings */
	struct list notes;
	struct list reads;
	size_t errors;
	size_t pending;
	size_t early;
	int64_t good_from; /* the latest of the early ones */
	bool failed;
};

tlsgraft_messages *tg_messages_new(void)
{
	return calloc(1, sizeof(tlsgraft_messages));
}

static void list_free(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].text);
	free(list->items);
}

void tlsgraft_messages_free(tlsgraft_messages *messages)
{
	if (!messages)
		return;
	list_free(&messages->list);
	list_free(&messages->notes);
	list_free(&messages->reads);
	free(messages);
}

static bool known(const struct list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].text, text) == 0)
			return true;
	return false;
}

static bool append(struct list *list, enum tlsgraft_severity severity, char *text)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity > 0 ? list->capacity * 2 : 8;
		struct message *items = reallocarray(list->items, capacity, sizeof(*items));

		if (!items)
			return false;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = (struct message){severity, text};
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

/* True where it is new. */
__attribute__((format(printf, 5, 0))) static bool add(tlsgraft_messages *messages, struct list *list,
						      enum tlsgraft_severity severity, const struct tg_place *place,
						      const char *format, va_list arguments)
{
	char *text = compose(place, format, arguments);

	if (text && known(list, text)) {
		free(text);
		return false;
	}
	if (!text || !append(list, severity, text)) {
		messages->failed = true;
		free(text);
		return false;
	}
	if (list == &messages->list && severity == TLSGRAFT_ERROR)
		messages->errors++;
	return true;
}

void tg_message(tlsgraft_messages *messages, enum tlsgraft_severity severity, const struct tg_place *place,
		const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(messages, &messages->list, severity, place, format, arguments);
	va_end(arguments);
}

void tg_message_pending(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (add(messages, &messages->list, TLSGRAFT_ERROR, place, format, arguments))
		messages->pending++;
	va_end(arguments);
}

void tg_message_early(tlsgraft_messages *messages, const struct tg_place *place, int64_t from, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (add(messages, &messages->list, TLSGRAFT_ERROR, place, format, arguments))
		messages->early++;
	va_end(arguments);
	if (from > messages->good_from)
		messages->good_from = from;
}

void tg_note(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(messages, &messages->notes, TLSGRAFT_WARNING, place, format, arguments);
	va_end(arguments);
}

void tg_message_read(tlsgraft_messages *messages, const struct tg_place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(messages, &messages->reads, TLSGRAFT_WARNING, place, format, arguments);
	va_end(arguments);
}

size_t tg_reads_count(const tlsgraft_messages *messages)
{
	return messages->reads.count;
}

const char *tg_reads_text(const tlsgraft_messages *messages, size_t index)
{
	return index < messages->reads.count ? messages->reads.items[index].text : NULL;
}

size_t tg_notes_count(const tlsgraft_messages *messages)
{
	return messages->notes.count;
}

const char *tg_notes_text(const tlsgraft_messages *messages, size_t index)
{
	return index < messages->notes.count ? messages->notes.items[index].text : NULL;
}

size_t tg_messages_errors(const tlsgraft_messages *messages)
{
	return messages->errors;
}

size_t tg_messages_pending(const tlsgraft_messages *messages)
{
	return messages->pending;
}

size_t tg_messages_early(const tlsgraft_messages *messages)
{
	return messages->early;
}

int64_t tg_messages_good_from(const tlsgraft_messages *messages)
{
	return messages->errors == messages->early ? messages->good_from : 0;
}

bool tg_messages_failed(const tlsgraft_messages *messages)
{
	return messages->failed;
}

size_t tlsgraft_messages_count(const tlsgraft_messages *messages)
{
	return messages->list.count;
}

const char *tlsgraft_messages_text(const tlsgraft_messages *messages, size_t index)
{
	return index < messages->list.count ? messages->list.items[index].text : NULL;
}

enum tlsgraft_severity tlsgraft_messages_severity(const tlsgraft_messages *messages, size_t index)
{
	return index < messages->list.count ? messages->list.items[index].severity : TLSGRAFT_WARNING;
}
