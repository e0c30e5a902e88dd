/* SPDX-License-Identifier: Apache-2.0 */
#include "explore.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DECISIONS 100000
#define STEPS 100000    /* of a run: more is taken for a loop that never ends */
#define TURN_STEPS 2000 /* of a thread that waits for another in a loop, before that one comes */
#define STACK_SIZE ((size_t)256 * 1024)
#define OBJECTS 65536

struct decision {
	unsigned count, taken;
};

struct step {
	unsigned thread;
	const void *pc;
};

/* Which threads made a step at it. */
struct object {
	const void *address;
	unsigned threads;
	bool shared; /* by more than one, as far as earlier passes have seen: only there is anybody preempted */
};

/* Outside of the program's static memory, which is put back before each run. */
struct engine {
	const struct scenario *scenario;
	pthread_t threads[MODEL_THREADS];
	sem_t turns[MODEL_THREADS], over;
	unsigned self, count; /* whose turn it is; how many there are */
	bool running;
	bool (*waits[MODEL_THREADS])(const void *);
	const void *wait_args[MODEL_THREADS];
	bool done[MODEL_THREADS];
	unsigned preemptions, bound, turn_steps;
	struct decision decisions[DECISIONS];
	size_t decided, depth;
	struct step steps[STEPS];
	size_t step_count;
	struct object objects[OBJECTS];
	bool found_objects;
	unsigned long runs;
	unsigned long long all_steps;
	char *stacks, *copy;
	size_t copy_size;
};

static struct engine *engine;
extern char __data_start[], _end[];

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

unsigned model_self(void)
{
	return engine->self;
}

bool model_is_running(void)
{
	return engine != NULL && engine->running;
}

bool model_is_on_stack(uintptr_t address)
{
	return address - (uintptr_t)engine->stacks < STACK_SIZE * MODEL_THREADS;
}

/* Where each thread was when another one came. */
static void print_steps(void)
{
	char command[16384];
	int size = snprintf(command, sizeof(command), "addr2line -a -p -f -s -e /proc/%d/exe", getpid());

	for (size_t i = 0; i < engine->step_count; i++) {
		const struct step *step = &engine->steps[i];
		const bool ends = i + 1 == engine->step_count || step[1].thread != step->thread;
		if (!ends && i > 0 && step[-1].thread == step->thread)
			continue;
		printf("  thread %u, step %zu, %p\n", step->thread, i, step->pc);
		if (size + 32 < (int)sizeof(command))
			size += snprintf(command + size, sizeof(command) - (size_t)size, " %p", step->pc);
	}
	fflush(stdout);
	if (system(command) != 0) /* NOLINT(cert-env33-c): for who reads a failed test */
		puts("  (without addr2line)");
}

void model_fail(const char *format, ...)
{
	va_list arguments;

	printf("found after %lu schedules, %u preemptions: ", engine->runs + 1, engine->preemptions);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	puts("");
	print_steps();
	fflush(stdout);
	_exit(1);
}

unsigned model_decide(unsigned count)
{
	struct decision *decision = &engine->decisions[engine->depth];

	if (count < 2)
		return 0;
	if (engine->depth == DECISIONS)
		model_fail("too many decisions");
	if (engine->depth == engine->decided)
		engine->decisions[engine->decided++] = (struct decision){.count = count};
	else if (decision->count != count)
		model_fail("the same decisions lead to something else");
	engine->depth++;
	return decision->taken;
}

unsigned model_decide_late(unsigned count)
{
	if (!engine->scenario->reads_late || engine->self == 0 || engine->preemptions == engine->bound)
		return 0;
	const unsigned taken = model_decide(count);
	engine->preemptions += taken > 0;
	return taken;
}

unsigned model_choose(unsigned count)
{
	return model_decide(count);
}

static bool can_run(unsigned thread)
{
	return !engine->done[thread] && (engine->waits[thread] == NULL || engine->waits[thread](engine->wait_args[thread]));
}

/* Others than this one, in the order of their numbers. */
static unsigned list_others(unsigned *ret)
{
	unsigned count = 0;

	for (unsigned i = 1; i <= engine->count; i++)
		if (i != engine->self && can_run(i))
			ret[count++] = i;
	return count;
}

static void give_turn(unsigned to)
{
	const unsigned self = engine->self;
	const int saved = errno;

	engine->self = to;
	engine->turn_steps = 0;
	sem_post(&engine->turns[to]);
	while (sem_wait(&engine->turns[self]) != 0)
		;
	errno = saved;
}

static struct object *object_of(const void *address)
{
	size_t i = (uintptr_t)address / 4 * 2654435761u % OBJECTS;

	while (engine->objects[i].address != NULL && engine->objects[i].address != address)
		i = (i + 1) % OBJECTS;
	engine->objects[i].address = address;
	return &engine->objects[i];
}

static void preempt(bool for_nothing)
{
	unsigned others[MODEL_THREADS], count = list_others(others);

	if (count == 0 || (!for_nothing && engine->preemptions == engine->bound))
		return;
	const unsigned taken = model_decide(for_nothing ? count : count + 1);
	if (!for_nothing && taken == 0)
		return;
	engine->preemptions += !for_nothing;
	give_turn(others[for_nothing ? taken : taken - 1]);
}

