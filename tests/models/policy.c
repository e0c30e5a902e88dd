/* SPDX-License-Identifier: Apache-2.0 */
/* The published memory: one writer, and readers that copy a generation while the next ones are written. */
#include "explore.h"

#include "ipc/calls.h"
#include "ipc/layout.h"
#include "ipc/publish.h"
#include "ipc/read.h"
#include "ipc/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 2

static _Alignas(TG_PAGE_SIZE) unsigned char memory[3 * TG_PAGE_SIZE];
static struct tg_policy_page page = {.header = (struct tg_policy_header *)(void *)memory, .size = sizeof(memory)};

void prepare(void)
{
	page.header->magic = TG_POLICY_MAGIC;
	page.header->layout = TG_LAYOUT;
	page.header->slot_size = TG_PAGE_SIZE;
}

/* A generation that says its number again and again. */
static void publish(uint64_t number)
{
	uint64_t words[WORDS];

	for (size_t i = 0; i < WORDS; i++)
		words[i] = number;
	model_check(tg_policy_publish(&page, (const unsigned char *)words, sizeof(words)) == (int64_t)number,
		    "another generation");
}

static void one_generation(void)
{
	publish(1);
}

static void publish_next(void)
{
	publish(2);
}

static void publish_two(void)
{
	publish(2);
	publish(3);
}

static void copy(void)
{
	unsigned char *bytes;
	uint64_t words[WORDS], number;
	size_t size;
	const int r = tg_policy_copy(page.header, page.size, &bytes, &size, &number);

	model_check(r == 0 || r == -EAGAIN, "a copy fails");
	if (r != 0)
		return;
	model_check(size == sizeof(words), "a length of another generation");
	memcpy(words, bytes, sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		model_check(words[i] == number, "a torn copy: its words are of different generations");
	tg_cleanse_free(bytes, size);
}

/* What was replaced is erased: keys were in it. */
static void last_is_erased(void)
{
	const uint64_t last = tg_policy_generation(page.header);
	const unsigned char *slot = memory + TG_PAGE_SIZE * (1 + ((last - 1) & 1));

	for (size_t i = 0; i < WORDS * sizeof(uint64_t); i++)
		model_check(slot[i] == 0, "a generation is still there");
}

/* What makes the memory is not part of this. */

int tg_tree_memfd(const char *name, const char *tree, size_t size)
{
	(void)name, (void)tree, (void)size;
	return -ENOSYS;
}

int tg_call_close(int fd)
{
	(void)fd;
	return 0;
}

int tg_call_add_seals(int fd, int seals)
{
	(void)fd, (void)seals;
	return 0;
}

const struct scenario scenarios[] = {
    {"copied while published", one_generation, {copy, publish_next}, last_is_erased, 4, true},
    {"copied while published twice", one_generation, {copy, publish_two}, last_is_erased, 3, true},
    {NULL, NULL, {NULL}, NULL, 0, false},
};
