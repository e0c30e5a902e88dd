/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/publish.h"
#include "ipc/read.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TREE "0123456789abcdef"
#define CAPACITY 10000

struct memory {
	int fd;
	struct tg_policy_page page;
	const struct tg_policy_header *header;
	size_t size;
};

static void memory_open(struct memory *memory)
{
	assert_int_equal(tg_policy_create(TREE, CAPACITY, &memory->fd, &memory->page), 0);
	assert_int_equal(tg_policy_seal(memory->fd), 0);
	assert_int_equal(tg_policy_map(memory->fd, &memory->header, &memory->size), 0);
}

static void memory_close(struct memory *memory)
{
	tg_policy_unmap(memory->header, memory->size);
	munmap(memory->page.header, memory->page.size);
	close(memory->fd);
}

/* The smaps entry of the mapping at `address`, as text. */
static void smaps_entry(const void *address, char *ret, size_t size)
{
	FILE *const file = fopen("/proc/self/smaps", "re");
	char line[512], start[32];
	bool inside = false;
	size_t length = 0;

	assert_non_null(file);
	(void)snprintf(start, sizeof start, "%lx-", (unsigned long)(uintptr_t)address);
	while (fgets(line, sizeof line, file)) {
		if (strstr(line, "-") && strstr(line, " 00:"))
			inside = strncmp(line, start, strlen(start)) == 0;
		if (inside && length + strlen(line) < size) {
			memcpy(ret + length, line, strlen(line));
			length += strlen(line);
		}
	}
	ret[length] = '\0';
	assert_int_equal(fclose(file), 0);
}

static void published_bytes_come_back(void **state)
{
	static const unsigned char text[] = "thirteen byte";
	unsigned char *bytes = NULL;
	struct memory memory;
	uint64_t generation = 0;
	size_t size = 0;

	(void)state;
	memory_open(&memory);
	assert_int_equal(tg_policy_generation(memory.header), 0);
	assert_int_equal(tg_policy_copy(memory.header, memory.size, &bytes, &size, &generation), -ENODATA);
	assert_null(bytes);
	for (int64_t i = 1; i <= 5; i++) {
		assert_int_equal(tg_policy_publish(&memory.page, text, sizeof text - (size_t)i), i);
		assert_int_equal(tg_policy_generation(memory.header), i);
		assert_int_equal(tg_policy_copy(memory.header, memory.size, &bytes, &size, &generation), 0);
		assert_int_equal(generation, i);
		assert_int_equal(size, sizeof text - (size_t)i);
		assert_memory_equal(bytes, text, size);
		tg_cleanse_free(bytes, size);
	}
	memory_close(&memory);
}

static void what_does_not_fit_changes_nothing(void **state)
{
	unsigned char *bytes = NULL, *large;
	struct memory memory;
	uint64_t generation;
	size_t size = 0;

	(void)state;
	memory_open(&memory);
	assert_true(tg_policy_capacity(&memory.page) >= CAPACITY);
	large = calloc(1, tg_policy_capacity(&memory.page) + 1);
	assert_non_null(large);
	assert_int_equal(tg_policy_publish(&memory.page, (const unsigned char *)"first", 5), 1);
	assert_int_equal(tg_policy_publish(&memory.page, large, tg_policy_capacity(&memory.page) + 1), -E2BIG);
	assert_int_equal(tg_policy_publish(&memory.page, large, 0), -EINVAL);
	assert_int_equal(tg_policy_copy(memory.header, memory.size, &bytes, &size, &generation), 0);
	assert_int_equal(generation, 1);
	assert_int_equal(size, 5);
	assert_memory_equal(bytes, "first", 5);
	tg_cleanse_free(bytes, size);
	assert_int_equal(tg_policy_publish(&memory.page, large, tg_policy_capacity(&memory.page)), 2);
	free(large);
	memory_close(&memory);
}