void model_step_at(const void *object, const void *pc)
{
	if (!engine->running || engine->self == 0)
		return;
	if (engine->step_count == STEPS)
		model_fail("it never ends");
	engine->steps[engine->step_count++] = (struct step){engine->self, pc};
	struct object *known = object_of(object);
	const unsigned before = known->threads;
	known->threads |= 1U << engine->self;
	if (before != known->threads && before != 0 && !known->shared)
		engine->found_objects = true;
	if (known->shared)
		preempt(false);
	if (++engine->turn_steps > TURN_STEPS)
		preempt(true);
}

void model_step(const void *object)
{
	model_step_at(object, __builtin_return_address(0));
}

/* Whoever can goes on. */
static void pass_turn(void)
{
	unsigned others[MODEL_THREADS], count = list_others(others);

	if (count == 0)
		model_fail("deadlock: no thread can go on");
	give_turn(others[model_decide(count)]);
}

void model_wait(bool (*ready)(const void *), const void *arg)
{
	if (engine == NULL || !engine->running || ready(arg))
		return;
	if (engine->self == 0)
		model_fail("who sets up or checks would wait for ever");
	const unsigned self = engine->self;
	engine->waits[self] = ready;
	engine->wait_args[self] = arg;
	while (!ready(arg))
		pass_turn();
	engine->waits[self] = NULL;
}

static bool all_done(void)
{
	for (unsigned i = 1; i <= engine->count; i++)
		if (!engine->done[i])
			return false;
	return true;
}

static void *run_thread(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;

	for (;;) {
		while (sem_wait(&engine->turns[self]) != 0)
			;
		engine->scenario->threads[self - 1]();
		engine->done[self] = true;
		if (all_done()) {
			sem_post(&engine->over);
			continue;
		}
		unsigned others[MODEL_THREADS], count = list_others(others);
		if (count == 0)
			model_fail("deadlock: no thread can go on");
		const unsigned next = others[model_decide(count)];
		engine->self = next;
		engine->turn_steps = 0;
		sem_post(&engine->turns[next]);
	}
	return NULL;
}

static void start_threads(void)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	sem_init(&engine->over, 0, 0);
	for (unsigned i = 1; i < MODEL_THREADS; i++) {
		sem_init(&engine->turns[i], 0, 0);
		pthread_attr_setstack(&attributes, engine->stacks + STACK_SIZE * i, STACK_SIZE);
		if (pthread_create(&engine->threads[i], &attributes, run_thread, (void *)(uintptr_t)i) != 0)
			abort();
	}
	pthread_attr_destroy(&attributes);
}

static void run_once(void)
{
	memcpy(__data_start, engine->copy, engine->copy_size);
	model_memory_begin();
	engine->depth = engine->step_count = 0;
	engine->preemptions = engine->turn_steps = 0;
	engine->self = 0;
	memset(engine->done, 0, sizeof(engine->done));
	engine->running = true;
	engine->scenario->set_up();
	model_memory_fork();
	engine->self = 1 + model_decide(engine->count);
	sem_post(&engine->turns[engine->self]);
	while (sem_wait(&engine->over) != 0)
		;
	engine->self = 0;
	model_memory_join();
	if (engine->scenario->check != NULL)
		engine->scenario->check();
	engine->running = false;
	engine->runs++;
	engine->all_steps += engine->step_count;
}

/* The next run's decisions. False: there is none. */
static bool go_back(void)
{
	while (engine->decided > 0) {
		struct decision *last = &engine->decisions[engine->decided - 1];
		if (++last->taken < last->count)
			return true;
		engine->decided--;
	}
	return false;
}

/* True where it came upon objects that are shared after all: then it is done again. */
static bool pass(unsigned bound)
{
	for (size_t i = 0; i < OBJECTS; i++)
		engine->objects[i].shared = (engine->objects[i].threads & (engine->objects[i].threads - 1)) != 0;
	engine->found_objects = false;
	engine->bound = bound;
	engine->decided = 0;
	engine->runs = 0;
	do
		run_once();
	while (go_back());
	return engine->found_objects;
}

static void explore(void)
{
	unsigned bound = 0;

	while (bound <= engine->scenario->preemptions)
		if (!pass(bound))
			bound++;
	printf("none in %lu schedules of up to %u preemptions, %llu steps\n", engine->runs, engine->scenario->preemptions,
	       engine->all_steps);
}

static const struct scenario *find(const char *name)
{
	const struct scenario *scenario = scenarios;

	while (scenario->name != NULL && strcmp(scenario->name, name) != 0)
		scenario++;
	return scenario->name == NULL ? NULL : scenario;
}

int main(int argc, char **argv)
{
	cpu_set_t one;

	if (argc != 2) {
		for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
			puts(scenario->name);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	engine = map(sizeof(*engine));
	engine->scenario = find(argv[1]);
	if (engine->scenario == NULL) {
		fprintf(stderr, "no such scenario: %s\n", argv[1]);
		return 64;
	}
	while (engine->count < MODEL_THREADS - 1 && engine->scenario->threads[engine->count] != NULL)
		engine->count++;
	/* One at a time: on one processor a turn is given more quickly. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	engine->stacks = map(STACK_SIZE * MODEL_THREADS);
	model_memory_new();
	start_threads();
	prepare();
	engine->copy_size = (size_t)((uintptr_t)_end - (uintptr_t)__data_start);
	engine->copy = map(engine->copy_size);
	memcpy(engine->copy, __data_start, engine->copy_size);
	explore();
	return 0;
}
