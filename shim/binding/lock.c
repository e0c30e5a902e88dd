/* SPDX-License-Identifier: Apache-2.0 */
/* What a build with TLSGRAFT_LOCK_ORDER adds. */
#include "shim/binding/lock.h"

#ifdef TLSGRAFT_LOCK_ORDER

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define NOTHING 0
#define CRYPTO 1
#define ONE 1
#define SOME 0

static const struct {
	const char *name;
	bool may_call;
	bool is_one; /* held by whoever holds all */
} ranks[] = {
#define TG_LOCK(name, calls, number, text) {#name, calls, number},
#include "shim/binding/locks.def"
#undef TG_LOCK
};

static _Thread_local unsigned held[TG_RANKS] __attribute__((tls_model("initial-exec")));
static _Thread_local bool forks __attribute__((tls_model("initial-exec")));

/* By the kernel's own numbers, past every hook. */
static long call(long number, long a, const void *b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

static void write_text(long fd, const char *text)
{
	if (fd >= 0)
		call(SYS_write, fd, text, (long)strlen(text));
}

static void report(const char *what, const char *name) __attribute__((noreturn));
static void report(const char *what, const char *name)
{
	char text[512];
	int size = snprintf(text, sizeof(text), "tlsgraft: lock order: %s %s, holding", what, name);

	for (size_t i = 0; i < TG_RANKS; i++)
		if (held[i] > 0 && size < (int)sizeof(text) - 40)
			size += snprintf(text + size, sizeof(text) - (size_t)size, " %s", ranks[i].name);
	strcpy(text + size, "\n");
	write_text(2, text);
	write_text(call(SYS_openat, AT_FDCWD, TLSGRAFT_LOCK_REPORTS, O_WRONLY | O_APPEND | O_CLOEXEC), text);
	abort();
}

static void note(enum tg_rank rank)
{
	held[rank]++;
}

void tg_lock_note_take(enum tg_rank rank, bool one_more)
{
	for (size_t i = one_more ? rank + 1 : rank; i < TG_RANKS; i++)
		if (held[i] > 0)
			report("takes", ranks[rank].name);
	note(rank);
}

void tg_lock_note_tried(enum tg_rank rank)
{
	note(rank);
}

void tg_lock_note_release(enum tg_rank rank)
{
	if (held[rank] == 0)
		report("releases what it does not hold:", ranks[rank].name);
	held[rank]--;
}

void tg_lock_check_call(void)
{
	for (size_t i = 0; i < TG_RANKS && !forks; i++)
		if (held[i] > 0 && !ranks[i].may_call)
			report("calls", "libssl");
}

void tg_lock_check_wait(void)
{
	for (size_t i = 0; i < TG_RANKS; i++)
		if (held[i] > 0)
			report("waits for", "whatever it is");
}

void tg_lock_fork_begin(void)
{
	forks = true;
}

void tg_lock_check_all(void)
{
	for (size_t i = 0; i < TG_RANKS; i++)
		if (held[i] == 0 && ranks[i].is_one)
			report("forks without", ranks[i].name);
}

void tg_lock_fork_end(void)
{
	forks = false;
}

/* For the proof that a report is seen: the library's own, before main. */
__attribute__((constructor)) static void plant(void)
{
	if (getenv("TLSGRAFT_LOCK_PLANT") == NULL)
		return;
	static struct tg_lock first = TG_LOCK_INITIALIZER(DESCRIPTORS), second = TG_LOCK_INITIALIZER(STREAM);
	tg_lock_take(&second);
	tg_lock_take(&first);
}

#endif
