/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/report.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TREE "0123456789abcdef"

struct memory {
	int fd;
	struct tg_report_page *mapped;
	struct tg_report_page *keeper;
};

/* As an attached process does that was sent a descriptor of its own. */
static struct tg_report_page *map_attached(int fd)
{
	struct tg_report_page *page = NULL;
	const int shared = tg_report_share(fd);

	assert_true(shared >= 0);
	assert_int_equal(tg_report_map(shared, true, &page), 0);
	close(shared);
	return page;
}

static void memory_open(struct memory *memory)
{
	assert_int_equal(tg_report_create(TREE, &memory->fd), 0);
	memory->mapped = map_attached(memory->fd);
	assert_int_equal(tg_report_map(memory->fd, false, &memory->keeper), 0);
}

static void memory_close(struct memory *memory)
{
	tg_report_unmap(memory->mapped);
	tg_report_unmap(memory->keeper);
	close(memory->fd);
}

static void keeper_sees_what_attached_processes_write(void **state)
{
	const unsigned char address[16] = {127, 0, 0, 1, 99};
	struct tg_section_slot *server;
	const struct tg_section_slot *seen;
	struct memory memory;

	(void)state;
	memory_open(&memory);
	assert_int_equal(memory.keeper->magic, TG_REPORT_MAGIC);
	assert_int_equal(memory.keeper->layout, TG_LAYOUT);
	tg_report_request_reload(memory.mapped);
	tg_report_request_reload(memory.mapped);
	assert_int_equal(memory.keeper->reload_requests, 2);

	server = tg_report_section(memory.mapped, "server");
	assert_non_null(server);
	assert_ptr_equal(tg_report_section(memory.mapped, "server"), server);
	assert_ptr_not_equal(tg_report_section(memory.mapped, "serve"), server);
	tg_report_accepted(server, false);
	tg_report_accepted(server, true);
	tg_report_refused(memory.mapped, server, TG_REFUSED_EXPIRED);
	tg_report_refused(memory.mapped, server, (enum tg_refusal)77);
	tg_report_refused(memory.mapped, server, (enum tg_refusal) - 1);
	tg_report_refused(memory.mapped, server, TG_REFUSED_TIMEOUT);
	tg_report_aborted(server);
	seen = &memory.keeper->sections[0];
	assert_int_equal(seen->state, 2);
	assert_string_equal(seen->name, "server");
	assert_int_equal(seen->accepted, 2);
	assert_int_equal(seen->resumed, 1);
	assert_int_equal(seen->refused, 4);
	assert_int_equal(seen->refused_by[TG_REFUSED_EXPIRED], 1);
	assert_int_equal(seen->refused_by[TG_REFUSED_OTHER], 2);
	assert_int_equal(tg_report_refusals(memory.keeper, seen, TG_REFUSED_OTHER), 2);
	assert_int_equal(tg_report_refusals(memory.keeper, seen, TG_REFUSED_TIMEOUT), 1);
	assert_int_equal(tg_report_refusals(memory.keeper, NULL, TG_REFUSED_TIMEOUT), 0);
	assert_int_equal(seen->aborted, 1);

	/* What lies behind a v4 address does not make it another one. */
	tg_report_ungoverned(memory.mapped, 4, address, 8444);
	tg_report_ungoverned(memory.mapped, 4, (const unsigned char[16]){127, 0, 0, 1}, 8444);
	tg_report_ungoverned(memory.mapped, 4, address, 8445);
	tg_report_ungoverned(memory.mapped, 6, address, 8444);
	assert_int_equal(memory.keeper->ungoverned[0].handshakes, 2);
	assert_int_equal(memory.keeper->ungoverned[0].family, 4);
	assert_int_equal(memory.keeper->ungoverned[0].port, 8444);
	assert_int_equal(memory.keeper->ungoverned[0].address[0], 127);
	assert_int_equal(memory.keeper->ungoverned[1].handshakes, 1);
	assert_int_equal(memory.keeper->ungoverned[2].handshakes, 1);
	assert_int_equal(memory.keeper->ungoverned[3].state, 0);
	memory_close(&memory);
}

