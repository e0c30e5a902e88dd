/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published memory from both ends: the first byte of an input says whether the rest is a policy document, an image of
 * the policy memory that an attached process copies from, one of the report memory that attached processes and keeper
 * share, or events in it.
 */
#include "ipc/policy.h"
#include "ipc/publish.h"
#include "ipc/read.h"
#include "ipc/report.h"
#include "keeper/escape.h"
#include "keeper/refused.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_SIZE 8 /* of a document: magic and version */

enum subject { SUBJECT_DOCUMENT, SUBJECT_POLICY_IMAGE, SUBJECT_REPORT_IMAGE, SUBJECT_EVENTS, SUBJECT_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

/*
 * What was accepted is walked as a whole by encoding it again. There is only one encoding of a document: what comes out is
 * what came in, or, for a document of the format before, what comes out of its own encoding.
 */
static void try_document(const uint8_t *data, size_t size)
{
	struct tg_document *document = NULL, *second = NULL;
	unsigned char *again = NULL, *once_more = NULL;
	size_t again_size = 0, once_more_size = 0;

	if (tg_document_decode(data, size, &document))
		return;
	if (tg_document_encode(document, &again, &again_size) || tg_document_decode(again, again_size, &second) ||
	    tg_document_encode(second, &once_more, &once_more_size))
		abort();
	if (again_size != once_more_size || memcmp(again, once_more, again_size) != 0)
		abort();
	if (memcmp(again, data, HEAD_SIZE) == 0 && (again_size != size || memcmp(again, data, size) != 0))
		abort();
	free(again);
	free(once_more);
	tg_document_free(document);
	tg_document_free(second);
}

/* One byte for the size of the image and whether its header is made sane; then the header; then the first slot. */
static void try_policy_image(const uint8_t *data, size_t size)
{
	const size_t slot_size = size ? (1 + (size_t)(data[0] & 3)) * TG_PAGE_SIZE : TG_PAGE_SIZE;
	const size_t map_size = TG_PAGE_SIZE + 2 * slot_size;
	unsigned char *const map = aligned_alloc(TG_PAGE_SIZE, map_size);
	struct tg_policy_header *const header = (struct tg_policy_header *)(void *)map;
	unsigned char *bytes = NULL;
	uint64_t generation = 0;
	size_t length = 0, taken;

	if (!map)
		abort();
	memset(map, 0, map_size);
	if (size > 0) {
		taken = size - 1 < sizeof *header ? size - 1 : sizeof *header;
		memcpy(map, data + 1, taken);
		if (data[0] & 4) {
			header->magic = TG_POLICY_MAGIC;
			header->layout = TG_LAYOUT;
			header->slot_size = slot_size;
		}
		if (size - 1 - taken > 0)
			memcpy(map + TG_PAGE_SIZE, data + 1 + taken,
			       size - 1 - taken < 2 * slot_size ? size - 1 - taken : 2 * slot_size);
	}
	if (tg_policy_copy(header, map_size, &bytes, &length, &generation) == 0) {
		if (length == 0 || length > slot_size || generation == 0)
			abort();
		try_document(bytes, length);
		tg_cleanse_free(bytes, length);
	}
	free(map);
}

static void try_report_image(const uint8_t *data, size_t size)
{
	struct tg_report_page *const page = calloc(1, sizeof *page);
	char name[TG_SECTION_NAME_SIZE + 8] = {0};
	struct tg_section_slot *slot;

	if (!page)
		abort();
	/* The tables are long: the input is laid over each of them. */
	memcpy(page, data, size < sizeof *page ? size : sizeof *page);
	memcpy(page->sections, data, size < sizeof page->sections ? size : sizeof page->sections);
	memcpy(page->ungoverned, data, size < sizeof page->ungoverned ? size : sizeof page->ungoverned);
	memcpy(name, data, size < sizeof name - 1 ? size : sizeof name - 1);
	tg_report_request_reload(page);
	tg_report_process(page, size > 3 ? data[3] : 1, size);
	slot = tg_report_section(page, name);
	if (slot && (slot < page->sections || slot >= page->sections + TG_SECTION_SLOTS))
		abort();
	tg_report_accepted(slot, true);
	tg_report_refused(page, slot, (enum tg_refusal)(size > 4 ? data[4] : 0));
	tg_report_aborted(slot);
	tg_report_plaintext(page, slot, TG_PLAINTEXT_CLIENT);
	if (size >= 18)
		tg_report_ungoverned(page, data[0], data + 2, data[1]);
	free(page);
}

/* What is said of refused clients is one line, whatever an attached process wrote. */
static void check_line(const char *line)
{
	char escaped[4096];
	const size_t size = tg_escape(line, escaped, sizeof escaped);

	if (strlen(line) >= 1024 || size >= sizeof escaped - 4 || strncmp(line, "refused client", 14) != 0)
		abort();
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)escaped[i] < 0x20 || escaped[i] == 0x7f)
			abort();
}