/* The tree of what was published before is nowhere in the memory, also where the writer died while it published. */
static void old_keys_are_erased(void **state)
{
	static const unsigned char secret[] = "the key of the first generation, which is longer", next[] = "second";
	struct memory memory;
	unsigned char *slot;

	(void)state;
	memory_open(&memory);
	assert_int_equal(tg_policy_publish(&memory.page, secret, sizeof secret), 1);
	assert_non_null(memmem(memory.header, memory.size, secret, 8));
	assert_int_equal(tg_policy_publish(&memory.page, next, sizeof next), 2);
	assert_null(memmem(memory.header, memory.size, secret, 8));
	assert_null(memmem(memory.header, memory.size, "longer", 6));
	assert_int_equal(memory.header->slots[1].length, 0);

	/* A dead writer: its length and part of its bytes are in the slot that comes next. */
	slot = (unsigned char *)memory.page.header + TG_PAGE_SIZE + memory.page.header->slot_size;
	memory.page.header->slots[1].length = sizeof secret;
	memcpy(slot, secret, sizeof secret);
	assert_int_equal(tg_policy_publish(&memory.page, next, sizeof next), 3);
	assert_null(memmem(memory.header, memory.size, "longer", 6));
	memory_close(&memory);
}

static void sealed_memory_cannot_be_changed(void **state)
{
	struct tg_policy_page again;
	unsigned char *bytes = NULL;
	struct memory memory;
	uint64_t generation;
	size_t size;

	(void)state;
	memory_open(&memory);
	assert_int_equal(tg_policy_publish(&memory.page, (const unsigned char *)"before", 6), 1);
	assert_int_equal(mprotect((void *)(uintptr_t)memory.header, memory.size, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(ftruncate(memory.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(memory.fd, (off_t)memory.size * 2), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pwrite(memory.fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, TG_PAGE_SIZE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(memory.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(tg_policy_attach(memory.fd, &again), -EPERM);
	/* The writer's mapping is older than the seal. */
	assert_int_equal(tg_policy_publish(&memory.page, (const unsigned char *)"after", 5), 2);
	assert_int_equal(tg_policy_copy(memory.header, memory.size, &bytes, &size, &generation), 0);
	assert_int_equal(size, 5);
	assert_memory_equal(bytes, "after", 5);
	tg_cleanse_free(bytes, size);
	memory_close(&memory);
}

/* The worker's successor is forked by the guardian and publishes through the mapping that it inherits. */
static void attached_and_inherited_mappings_publish(void **state)
{
	struct tg_policy_page first, second;
	const struct tg_policy_header *header;
	size_t size;
	int fd, status;
	pid_t child;

	(void)state;
	assert_int_equal(tg_policy_create(TREE, 1, &fd, &first), 0);
	assert_int_equal(tg_policy_attach(fd, &second), 0);
	assert_int_equal(second.size, first.size);
	assert_int_equal(tg_policy_seal(fd), 0);
	assert_int_equal(tg_policy_map(fd, &header, &size), 0);
	munmap(first.header, first.size);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(tg_policy_publish(&second, (const unsigned char *)"child", 5) == 1 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(tg_policy_generation(header), 1);
	assert_int_equal(tg_policy_publish(&second, (const unsigned char *)"parent", 6), 2);
	tg_policy_unmap(header, size);
	munmap(second.header, second.size);
	close(fd);
}

static void every_mapping_stays_out_of_core_dumps(void **state)
{
	struct memory memory;
	char entry[4096];

	(void)state;
	memory_open(&memory);
	smaps_entry(memory.header, entry, sizeof entry);
	assert_non_null(strstr(entry, "tlsgraft-policy:" TREE));
	assert_non_null(strstr(entry, " dd"));
	smaps_entry(memory.page.header, entry, sizeof entry);
	assert_non_null(strstr(entry, "tlsgraft-policy:" TREE));
	assert_non_null(strstr(entry, " dd"));
	memory_close(&memory);
}

/* A keeper of the version before: its header ends before `recheck`, in a page that is zero from there on. */
static void the_layout_before_is_read(void **state)
{
	const struct tg_policy_header *header = NULL;
	struct tg_policy_page page;
	unsigned char *bytes = NULL;
	uint64_t generation = 0;
	size_t map_size = 0, size = 0;
	int fd;

	(void)state;
	assert_int_equal(tg_policy_create(TREE, 1, &fd, &page), 0);
	page.header->layout = TG_LAYOUT - 1;
	assert_int_equal(tg_policy_publish(&page, (const unsigned char *)"old", 3), 1);
	assert_int_equal(tg_policy_map(fd, &header, &map_size), 0);
	assert_int_equal(tg_policy_copy(header, map_size, &bytes, &size, &generation), 0);
	assert_int_equal(generation, 1);
	assert_int_equal(size, 3);
	assert_memory_equal(bytes, "old", 3);
	assert_int_equal(tg_policy_recheck_generation(header), 0);
	tg_cleanse_free(bytes, size);
	tg_policy_unmap(header, map_size);
	munmap(page.header, page.size);
	close(fd);
}

static void a_recheck_is_asked_for_by_generation(void **state)
{
	const struct tg_policy_header *header = NULL;
	struct tg_policy_page page;
	size_t map_size = 0;
	int fd;

	(void)state;
	assert_int_equal(tg_policy_create(TREE, 1, &fd, &page), 0);
	assert_int_equal(tg_policy_map(fd, &header, &map_size), 0);
	assert_int_equal(tg_policy_publish(&page, (const unsigned char *)"x", 1), 1);
	assert_int_equal(tg_policy_recheck_generation(header), 0);
	assert_int_equal(tg_policy_publish(&page, (const unsigned char *)"y", 1), 2);
	tg_policy_recheck(&page);
	tg_policy_recheck(&page);
	assert_int_equal(tg_policy_recheck_generation(header), 2);
	assert_int_equal(tg_policy_publish(&page, (const unsigned char *)"z", 1), 3);
	assert_int_equal(tg_policy_recheck_generation(header), 2);
	tg_policy_unmap(header, map_size);
	munmap(page.header, page.size);
	close(fd);
}

static void wrong_headers_are_refused(void **state)
{
	const struct tg_policy_header *header = NULL;
	struct tg_policy_page page;
	struct tg_policy_header *raw;
	unsigned char *bytes = NULL;
	uint64_t generation;
	size_t size = 0;
	int fd, null;

	(void)state;
	assert_int_equal(tg_policy_create(TREE, 1, &fd, &page), 0);
	raw = page.header;
	assert_int_equal(tg_policy_publish(&page, (const unsigned char *)"x", 1), 1);

	raw->magic ^= 1;
	assert_int_equal(tg_policy_map(fd, &header, &size), -EPROTO);
	assert_int_equal(tg_policy_attach(fd, &page), -EPROTO);
	raw->magic ^= 1;
	raw->layout = TG_LAYOUT + 1;
	assert_int_equal(tg_policy_map(fd, &header, &size), -EPROTO);
	raw->layout = TG_LAYOUT - 2;
	assert_int_equal(tg_policy_map(fd, &header, &size), -EPROTO);
	raw->layout = TG_LAYOUT;
	static const uint64_t sizes[] = {0, 1, TG_PAGE_SIZE + 1, 2 * TG_PAGE_SIZE, UINT64_C(1) << 63, UINT64_MAX};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		raw->slot_size = sizes[i];
		assert_int_equal(tg_policy_map(fd, &header, &size), -EPROTO);
		assert_int_equal(tg_policy_copy(raw, page.size, &bytes, &size, &generation), -EPROTO);
	}
	raw->slot_size = TG_PAGE_SIZE;
	raw->slots[1].length = TG_PAGE_SIZE + 1;
	assert_int_equal(tg_policy_copy(raw, page.size, &bytes, &size, &generation), -EPROTO);
	raw->slots[1].length = 0;
	assert_int_equal(tg_policy_copy(raw, page.size, &bytes, &size, &generation), -EPROTO);
	assert_null(bytes);
	assert_null(header);

	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(null >= 0);
	assert_int_equal(tg_policy_map(null, &header, &size), -EPROTO);
	assert_int_equal(tg_policy_map(-1, &header, &size), -EBADF);
	close(null);
	munmap(raw, page.size);
	close(fd);
}

static void wrong_tree_names_are_refused(void **state)
{
	static const char *const trees[] = {"", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF",
					    "../3456789abcdef"};
	struct tg_policy_page page;
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
		assert_int_equal(tg_policy_create(trees[i], 1, &fd, &page), -EINVAL);
	assert_int_equal(tg_policy_create(TREE, SIZE_MAX, &fd, &page), -E2BIG);
	assert_int_equal(fd, -1);
}

/*
 * Writer and reader at once, through two mappings. A document is one value repeated, of a length that belongs to the
 * value: a torn copy shows two values or a wrong length.
 */
#define GENERATIONS_SEEN 1000

struct publisher {
	struct tg_policy_page *page;
	_Atomic bool stop;
	int64_t published;
};

static unsigned char value_of(uint64_t generation)
{
	return (unsigned char)(1 + generation % 255);
}

static size_t length_of(uint64_t generation)
{
	return 1 + generation * 31 % 8000;
}

static void *publish_many(void *argument)
{
	struct publisher *const publisher = argument;
	unsigned char bytes[8000];

	while (!publisher->stop) {
		const uint64_t next = (uint64_t)publisher->published + 1;

		memset(bytes, value_of(next), length_of(next));
		publisher->published = tg_policy_publish(publisher->page, bytes, length_of(next));
		if (publisher->published < 0)
			return NULL;
	}
	return publisher;
}

static void a_copy_is_never_torn(void **state)
{
	struct publisher publisher = {0};
	struct memory memory;
	pthread_t writer;
	void *result = NULL;
	uint64_t last = 0;

	(void)state;
	memory_open(&memory);
	publisher.page = &memory.page;
	assert_int_equal(pthread_create(&writer, NULL, publish_many, &publisher), 0);
	for (int seen = 0; seen < GENERATIONS_SEEN;) {
		unsigned char *bytes = NULL;
		uint64_t generation = 0;
		size_t size = 0;
		const int error = tg_policy_copy(memory.header, memory.size, &bytes, &size, &generation);

		if (error) {
			assert_true(error == -EAGAIN || error == -ENODATA);
			continue;
		}
		assert_true(generation >= last);
		assert_int_equal(size, length_of(generation));
		for (size_t i = 0; i < size; i++)
			if (bytes[i] != value_of(generation))
				fail_msg("torn copy of generation %lu at byte %zu", (unsigned long)generation, i);
		tg_cleanse_free(bytes, size);
		seen += generation != last;
		last = generation;
	}
	publisher.stop = true;
	assert_int_equal(pthread_join(writer, &result), 0);
	assert_ptr_equal(result, &publisher);
	memory_close(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_bytes_come_back),
	    cmocka_unit_test(what_does_not_fit_changes_nothing),
	    cmocka_unit_test(old_keys_are_erased),
	    cmocka_unit_test(sealed_memory_cannot_be_changed),
	    cmocka_unit_test(attached_and_inherited_mappings_publish),
	    cmocka_unit_test(every_mapping_stays_out_of_core_dumps),
	    cmocka_unit_test(the_layout_before_is_read),
	    cmocka_unit_test(a_recheck_is_asked_for_by_generation),
	    cmocka_unit_test(wrong_headers_are_refused),
	    cmocka_unit_test(wrong_tree_names_are_refused),
	    cmocka_unit_test(a_copy_is_never_torn),
	};

	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