/* A client of the same machine, or of a network that is routed to it, may choose among many local addresses. */
static void no_port_fills_the_table(void **state)
{
	struct memory memory;
	uint64_t sum = 0;

	(void)state;
	memory_open(&memory);
	for (unsigned i = 1; i <= 250; i++)
		tg_report_ungoverned(memory.mapped, 4, (const unsigned char[16]){127, 0, 0, (unsigned char)i}, 8444);
	tg_report_ungoverned(memory.mapped, 4, (const unsigned char[16]){10, 0, 0, 1}, 8445);
	for (unsigned i = 0; i <= TG_UNGOVERNED_ALIKE; i++) {
		assert_int_equal(memory.keeper->ungoverned[i].port, 8444);
		sum += memory.keeper->ungoverned[i].handshakes;
	}
	assert_int_equal(sum, 250);
	assert_int_equal(memory.keeper->ungoverned[0].address[3], 1);
	assert_int_equal(memory.keeper->ungoverned[TG_UNGOVERNED_ALIKE].address[0], 0);
	assert_int_equal(memory.keeper->ungoverned[TG_UNGOVERNED_ALIKE + 1].port, 8445);
	memory_close(&memory);
}

static void plaintext_is_counted_beside_its_section(void **state)
{
	struct memory memory;
	const struct tg_section_slot *first, *second;
	const time_t begun = time(NULL);

	(void)state;
	memory_open(&memory);
	first = tg_report_section(memory.mapped, "server");
	second = tg_report_section(memory.mapped, "listener api");
	for (int event = 0; event < TG_PLAINTEXT_EVENT_COUNT; event++) {
		if (event == TG_PLAINTEXT_CLIENT)
			continue;
		for (int i = 0; i <= event; i++)
			tg_report_plaintext(memory.mapped, second, (enum tg_plaintext_event)event);
		assert_int_equal(memory.keeper->plaintext[1].counts[event], event + 1);
		assert_int_equal(memory.keeper->plaintext[0].counts[event], 0);
	}
	assert_int_equal(memory.keeper->plaintext[1].last_client, 0);
	tg_report_plaintext(memory.mapped, second, TG_PLAINTEXT_CLIENT);
	assert_int_equal(memory.keeper->plaintext[1].counts[TG_PLAINTEXT_CLIENT], 1);
	/* the coarse clock is some milliseconds behind */
	assert_in_range(memory.keeper->plaintext[1].last_client, begun - 1, time(NULL));
	assert_int_equal(memory.keeper->plaintext[0].last_client, 0);
	tg_report_plaintext(memory.mapped, first, TG_PLAINTEXT_CLOSED);
	assert_int_equal(memory.keeper->plaintext[0].counts[TG_PLAINTEXT_CLOSED], 1);
	tg_report_plaintext(memory.mapped, NULL, TG_PLAINTEXT_CLOSED);
	tg_report_alpn_unanswered(memory.mapped, second);
	tg_report_alpn_unanswered(memory.mapped, NULL);
	assert_int_equal(memory.keeper->alpn_unanswered[1], 1);
	assert_int_equal(memory.keeper->alpn_unanswered[0], 0);
	memory_close(&memory);
}

