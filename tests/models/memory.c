/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the instrumented code calls (explore.h): its accesses to memory, atomic operations, locks and allocations.
 *
 * Two accesses that no chain of locks and acquire and release orders brings into an order are a race, by vector clocks, as
 * in ThreadSanitizer. What is allocated in a run is used once, so that whatever uses it after it was freed is found.
 */
#include "explore.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TABLE 131072
#define RECORDS 8
#define STORES 8
#define ARENA ((size_t)64 << 20)
#define UNIT 16
#define HELD 64
#define WIPED 64 /* bytes at the beginning of such a page */

struct clock {
	uint32_t of[MODEL_THREADS];
};

struct record {
	uint32_t clock;
	uint8_t thread, bytes; /* a bit for each */
	bool writes, atomic;
	const void *pc;
};

/* Eight bytes of memory, as far as they were used in this run. */
struct cell {
	uintptr_t key;
	unsigned run, count;
	struct record records[RECORDS];
};

struct store {
	uint64_t value;
	uint32_t clock;
	unsigned thread;
	struct clock released;
};

/* What is atomic, or a lock, in this run. */
struct location {
	uintptr_t key;
	unsigned run, count;
	unsigned seen[MODEL_THREADS];
	struct store stores[STORES]; /* the last ones */
	struct clock released;       /* a lock's */
	unsigned locked_by;          /* 1 + thread */
};

struct model_memory {
	unsigned run;
	struct clock clocks[MODEL_THREADS];
	struct cell cells[TABLE];
	struct location locations[TABLE];
	const volatile char *wiped; /* a page that is each process's own */
	unsigned processes[MODEL_THREADS];
	_Alignas(8) char copies[MODEL_THREADS][WIPED];
	struct location *held[HELD];
	size_t held_count;
	size_t used, allocated;
	uint8_t freed[ARENA / UNIT];
	_Alignas(4096) unsigned char arena[ARENA];
};

static struct model_memory *memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);

struct model_memory *model_memory_new(void)
{
	memory =
	    __real_mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		abort();
	return memory;
}

void model_memory_begin(void)
{
	memory->run++;
	memory->held_count = 0;
	memset(memory->freed, 0, memory->used / UNIT + 1);
	memory->used = memory->allocated = 0;
	memset(memory->processes, 0, sizeof(memory->processes));
	memset(memory->copies, 0, sizeof(memory->copies));
	memset(memory->clocks, 0, sizeof(memory->clocks));
	for (unsigned i = 0; i < MODEL_THREADS; i++)
		memory->clocks[i].of[i] = 1;
}

static void join(struct clock *clock, const struct clock *other)
{
	for (unsigned i = 0; i < MODEL_THREADS; i++)
		if (clock->of[i] < other->of[i])
			clock->of[i] = other->of[i];
}

void model_memory_fork(void)
{
	for (unsigned i = 1; i < MODEL_THREADS; i++)
		join(&memory->clocks[i], &memory->clocks[0]);
	memory->clocks[0].of[0]++;
}

void model_memory_join(void)
{
	for (unsigned i = 1; i < MODEL_THREADS; i++)
		join(&memory->clocks[0], &memory->clocks[i]);
}

static struct clock *own_clock(void)
{
	return &memory->clocks[model_self()];
}

/* Plain and atomic accesses. */

static struct cell *cell_of(uintptr_t key)
{
	size_t i = key * 2654435761u % TABLE;

	while (memory->cells[i].run == memory->run && memory->cells[i].key != key)
		i = (i + 1) % TABLE;
	struct cell *cell = &memory->cells[i];
	if (cell->run != memory->run) {
		cell->key = key;
		cell->run = memory->run;
		cell->count = 0;
	}
	return cell;
}

static bool conflict(const struct record *before, const struct record *now)
{
	return before->thread != now->thread && (before->bytes & now->bytes) != 0 && (before->writes || now->writes) &&
	       !(before->atomic && now->atomic) && before->clock > own_clock()->of[before->thread];
}

static void record(struct cell *cell, const struct record *now)
{
	struct record *location = NULL;

	for (unsigned i = 0; i < cell->count; i++) {
		struct record *before = &cell->records[i];
		if (conflict(before, now))
			model_fail("race: %p of thread %u at %p, and thread %u at %p", (void *)(cell->key * 8),
				   before->thread, before->pc, now->thread, now->pc);
		if (before->thread == now->thread && before->bytes == now->bytes && before->writes == now->writes &&
		    before->atomic == now->atomic)
			location = before;
	}
	if (location == NULL)
		location = cell->count < RECORDS ? &cell->records[cell->count++] : &cell->records[now->clock % RECORDS];
	*location = *now;
}