/* The bytes as events that were written in order, each behind a byte that says what else happens; then as the ring itself.
 */
static void try_events(const uint8_t *data, size_t size)
{
	static char section[] = "server";
	struct tg_policy policy = {.section = section};
	const struct tg_document document = {.policies = &policy, .policy_count = 1};
	static struct tg_report_page memory, *const page = &memory;
	static struct tg_refused_log kept, *const log = &kept;
	int64_t now = 0;

	memset(&page->events, 0, sizeof page->events);
	memset(log, 0, sizeof *log);
	for (size_t at = 0; at < size && at < 20 * 80;) {
		struct tg_event event = {.kind = data[at] & 1 ? TG_EVENT_REFUSED : TG_EVENT_NONE, .reason = data[at] >> 3};
		const size_t from = at + 1, left = size - from, taken = left < 80 ? left : 80;

		now += data[at] & 2 ? TG_REFUSED_PAUSE_MS : 10;
		if (data[at] & 4)
			tg_events_lost(page, data[at] >> 5);
		memcpy(&event.code, data + from, taken < 40 ? taken : 40);
		memcpy(event.section, data + from, taken);
		memcpy(event.words, data + from, taken);
		memset(event.subject, taken > 0 ? data[from] : 0, sizeof event.subject);
		tg_events_write(page, &event);
		tg_refused_look(log, page, &document, now, check_line);
		at = from + taken;
	}
	memcpy(&page->events, data, size < sizeof page->events ? size : sizeof page->events);
	for (int i = 0; i < 3; i++)
		tg_refused_look(log, page, &document, now += 1000, check_line);
	tg_refused_end(log, &document, check_line);
	if (log->reader.seen != atomic_load(&page->events.next))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % SUBJECT_COUNT) {
	case SUBJECT_DOCUMENT:
		try_document(data + 1, size - 1);
		break;
	case SUBJECT_POLICY_IMAGE:
		try_policy_image(data + 1, size - 1);
		break;
	case SUBJECT_EVENTS:
		try_events(data + 1, size - 1);
		break;
	default:
		try_report_image(data + 1, size - 1);
		break;
	}
	return 0;
}

/* A whole document with one of everything, behind the byte that names it. Returns its size, 0 where it does not fit. */
static size_t write_sample(uint8_t *data, size_t capacity)
{
	static const unsigned char bytes[] = "0123456789abcdef0123456789abcdef";
	static char text[] = "server";
	struct tg_span span = {bytes, 4};
	struct tg_pair pair = {.leaf = span, .chain = &span, .chain_count = 1, .key = span};
	struct tg_credentials credentials = {.pairs = &pair, .pair_count = 1};
	struct tg_trust trust = {.cas = &span, .ca_count = 1, .crls = &span, .crl_count = 1, .verify_depth = 8};
	struct tg_rule rules[] = {
	    {.kind = TG_RULE_DNS, .value = {bytes, 8}},
	    {.kind = TG_RULE_IP, .prefix_length = 8, .value = span},
	    {.kind = TG_RULE_SHA256, .value = {bytes, 32}},
	};
	struct tg_policy policy = {
	    .section = text, .mode = TG_MODE_MUTUAL, .rules = rules, .rule_count = 3, .ciphers = text};
	struct tg_address addresses[] = {{.family = 4, .port = 443}, {.family = 6, .port = 443}, {.any = true}};
	struct tg_name name = {.text = text};
	struct tg_route route = {.addresses = addresses,
				 .address_count = 3,
				 .names = &name,
				 .name_count = 1,
				 .plaintext = {.terminated = true, .handshake_timeout = 10}};
	char *exe = text;
	const struct tg_document sample = {
	    .exes = &exe,
	    .exe_count = 1,
	    .credentials = &credentials,
	    .credentials_count = 1,
	    .trusts = &trust,
	    .trust_count = 1,
	    .policies = &policy,
	    .policy_count = 1,
	    .routes = &route,
	    .route_count = 1,
	};
	unsigned char *encoded;
	size_t size;

	if (tg_document_encode(&sample, &encoded, &size))
		abort();
	if (size >= capacity)
		size = 0;
	else {
		data[0] = SUBJECT_DOCUMENT;
		memcpy(data + 1, encoded, size);
		size++;
	}
	free(encoded);
	return size;
}

/* Mutations of nothing begin with a good document: no random input would ever get past the magic number. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed)
{
	(void)seed;
	if (size < 8) {
		const size_t written = write_sample(data, capacity);

		if (written > 0)
			return written;
	}
	return LLVMFuzzerMutate(data, size, capacity);
}