/* Of a keeper of the version before: what it has is shared, what it lacks can be counted and is not. */
static void the_page_before_is_mapped(void **state)
{
	const size_t size = (offsetof(struct tg_report_page, refusals) + TG_PAGE_SIZE - 1) / TG_PAGE_SIZE * TG_PAGE_SIZE;
	struct tg_report_page *mapped, *other;
	struct tg_section_slot *slot = NULL;
	int fd;

	(void)state;
	assert_true(size < sizeof *mapped);
	fd = memfd_create("before", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	mapped = map_attached(fd);
	other = map_attached(fd);
	for (unsigned int i = 0; i < TG_SECTION_SLOTS; i++) {
		char name[TG_SECTION_NAME_SIZE];

		snprintf(name, sizeof name, "listener %u", i);
		slot = tg_report_section(mapped, name);
		assert_non_null(slot);
	}
	tg_report_aborted(slot);
	assert_int_equal(other->sections[TG_SECTION_SLOTS - 1].aborted, 1);
	/* A reason that the page has no room for. */
	mapped->layout = TG_LAYOUT - 1;
	tg_report_refused(mapped, slot, TG_REFUSED_WEAK_KEY);
	assert_int_equal(other->sections[TG_SECTION_SLOTS - 1].refused_by[TG_REFUSED_OTHER], 1);
	mapped->layout = TG_LAYOUT;
	tg_report_refused(mapped, slot, TG_REFUSED_WEAK_KEY);
	assert_int_equal(tg_report_refusals(mapped, slot, TG_REFUSED_WEAK_KEY), 1);
	assert_int_equal(tg_report_refusals(other, &other->sections[TG_SECTION_SLOTS - 1], TG_REFUSED_WEAK_KEY), 0);
	tg_report_plaintext(mapped, slot, TG_PLAINTEXT_DIRECT);
	assert_int_equal(other->plaintext[TG_SECTION_SLOTS - 1].counts[TG_PLAINTEXT_DIRECT], 1);
	tg_report_alpn_unanswered(mapped, slot);
	assert_int_equal(mapped->alpn_unanswered[TG_SECTION_SLOTS - 1], 1);
	assert_int_equal(other->alpn_unanswered[TG_SECTION_SLOTS - 1], 0);
	assert_false(tg_report_abandoned(fd));
	tg_report_unmap(mapped);
	tg_report_unmap(other);
	assert_true(tg_report_abandoned(fd));
	close(fd);
}

static void processes_share_the_table(void **state)
{
	struct memory memory;

	(void)state;
	memory_open(&memory);
	tg_report_process(memory.mapped, 5000, 1);
	tg_report_process(memory.mapped, 5000, 2);
	assert_int_equal(memory.keeper->processes[5000 % TG_PROCESS_SLOTS].pid, 5000);
	assert_int_equal(memory.keeper->processes[5000 % TG_PROCESS_SLOTS].generation, 2);
	/* The same hash: its neighbours, also past the end of the table. */
	tg_report_process(memory.mapped, TG_PROCESS_SLOTS - 1, 3);
	tg_report_process(memory.mapped, 2 * TG_PROCESS_SLOTS - 1, 4);
	assert_int_equal(memory.keeper->processes[TG_PROCESS_SLOTS - 1].pid, TG_PROCESS_SLOTS - 1);
	assert_int_equal(memory.keeper->processes[0].pid, 2 * TG_PROCESS_SLOTS - 1);
	assert_int_equal(memory.keeper->processes[0].generation, 4);
	/* All neighbours taken: the first is taken over. */
	for (uint32_t i = 0; i < 9; i++)
		tg_report_process(memory.mapped, 100 + i * TG_PROCESS_SLOTS, 10 + i);
	assert_int_equal(memory.keeper->processes[100].pid, 100 + 8 * TG_PROCESS_SLOTS);
	assert_int_equal(memory.keeper->processes[100].generation, 18);
	assert_int_equal(memory.keeper->processes[107].pid, 100 + 7 * TG_PROCESS_SLOTS);
	assert_int_equal(memory.keeper->processes[108].pid, 0);
	memory_close(&memory);
}

static void full_tables_are_no_fault(void **state)
{
	struct memory memory;
	char name[32];

	(void)state;
	memory_open(&memory);
	for (unsigned int i = 0; i < TG_SECTION_SLOTS; i++) {
		(void)snprintf(name, sizeof name, "sni %u", i);
		assert_ptr_equal(tg_report_section(memory.mapped, name), &memory.mapped->sections[i]);
	}
	assert_null(tg_report_section(memory.mapped, "one too many"));
	assert_non_null(tg_report_section(memory.mapped, "sni 255"));
	tg_report_accepted(NULL, true);
	tg_report_refused(NULL, NULL, TG_REFUSED_OTHER);
	tg_report_aborted(NULL);
	for (uint16_t port = 1; port <= TG_UNGOVERNED_SLOTS + 1; port++)
		tg_report_ungoverned(memory.mapped, 0, NULL, port);
	assert_int_equal(memory.keeper->ungoverned[TG_UNGOVERNED_SLOTS - 1].port, TG_UNGOVERNED_SLOTS);
	memory_close(&memory);
}

static void long_names_are_cut(void **state)
{
	struct tg_section_slot *slot;
	struct memory memory;
	char name[2 * TG_SECTION_NAME_SIZE];

	(void)state;
	memory_open(&memory);
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	slot = tg_report_section(memory.mapped, name);
	assert_non_null(slot);
	assert_int_equal(strlen(slot->name), TG_SECTION_NAME_SIZE - 1);
	name[TG_SECTION_NAME_SIZE] = 'x';
	assert_ptr_equal(tg_report_section(memory.mapped, name), slot);
	memory_close(&memory);
}

/*
 * Every byte wild, and an inaccessible page right behind: whatever reads outside dies here.
 */
static void wild_values_stay_inside(void **state)
{
	static const unsigned char wild[] = {0xff, 0x01, 0x02, 0x80};
	const size_t page = TG_PAGE_SIZE, size = (sizeof(struct tg_report_page) + page - 1) / page * page;
	const unsigned char address[16] = {1};
	char name[TG_SECTION_NAME_SIZE + 1];
	unsigned char *map;

	(void)state;
	map = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + size, page, PROT_NONE), 0);
	for (size_t i = 0; i < sizeof wild; i++) {
		struct tg_report_page *const report = (struct tg_report_page *)(void *)map;
		struct tg_section_slot *slot;

		memset(map, wild[i], size);
		for (unsigned int j = 0; j < TG_SECTION_SLOTS; j++)
			report->sections[j].state = 2 - j % 2;
		for (unsigned int j = 0; j < TG_UNGOVERNED_SLOTS; j++)
			report->ungoverned[j].state = 2 - j % 2;
		memset(name, wild[i], sizeof name - 1);
		name[sizeof name - 1] = '\0';
		tg_report_request_reload(report);
		tg_report_process(report, UINT32_MAX, UINT64_MAX);
		slot = tg_report_section(report, name);
		assert_null(slot);
		assert_null(tg_report_section(report, "server"));
		tg_report_ungoverned(report, 4, address, 443);
		tg_report_ungoverned(report, 77, address, 443);
	}
	munmap(map, size + page);
}

