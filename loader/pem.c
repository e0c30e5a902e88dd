/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/pem.h"

#include <string.h>

#define LABEL_MAX 40 /* bytes; longer ones are no label that anybody knows */
#define RUN_MAX 47   /* so many characters of base64 in a row may be a word, a path or the digest of a key */
#define HEADERS_MAX 8

static const char byte_order_mark[] = "\xef\xbb\xbf";
static const char begin_boundary[] = "-----BEGIN";
static const char end_boundary[] = "-----END";

struct line {
	const char *text; /* without byte order mark and trailing blanks; not terminated */
	size_t length;
	int number;
	bool ended; /* by a line end, not by the end of the file */
};

void tg_pem_init(struct tg_pem *pem, struct tg_arena *arena, const unsigned char *bytes, size_t size)
{
	*pem = (struct tg_pem){.arena = arena, .at = bytes, .end = bytes + size, .line = 1};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* False at the end of the file. */
static bool next_line(struct tg_pem *pem, struct line *ret)
{
	const unsigned char *stop = pem->at;
	struct line line = {.text = (const char *)pem->at, .number = pem->line};

	if (pem->at == pem->end)
		return false;
	while (stop < pem->end && *stop != '\n' && *stop != '\r')
		stop++;
	line.length = (size_t)(stop - pem->at);
	line.ended = stop < pem->end;
	if (line.ended)
		stop += *stop == '\r' && stop + 1 < pem->end && stop[1] == '\n' ? 2 : 1;
	pem->at = stop;
	pem->line++;
	while (line.length >= 3 && memcmp(line.text, byte_order_mark, 3) == 0) {
		line.text += 3;
		line.length -= 3;
	}
	while (line.length > 0 && is_blank(line.text[line.length - 1]))
		line.length--;
	*ret = line;
	return true;
}

static bool starts(const struct line *line, const char *boundary)
{
	size_t length = strlen(boundary);

	return line->length >= length && memcmp(line->text, boundary, length) == 0;
}

/* The last line of the file, and it could go on as that boundary. */
static bool begins_to(const struct line *line, const char *boundary)
{
	return !line->ended && line->length > 0 && line->length < strlen(boundary) &&
	       memcmp(line->text, boundary, line->length) == 0;
}

/* `word` in any case and as a word of its own. */
static bool has_word(const struct line *line, const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i + length <= line->length; i++) {
		bool before = i > 0 && ((line->text[i - 1] | 0x20) >= 'a' && (line->text[i - 1] | 0x20) <= 'z');
		size_t same = 0;

		while (same < length && (line->text[i + same] | 0x20) == (word[same] | 0x20))
			same++;
		if (same == length && !before)
			return true;
	}
	return false;
}

/* Two hyphens, or one of the longer dashes (U+2010 to U+2015, U+2212) that word processors put in their place. */
static bool has_dashes(const struct line *line)
{
	const unsigned char *text = (const unsigned char *)line->text;

	for (size_t i = 0; i + 1 < line->length; i++) {
		if (text[i] == '-' && text[i + 1] == '-')
			return true;
		if (i + 2 < line->length && text[i] == 0xe2 &&
		    ((text[i + 1] == 0x80 && text[i + 2] >= 0x90 && text[i + 2] <= 0x95) ||
		     (text[i + 1] == 0x88 && text[i + 2] == 0x92)))
			return true;
	}
	return false;
}

static bool like_boundary(const struct line *line)
{
	static const char *const kinds[] = {"CERTIFICATE", "CRL", "KEY", "PARAMETERS", "REQUEST", "PKCS7", "CMS"};

	if (!has_dashes(line) || !(has_word(line, "BEGIN") || has_word(line, "END")))
		return false;
	if (memmem(line->text, line->length, begin_boundary, strlen(begin_boundary)) ||
	    memmem(line->text, line->length, end_boundary, strlen(end_boundary)))
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (has_word(line, kinds[i]))
			return true;
	return false;
}

/* 0 to 63, or -1. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Characters of base64 in a row, over line ends. */
struct run {
	size_t length;
	bool upper, lower, digit, beyond_hex;
};