static bool is_in_arena(uintptr_t address)
{
	return address - (uintptr_t)memory->arena < ARENA;
}

static void access_bytes(uintptr_t address, size_t size, bool writes, bool atomic, const void *pc)
{
	if (!model_is_running() || model_is_on_stack(address))
		return;
	if (is_in_arena(address) && memory->freed[(address - (uintptr_t)memory->arena) / UNIT] != 0)
		model_fail("memory %p is used after it was freed, at %p", (void *)address, pc);
	for (const uintptr_t end = address + size; address < end;) {
		const unsigned from = address % 8, left = end - address < 8 - from ? (unsigned)(end - address) : 8 - from;
		const struct record now = {.clock = own_clock()->of[model_self()],
					   .thread = (uint8_t)model_self(),
					   .bytes = (uint8_t)(((1U << left) - 1) << from),
					   .writes = writes,
					   .atomic = atomic,
					   .pc = pc};
		record(cell_of(address / 8), &now);
		address += left;
	}
}

#define CALLER __builtin_return_address(0)
#define PLAIN(size)                                                                                                        \
	void __tsan_read##size(void *at);                                                                                  \
	void __tsan_write##size(void *at);                                                                                 \
	void __tsan_unaligned_read##size(void *at);                                                                        \
	void __tsan_unaligned_write##size(void *at);                                                                       \
	void __tsan_read##size(void *at)                                                                                   \
	{                                                                                                                  \
		access_bytes((uintptr_t)at, size, false, false, CALLER);                                                   \
	}                                                                                                                  \
	void __tsan_write##size(void *at)                                                                                  \
	{                                                                                                                  \
		access_bytes((uintptr_t)at, size, true, false, CALLER);                                                    \
	}                                                                                                                  \
	void __tsan_unaligned_read##size(void *at)                                                                         \
	{                                                                                                                  \
		access_bytes((uintptr_t)at, size, false, false, CALLER);                                                   \
	}                                                                                                                  \
	void __tsan_unaligned_write##size(void *at)                                                                        \
	{                                                                                                                  \
		access_bytes((uintptr_t)at, size, true, false, CALLER);                                                    \
	}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *at, size_t size)
{
	access_bytes((uintptr_t)at, size, false, false, CALLER);
}

void __tsan_write_range(void *at, size_t size)
{
	access_bytes((uintptr_t)at, size, true, false, CALLER);
}

/* Atomic operations. */

static struct location *location_of(uintptr_t key)
{
	size_t i = key * 2654435761u % TABLE;

	while (memory->locations[i].run == memory->run && memory->locations[i].key != key)
		i = (i + 1) % TABLE;
	struct location *location = &memory->locations[i];
	if (location->run != memory->run) {
		memset(location, 0, sizeof(*location));
		location->key = key;
		location->run = memory->run;
	}
	return location;
}

int __wrap_madvise(void *at, size_t size, int advice);
int __real_madvise(void *at, size_t size, int advice);

int __wrap_madvise(void *at, size_t size, int advice)
{
	if (advice == MADV_WIPEONFORK)
		memory->wiped = at;
	return __real_madvise(at, size, advice);
}

void model_fork(unsigned thread, unsigned process)
{
	memory->processes[thread] = process;
}

/* Where this process has what is at `at`. */
static void *own(const volatile void *at)
{
	const uintptr_t offset = (uintptr_t)at - (uintptr_t)memory->wiped;

	return memory->wiped != NULL && offset < WIPED && model_is_running()
		   ? memory->copies[memory->processes[model_self()]] + offset
		   : (void *)(uintptr_t)at;
}