static void *claim_sections(void *argument)
{
	struct tg_report_page *const page = argument;
	const unsigned char address[16] = {127, 0, 0, 1};
	char name[16];

	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof name, "sni %d", i % 50);
		tg_report_accepted(tg_report_section(page, name), i % 2);
		tg_report_ungoverned(page, 4, address, (uint16_t)(i % 20));
		tg_report_process(page, (uint32_t)(i % 30), 1);
	}
	return NULL;
}

/* Two slots of one name are allowed for (a claim that took long is skipped), a lost count is not. */
static void threads_lose_no_count(void **state)
{
	uint64_t accepted = 0, resumed = 0, ungoverned = 0;
	pthread_t threads[4];
	struct memory memory;

	(void)state;
	memory_open(&memory);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claim_sections, memory.mapped), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < TG_SECTION_SLOTS; i++) {
		accepted += memory.keeper->sections[i].accepted;
		resumed += memory.keeper->sections[i].resumed;
	}
	for (size_t i = 0; i < TG_UNGOVERNED_SLOTS; i++)
		ungoverned += memory.keeper->ungoverned[i].handshakes;
	assert_int_equal(accepted, 20000);
	assert_int_equal(resumed, 10000);
	assert_int_equal(ungoverned, 20000);
	memory_close(&memory);
}