/* Base64 of that length has letters of both cases and digits; a fingerprint in hexadecimal digits is no base64. */
static bool like_base64(struct run *run, const struct line *line)
{
	for (size_t i = 0; i < line->length; i++) {
		char c = line->text[i];

		if (base64_value(c) < 0) {
			*run = (struct run){0};
			continue;
		}
		run->length++;
		run->upper = run->upper || (c >= 'A' && c <= 'Z');
		run->lower = run->lower || (c >= 'a' && c <= 'z');
		run->digit = run->digit || (c >= '0' && c <= '9');
		run->beyond_hex = run->beyond_hex || !((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'));
		if (run->length > RUN_MAX && run->upper && run->lower && run->digit && run->beyond_hex)
			return true;
	}
	if (line->length == 0)
		*run = (struct run){0};
	return false;
}

static enum tg_read_result fault(struct tg_pem *pem, enum tg_read_result result, const char *reason)
{
	pem->reason = reason;
	return reason ? result : TG_READ_NO_MEMORY;
}

/* Of a line between blocks that begins none. */
static enum tg_read_result judge_text(struct tg_pem *pem, const struct line *line, struct run *run)
{
	if (memchr(line->text, '\0', line->length))
		return fault(pem, TG_READ_UNFINISHED,
			     tg_arena_format(pem->arena, "line %d holds a NUL byte", line->number));
	if (begins_to(line, begin_boundary))
		return fault(pem, TG_READ_UNFINISHED,
			     tg_arena_format(pem->arena, "ends in the middle of line %d", line->number));
	/* says of the certificate in it whether it is trusted, and for what */
	if (starts(line, "[p11-kit-object-v1]"))
		return fault(pem, TG_READ_BAD,
			     tg_arena_format(
				 pem->arena,
				 "line %d begins an object of p11-kit: write those that are trusted into a file of their "
				 "own: trust extract --format=pem-bundle --filter=ca-anchors --purpose=client-auth NEW",
				 line->number));
	if (starts(line, end_boundary))
		return fault(pem, TG_READ_BAD,
			     tg_arena_format(pem->arena, "line %d ends a block that no line begins", line->number));
	if (like_boundary(line))
		return fault(pem, TG_READ_BAD,
			     tg_arena_format(pem->arena,
					     "line %d looks like the boundary of a PEM block, and is none: it must be "
					     "-----BEGIN WHAT----- or -----END WHAT-----, from the first column and alone "
					     "on its line",
					     line->number));
	if (like_base64(run, line))
		return fault(pem, TG_READ_BAD,
			     tg_arena_format(pem->arena,
					     "line %d holds base64 outside any PEM block: its BEGIN line is missing "
					     "or damaged",
					     line->number));
	return TG_READ_OK;
}

/*
 * `-----BEGIN LABEL-----` or `-----END LABEL-----`: the label's length, 0 where it is none. `boundary` with its space.
 */
static size_t boundary_label(const struct line *line, const char *boundary)
{
	size_t before = strlen(boundary);

	if (!starts(line, boundary) || line->length < before + 1 + 5 || line->length - before - 5 > LABEL_MAX)
		return 0;
	for (size_t i = before; i < line->length - 5; i++)
		if (line->text[i] < 0x20 || line->text[i] > 0x7e || line->text[i] == '-')
			return 0;
	return memcmp(line->text + line->length - 5, "-----", 5) == 0 ? line->length - before - 5 : 0;
}

static enum tg_read_result broken_boundary(struct tg_pem *pem, const struct line *line)
{
	const char *rest = line->text + 5;
	size_t length = line->length - 5;
	const char *reason;

	if (!line->ended && line->length < LABEL_MAX + sizeof("-----BEGIN -----"))
		return fault(pem, TG_READ_UNFINISHED,
			     tg_arena_format(pem->arena, "the PEM block on line %d has no end", line->number));
	if (memmem(rest, length, "\\n", 2))
		reason = "holds \\n as two characters in place of line ends";
	else if (memmem(rest, length, begin_boundary, strlen(begin_boundary)) ||
		 memmem(rest, length, end_boundary, strlen(end_boundary)))
		reason = "joins two boundaries of PEM blocks: the line end between them is missing, as where files are put "
			 "together and the first does not end with one";
	else
		reason = "must hold the boundary of a PEM block and nothing else";
	return fault(pem, TG_READ_BAD, tg_arena_format(pem->arena, "line %d %s", line->number, reason));
}

/* Lines up to the first block. TG_READ_OK with *ret_end: there is none. */
static enum tg_read_result find_begin(struct tg_pem *pem, struct line *line, size_t *ret_label, bool *ret_end)
{
	struct run run = {0};

	while (next_line(pem, line)) {
		enum tg_read_result result;

		*ret_label = boundary_label(line, "-----BEGIN ");
		if (*ret_label > 0 && line->ended)
			return TG_READ_OK;
		if (starts(line, begin_boundary))
			return broken_boundary(pem, line);
		result = judge_text(pem, line, &run);
		if (result != TG_READ_OK)
			return result;
	}
	*ret_end = true;
	return TG_READ_OK;
}

/* Base64 as it comes in. */
struct decoder {
	unsigned char *out;
	size_t size;
	unsigned bits;
	unsigned count;   /* characters of the group of four */
	unsigned padding; /* `=` so far */
};

static bool decode_line(struct decoder *decoder, const struct line *line)
{
	for (size_t i = 0; i < line->length; i++) {
		char c = line->text[i];
		int value = base64_value(c);

		if (is_blank(c))
			continue;
		if (c == '=' && decoder->count >= 2 && decoder->count + decoder->padding < 4) {
			decoder->padding++;
			continue;
		}
		if (value < 0 || decoder->padding > 0)
			return false;
		decoder->bits = decoder->bits << 6 | (unsigned)value;
		if (++decoder->count < 4)
			continue;
		decoder->out[decoder->size++] = (unsigned char)(decoder->bits >> 16);
		decoder->out[decoder->size++] = (unsigned char)(decoder->bits >> 8);
		decoder->out[decoder->size++] = (unsigned char)decoder->bits;
		decoder->count = decoder->bits = 0;
	}
	return true;
}

static bool decode_end(struct decoder *decoder)
{
	if (decoder->count == 0)
		return decoder->padding == 0;
	if (decoder->count + decoder->padding != 4)
		return false;
	decoder->bits <<= 6 * (4 - decoder->count);
	decoder->out[decoder->size++] = (unsigned char)(decoder->bits >> 16);
	if (decoder->count == 3)
		decoder->out[decoder->size++] = (unsigned char)(decoder->bits >> 8);
	return true;
}

/* A line of a block that is neither base64 nor its END. */
static enum tg_read_result broken_line(struct tg_pem *pem, const struct tg_pem_block *block, const struct line *line)
{
	/* bytes that no text has: the rest of the file is not written yet */
	if (memchr(line->text, '\0', line->length))
		return fault(
		    pem, TG_READ_UNFINISHED,
		    tg_arena_format(pem->arena, "%s has no end: NUL bytes follow on line %d", block->what, line->number));
	if (memmem(line->text, line->length, end_boundary, strlen(end_boundary)) ||
	    memmem(line->text, line->length, begin_boundary, strlen(begin_boundary)))
		return fault(pem, TG_READ_BAD,
			     tg_arena_format(pem->arena,
					     "%s has no end: the boundary on line %d does not begin in the first column",
					     block->what, line->number));
	return fault(pem, TG_READ_UNFINISHED,
		     tg_arena_format(pem->arena, "%s cannot be decoded: line %d is not base64", block->what, line->number));
}

/* The line that ends the block, or what stands in its place. */
static enum tg_read_result close_block(struct tg_pem *pem, const struct tg_pem_block *block, const struct line *line)
{
	size_t label = boundary_label(line, "-----END ");
	size_t expected = strlen(block->label);

	if (label == expected && memcmp(line->text + 9, block->label, label) == 0)
		return TG_READ_OK;
	if (starts(line, begin_boundary))
		return fault(pem, TG_READ_BAD,
			     tg_arena_format(pem->arena, "%s has no end: another block begins on line %d", block->what,
					     line->number));
	if (!line->ended && line->length < 9 + expected + 5)
		return fault(pem, TG_READ_UNFINISHED, tg_arena_format(pem->arena, "%s has no end", block->what));
	if (label > 0)
		return fault(
		    pem, TG_READ_BAD,
		    tg_arena_format(pem->arena, "%s ends as something else on line %d", block->what, line->number));
	return broken_boundary(pem, line);
}

/* Headers, where the first line is one, up to the empty line that ends them. Leaves *line on the first line of base64. */
static enum tg_read_result read_headers(struct tg_pem *pem, struct tg_pem_block *block, struct line *line, bool *ret_more)
{
	*ret_more = next_line(pem, line);
	block->headers = "";
	if (!*ret_more || !memchr(line->text, ':', line->length))
		return TG_READ_OK;
	for (int count = 0; *ret_more && line->length > 0 && !starts(line, "-----"); count++) {
		if (count == HEADERS_MAX)
			return fault(pem, TG_READ_BAD, tg_arena_format(pem->arena, "%s has too many headers", block->what));
		block->headers = tg_arena_format(pem->arena, "%s%.*s\n", block->headers, (int)line->length, line->text);
		if (!block->headers)
			return TG_READ_NO_MEMORY;
		*ret_more = next_line(pem, line);
	}
	return TG_READ_OK;
}

/* How much the rest of a block can decode to. */
static size_t decoded_bound(const struct tg_pem *pem)
{
	const unsigned char *stop = memmem(pem->at, (size_t)(pem->end - pem->at), "-----", 5);

	return (size_t)((stop ? stop : pem->end) - pem->at) / 4 * 3 + 3;
}

enum tg_read_result tg_pem_body(struct tg_pem *pem, struct tg_pem_block *block)
{
	struct decoder decoder = {.out = tg_arena_alloc(pem->arena, decoded_bound(pem))};
	struct line line = {0};
	bool more;
	enum tg_read_result result;

	if (!decoder.out)
		return TG_READ_NO_MEMORY;
	result = read_headers(pem, block, &line, &more);
	if (result != TG_READ_OK)
		return result;
	for (; more; more = next_line(pem, &line)) {
		if (starts(&line, "-----")) {
			result = close_block(pem, block, &line);
			if (result != TG_READ_OK)
				return result;
			break;
		}
		if (begins_to(&line, "-----")) {
			more = false;
			break;
		}
		if (!decode_line(&decoder, &line))
			return broken_line(pem, block, &line);
	}
	if (!more)
		return fault(pem, TG_READ_UNFINISHED, tg_arena_format(pem->arena, "%s has no end", block->what));
	if (!decode_end(&decoder))
		return fault(pem, TG_READ_UNFINISHED,
			     tg_arena_format(pem->arena, "%s cannot be decoded: its base64 is incomplete", block->what));
	if (decoder.size == 0)
		return fault(pem, TG_READ_UNFINISHED, tg_arena_format(pem->arena, "%s is empty", block->what));
	block->data = decoder.out;
	block->size = decoder.size;
	return TG_READ_OK;
}

enum tg_read_result tg_pem_begin(struct tg_pem *pem, struct tg_pem_block *ret, bool *ret_end)
{
	struct tg_pem_block block = {0};
	struct line line;
	size_t label = 0;
	bool end = false;
	enum tg_read_result result = find_begin(pem, &line, &label, &end);

	*ret_end = result == TG_READ_OK && end;
	if (result != TG_READ_OK || end)
		return result;
	block.label = tg_arena_copy(pem->arena, line.text + strlen("-----BEGIN "), label);
	block.what = block.label ? tg_arena_format(pem->arena, "the %s on line %d", block.label, line.number) : NULL;
	if (!block.what)
		return TG_READ_NO_MEMORY;
	*ret = block;
	return TG_READ_OK;
}

bool tg_pem_probable(const unsigned char *bytes, size_t size)
{
	return memmem(bytes, size, begin_boundary, strlen(begin_boundary)) ||
	       memmem(bytes, size, end_boundary, strlen(end_boundary)) || (size > 0 && bytes[0] == '-');
}