static bool acquires(int order)
{
	return order == __ATOMIC_CONSUME || order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL ||
	       order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static struct location *atomic_location(const volatile void *at, uint64_t value)
{
	struct location *location = location_of((uintptr_t)at);

	if (location->count == 0)
		location->stores[location->count++] = (struct store){.value = value};
	return location;
}

static struct store *newest(struct location *location)
{
	return &location->stores[(location->count - 1) % STORES];
}

static bool comes_before_us(const struct store *store)
{
	return store->clock <= own_clock()->of[store->thread];
}

/* Which of the last stores a load may bring: none before one that comes before us, or that this thread has seen. */
static struct store *choose_store(struct location *location, int order)
{
	unsigned last = location->count - 1, first = last;

	if (order != __ATOMIC_SEQ_CST)
		while (first > location->seen[model_self()] && last - first + 1 < STORES && first > 0 &&
		       !comes_before_us(&location->stores[first % STORES]))
			first--;
	const unsigned taken = last - model_decide_late(last - first + 1);
	location->seen[model_self()] = taken;
	return &location->stores[taken % STORES];
}

static uint64_t load(const volatile void *at, uint64_t value, size_t size, int order, const void *pc)
{
	if (!model_is_running())
		return value;
	access_bytes((uintptr_t)at, size, false, true, pc);
	const struct store *store = choose_store(atomic_location(at, value), order);
	if (acquires(order))
		join(own_clock(), &store->released);
	return store->value;
}

/* `before`: what was there. `changes`: a store that follows a load of its own (read-modify-write). */
static void stored(const volatile void *at, uint64_t before, uint64_t value, size_t size, int order, bool changes,
		   const void *pc)
{
	if (!model_is_running())
		return;
	access_bytes((uintptr_t)at, size, true, true, pc);
	struct location *location = atomic_location(at, before);
	struct clock *clock = own_clock();
	struct store fresh = {.value = value, .thread = model_self(), .clock = clock->of[model_self()]};
	if (changes && acquires(order))
		join(clock, &newest(location)->released);
	if (changes)
		fresh.released = newest(location)->released;
	if (releases(order))
		join(&fresh.released, clock);
	location->seen[model_self()] = location->count;
	location->stores[location->count++ % STORES] = fresh;
	if (releases(order))
		clock->of[model_self()]++;
}

/* clang-format off */
#define CHANGE(bits, type, name, result)                                                                                   \
	type __tsan_atomic##bits##_##name(volatile type *at, type value, int order);                                       \
	type __tsan_atomic##bits##_##name(volatile type *at, type value, int order)                                        \
	{                                                                                                                  \
		at = own(at);                                                                                              \
		model_step_at((const void *)(uintptr_t)at, CALLER);                                                        \
		const type before = *at;                                                                                   \
		*at = (type)(result);                                                                                      \
		stored(at, before, *at, sizeof(type), order, true, CALLER);                                                \
		return before;                                                                                             \
	}
#define EXCHANGE(bits, type, strength)                                                                                     \
	int __tsan_atomic##bits##_compare_exchange_##strength(volatile type *at, type *expected, type value, int order,    \
							      int failed);                                                 \
	int __tsan_atomic##bits##_compare_exchange_##strength(volatile type *at, type *expected, type value, int order,    \
							      int failed)                                                  \
	{                                                                                                                  \
		at = own(at);                                                                                              \
		model_step_at((const void *)(uintptr_t)at, CALLER);                                                        \
		const type before = *at;                                                                                   \
		if (before != *expected) {                                                                                 \
			*expected = (type)load(at, before, sizeof(type), failed, CALLER);                                  \
			return 0;                                                                                          \
		}                                                                                                          \
		*at = value;                                                                                               \
		stored(at, before, value, sizeof(type), order, true, CALLER);                                              \
		return 1;                                                                                                  \
	}
#define ATOMIC(bits, type)                                                                                                 \
	type __tsan_atomic##bits##_load(const volatile type *at, int order);                                               \
	void __tsan_atomic##bits##_store(volatile type *at, type value, int order);                                        \
	type __tsan_atomic##bits##_load(const volatile type *at, int order)                                                \
	{                                                                                                                  \
		at = own(at);                                                                                              \
		model_step_at((const void *)(uintptr_t)at, CALLER);                                                        \
		return (type)load(at, *at, sizeof(type), order, CALLER);                                                   \
	}                                                                                                                  \
	void __tsan_atomic##bits##_store(volatile type *at, type value, int order)                                         \
	{                                                                                                                  \
		at = own(at);                                                                                              \
		model_step_at((const void *)(uintptr_t)at, CALLER);                                                        \
		const type before = *at;                                                                                   \
		*at = value;                                                                                               \
		stored(at, before, value, sizeof(type), order, false, CALLER);                                             \
	}                                                                                                                  \
	CHANGE(bits, type, exchange, value)                                                                                \
	CHANGE(bits, type, fetch_add, before + value)                                                                      \
	CHANGE(bits, type, fetch_sub, before - value)                                                                      \
	CHANGE(bits, type, fetch_and, before & value)                                                                      \
	CHANGE(bits, type, fetch_or, before | value)                                                                       \
	CHANGE(bits, type, fetch_xor, before ^ value)                                                                      \
	EXCHANGE(bits, type, strong)                                                                                       \
	EXCHANGE(bits, type, weak)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