static void keeper_mapping_stays_read_only(void **state)
{
	struct memory memory;

	(void)state;
	memory_open(&memory);
	assert_int_equal(mprotect(memory.keeper, TG_PAGE_SIZE, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(ftruncate(memory.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	memory_close(&memory);
}

static void abandoned_only_without_any_writer(void **state)
{
	int ready[2], leave[2], status;
	struct memory memory;
	char byte = 0;
	pid_t child;

	(void)state;
	memory_open(&memory);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
	assert_false(tg_report_abandoned(memory.fd));

	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(leave[1]);
		_exit(write(ready[1], "r", 1) == 1 && read(leave[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(leave[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	tg_report_unmap(memory.mapped);
	assert_false(tg_report_abandoned(memory.fd));
	close(leave[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	/* The keeper's own mapping does not count. */
	assert_true(tg_report_abandoned(memory.fd));
	assert_true(tg_report_abandoned(memory.fd));
	/* Nothing has been taken away by the question: who comes now may write. */
	memory.mapped = map_attached(memory.fd);
	assert_false(tg_report_abandoned(memory.fd));
	memory_close(&memory);
	/* A descriptor that an attached process has not closed yet counts, too. */
	assert_int_equal(tg_report_create(TREE, &memory.fd), 0);
	status = tg_report_share(memory.fd);
	assert_false(tg_report_abandoned(memory.fd));
	close(status);
	assert_true(tg_report_abandoned(memory.fd));
	close(memory.fd);
	close(ready[0]);
	close(ready[1]);
}

static void other_files_are_refused(void **state)
{
	struct tg_report_page *page = NULL;
	int fd;

	(void)state;
	fd = memfd_create("short", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(tg_report_map(fd, true, &page), -EPROTO);
	assert_int_equal(ftruncate(fd, sizeof(struct tg_report_page) - 1), 0);
	assert_int_equal(tg_report_map(fd, false, &page), -EPROTO);
	close(fd);
	assert_int_equal(tg_report_map(-1, false, &page), -EBADF);
	assert_int_equal(tg_report_create("no tree", &fd), -EINVAL);
	assert_null(page);
}

/* By a seal one attached process would keep the memory from all that come later. */
static void attached_processes_cannot_seal(void **state)
{
	static const int seals[] = {F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, F_SEAL_SEAL, F_SEAL_GROW, 0};
	struct memory memory;
	int shared;

	(void)state;
	memory_open(&memory);
	shared = tg_report_share(memory.fd);
	for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		assert_int_equal(fcntl(shared, F_ADD_SEALS, seals[i]), -1);
		assert_int_equal(errno, EPERM);
	}
	close(shared);
	tg_report_unmap(memory.mapped);
	memory.mapped = map_attached(memory.fd);
	memory_close(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeper_sees_what_attached_processes_write),
	    cmocka_unit_test(processes_share_the_table),
	    cmocka_unit_test(full_tables_are_no_fault),
	    cmocka_unit_test(long_names_are_cut),
	    cmocka_unit_test(wild_values_stay_inside),
	    cmocka_unit_test(threads_lose_no_count),
	    cmocka_unit_test(keeper_mapping_stays_read_only),
	    cmocka_unit_test(abandoned_only_without_any_writer),
	    cmocka_unit_test(attached_processes_cannot_seal),
	    cmocka_unit_test(other_files_are_refused),
	    cmocka_unit_test(the_page_before_is_mapped),
	    cmocka_unit_test(plaintext_is_counted_beside_its_section),
	    cmocka_unit_test(no_port_fills_the_table),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
