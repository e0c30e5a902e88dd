/* SPDX-License-Identifier: Apache-2.0 */
/* The table beside OpenSSL's objects: threads that make, find and take out entries while it grows, and one that visits all.
 */
#include "shim/policy/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 20000
#define THREADS 4
#define OBJECTS 512 /* of each thread, the only one that takes one out */

struct known {
	struct tg_entry entry;
	atomic_uint visits;
	unsigned owner;
};

static struct tg_table table = TG_TABLE_INITIALIZER(struct known, CONTEXT);
static char objects[THREADS][OBJECTS];
static atomic_bool over;

static void visit(struct tg_entry *entry, void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&((struct known *)entry)->visits, 1, memory_order_relaxed);
}

static void *visit_all(void *unused)
{
	while (!atomic_load(&over))
		tg_table_each(&table, visit, NULL);
	return unused;
}

/* With an object of its own a thread finds what it left there, whatever the others do. */
static void *use(void *arg)
{
	const unsigned owner = (unsigned)(uintptr_t)arg;
	unsigned wrong = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *object = &objects[owner][i * 7 % OBJECTS];
		struct known *known = tg_table_find(&table, object);
		if (known == NULL) {
			known = tg_table_get(&table, object);
			wrong += known->owner != 0;
			known->owner = owner + 1;
		} else {
			wrong += known->owner != owner + 1;
			tg_table_with(&table, object, visit, NULL);
			if (i % 3 != 0)
				free(tg_table_take(&table, object));
		}
	}
	return (void *)(uintptr_t)wrong;
}

static void each_finds_its_own(void **state)
{
	pthread_t threads[THREADS], visitor;
	void *wrong;
	(void)state;

	assert_int_equal(pthread_create(&visitor, NULL, visit_all, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, (void *)i), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	atomic_store(&over, true);
	pthread_join(visitor, NULL);
	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < OBJECTS; k++)
			free(tg_table_take(&table, &objects[i][k]));
	for (int i = 0; i < TG_TABLE_SHARDS; i++) {
		assert_int_equal(table.shards[i].entry_count, 0);
		free(table.shards[i].buckets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_finds_its_own)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