/* clang-format on */

/* Locks. */

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static bool is_free(const void *arg)
{
	return ((const struct location *)arg)->locked_by == 0;
}

static void take(struct location *location)
{
	location->locked_by = 1 + model_self();
	join(own_clock(), &location->released);
	if (memory->held_count == HELD)
		model_fail("too many locks");
	memory->held[memory->held_count++] = location;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (!model_is_running())
		return __real_pthread_mutex_lock(mutex);
	access_bytes((uintptr_t)mutex, 1, false, true, CALLER);
	model_step_at(mutex, CALLER);
	struct location *location = location_of((uintptr_t)mutex);
	if (location->locked_by == 1 + model_self())
		model_fail("deadlock: the lock %p is this thread's already", (void *)mutex);
	model_wait(is_free, location);
	take(location);
	return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	if (!model_is_running())
		return __real_pthread_mutex_trylock(mutex);
	model_step_at(mutex, CALLER);
	struct location *location = location_of((uintptr_t)mutex);
	if (location->locked_by != 0)
		return EBUSY;
	take(location);
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (!model_is_running())
		return __real_pthread_mutex_unlock(mutex);
	access_bytes((uintptr_t)mutex, 1, false, true, CALLER);
	struct location *location = location_of((uintptr_t)mutex);
	if (location->locked_by != 1 + model_self())
		model_fail("the lock %p is not this thread's", (void *)mutex);
	location->locked_by = 0;
	location->released = *own_clock();
	own_clock()->of[model_self()]++;
	for (size_t i = 0; i < memory->held_count; i++)
		if (memory->held[i] == location)
			memory->held[i] = memory->held[--memory->held_count];
	return 0;
}

void model_check_fork(void)
{
	for (size_t i = 0; i < memory->held_count; i++)
		if (memory->held[i]->locked_by != 1 + model_self())
			model_fail("the child of a fork has the lock %p for ever", (void *)memory->held[i]->key);
}

bool model_is_lock_free(void)
{
	for (size_t i = 0; i < memory->held_count; i++)
		if (memory->held[i]->locked_by == 1 + model_self())
			return false;
	return true;
}

/* Allocations: each begins with its size, and is never used again in the same run. */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void __wrap_free(void *old);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);

static void *allocate(size_t size, size_t alignment)
{
	const size_t from = (memory->used + UNIT + alignment - 1) / alignment * alignment;

	if (from + size + UNIT > ARENA)
		model_fail("more memory than there is");
	memory->used = (from + size + UNIT - 1) / UNIT * UNIT;
	memory->allocated += size;
	memcpy(memory->arena + from - sizeof(size), &size, sizeof(size));
	return memset(memory->arena + from, 0, size);
}

static size_t size_of(const void *of)
{
	size_t size;

	memcpy(&size, (const unsigned char *)of - sizeof(size), sizeof(size));
	return size;
}

size_t model_allocated(void)
{
	return memory->allocated;
}

void *__wrap_malloc(size_t size)
{
	return model_is_running() ? allocate(size, UNIT) : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return model_is_running() ? allocate(count * size, UNIT) : __real_calloc(count, size);
}

void __wrap_free(void *old)
{
	if (old == NULL || memory == NULL || !is_in_arena((uintptr_t)old)) {
		__real_free(old);
		return;
	}
	const size_t size = size_of(old), from = (size_t)((unsigned char *)old - memory->arena) / UNIT;
	access_bytes((uintptr_t)old, size, true, false, CALLER);
	memory->allocated -= size;
	memset(memory->freed + from, 1, (size + UNIT - 1) / UNIT);
}

void *__wrap_realloc(void *old, size_t size)
{
	if (!model_is_running() || (old != NULL && !is_in_arena((uintptr_t)old)))
		return __real_realloc(old, size);
	void *fresh = allocate(size, UNIT);
	if (old != NULL)
		memcpy(fresh, old, size < size_of(old) ? size : size_of(old));
	__wrap_free(old);
	return fresh;
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return __wrap_realloc(old, count * size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (model_is_running() && (flags & MAP_ANONYMOUS) != 0)
		return allocate(size, 4096);
	return __real_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
	if (!is_in_arena((uintptr_t)at))
		return __real_munmap(at, size);
	__wrap_free(at);
	return 0;
}
